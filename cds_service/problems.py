"""Errors as clients see them: a status and an OperationOutcome, without patient data and without a trace.

Every status of an error that the application answers is chosen here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
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
# Seconds until it is worth while to come back: to what is busy, and to a store that has failed.
SOON = 5
LATER = 30


@dataclass(frozen=True)
class Problem(Exception):
    """A request that gets an error answer; the functions of this module make one."""

    status: int
    message: str
    headers: tuple[tuple[str, str], ...] = ()
    more: tuple[str, ...] = ()
    """What else is wrong with the request."""

    def outcome(self) -> dict[str, Any]:
        return outcome(self.status, self.message, *self.more)


def bad_request(message: str, *more: str) -> Problem:
    return Problem(400, message, more=more)


def unauthenticated(message: str, challenge: str) -> Problem:
    """``challenge`` tells how to authenticate (RFC 9110, section 11.6.1)."""
    return Problem(401, message, (("WWW-Authenticate", challenge),))


def forbidden(message: str) -> Problem:
    return Problem(403, message)


def not_found(message: str) -> Problem:
    return Problem(404, message)


def nothing_here() -> Problem:
    return not_found("There is nothing at this address; GET /cds-services lists the services.")


def no_such_service() -> Problem:
    return not_found("There is no such service; GET /cds-services lists them.")


def other_method(allowed: Iterable[str]) -> Problem:
    return Problem(405, "This address does not answer that method.", (("Allow", ", ".join(allowed)),))


def too_large(message: str) -> Problem:
    return Problem(413, message)


def other_media(message: str) -> Problem:
    return Problem(415, message)


def too_many_calls(wait: float) -> Problem:
    """``wait`` is in seconds; whole ones are told."""
    return Problem(429, "There are too many calls; call again later.", (retry_after(math.ceil(wait)),))


def failed() -> Problem:
    return Problem(500, "The service failed to answer; the fault has been recorded.")


def unavailable(message: str, seconds: int) -> Problem:
    """What cannot be done now, and after how many seconds it may be."""
    return Problem(503, message, (retry_after(seconds),))


def refused_by_flask(status: int, name: str) -> Problem:
    """What Flask refuses for a reason that has no words here."""
    return Problem(status, name)


def retry_after(seconds: int) -> tuple[str, str]:
    """The header that tells when to come back."""
    return "Retry-After", str(seconds)


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
