"""One line of JSON for each request, by allow-list: never anything of a patient."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

from flask import Flask, Response, g, request

from knowledge.appraisal import Appraisal, NoCriteriaApply, Rated, Undetermined

log = logging.getLogger("cds_service.request")


def register_request_log(app: Flask) -> None:
    @app.before_request
    def begin() -> None:
        g.began = time.perf_counter()

    @app.after_request
    def record(response: Response) -> Response:
        if log.isEnabledFor(logging.INFO):
            log.info(json.dumps(_line(response), separators=(",", ":")))
        return response


def _line(response: Response) -> dict[str, Any]:
    line: dict[str, Any] = {
        "method": request.method if request.method in ("GET", "POST", "OPTIONS", "HEAD") else "other",
        "route": str(request.url_rule) if request.url_rule is not None else "none",
        "status": response.status_code,
        "ms": round((time.perf_counter() - g.get("began", time.perf_counter())) * 1000, 1),
    }
    if "client" in g:
        line["client"] = g.client.name
    if "refused" in g:
        line["jwt"] = g.refused
    service = (request.view_args or {}).get("service")
    if service is not None and response.status_code != 404:
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
    return line


def _order(judged: object) -> dict[str, Any]:
    if not isinstance(judged, Appraisal):
        return {"verdict": "not-judged", "reason": getattr(judged, "reason", "")}
    match judged.verdict:
        case Rated(category):
            verdict: dict[str, Any] = {"verdict": "rated", "category": category.value}
        case Undetermined(_, _, missing):
            verdict = {"verdict": "undetermined", "missing": list(missing)}
        case NoCriteriaApply(reason):
            verdict = {"verdict": "no-criteria-apply", "reason": reason.value}
    return {"procedures": list(judged.order.procedures), "variants": list(judged.established), **verdict}
