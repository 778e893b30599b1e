"""What a call came to, in the words that the store, the log and the figures share. Nothing of a patient stands here."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from cards.card import Card
from knowledge.appraisal import Appraisal, NotJudged, in_words
from knowledge.findings import Chart, PrefetchKey
from knowledge.values import hot_dataclass


@hot_dataclass(frozen=True, slots=True)
class Told:
    """The verdict on one order."""

    verdict: str
    """``rated``, ``undetermined``, ``no-criteria-apply`` or ``not-judged``."""
    category: str | None = None
    floor: str | None = None
    ceiling: str | None = None
    reason: str | None = None
    missing: tuple[str, ...] = ()
    procedures: tuple[str, ...] = ()
    established: tuple[int, ...] = ()
    possible: tuple[int, ...] = ()


@hot_dataclass(frozen=True, slots=True)
class Delivery:
    """How each part of a chart arrived: ``complete``, ``incomplete`` or ``missing``."""

    states: tuple[tuple[str, str], ...]
    """Each key of the prefetch, with its state."""
    complete: tuple[str, ...]
    """In the order of the alphabet."""
    incomplete: tuple[str, ...]
    missing: tuple[str, ...]


@hot_dataclass(frozen=True, slots=True)
class Account:
    """What one call came to."""

    orders: tuple[Told, ...]
    indicators: tuple[str, ...]
    """Of the cards, whether they are sent or not."""
    delivery: Delivery
    gaps: int
    """How much of the chart could not be read."""


def account(appraisals: Sequence[Appraisal | NotJudged], cards: Sequence[Card], chart: Chart) -> Account:
    """The account of one call: what was judged, the cards that it deserves, the chart that was read."""
    return Account(
        tuple([tell(each) for each in appraisals]),
        tuple([card.indicator.value for card in cards]),
        _delivery(chart.delivered, frozenset([gap.key for gap in chart.gaps])),
        len(chart.gaps),
    )


def tell(judged: Appraisal | NotJudged) -> Told:
    """The verdict on one order, as words."""
    if isinstance(judged, NotJudged):
        return Told("not-judged", reason=judged.reason.value)
    words = in_words(judged.verdict)
    return Told(
        words.verdict,
        words.category,
        words.floor,
        words.ceiling,
        words.reason,
        words.missing,
        judged.order.procedures,
        judged.established,
        judged.possible,
    )


@lru_cache(256)
def _delivery(whole: frozenset[PrefetchKey], broken: frozenset[PrefetchKey]) -> Delivery:
    states = tuple(
        (key.value, "complete" if key in whole else "incomplete" if key in broken else "missing") for key in PrefetchKey
    )
    complete, incomplete, missing = (
        tuple(key for key, found in states if found == state) for state in ("complete", "incomplete", "missing")
    )
    return Delivery(states, tuple(sorted(complete)), incomplete, missing)
