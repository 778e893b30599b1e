"""One line of JSON for each request, by allow-list: never anything of a patient."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable
from typing import Any

from cds_service import metrics
from cds_service.account import Told
from cds_service.visit import Endpoint, Visit

log = logging.getLogger("cds_service.request")

FIELDS = {
    "request": "a UUID, in the answer's `X-Request-Id` too; the one a proxy sent, if it sent a UUID",
    "method": "`GET`, `POST`, `OPTIONS`, `HEAD` or `other`",
    "route": "the route that matched, with its placeholders; `none`",
    "status": "the HTTP status",
    "ms": "milliseconds from the arrival of the request to the answer",
    "client": "the client's name: the issuer of its token, `open`, or `unknown` where nobody was asked or is refused",
    "jwt": "why a token was refused, by a code; `memory`: used tokens could not be remembered",
    "service": "the service that was called",
    "problem": "why the request was refused, as the client was told",
    "passed_over": "members of the request that were passed over, by name",
    "orders": "for each order judged: `verdict`, `procedures`, `variants`, and `category`, `reason` or `missing`",
    "cards": "the indicators of the cards",
    "shadow": "true: the cards were held back",
    "delivered": "the prefetch keys that arrived complete",
    "gaps": "how much of the chart could not be read",
    "feedback": "how many items were usable (`items`), `unusable`, and newly `stored`; `store`: why they were not",
}
"""Every field a line can have, with its meaning."""

# A free text would let anything into the log: a proxy's id is taken up only where it is plainly a UUID.
_UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE)


_METHODS = frozenset({"GET", "POST", "OPTIONS", "HEAD"})


class Line(dict[str, Any]):
    """A message that has fields instead of words; as a text it is one JSON object."""

    def __str__(self) -> str:
        return json.dumps(self, separators=(",", ":"))


def request_id(here: Visit, new_uuid: Callable[[], str]) -> str:
    """The id that a proxy gave the request, where it is a UUID, or a new one."""
    given = here.environ.get("HTTP_X_REQUEST_ID")
    return given if given is not None and _UUID.fullmatch(given) else new_uuid()


def record(here: Visit, named: str, endpoint: Endpoint, status: int) -> None:
    """Count the answer to the request of this id, and write its line."""
    seconds = time.perf_counter() - here.began
    metrics.request_answered(endpoint.service or "none", endpoint.name, status, seconds)
    if not log.isEnabledFor(logging.INFO):
        return
    line: dict[str, Any] = {
        "request": named,
        "method": here.method if here.method in _METHODS else "other",
        "route": endpoint.route,
        "status": status,
        "ms": round(seconds * 1000, 1),
        "client": here.client.name,
    }
    if endpoint.service is not None:
        line["service"] = endpoint.service
    log.info(Line(_with_what_happened(line, here)))


def _with_what_happened(line: dict[str, Any], here: Visit) -> dict[str, Any]:
    if here.refused is not None:
        line["jwt"] = here.refused
    if here.problem is not None:
        line["problem"] = here.problem
    if here.oddities:
        line["passed_over"] = list(here.oddities)
    if here.account is not None:
        line["orders"] = [_order(told) for told in here.account.orders]
        line["cards"] = here.account.indicators
        line["delivered"] = here.account.delivery.complete
        line["gaps"] = here.account.gaps
        if here.client.shadow:
            line["shadow"] = True
    if here.feedback is not None:
        line["feedback"] = here.feedback
    return line


def _order(told: Told) -> dict[str, Any]:
    line: dict[str, Any] = {"verdict": told.verdict}
    if told.verdict != "not-judged":
        line["procedures"] = told.procedures
        line["variants"] = told.established
    if told.verdict == "rated":
        line["category"] = told.category
    if told.reason is not None:
        line["reason"] = told.reason
    if told.missing:
        line["missing"] = told.missing
    return line


def table() -> str:
    """The fields as a Markdown table, for the operator's manual."""
    return "\n".join(
        ["| field | meaning |", "|---|---|", *(f"| `{name}` | {meaning} |" for name, meaning in FIELDS.items())]
    )
