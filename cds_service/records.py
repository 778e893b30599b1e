"""What is kept of a call: each verdict and each card. Nothing of a patient, no order id, no free text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

from cards.issue import IssuedCard
from cds_service.account import Account
from cds_service.clients import Client
from cds_service.judging import Judged
from knowledge.values import hot_dataclass


@hot_dataclass(frozen=True, slots=True)
class CallRecord:
    """The rows that one call adds to the store; storing them again adds nothing."""

    appraisals: tuple[dict[str, Any], ...]
    cards: tuple[dict[str, Any], ...]
    suggestions: tuple[dict[str, Any], ...]


@hot_dataclass(frozen=True, slots=True)
class Occasion:
    """When, where and for whom a call was answered."""

    at: datetime
    service: str
    client: Client
    guideline: str


def record_call(
    occasion: Occasion, judged: Judged, account: Account, issued: Iterable[IssuedCard], new_uuid: Callable[[], str]
) -> CallRecord | None:
    """What is kept of a call; None where no order was looked at."""
    if not judged.orders:
        return None
    ids = [new_uuid() for _ in judged.orders]
    about = {id(order.card): each for order, each in zip(judged.orders, ids, strict=True) if order.card is not None}
    cards = tuple(issued)
    return CallRecord(
        tuple(_appraisals(occasion, account, ids)),
        tuple([_card(occasion, card, about.get(id(card.card))) for card in cards]),
        tuple(
            [
                {"uuid": uuid, "card": card.uuid, "kind": suggestion.kind}
                for card in cards
                for suggestion, uuid in zip(card.card.suggestions, card.suggestion_uuids, strict=True)
            ]
        ),
    )


def _appraisals(occasion: Occasion, account: Account, ids: list[str]) -> Iterator[dict[str, Any]]:
    for told, each in zip(account.orders, ids, strict=True):
        yield {
            "id": each,
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
            "procedures": told.procedures,
            "established": tuple(map(str, told.established)),
            "possible": tuple(map(str, told.possible)),
            "keys_missing": account.delivery.missing,
            "keys_incomplete": account.delivery.incomplete,
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
