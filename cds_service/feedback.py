"""POST /cds-services/{id}/feedback: what clinicians did with the cards, stored before it is acknowledged."""

from __future__ import annotations

import logging
from collections import Counter

from flask import Blueprint, Response, request

from cds_service import metrics
from cds_service.clients import Client
from cds_service.errors import refusal
from cds_service.feedback_items import read_feedback
from cds_service.json_in import parse_json
from cds_service.json_out import to_json
from cds_service.passage import refuse_other_media, visit
from cds_service.problems import LATER, bad_request, no_such_service, outcome, unavailable
from cds_service.services import HOOKS
from cds_service.store import FeedbackItem, Store, StoreError

log = logging.getLogger("cds_service")


def feedback_blueprint(store: Store, *, keep_comments: bool) -> Blueprint:
    blueprint = Blueprint("feedback", __name__)

    @blueprint.post("/cds-services/<service>/feedback")
    def feedback(service: str) -> Response:
        if service not in HOOKS:
            raise no_such_service()
        refuse_other_media(visit())
        body = parse_json(request.get_data(cache=False))
        good, bad = read_feedback(body, service, keep_comments=keep_comments)
        metrics.feedback_items("unusable", len(bad))
        said = visit().feedback = {"items": len(good), "unusable": len(bad)}
        if not good:
            return refusal(bad_request(*(bad or ["The feedback holds no items."])))
        client = visit().client
        try:
            said["stored"] = _stored(store, good, client)
        except StoreError as error:
            said["store"] = str(error)
            metrics.store_failed("feedback")
            metrics.feedback_items("not-stored", len(good))
            log.error("feedback was not stored: %s", error)
            return refusal(unavailable("Feedback cannot be stored now; send it again later.", LATER))
        return Response(to_json(outcome(200, *bad) if bad else {}), mimetype="application/json")

    return blueprint


def _stored(store: Store, items: list[FeedbackItem], client: Client) -> int:
    """Store them; how many were new."""
    new = store.add_feedback(items, client.name)
    for said, number in Counter(item.outcome for item in items).items():
        metrics.feedback_items(said, number)
    metrics.feedback_items("repeated", len(items) - new)
    return new
