"""Errors as clients see them: a status and an OperationOutcome, without patient data and without a trace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# FHIR IssueType codes (http://hl7.org/fhir/R4/valueset-issue-type.html) by status.
_ISSUE = {
    400: "invalid",
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    413: "too-long",
    415: "not-supported",
    429: "throttled",
    500: "exception",
    503: "transient",
}


@dataclass(frozen=True)
class Problem(Exception):
    """A request that gets an error answer."""

    status: int
    message: str
    headers: tuple[tuple[str, str], ...] = ()

    def outcome(self) -> dict[str, Any]:
        return outcome(self.status, self.message)


def bad_request(message: str) -> Problem:
    return Problem(400, message)


def outcome(status: int, *messages: str) -> dict[str, Any]:
    """An OperationOutcome with one issue for each message."""
    severity = "fatal" if status >= 500 else "error" if status >= 400 else "warning"
    return {
        "resourceType": "OperationOutcome",
        "issue": [
            {"severity": severity, "code": _ISSUE.get(status, "processing"), "diagnostics": message}
            for message in messages
        ],
    }
