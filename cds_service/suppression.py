"""Small counts that are not told, and the further ones that would give them away.

The counts of a report hang together: the rows of a table add up to a row of another one. A count below the limit is
withheld; wherever what is withheld could be worked out from a sum, the smallest other part of it is withheld too.
Statistical offices call it complementary cell suppression. It guards one report: two reports over nearly the same days
can still be compared.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cell:
    """One count: those of a population that have these traits."""

    population: str
    traits: frozenset[tuple[str, str]] = frozenset()

    @property
    def names(self) -> frozenset[str]:
        return frozenset(name for name, _ in self.traits)


@dataclass(frozen=True, slots=True)
class _Sum:
    """A count and the counts that add up to it."""

    whole: Cell
    parts: tuple[Cell, ...]


def suppress(counts: Mapping[Cell, int], below: int) -> frozenset[Cell]:
    """The counts to withhold, so that none from 1 to ``below - 1`` is told or follows from what is told."""
    hidden = {cell for cell, count in counts.items() if 0 < count < below}
    sums = [found for found in _sums(counts) if found.parts]
    changed = bool(hidden)
    while changed:
        further = {cell for each in sums if (cell := _given_away(each, counts, hidden, below)) is not None}
        changed = bool(further)
        hidden |= further
    return frozenset(hidden)


def _sums(counts: Mapping[Cell, int]) -> Iterator[_Sum]:
    """Every count with each split of it that is told in full."""
    splits: defaultdict[tuple[str, frozenset[str]], list[Cell]] = defaultdict(list)
    for cell in counts:
        splits[cell.population, cell.names].append(cell)
    for (population, names), wholes in splits.items():
        finer = [cells for (other, more), cells in splits.items() if other == population and names < more]
        for whole in wholes:
            for cells in finer:
                parts = tuple(cell for cell in cells if whole.traits <= cell.traits)
                if sum(counts[part] for part in parts) == counts[whole]:
                    yield _Sum(whole, parts)


def _given_away(each: _Sum, counts: Mapping[Cell, int], hidden: set[Cell], below: int) -> Cell | None:
    """One more count to withhold, where this sum would give a withheld one away."""
    withheld = [part for part in each.parts if part in hidden]
    told = sorted(
        (part for part in each.parts if part not in hidden and counts[part]),
        key=lambda part: (counts[part], sorted(part.traits)),
    )
    if each.whole in hidden:
        # The parts must not add up to it.
        return told[0] if not withheld and told else None
    if not withheld or (len(withheld) > 1 and sum(counts[part] for part in withheld) >= below):
        return None
    return told[0] if told else each.whole
