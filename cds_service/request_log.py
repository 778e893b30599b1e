"""One line of JSON for each request, by allow-list: never anything of a patient."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, g, request

from cds_service import metrics
from cds_service.records import tell
from knowledge.appraisal import Appraisal, NotJudged

log = logging.getLogger("cds_service.request")

FIELDS = {
    "request": "a UUID, in the answer's `X-Request-Id` too; the one a proxy sent, if it sent a UUID",
    "method": "`GET`, `POST`, `OPTIONS`, `HEAD` or `other`",
    "route": "the route that matched, with its placeholders; `none`",
    "status": "the HTTP status",
    "ms": "milliseconds from the arrival of the request to the answer",
    "client": "the client's name: the issuer of its token, or `open`",
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


class Line(dict[str, Any]):
    """A message that has fields instead of words; as a text it is one JSON object."""

    def __str__(self) -> str:
        return json.dumps(self, separators=(",", ":"))


def register_request_log(app: Flask, new_uuid: Callable[[], str]) -> None:
    @app.before_request
    def begin() -> None:
        g.began = time.perf_counter()

    @app.after_request
    def record(response: Response) -> Response:
        given = request.headers.get("X-Request-Id", "")
        named = given if _UUID.fullmatch(given) else new_uuid()
        response.headers["X-Request-Id"] = named
        now = time.perf_counter()
        seconds = now - g.get("began", now)
        service, endpoint = _service(response) or "none", request.blueprint or "none"
        metrics.request_answered(service, endpoint, response.status_code, seconds)
        if log.isEnabledFor(logging.INFO):
            log.info(Line(_line(response, named, seconds)))
        return response


def _service(response: Response) -> str | None:
    """The service that was called, where there is such a one."""
    service = (request.view_args or {}).get("service")
    return service if service is not None and response.status_code != 404 else None


def _line(response: Response, named: str, seconds: float) -> dict[str, Any]:
    line: dict[str, Any] = {
        "request": named,
        "method": request.method if request.method in ("GET", "POST", "OPTIONS", "HEAD") else "other",
        "route": str(request.url_rule) if request.url_rule is not None else "none",
        "status": response.status_code,
        "ms": round(seconds * 1000, 1),
    }
    if "client" in g:
        line["client"] = g.client.name
    if "refused" in g:
        line["jwt"] = g.refused
    if (service := _service(response)) is not None:
        line["service"] = service
    if "problem" in g:
        line["problem"] = g.problem
    if g.get("oddities"):
        line["passed_over"] = list(g.oddities)
    if "judged" in g:
        line["orders"] = [_order(each) for each in g.judged.appraisals]
        line["cards"] = [card.indicator.value for card in g.judged.cards]
        line["delivered"] = sorted(key.value for key in g.judged.chart.delivered)
        line["gaps"] = len(g.judged.chart.gaps)
        if g.client.shadow:
            line["shadow"] = True
    if "feedback" in g:
        line["feedback"] = g.feedback
    return line


def _order(judged: Appraisal | NotJudged) -> dict[str, Any]:
    told = tell(judged)
    line: dict[str, Any] = {"verdict": told.verdict}
    if isinstance(judged, Appraisal):
        line |= {"procedures": list(judged.order.procedures), "variants": list(judged.established)}
    if told.verdict == "rated":
        line["category"] = told.category
    if told.reason is not None:
        line["reason"] = told.reason
    if told.missing:
        line["missing"] = list(told.missing)
    return line


def table() -> str:
    """The fields as a Markdown table, for the operator's manual."""
    return "\n".join(
        ["| field | meaning |", "|---|---|", *(f"| `{name}` | {meaning} |" for name, meaning in FIELDS.items())]
    )
