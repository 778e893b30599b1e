"""What is kept of a call: each verdict and each card. Nothing of a patient, no order id, no free text."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never

from cards.issue import IssuedCard
from cds_service.clients import Client
from cds_service.order_hooks import Judged, JudgedOrder
from knowledge.appraisal import Appraisal, NoCriteriaApply, NotJudged, Rated, Undetermined
from knowledge.findings import Chart, PrefetchKey


@dataclass(frozen=True, slots=True)
class Told:
    """A verdict in the words of the store, the log and the metrics."""

    verdict: str
    """``rated``, ``undetermined``, ``no-criteria-apply`` or ``not-judged``."""
    category: str | None = None
    floor: str | None = None
    ceiling: str | None = None
    reason: str | None = None
    missing: tuple[str, ...] = ()


def tell(judged: Appraisal | NotJudged) -> Told:
    """The verdict on one order, as words."""
    if isinstance(judged, NotJudged):
        return Told("not-judged", reason=judged.reason.value)
    match judged.verdict:
        case Rated(category):
            return Told("rated", category.value, category.value, category.value)
        case Undetermined(floor, ceiling, missing):
            return Told("undetermined", None, floor.value if floor else None, ceiling.value, missing=missing)
        case NoCriteriaApply(reason):
            return Told("no-criteria-apply", reason=reason.value)
        case _:
            assert_never(judged.verdict)


def delivery(chart: Chart) -> dict[PrefetchKey, str]:
    """How each part of the chart arrived: ``complete``, ``incomplete`` or ``missing``."""
    broken = {gap.key for gap in chart.gaps}

    def state(key: PrefetchKey) -> str:
        if key in chart.delivered:
            return "complete"
        return "incomplete" if key in broken else "missing"

    return {key: state(key) for key in PrefetchKey}


@dataclass(frozen=True, slots=True)
class CallRecord:
    """The rows that one call adds to the store; storing them again adds nothing."""

    appraisals: tuple[dict[str, Any], ...]
    cards: tuple[dict[str, Any], ...]
    suggestions: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Occasion:
    """When, where and for whom a call was answered."""

    at: datetime
    service: str
    client: Client
    guideline: str


def record_call(
    occasion: Occasion, judged: Judged, issued: Iterable[IssuedCard], new_uuid: Callable[[], str]
) -> CallRecord | None:
    """What is kept of a call; None where no order was looked at."""
    if not judged.orders:
        return None
    parts = delivery(judged.chart)
    ids = {id(order): new_uuid() for order in judged.orders}
    about = {id(order.card): ids[id(order)] for order in judged.orders if order.card is not None}
    cards = tuple(issued)
    return CallRecord(
        tuple({"id": ids[id(order)], **_appraisal(occasion, order, parts)} for order in judged.orders),
        tuple(_card(occasion, card, about.get(id(card.card))) for card in cards),
        tuple(
            {"uuid": uuid, "card": card.uuid, "kind": suggestion.kind}
            for card in cards
            for suggestion, uuid in zip(card.card.suggestions, card.suggestion_uuids, strict=True)
        ),
    )


def _appraisal(occasion: Occasion, order: JudgedOrder, parts: dict[PrefetchKey, str]) -> dict[str, Any]:
    told = tell(order.appraisal)
    appraisal = order.appraisal if isinstance(order.appraisal, Appraisal) else None
    return {
        "at": occasion.at,
        "service": occasion.service,
        "client": occasion.client.name,
        "shadow": occasion.client.shadow,
        "guideline": occasion.guideline,
        "verdict": told.verdict,
        "category": told.category,
        "floor": told.floor,
        "ceiling": told.ceiling,
        "reason": told.reason,
        "missing_concepts": told.missing,
        "procedures": appraisal.order.procedures if appraisal else (),
        "established": tuple(map(str, appraisal.established)) if appraisal else (),
        "possible": tuple(map(str, appraisal.possible)) if appraisal else (),
        "keys_missing": tuple(key.value for key, state in parts.items() if state == "missing"),
        "keys_incomplete": tuple(key.value for key, state in parts.items() if state == "incomplete"),
    }


def _card(occasion: Occasion, issued: IssuedCard, appraisal: str | None) -> dict[str, Any]:
    return {
        "uuid": issued.uuid,
        "appraisal": appraisal,
        "at": occasion.at,
        "client": occasion.client.name,
        "shown": not occasion.client.shadow,
        "kind": issued.card.kind.value,
        "indicator": issued.card.indicator.value,
    }
