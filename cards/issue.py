"""A card on its way out: with the names under which feedback will speak of it."""

from __future__ import annotations

from collections.abc import Callable

from cards.card import Card
from knowledge.values import hot_dataclass


@hot_dataclass(frozen=True, slots=True)
class IssuedCard:
    """A card as it is sent to one client, once."""

    card: Card
    uuid: str
    suggestion_uuids: tuple[str, ...]
    """One for each suggestion of the card, in its order."""


def issue(card: Card, new_uuid: Callable[[], str]) -> IssuedCard:
    """Name the card and each of its suggestions."""
    return IssuedCard(card, new_uuid(), tuple([new_uuid() for _ in card.suggestions]))
