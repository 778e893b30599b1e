"""For operators' machinery: whether the service lives, whether it can do its work, and its figures."""

from __future__ import annotations

import logging

from flask import Blueprint, Response

from cds_service import metrics
from cds_service.json_out import to_json
from cds_service.operators import Access, admit, keep_private
from cds_service.problems import LATER, retry_after
from cds_service.store import Store, StoreError

log = logging.getLogger("cds_service")


def health_blueprint(store: Store, guideline: str) -> Blueprint:
    """``guideline`` is the one that was loaded; without one there is no service."""
    blueprint = Blueprint("health", __name__, url_prefix="/health")

    @blueprint.get("/live")
    def live() -> Response:
        return _answer(200, status="alive")

    @blueprint.get("/ready")
    def ready() -> Response:
        try:
            store.check()
        except StoreError as error:
            metrics.store_failed("check")
            log.error("the store cannot be written: %s", error)
            response = _answer(503, status="not-ready", reason="store-unusable", guideline=guideline)
            response.headers.extend([retry_after(LATER)])
            return response
        return _answer(200, status="ready", guideline=guideline)

    return blueprint


def _answer(code: int, **body: str) -> Response:
    return Response(to_json(body), status=code, mimetype="application/json", headers={"Cache-Control": "no-store"})


def metrics_blueprint(access: Access, token: str | None) -> Blueprint:
    blueprint = Blueprint("metrics", __name__)
    blueprint.before_request(lambda: admit(access, token))
    blueprint.after_request(keep_private)

    @blueprint.get("/metrics")
    def figures() -> Response:
        return Response(metrics.exposition(), content_type="text/plain; version=0.0.4; charset=utf-8")

    return blueprint
