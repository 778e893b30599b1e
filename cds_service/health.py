"""Whether the service lives, and whether it can do its work."""

from __future__ import annotations

from flask import Blueprint, Response

from cds_service.feedback_store import FeedbackStore, StoreError
from cds_service.json_out import to_json


def health_blueprint(store: FeedbackStore) -> Blueprint:
    blueprint = Blueprint("health", __name__, url_prefix="/health")

    @blueprint.get("/live")
    def live() -> Response:
        return _answer(200, status="alive")

    @blueprint.get("/ready")
    def ready() -> Response:
        try:
            store.check()
        except StoreError:
            return _answer(503, status="feedback cannot be stored")
        return _answer(200, status="ready")

    return blueprint


def _answer(code: int, **body: str) -> Response:
    return Response(to_json(body), status=code, mimetype="application/json", headers={"Cache-Control": "no-store"})
