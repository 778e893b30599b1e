"""POST /cds-services/{id}/feedback: what clinicians did with the cards."""

from __future__ import annotations

import logging
from typing import Any

from flask import Blueprint, Response, request

from cds_service.discovery import HOOKS
from cds_service.envelope import parse_json
from cds_service.feedback_store import FeedbackItem, FeedbackStore, StoreError
from cds_service.json_out import to_json
from cds_service.order_hooks import refuse_other_media
from cds_service.problems import Problem, bad_request, outcome

log = logging.getLogger("cds_service")

_LONGEST_CARD = 256


class BadItem(Exception):
    """A feedback item that cannot be stored; the message says what it lacks."""


def feedback_blueprint(store: FeedbackStore) -> Blueprint:
    blueprint = Blueprint("feedback", __name__)

    @blueprint.post("/cds-services/<service>/feedback")
    def feedback(service: str) -> Response:
        if service not in HOOKS:
            raise Problem(404, "There is no such service; GET /cds-services lists them.")
        refuse_other_media()
        good, bad = read_feedback(parse_json(request.get_data(cache=False)), service)
        if not good:
            return _json(outcome(400, *(bad or ["The feedback holds no items."])), 400, "application/fhir+json")
        try:
            store.add(good)
        except StoreError as error:
            log.error("feedback was not stored: %s", error)
            response = _json(outcome(503, "Feedback cannot be stored now; send it again later."), 503)
            response.headers["Retry-After"] = "30"
            return response
        return _json(outcome(200, *bad) if bad else {}, 200)

    return blueprint


def _json(body: Any, status: int, kind: str = "application/json") -> Response:
    return Response(to_json(body), status=status, mimetype=kind)


def read_feedback(body: Any, service: str) -> tuple[list[FeedbackItem], list[str]]:
    """The items that can be stored, and a sentence for each that cannot; raises Problem without a list of items."""
    items = body.get("feedback") if isinstance(body, dict) else None
    if not isinstance(items, list):
        raise bad_request("The body must be an object with a list of items named feedback.")
    good: list[FeedbackItem] = []
    bad: list[str] = []
    for number, item in enumerate(items):
        try:
            good.append(_read_item(item, service))
        except BadItem as error:
            bad.append(f"feedback[{number}]: {error}")
    return good, bad


def _read_item(item: Any, service: str) -> FeedbackItem:
    if not isinstance(item, dict):
        raise BadItem("not an object")
    card, said, stamp = (_text(item, name) for name in ("card", "outcome", "outcomeTimestamp"))
    if len(card) > _LONGEST_CARD:
        raise BadItem("card is longer than 256 characters")
    if said not in ("accepted", "overridden"):
        raise BadItem("outcome is neither accepted nor overridden")
    taken = item.get("acceptedSuggestions")
    suggestions = tuple(
        each["id"]
        for each in (taken if isinstance(taken, list) else [])
        if isinstance(each, dict) and isinstance(each.get("id"), str)
    )
    if said == "accepted" and not suggestions:
        raise BadItem("an accepted card names no acceptedSuggestions")
    given = item.get("overrideReason", item.get("overrideReasons"))
    reason = given.get("reason") if isinstance(given, dict) else None
    reason = reason if isinstance(reason, dict) else {}
    return FeedbackItem(
        service, card, said, stamp[:64], suggestions, _optional(reason, "system", 500), _optional(reason, "code", 200)
    )


def _text(item: dict[str, Any], name: str) -> str:
    value = item.get(name)
    if not isinstance(value, str) or not value:
        raise BadItem(f"{name} is missing")
    return value


def _optional(reason: dict[str, Any], name: str, longest: int) -> str | None:
    value = reason.get(name)
    return value[:longest] if isinstance(value, str) and value else None
