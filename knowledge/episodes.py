"""The pain and its treatment over time: onset, duration, steroid courses, six weeks of management."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta

from knowledge.dates import DateSpan, Within, days_before, place
from knowledge.findings import Certainty, ConceptId, Course, Entry, Evidence, Finding, Kind, Presence, ValueSetId
from knowledge.guideline import Concept, ConceptReading, ReadingKind
from knowledge.reading import Case, Weighing, evidence_of
from knowledge.vocabulary import Form, Strength, is_sequela

LOW_BACK_PAIN = ConceptId("low-back-pain")
DURATION = ConceptId("duration")
SIX_WEEKS = ConceptId("six-weeks-management")

ACUTE = "acute"
SUBACUTE_OR_CHRONIC = "subacute-or-chronic"


@dataclass(frozen=True, slots=True)
class Onset:
    """The low back pain Condition that dates the pain, and its onset where it has one."""

    condition: Entry
    began: DateSpan | None


def find_onset(case: Case, concept: Concept) -> Onset | None:
    """The Condition the order refers to, else the most recent current one; the first with an onset, if any."""
    reading = _indication(concept)
    referred, current = [], []
    for entry in case.of_kind(Kind.CONDITION):
        if entry.past or entry.certainty is Certainty.REFUTED or _is_future(case, entry):
            continue
        if entry.is_reason and _is_pain(case, entry, reading):
            referred.append(entry)
        if case.vocabulary.strength(entry.codings, *reading.fallback) is Strength.INCLUDED:
            current.append(entry)
    candidates = [_most_recent(group) for group in (referred, current) if group]
    for condition in candidates:
        if condition.start is not None:
            return Onset(condition, condition.start.clipped(case.as_of))
    undated = [condition for condition in candidates if condition.recorded is not None] or candidates
    return Onset(undated[0], None) if undated else None


def read_duration(case: Case, concept: Concept, onset: Onset | None, six_weeks: Finding) -> Finding:
    """Acute, or subacute or chronic: by the onset, else by a code, else by what is at least four weeks old."""
    reading = concept.readings[0]
    assert reading.acute is not None
    assert reading.chronic is not None
    if onset is not None and onset.began is not None:
        return _by_onset(case, concept, reading, onset.condition, onset.began)
    said = _said(case, reading, onset)
    if len(said) == 1:
        (value, evidence) = said.popitem()
        detail = "chronic" if value == SUBACUTE_OR_CHRONIC else ACUTE
        return Finding(concept.id, Presence.PRESENT, (evidence,), value=value, detail=detail)
    if said:
        return Finding(concept.id, Presence.UNKNOWN, tuple(said.values()))
    if onset is not None and onset.condition.recorded is not None:
        oldest_acute = days_before(case.as_of, reading.acute.days - 1)
        if onset.condition.recorded.latest < oldest_acute:
            evidence = _evidence(onset.condition, "recorded")
            return Finding(concept.id, Presence.PRESENT, (evidence,), value=SUBACUTE_OR_CHRONIC)
    if six_weeks.presence is Presence.PRESENT:
        return Finding(concept.id, Presence.PRESENT, six_weeks.evidence, value=SUBACUTE_OR_CHRONIC)
    return Finding(concept.id, Presence.UNKNOWN)


def _by_onset(case: Case, concept: Concept, reading: ConceptReading, condition: Entry, began: DateSpan) -> Finding:
    assert reading.acute is not None
    assert reading.chronic is not None
    evidence = (_evidence(condition, "onset"),)
    where = place(began, days_before(case.as_of, reading.acute.days - 1), case.as_of)
    if where is Within.STRADDLES:
        return Finding(concept.id, Presence.UNKNOWN, evidence)
    if where is Within.INSIDE:
        return Finding(concept.id, Presence.PRESENT, evidence, value=ACUTE, detail=ACUTE)
    finer = place(began, days_before(case.as_of, reading.chronic.days), case.as_of)
    detail = {Within.INSIDE: "subacute", Within.OUTSIDE: "chronic", Within.STRADDLES: None}[finer]
    return Finding(concept.id, Presence.PRESENT, evidence, value=SUBACUTE_OR_CHRONIC, detail=detail)


def _said(case: Case, reading: ConceptReading, onset: Onset | None) -> dict[str, Evidence]:
    """What the codes of the reasons, and of the Condition that dates the pain, say of the duration."""
    said: dict[str, Evidence] = {}
    speaking = [entry for entry in case.statements if entry.is_reason and not entry.past]
    if onset is not None and onset.condition not in speaking:
        speaking.append(onset.condition)
    for entry in speaking:
        if entry.certainty is Certainty.REFUTED:
            continue
        for value_set, value in zip(reading.value_sets, (ACUTE, SUBACUTE_OR_CHRONIC), strict=True):
            if case.vocabulary.strength(entry.codings, value_set) is Strength.INCLUDED:
                said.setdefault(value, _evidence(entry, f"the code says {'chronic' if value != ACUTE else ACUTE}"))
    return said


def _is_future(case: Case, entry: Entry) -> bool:
    return entry.date is not None and entry.date.is_after(case.as_of)


def _most_recent(conditions: list[Entry]) -> Entry:
    return max(conditions, key=lambda entry: entry.date.earliest if entry.date else date.min)


def _indication(concept: Concept) -> ConceptReading:
    return next(reading for reading in concept.readings if reading.kind is ReadingKind.INDICATION)


def _is_pain(case: Case, entry: Entry, reading: ConceptReading) -> bool:
    strength = case.vocabulary.strength
    return (
        strength(entry.codings, *reading.value_sets) is Strength.INCLUDED
        or strength(entry.codings, *reading.plain) is not None
    )


def read_indication(
    case: Case, concept: Concept, reading: ConceptReading, found: Weighing, onset: Onset | None
) -> None:
    """Low back pain as the reason of the order; without any reason, as a current Condition."""
    fallback = not case.order.has_reasons
    sets = reading.fallback if fallback else reading.value_sets
    for entry in case.statements:
        wanted = entry.is_reason or (fallback and entry.kind is Kind.CONDITION)
        if not wanted or entry.past or entry.certainty is Certainty.REFUTED or _is_future(case, entry):
            continue
        matched = [coding for coding in entry.codings if case.vocabulary.strength([coding], *sets)]
        if not matched or all(is_sequela(coding) for coding in matched):
            continue
        standing = case.standing(matched)
        strength = case.vocabulary.strength(standing, *sets)
        if not standing:
            found.leave_open(entry, concept.label, "asserted and refuted")
        elif strength is Strength.INCLUDED:
            found.add(entry, concept.label, strength, "on the problem list, not on the order" if fallback else "")
        elif not fallback and _is_lumbar(case) and case.vocabulary.strength(standing, *reading.plain):
            found.add(entry, concept.label, Strength.INCLUDED, "level not stated")
        elif not fallback:
            found.add(entry, concept.label, strength)


def _is_lumbar(case: Case) -> bool:
    return all(case.topic.procedures[procedure].is_lumbar for procedure in case.order.procedures)


def read_medications(
    case: Case, concept: Concept, reading: ConceptReading, found: Weighing, onset: Onset | None
) -> None:
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
            found.leave_open(entry, label, "date too coarse")


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
        least_last, most_last, settled = start.earliest, start.latest, False
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


def read_steroid_courses(
    case: Case, concept: Concept, reading: ConceptReading, found: Weighing, onset: Onset | None
) -> None:
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


def read_therapy(case: Case, concept: Concept, reading: ConceptReading, found: Weighing, onset: Onset | None) -> None:
    """A session of conservative therapy in the window."""
    value_set = reading.value_sets[0]
    for entry in case.of_kind(Kind.PROCEDURE):
        if case.vocabulary.strength(entry.codings, value_set) is not None:
            _add_in_period(case, reading, entry, value_set, found)


def read_drugs_for_pain(
    case: Case, concept: Concept, reading: ConceptReading, found: Weighing, onset: Onset | None
) -> None:
    """A drug prescribed in the window for low back pain; without a reason it leaves the question open."""
    value_set = reading.value_sets[0]
    pain = _indication(case.topic.concepts[LOW_BACK_PAIN])
    for entry in case.of_kind(Kind.MEDICATION):
        if case.vocabulary.strength(entry.codings, value_set) is None or entry.prescription is None:
            continue
        indications = entry.prescription.indications
        if indications:
            strength = case.vocabulary.strength(indications, *pain.value_sets)
            if strength is not None:
                _add_in_period(case, reading, entry, value_set, found, strength)
        elif not _before_the_pain(entry, onset):
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


def _evidence(entry: Entry, how: str) -> Evidence:
    shown = evidence_of(entry, "low back pain", how)
    return Evidence(shown.reference, shown.label, shown.code, f"{how} {shown.dated}") if shown.dated else shown


READERS: dict[ReadingKind, Callable[[Case, Concept, ConceptReading, Weighing, Onset | None], None]] = {
    ReadingKind.INDICATION: read_indication,
    ReadingKind.MEDICATION: read_medications,
    ReadingKind.STEROID_COURSES: read_steroid_courses,
    ReadingKind.THERAPY: read_therapy,
    ReadingKind.DRUG_FOR_PAIN: read_drugs_for_pain,
}
