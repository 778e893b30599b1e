"""What a client may decline: kinds of cards, and their number (Da Vinci CRD, configuration options)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cards.card import Card, CardKind, Indicator
from cards.profiles import CARD_TYPE_NAMES
from knowledge.values import hot_dataclass

MAX_CARDS = "max-cards"
_MOST = 100
_DESCRIPTIONS = {
    CardKind.OFF_GUIDELINE: "Cards on studies that are usually not appropriate where no other study is better. "
    "Suspected cauda equina syndrome is told whatever is chosen here.",
    CardKind.ALTERNATIVE: "Cards that name a study rated better than the one ordered.",
    CardKind.APPROPRIATE_USE: "Cards that say what the rating of a study hangs on, or what to mind.",
    CardKind.GUIDELINE: "A card that links to the guideline, for clients that take no link beside suggestions.",
}
_URGENCY = {Indicator.CRITICAL: 0, Indicator.WARNING: 1, Indicator.INFO: 2}


@hot_dataclass(frozen=True, slots=True)
class Configuration:
    """What one call asks for."""

    declined: frozenset[CardKind] = frozenset()
    most_cards: int = _MOST

    @classmethod
    def read(cls, sent: object) -> Configuration:
        """The options of a request; what is unknown or of another type is passed over."""
        if not isinstance(sent, dict):
            return cls()
        declined = frozenset(kind for kind in CardKind if sent.get(kind.value) is False)
        most = sent.get(MAX_CARDS)
        if not isinstance(most, int) or isinstance(most, bool) or most < 0:
            most = _MOST
        return cls(declined, most)

    def select(self, cards: Sequence[Card]) -> tuple[Card, ...]:
        """The cards that are sent: the most urgent first where there are too many, in their own order."""
        if not self.declined and len(cards) <= self.most_cards:
            return tuple(cards)
        wanted = [card for card in cards if card.kind not in self.declined or card.indicator is Indicator.CRITICAL]
        urgent = sorted(wanted, key=lambda card: (_URGENCY[card.indicator], card.kind is CardKind.GUIDELINE))
        kept = {id(card) for card in urgent[: self.most_cards]}
        return tuple(card for card in wanted if id(card) in kept)


def options() -> list[dict[str, Any]]:
    """The options that discovery declares, one for each kind of card and one for their number."""
    kinds = [
        {
            "code": kind.value,
            "type": "boolean",
            "name": CARD_TYPE_NAMES[kind],
            "description": _DESCRIPTIONS[kind],
            "default": True,
        }
        for kind in CardKind
    ]
    number = {
        "code": MAX_CARDS,
        "type": "integer",
        "name": "Maximum number of cards",
        "description": "The most urgent cards of a call, up to this number.",
        "default": _MOST,
    }
    return [*kinds, number]
