"""Items of feedback as clients send them: the standard's form, the sandbox's, and Epic's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from cds_service.problems import bad_request
from cds_service.store import FeedbackItem

_LONGEST_CARD = 256
_LONGEST_COMMENT = 4_000
_MOST_SUGGESTIONS = 100
_OUTCOMES = ("accepted", "overridden")
# RFC 3339, and without an offset, which the standard's "in UTC" makes good.
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d):(\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)?")
_EPIC = "com.epic.cdshooks.feedback.overrideReason"


class BadItem(Exception):
    """A feedback item that cannot be stored; the message says what it lacks."""


def read_feedback(body: Any, service: str, *, keep_comments: bool) -> tuple[list[FeedbackItem], list[str]]:
    """The items that can be stored, and a sentence for each that cannot; raises Problem without a list of items."""
    items = body.get("feedback") if isinstance(body, dict) else None
    if not isinstance(items, list):
        raise bad_request("The body must be an object with a list of items named feedback.")
    good: list[FeedbackItem] = []
    bad: list[str] = []
    for number, item in enumerate(items):
        try:
            good.append(_read_item(item, service, keep_comments=keep_comments))
        except BadItem as error:
            bad.append(f"feedback[{number}]: {error}")
    return good, bad


def _read_item(item: Any, service: str, *, keep_comments: bool) -> FeedbackItem:
    if not isinstance(item, dict):
        raise BadItem("not an object")
    card, outcome, stamp = (_text(item, name) for name in ("card", "outcome", "outcomeTimestamp"))
    if len(card) > _LONGEST_CARD:
        raise BadItem(f"card is longer than {_LONGEST_CARD} characters")
    if outcome not in _OUTCOMES:
        raise BadItem("outcome is neither accepted nor overridden")
    suggestions = tuple(dict.fromkeys(_suggestions(item.get("acceptedSuggestions"))))[:_MOST_SUGGESTIONS]
    if outcome == "accepted" and not suggestions:
        raise BadItem("an accepted card names no acceptedSuggestions")
    given = _given_reason(item)
    reason, extension = _coded(given), given.get("extension")
    extension = extension if isinstance(extension, dict) else {}
    title = _optional(extension, f"{_EPIC}.reasonTitle", 200) or _optional(extension, f"{_EPIC}.reasonDisplay", 200)
    return FeedbackItem(
        service=service,
        card=card,
        outcome=outcome,
        outcome_timestamp=one_spelling(stamp),
        accepted_suggestions=suggestions,
        reason_system=_optional(reason, "system", 500),
        reason_code=_optional(reason, "code", 200),
        reason_category=_optional(extension, f"{_EPIC}.reasonCategory", 200),
        reason_title=title,
        comment=_optional(given, "userComment", _LONGEST_COMMENT) if keep_comments else None,
    )


def one_spelling(moment: str) -> str:
    """A moment in UTC, so that ``Z``, ``+00:00``, other offsets and trailing zeros make no difference.

    Raises BadItem where it is none. ``2026-03-02T11:00:00.500+01:00`` is ``2026-03-02T10:00:00.5Z``.
    """
    found = _MOMENT.fullmatch(moment)
    if found is None:
        raise BadItem("outcomeTimestamp is not a date and time such as 2026-03-02T10:00:00Z")
    day, minute, second, fraction, offset = found.groups()
    leap = second == "60"  # RFC 3339 allows a leap second, Python's clock does not
    spelled = f"{day}T{minute}:{'59' if leap else second}{offset.upper() if offset else 'Z'}"
    try:
        whole = datetime.fromisoformat(spelled).astimezone(UTC) + timedelta(seconds=leap)
    except (ValueError, OverflowError):
        raise BadItem("outcomeTimestamp is not a date and time that exists") from None
    return f"{whole:%Y-%m-%dT%H:%M:%S}{(fraction or '')[:10].rstrip('.0')}Z"


def _suggestions(taken: Any) -> Iterator[str]:
    for each in taken if isinstance(taken, list) else []:
        named = each.get("id") if isinstance(each, dict) else each
        if isinstance(named, str) and named:
            yield named[:_LONGEST_CARD]


def _given_reason(item: dict[str, Any]) -> dict[str, Any]:
    """The standard's ``overrideReason``, or Epic's ``overrideReasons``; a bare code stands for itself."""
    for name in ("overrideReason", "overrideReasons"):
        given = item.get(name)
        if isinstance(given, list):
            given = next((each for each in given if isinstance(each, (dict, str))), None)
        if isinstance(given, str):
            given = {"reason": given}
        if isinstance(given, dict) and given:
            return given
    return {}


def _coded(given: dict[str, Any]) -> dict[str, Any]:
    reason = given.get("reason", given)
    if isinstance(reason, str):
        return {"code": reason}
    return reason if isinstance(reason, dict) else {}


def _text(item: dict[str, Any], name: str) -> str:
    value = item.get(name)
    if not isinstance(value, str) or not value:
        raise BadItem(f"{name} is missing")
    return value


def _optional(holder: dict[str, Any], name: str, longest: int) -> str | None:
    value = holder.get(name)
    return value[:longest] if isinstance(value, str) and value else None
