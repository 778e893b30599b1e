"""The PAMA rating of an order, as Argonaut's CDS Hooks guide for PAMA puts it on the order itself.

Source: https://github.com/argonautproject/cds-hooks-for-pama (docs/index.md). The CMS programme behind it was paused
and its rules rescinded from 2024-01-01: this is a way to tell an EHR a rating, not a record for billing, and no G-code
of a qualified mechanism is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, assert_never

from cards.card import Action
from cards.emptiness import without_empty
from cards.override_reasons import CODE_SYSTEMS
from cards.wording.words import CATEGORY, RATING_LABEL
from knowledge.appraisal import LOWEST, Appraisal, NoCriteriaApply, Rated, Undetermined, Verdict
from knowledge.guideline import AppropriatenessCategory, NoCriteriaReason, Topic

_URL = "http://fhir.org/argonaut/Extension"
RATING = f"{_URL}/pama-rating"
CONSULT_ID = f"{_URL}/pama-rating-consult-id"
CRITERIA = f"{_URL}/pama-rating-auc-applied"
_OURS = (RATING, CONSULT_ID, CRITERIA)
_CODE_SYSTEM = "http://fhir.org/argonaut/CodeSystem/pama-rating"
_CATEGORIES = f"{CODE_SYSTEMS}/acr-appropriateness-category"
# "No criteria apply" is an answer only where the order says what it is for, and that is not of this topic.
_OUTSIDE = (NoCriteriaReason.OUT_OF_SCOPE_INDICATION, NoCriteriaReason.NO_VARIANT)


def has_name(order: Mapping[str, Any]) -> bool:
    """Whether an action can name the order: by an id that is a text."""
    return isinstance(order.get("id"), str) and bool(order["id"])


def rating_action(
    topic: Topic, appraisal: Appraisal, order: Mapping[str, Any], consult: Callable[[], str]
) -> Action | None:
    """The `update` that adds the rating to the order and changes nothing else; None where it cannot be rated.

    ``consult`` makes the UUID that names this consultation.
    """
    coded = _coded(appraisal.verdict)
    if coded is None or not has_name(order):
        return None
    added = [coded, {"url": CONSULT_ID, "valueUri": f"urn:uuid:{consult()}"}, _criteria(topic)]
    return Action("update", RATING_LABEL, _with(without_empty(order), added))


def rated_proposal(topic: Topic, order: Mapping[str, Any], verdict: Verdict) -> Mapping[str, Any] | None:
    """A proposed order with its rating; None where what is proposed cannot be rated."""
    coded = _coded(verdict)
    return None if coded is None else _with(order, [coded, _criteria(topic)])


def without_rating(order: Mapping[str, Any]) -> Mapping[str, Any]:
    """The order without an earlier rating of ours, which would be that of another study."""
    return _with(order, []) if isinstance(order.get("extension"), list) else order


def _with(order: Mapping[str, Any], added: list[dict[str, Any]]) -> Mapping[str, Any]:
    earlier = order.get("extension")
    kept = [
        extension
        for extension in (earlier if isinstance(earlier, list) else [])
        if not (isinstance(extension, dict) and extension.get("url") in _OURS)
    ]
    return {**order, "extension": [*kept, *added]}


def _criteria(topic: Topic) -> dict[str, Any]:
    return {"url": CRITERIA, "valueUri": topic.citation.url}


def _coded(verdict: Verdict) -> dict[str, Any] | None:
    match verdict:
        case Rated(category):
            code = "not-appropriate" if category is LOWEST else "appropriate"
            return _rating(code, category)
        case NoCriteriaApply(reason):
            return _rating("no-criteria-apply", None) if reason in _OUTSIDE else None
        case Undetermined():
            return None
        case _:
            assert_never(verdict)


def _rating(code: str, category: AppropriatenessCategory | None) -> dict[str, Any]:
    """The PAMA code first, for the sandbox reads no other coding; the ACR's finer category beside it."""
    codings = [{"system": _CODE_SYSTEM, "code": code}]
    if category is not None:
        codings.append({"system": _CATEGORIES, "code": category.value, "display": CATEGORY[category]})
    return {"url": RATING, "valueCodeableConcept": {"coding": codings}}
