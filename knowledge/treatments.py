"""Drugs and therapy over time: what was taken when, steroid courses, six weeks of management."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta

from knowledge.dates import Within, days_before, place
from knowledge.findings import ConceptId, Course, Entry, Kind, ValueSetId
from knowledge.guideline import Concept, ConceptReading, ReadingKind
from knowledge.pain import LOW_BACK_PAIN, indication_of
from knowledge.reading import Case, Onset, Weighing
from knowledge.vocabulary import Form, Strength

SIX_WEEKS = ConceptId("six-weeks-management")


def read_medications(case: Case, concept: Concept, reading: ConceptReading, found: Weighing) -> None:
    """A drug that was prescribed, or is or was active, within the window; any time where there is none."""
    value_set = reading.value_sets[0]
    for entry in case.of_kind(Kind.MEDICATION):
        strength = case.vocabulary.strength(entry.codings, value_set)
        taken = _taken(entry, case.last_day(concept))
        if strength is None or _is_later(entry, case.last_day(concept)) or is_passed_over(case, reading, entry):
            continue
        label, how = _drug_label(case, entry, value_set), ""
        if reading.open_by_local_routes and is_given_locally(case, entry):
            strength, how = Strength.SUPPORTING, "given locally"
        if reading.window is None or _is_active(entry):
            found.add(entry, label, strength, how)
            continue
        first = days_before(case.as_of, reading.window.days)
        if taken is None:
            if not _was_over(entry, first):
                found.leave_open(entry, label, "without a date")
            continue
        surely, possibly = taken.least_last >= first, taken.most_last >= first
        if surely:
            found.add(entry, label, strength, how)
        elif possibly:
            found.leave_open(entry, label, "date too coarse" if taken.settled else "its end is not stated")


@dataclass(frozen=True, slots=True)
class _Taken:
    """The days on which a drug was surely, and possibly, taken, up to the last day looked at."""

    least_first: date
    least_last: date
    most_first: date
    most_last: date
    settled: bool
    """A length, an end or an active state says how long."""


def _is_later(entry: Entry, last: date) -> bool:
    """Whether everything that dates a drug lies after the last day looked at."""
    begun = (entry.prescription.course.begin if entry.prescription else None) or entry.date
    return begun is not None and begun.is_after(last)


def _was_over(entry: Entry, first: date) -> bool:
    """Whether a drug that is no longer taken was told of before ``first``, so that it had ended by then."""
    return not _is_active(entry) and entry.recorded is not None and entry.recorded.latest < first


def _is_active(entry: Entry) -> bool:
    return entry.prescription is not None and entry.prescription.active


def _taken(entry: Entry, last: date, course: Course | None = None) -> _Taken | None:
    """When a drug was taken, up to ``last``; None when it has no date, or only a later one.

    ``course``: the part of its course that is asked about, else all of it.
    """
    if entry.prescription is None:
        return None
    course = course or entry.prescription.course
    begun = course.begin or entry.start
    start = begun.clipped(last) if begun else None
    if start is None:
        return None
    if course.shortest is not None and course.longest is not None:
        least_last = start.earliest + timedelta(days=max(course.shortest - 1, 0))
        most_last = start.latest + timedelta(days=max(course.longest - 1, 0))
        settled = True
    elif course.end is not None:
        least_last, most_last, settled = course.end.earliest, course.end.latest, True
    elif entry.prescription.active:
        # "Days since its start": the last day itself is not over.
        least_last = most_last = last - timedelta(days=1)
        settled = True
    else:
        least_last, settled = start.earliest, False
        most_last = last if entry.prescription.may_go_on else start.latest
    return _Taken(start.latest, min(least_last, last), start.earliest, min(most_last, last), settled)


@dataclass
class _Days:
    """The days of one drug class in a window: those surely, and those possibly, covered by a course."""

    first: date
    certain: list[tuple[date, date]] = field(default_factory=list)
    possible: list[tuple[date, date]] = field(default_factory=list)
    most: int = 0
    """The courses' lengths together: a coarse date widens where a course may lie, not how long it is."""

    def add(self, taken: _Taken, longest: int | None, *, surely: bool) -> None:
        self.possible.append((max(taken.most_first, self.first), taken.most_last))
        self.most += longest if longest is not None else _union_days(self.possible[-1:])
        if surely and taken.least_first <= taken.least_last and taken.least_last >= self.first:
            self.certain.append((max(taken.least_first, self.first), taken.least_last))


def read_steroid_courses(case: Case, concept: Concept, reading: ConceptReading, found: Weighing) -> None:
    """Ninety days of systemic glucocorticoids within a year, by the union of the courses."""
    assert reading.limit is not None
    assert reading.window is not None
    days = _Days(days_before(case.as_of, reading.window.days))
    courses: dict[int, tuple[Entry, str]] = {}
    for entry in case.of_kind(Kind.MEDICATION):
        systemic = _systemic(case, entry, reading)
        if systemic is None or _is_later(entry, case.last_day(concept)):
            continue
        label = _drug_label(case, entry, reading.value_sets[0])
        for course in _periods(entry, case.last_day(concept)):
            taken = _taken(entry, case.last_day(concept), course)
            if taken is None:
                if not _was_over(entry, days.first):
                    found.leave_open(entry, label, "neither length nor date")
            elif taken.most_last < days.first:
                continue
            elif not taken.settled:
                found.leave_open(entry, label, "length not stated")
            else:
                courses[id(entry)] = entry, label  # to compare entries for each of their periods is costly
                days.add(taken, course.longest, surely=systemic is Strength.INCLUDED)
    shown = list(dict.fromkeys(courses.values()))
    if _union_days(days.certain) >= reading.limit.number:
        for entry, label in shown:
            found.add(entry, label, Strength.INCLUDED)
    elif min(_union_days(days.possible), days.most) >= reading.limit.number:
        for entry, label in shown:
            found.leave_open(entry, label, "length or route uncertain")


def _periods(entry: Entry, last: date) -> tuple[Course, ...]:
    """The periods of a drug's course that have begun by ``last``; the whole course where it is stated as one."""
    assert entry.prescription is not None
    whole = entry.prescription.course
    begun = (each for each in whole.periods if each.begin is None or not each.begin.is_after(last))
    return tuple(begun) or (whole,)


def _systemic(case: Case, entry: Entry, reading: ConceptReading) -> Strength | None:
    """Whether a drug is a systemic glucocorticoid: surely, perhaps, or (None) not."""
    sure, needs_route = reading.value_sets[0], reading.route_needed
    assert needs_route is not None
    assert entry.prescription is not None
    listed = case.vocabulary.strength(entry.codings, sure)
    other = case.vocabulary.strength(entry.codings, needs_route)
    if (listed is None and other is None) or is_given_locally(case, entry):
        return None
    is_systemic = _is_systemic_product(case, entry)
    if entry.prescription.routes:
        if not case.topic.systemic_routes.isdisjoint(entry.prescription.routes):
            return listed or other
        return listed if is_systemic else Strength.SUPPORTING
    if listed is not None:
        return listed
    return other if is_systemic else Strength.SUPPORTING


def is_passed_over(case: Case, reading: ConceptReading, entry: Entry) -> bool:
    """Whether a drug says nothing to a reading because of its form or its routes, whatever else stands in its entry."""
    if reading.route_needed is not None:
        return is_given_locally(case, entry)
    return reading.kind is ReadingKind.MEDICATION and case.vocabulary.is_local(entry.codings)


def is_given_locally(case: Case, entry: Entry) -> bool:
    """Whether a drug is a local product, or goes by local routes in all its dosages and is no systemic product."""
    if case.vocabulary.is_local(entry.codings):
        return True
    given = entry.prescription
    if given is None or not given.routes or given.more_routes or _is_systemic_product(case, entry):
        return False
    return case.topic.local_routes.issuperset(given.routes)


def _is_systemic_product(case: Case, entry: Entry) -> bool:
    made = (case.vocabulary.ingredient(coding) for coding in entry.codings)
    return any(each is not None and each.form is Form.SYSTEMIC for each in made)


def _union_days(courses: Iterable[tuple[date, date]]) -> int:
    """Days covered by at least one of the courses, both ends included."""
    total, reached = 0, None
    for first, last in sorted(courses):
        begin = first if reached is None else max(first, reached + timedelta(days=1))
        if begin <= last:
            total += (last - begin).days + 1
            reached = last
    return total


def read_therapy(case: Case, concept: Concept, reading: ConceptReading, found: Weighing) -> None:
    """A session of conservative therapy in the window."""
    value_set = reading.value_sets[0]
    for entry in case.of_kind(Kind.PROCEDURE):
        if case.vocabulary.strength(entry.codings, value_set) is not None:
            _add_in_period(case, reading, entry, value_set, found)


def read_drugs_for_pain(case: Case, concept: Concept, reading: ConceptReading, found: Weighing) -> None:
    """A drug prescribed in the window for low back pain; without a reason it leaves the question open."""
    value_set = reading.value_sets[0]
    pain = indication_of(case.topic.concepts[LOW_BACK_PAIN])
    for entry in case.of_kind(Kind.MEDICATION):
        if case.vocabulary.strength(entry.codings, value_set) is None or entry.prescription is None:
            continue
        indications = entry.prescription.indications
        if indications:
            strength = case.vocabulary.strength(indications, *pain.value_sets)
            if strength is not None:
                _add_in_period(case, reading, entry, value_set, found, strength)
        elif not _before_the_pain(entry, case.onset):
            _add_in_period(case, reading, entry, value_set, found, Strength.SUPPORTING, "no reason stated")


def _before_the_pain(entry: Entry, onset: Onset | None) -> bool:
    return (
        entry.date is not None
        and onset is not None
        and onset.began is not None
        and entry.date.latest < onset.began.earliest
    )


def _add_in_period(
    case: Case,
    reading: ConceptReading,
    entry: Entry,
    value_set: ValueSetId,
    found: Weighing,
    strength: Strength = Strength.INCLUDED,
    how: str = "",
) -> None:
    assert reading.earliest is not None
    assert reading.latest is not None
    first, last = days_before(case.as_of, reading.earliest.days), days_before(case.as_of, reading.latest.days)
    label = _drug_label(case, entry, value_set)
    # The day a drug was told of is not the day it was begun.
    dated = entry.start if entry.kind is Kind.MEDICATION else entry.date
    if dated is None:
        found.leave_open(entry, label, "without a date")
        return
    where = place(dated, first, last)
    if where is Within.INSIDE:
        found.add(entry, label, strength, how)
    elif where is Within.STRADDLES:
        found.leave_open(entry, label, "date too coarse")


def _drug_label(case: Case, entry: Entry, value_set: ValueSetId) -> str:
    for coding in entry.codings:
        if value_set in case.vocabulary.matches(coding):
            made = case.vocabulary.ingredient(coding)
            return case.vocabulary.label(made.coding if made else coding, value_set)
    return case.vocabulary.value_sets[value_set].title
