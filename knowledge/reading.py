"""What one reading of a chart looks at, and when an entry counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property

from knowledge.dates import DateSpan, Within, days_before, place
from knowledge.findings import (
    Certainty,
    Chart,
    Coding,
    Entry,
    Evidence,
    Kind,
    Measurement,
    OrderedProcedure,
    ValueSetId,
)
from knowledge.guideline import Concept, ConceptReading, Threshold, Topic
from knowledge.orders import OrderCodes
from knowledge.vocabulary import Strength, Vocabulary, at_or_above

NOT_READ = "not read"
"""How a reason that could not be read bears on what it leaves open."""

STATEMENTS = frozenset({Kind.REASON, Kind.CONDITION, Kind.PROCEDURE, Kind.OBSERVATION})


@dataclass
class Case:
    """Everything that one reading looks at. Only what is derived from it is remembered."""

    chart: Chart
    order: OrderedProcedure
    as_of: date
    today: date
    topic: Topic
    vocabulary: Vocabulary
    orders: OrderCodes

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """The reasons of the order, then the rest of the chart; what is both stands there once, as a reason."""
        named = {replace(reason, is_reason=False, on_order=False) for reason in self.order.reasons}
        rest = (entry for entry in self.chart.entries if not entry.unread and entry not in named)
        return tuple(self._as_of(entry) for entry in (*self.order.reasons, *rest))

    @cached_property
    def unread(self) -> tuple[Entry, ...]:
        """The entries that may say what their codes stand for: of them, or of their value, nothing else was read."""
        return tuple(
            entry
            for entry in (*self.order.reasons, *self.chart.entries)
            if entry.unread or (entry.measurement is not None and self._is_unsettled(entry, entry.measurement))
        )

    def _is_unsettled(self, entry: Entry, measured: Measurement) -> bool:
        """Its value could not be read, or is an answer that is neither a yes nor a no that we know."""
        rules = self.topic.observations
        if measured.unread or not measured.codings or self.is_positive(entry):
            return measured.unread
        denied = not rules.negative.isdisjoint(measured.codings)
        return not denied and rules.negative_interpretations.isdisjoint(measured.interpretations)

    def _as_of(self, entry: Entry) -> Entry:
        """The entry as it stood on the as-of date: a Condition that had abated by then is past."""
        known = entry.end.clipped(max(self.as_of, self.today)) if entry.end is not None else None
        abated = entry.kind is Kind.CONDITION and known is not None and known.latest <= self.as_of
        return replace(entry, past=True) if abated and not entry.past else entry

    @cached_property
    def mentioned(self) -> frozenset[ValueSetId]:
        """The value sets that hold a code of some entry."""
        codings = {coding for entry in (*self.entries, *self.unread) for coding in entry.codings}
        return frozenset(value_set for coding in codings for value_set in self.vocabulary.matches(coding))

    @cached_property
    def statements(self) -> tuple[Entry, ...]:
        """Reasons, conditions and completed procedures, and observations that say yes."""
        return tuple(
            entry
            for entry in self.entries
            if entry.kind in STATEMENTS
            and not entry.underway
            and (entry.kind is not Kind.OBSERVATION or self.is_positive(entry))
        )

    @cached_property
    def refuted(self) -> frozenset[Coding]:
        return frozenset(
            coding
            for entry in self.entries
            if entry.certainty is Certainty.REFUTED and self._is_dated_by_then(entry)
            for coding in entry.codings
        )

    def standing(self, matched: Iterable[Coding]) -> list[Coding]:
        """The codings that no refuted entry speaks of, with the same code or one above it."""
        return [coding for coding in matched if self.refuted.isdisjoint(at_or_above(coding))]

    def of_kind(self, kind: Kind) -> Iterable[Entry]:
        return (entry for entry in self.entries if entry.kind is kind)

    def is_positive(self, entry: Entry) -> bool:
        rules, measured = self.topic.observations, entry.measurement
        return measured is not None and (
            measured.yes
            or not rules.positive.isdisjoint(measured.codings)
            or not rules.positive_interpretations.isdisjoint(measured.interpretations)
        )

    def last_day(self, concept: Concept) -> date:
        """The last day whose entries count for the concept: the order's, or today where safety asks for it."""
        return max(self.as_of, self.today) if concept.until_today else self.as_of

    def window(self, threshold: Threshold, last: date) -> tuple[date, date]:
        return days_before(self.as_of, threshold.days), last

    def _is_dated_by_then(self, entry: Entry) -> bool:
        """Only an assertion counts when it is dated after the order; a refutation does not."""
        return entry.date is None or entry.date.earliest <= self.as_of


@dataclass
class Weighing:
    """What speaks for a concept, what leaves it open, and what denies it."""

    present: list[Evidence] = field(default_factory=list)
    open: list[Evidence] = field(default_factory=list)
    refuted: list[Evidence] = field(default_factory=list)

    def add(self, entry: Entry, label: str, strength: Strength | None, how: str = "") -> None:
        """Record an entry that counts: it decides with an included code, and leaves open with a supporting one."""
        decides = strength is Strength.INCLUDED
        evidence = evidence_of(entry, label, how or ("" if decides else "which does not decide alone"))
        (self.present if decides else self.open).append(evidence)

    def leave_open(self, entry: Entry, label: str, how: str) -> None:
        self.open.append(evidence_of(entry, label, how))


def evidence_of(entry: Entry, label: str, how: str = "") -> Evidence:
    shown = entry.date if not entry.on_order else None
    words = [entry.certainty.value if entry.certainty is Certainty.SUSPECTED else "", "past" if entry.past else "", how]
    return Evidence(
        reference=entry.reference,
        label=entry.text or label,
        code=entry.codings[0].code if entry.codings else "",
        dated=str(shown) if shown else "",
        how=", ".join(word for word in words if word),
    )


def counts(case: Case, concept: Concept, reading: ConceptReading, entry: Entry) -> tuple[bool, str]:
    """Whether an entry counts for a windowed reading, and what leaves it open; ``(False, "")`` when it says nothing."""
    last = case.last_day(concept)
    dated = entry.date
    if dated is not None and dated.clipped(last) is None:
        return False, ""
    if entry.past:
        if reading.past == "never":
            return False, ""
        if reading.past == "always":
            return True, ""
        assert isinstance(reading.past, Threshold)
        if entry.on_order:
            return True, ""
        return in_window(entry.end or dated, *case.window(reading.past, last))
    if reading.window is None or entry.is_reason or entry.on_order:
        return True, ""
    if reading.as_long_as_current and entry.kind is Kind.CONDITION:
        return True, ""
    return in_window(dated, *case.window(reading.window, last))


def in_window(dated: DateSpan | None, first: date, last: date) -> tuple[bool, str]:
    """Whether the date lies in the window, both ends included, and what leaves it open."""
    known = dated.clipped(last) if dated is not None else None
    if dated is None:
        return False, "without a date"
    if known is None:
        return False, ""
    where = place(known, first, last)
    if where is Within.STRADDLES:
        return False, "date too coarse"
    return where is Within.INSIDE, ""
