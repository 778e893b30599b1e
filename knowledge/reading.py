"""What one reading of a chart looks at, and when an entry counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field, replace
from datetime import date

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
from knowledge.values import hot_dataclass
from knowledge.vocabulary import Strength, Vocabulary, at_or_above

NOT_READ = "not read"
"""How a reason that could not be read bears on what it leaves open."""

STATEMENTS = (Kind.REASON, Kind.CONDITION, Kind.PROCEDURE, Kind.OBSERVATION)


@hot_dataclass(frozen=True, slots=True)
class Onset:
    """The low back pain Condition that dates the pain, and its onset where it has one."""

    condition: Entry
    began: DateSpan | None


@hot_dataclass(slots=True)
class Case:
    """Everything that one reading looks at, and what follows from it, gone through once."""

    chart: Chart
    order: OrderedProcedure
    as_of: date
    today: date
    topic: Topic
    vocabulary: Vocabulary
    orders: OrderCodes
    entries: list[Entry] = field(default_factory=list)
    """The reasons of the order, then the rest of the chart; what is both stands there once, as a reason."""
    statements: list[Entry] = field(default_factory=list)
    """Reasons, conditions and completed procedures, and observations that say yes."""
    unread: list[Entry] = field(default_factory=list)
    """The entries that may say what their codes stand for: of them, or of their value, nothing else was read."""
    refuted: set[Coding] = field(default_factory=set)
    mentioned: set[ValueSetId] = field(default_factory=set)
    """The value sets that hold a code of some entry."""
    onset: Onset | None = None
    """The pain's, found before anything else is read."""

    def __post_init__(self) -> None:
        for reason in self.order.reasons:
            self._look_at(reason)
            self._take(reason)
        references = {reason.reference for reason in self.order.reasons}
        named: set[Entry] = set()
        for entry in self.chart.entries:
            self._look_at(entry)
            # Entries are costly to compare whole: only those are that have the reference of a reason.
            if entry.reference in references:
                named = named or {replace(each, is_reason=False, on_order=False) for each in self.order.reasons}
                if entry in named:
                    continue
            if not entry.unread:
                self._take(entry)

    def _look_at(self, entry: Entry) -> None:
        for coding in entry.codings:
            self.mentioned.update(self.vocabulary.matches(coding))
        if entry.unread or (entry.measurement is not None and self._is_unsettled(entry, entry.measurement)):
            self.unread.append(entry)

    def _take(self, entry: Entry) -> None:
        entry = self._as_of(entry)
        self.entries.append(entry)
        if entry.certainty is Certainty.REFUTED and self._is_dated_by_then(entry):
            self.refuted.update(entry.codings)
        if (
            entry.kind in STATEMENTS
            and not entry.underway
            and (entry.kind is not Kind.OBSERVATION or self.is_positive(entry))
        ):
            self.statements.append(entry)

    def _is_unsettled(self, entry: Entry, measured: Measurement) -> bool:
        """Its value could not be read, or is an answer that is neither a yes nor a no that we know."""
        rules = self.topic.observations
        if measured.unread or not measured.codings or self.is_positive(entry):
            return measured.unread
        denied = not rules.negative.isdisjoint(measured.codings)
        return not denied and rules.negative_interpretations.isdisjoint(measured.interpretations)

    def _as_of(self, entry: Entry) -> Entry:
        """The entry as it stood on the as-of date: a Condition that had abated by then is past."""
        if entry.end is None or entry.past or entry.kind is not Kind.CONDITION:
            return entry
        known = entry.end.clipped(max(self.as_of, self.today))
        return replace(entry, past=True) if known is not None and known.latest <= self.as_of else entry

    def standing(self, matched: Iterable[Coding]) -> list[Coding]:
        """The codings that no refuted entry speaks of, with the same code or one above it."""
        if not self.refuted:
            return list(matched)
        return [coding for coding in matched if self.refuted.isdisjoint(at_or_above(coding))]

    def of_kind(self, kind: Kind) -> list[Entry]:
        return [entry for entry in self.entries if entry.kind is kind]

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


@hot_dataclass(slots=True)
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
    if entry.past:
        how = f"past, {how}" if how else "past"
    if entry.certainty is Certainty.SUSPECTED:
        how = f"suspected, {how}" if how else "suspected"
    return Evidence(
        entry.reference,
        entry.text or label,
        entry.codings[0].code if entry.codings else "",
        str(shown) if shown else "",
        how,
    )


def counts(case: Case, concept: Concept, reading: ConceptReading, entry: Entry) -> tuple[bool, str]:
    """Whether an entry counts for a windowed reading, and what leaves it open; ``(False, "")`` when it says nothing."""
    last = case.last_day(concept)
    dated = entry.date
    if dated is not None and dated.is_after(last):
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


def add_dated(
    case: Case,
    concept: Concept,
    reading: ConceptReading,
    entry: Entry,
    label: str,
    strength: Strength,
    found: Weighing,
) -> None:
    in_time, open_because = counts(case, concept, reading, entry)
    if open_because:
        found.leave_open(entry, label, open_because)
    elif in_time:
        found.add(entry, label, strength)


def label_of(case: Case, entry: Entry, value_set: ValueSetId) -> str:
    for coding in entry.codings:
        if value_set in case.vocabulary.matches(coding):
            return case.vocabulary.label(coding, value_set)
    return case.vocabulary.value_sets[value_set].title
