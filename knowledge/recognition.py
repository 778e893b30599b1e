"""From a chart to findings: what is present, absent or unknown of every concept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date
from functools import lru_cache

from knowledge import episodes
from knowledge.criteria import Truth
from knowledge.dates import Within, age_on, place
from knowledge.findings import (
    Certainty,
    Chart,
    Coding,
    Entry,
    Evidence,
    Finding,
    Findings,
    Kind,
    Measurement,
    OrderedProcedure,
    PrefetchKey,
    Presence,
    Reading,
    ValueSetId,
)
from knowledge.guideline import Concept, ConceptReading, ReadingKind, Silence, Threshold, Topic
from knowledge.orders import OrderCodes
from knowledge.reading import NOT_READ, Case, Weighing, counts, evidence_of, in_window
from knowledge.vocabulary import Strength, Vocabulary, is_sequela


def recognise(
    chart: Chart,
    order: OrderedProcedure,
    as_of: date,
    today: date,
    topic: Topic,
    vocabulary: Vocabulary,
    orders: OrderCodes,
) -> Reading:
    """Read every concept and note of ``topic`` from the chart and the order.

    ``as_of`` is the day windows and ages count back from; ``today`` is the day of the call.
    """
    case = Case(chart, order, as_of, today, topic, vocabulary, orders)
    silent = _where_silent if not order.unread_reasons else _silence
    findings, notes = map(dict, silent(topic, chart.searchable, order.unread_reasons))
    age = _age(chart, as_of)
    # The duration asks whether six weeks of management are present, and they ask when the pain began.
    onset = episodes.find_onset(case, topic.concepts[episodes.LOW_BACK_PAIN])
    for concepts, read in ((topic.concepts, findings), (topic.notes, notes)):
        for concept in concepts.values():
            if concept.by_age:
                read[concept.id] = _read_age(case, concept, age)
            elif concept.id != episodes.DURATION and not concept.every_set.isdisjoint(case.mentioned):
                read[concept.id] = _read(case, concept, onset)
    if episodes.DURATION in findings:
        findings[episodes.DURATION] = episodes.read_duration(
            case, topic.concepts[episodes.DURATION], onset, findings[episodes.SIX_WEEKS]
        )
    return Reading(
        findings=findings,
        notes=notes,
        earlier_imaging=tuple(_earlier_imaging(case)),
        is_child=age is not None and age[1] < topic.adult_age.number,
        age_known=age is not None,
        missing_keys=tuple([key for key in _KEYS if key not in chart.delivered]),
        gaps=chart.gaps,
        unseen_counts_as_empty=tuple([key for key in _KEYS if key in chart.unseen_counts_as_empty]),
        unread_reasons=order.unread_reasons,
    )


_KEYS = tuple(PrefetchKey)


def _silence(
    topic: Topic, searchable: frozenset[PrefetchKey], unread_reasons: tuple[str, ...]
) -> tuple[Findings, Findings]:
    """What it means that a chart mentions nothing of any concept, and of any note, in the topic's order."""
    nothing = Weighing()
    findings, notes = (
        {concept.id: _concluded(concept, nothing, searchable, unread_reasons) for concept in concepts.values()}
        for concepts in (topic.concepts, topic.notes)
    )
    return findings, notes


# The same for all charts of which the same keys are searchable.
_where_silent = lru_cache(maxsize=1 << len(PrefetchKey))(_silence)


def _read(case: Case, concept: Concept, onset: episodes.Onset | None) -> Finding:
    found = Weighing()
    for reading in concept.readings:
        if reading.every_set.isdisjoint(case.mentioned):
            continue
        if case.unread:
            _leave_open_what_was_not_read(case, concept, reading, found)
        special = episodes.READERS.get(reading.kind)
        if special is not None:
            special(case, concept, reading, found, onset)
        else:
            _READERS[reading.kind](case, concept, reading, found)
    finding = _concluded(concept, found, case.chart.searchable, case.order.unread_reasons)
    if finding.presence is Presence.ABSENT:
        told = {evidence.reference for evidence in finding.evidence}
        passed_over = tuple(_passed_over(case, concept, told))
        if passed_over:
            return Finding(concept.id, Presence.ABSENT, finding.evidence, finding.assumed, passed_over=passed_over)
    return finding


def _passed_over(case: Case, concept: Concept, told: set[str]) -> Iterable[Evidence]:
    """The entries of a concept's kind that do not count, each with the reason."""
    last = case.last_day(concept)
    for entry in case.entries:
        if entry.reference in told:
            continue
        named = _named(case, entry, concept.every_set)
        if named is None:
            continue
        if entry.date is not None and entry.date.is_after(last):
            why = "dated after the order"
        elif entry.kind is Kind.OBSERVATION:
            why = "by its value"
        elif entry.kind is Kind.MEDICATION:
            locally = any(episodes.is_passed_over(case, reading, entry) for reading in concept.readings)
            why = "given locally" if locally else "too short or too long ago"
        else:
            why = "outside the time that counts"
        yield evidence_of(entry, case.vocabulary.label(*named), why)


def _named(case: Case, entry: Entry, value_sets: frozenset[ValueSetId]) -> tuple[Coding, ValueSetId] | None:
    """The first code of an entry that is in one of the value sets, and in which."""
    for coding in entry.codings:
        for value_set in case.vocabulary.matches(coding):
            if value_set in value_sets:
                return coding, value_set
    return None


def _leave_open_what_was_not_read(case: Case, concept: Concept, reading: ConceptReading, found: Weighing) -> None:
    """An entry of which only the codes were read, or all but its value, may be what the reading looks for."""
    if reading.kind in _OF_THE_ORDER or concept.silence is Silence.ABSENT:
        return
    for entry in case.unread:
        of_value = reading.kind in _BY_VALUE and (concept.red_flag or bool(entry.flaw))
        if not (entry.unread or of_value):
            continue
        in_time, open_because = counts(case, concept, reading, entry)
        if not in_time and not open_because:
            continue
        if entry.kind is Kind.MEDICATION and episodes.is_passed_over(case, reading, entry):
            continue
        for value_set in reading.own_sets:
            if case.vocabulary.strength(entry.codings, value_set):
                found.leave_open(entry, _label(case, entry, value_set), entry.flaw or "an answer that is not known")
                break


# Readings that look at reasons of the order only, where one that cannot be read is told of by its place.
_OF_THE_ORDER = (ReadingKind.INDICATION, ReadingKind.REASON, ReadingKind.STAGING)
# Readings for which an observation counts by its value.
_BY_VALUE = (ReadingKind.MEASUREMENT, ReadingKind.STATEMENT, ReadingKind.POSITIVE)


def _concluded(
    concept: Concept, found: Weighing, searchable: frozenset[PrefetchKey], unread_reasons: tuple[str, ...]
) -> Finding:
    """Present where something says so; unknown where something leaves it open; else what silence means."""
    if found.present:
        return Finding(concept.id, Presence.PRESENT, tuple(found.present + found.open))
    if found.open:
        return Finding(concept.id, Presence.UNKNOWN, tuple(found.open + found.refuted))
    unseen = tuple(key for key in concept.needs if key not in searchable)
    if concept.silence is Silence.NEVER_ABSENT:
        return Finding(concept.id, Presence.UNKNOWN, tuple(found.refuted))
    if concept.silence is Silence.ABSENT:
        return Finding(concept.id, Presence.ABSENT, tuple(found.refuted), assumed=True)
    if unseen or (concept.red_flag and unread_reasons):
        unread = tuple(
            Evidence(reason, "a reason that could not be read", how=NOT_READ)
            for reason in (unread_reasons if concept.red_flag else ())
        )
        return Finding(concept.id, Presence.UNKNOWN, tuple(found.refuted) + unread, unseen=unseen)
    return Finding(concept.id, Presence.ABSENT, tuple(found.refuted), assumed=True)


def _read_statements(case: Case, concept: Concept, reading: ConceptReading, found: Weighing) -> None:
    value_set = reading.value_sets[0]
    for entry in case.statements:
        matched = [coding for coding in entry.codings if value_set in case.vocabulary.matches(coding)]
        if not matched:
            continue
        label = case.vocabulary.label(matched[0], value_set)
        if entry.certainty is Certainty.REFUTED:
            found.refuted.append(evidence_of(entry, label, "refuted"))
            continue
        over = all(is_sequela(coding) for coding in matched)
        dated = replace(entry, past=True) if over else entry
        in_time, open_because = counts(case, concept, reading, dated)
        if open_because:
            found.leave_open(entry, label, open_because)
        elif in_time:
            _add_unless_contested(case, concept, entry, matched, value_set, found)


def _add_unless_contested(
    case: Case, concept: Concept, entry: Entry, matched: list[Coding], value_set: ValueSetId, found: Weighing
) -> None:
    label = case.vocabulary.label(matched[0], value_set)
    standing = case.standing(matched)
    if not standing:
        found.leave_open(entry, label, "asserted and refuted")
    elif entry.certainty is Certainty.SUSPECTED and not concept.suspected_counts:
        found.leave_open(entry, label, "")
    else:
        found.add(entry, label, case.vocabulary.strength(standing, value_set))


def _read_reasons(case: Case, concept: Concept, reading: ConceptReading, found: Weighing) -> None:
    for entry in case.statements:
        if not entry.is_reason or (entry.past and reading.past == "never"):
            continue
        for value_set in reading.value_sets:
            matched = [coding for coding in entry.codings if value_set in case.vocabulary.matches(coding)]
            if not matched:
                continue
            if entry.certainty is Certainty.REFUTED:
                label = case.vocabulary.label(matched[0], value_set)
                found.refuted.append(evidence_of(entry, label, "refuted"))
            else:
                _add_unless_contested(case, concept, entry, matched, value_set, found)


def _read_staging(case: Case, concept: Concept, reading: ConceptReading, found: Weighing) -> None:
    """A whole-body study ordered for a malignancy is staging."""
    procedures = [case.topic.procedures[procedure] for procedure in case.order.procedures]
    if procedures and not any(procedure.is_lumbar for procedure in procedures):
        _read_reasons(case, concept, replace(reading, past="always"), found)


def _read_recent_fracture(case: Case, concept: Concept, reading: ConceptReading, found: Weighing) -> None:
    """A current vertebral fracture on the problem list may be what the order is for."""
    assert reading.window is not None
    value_set = reading.value_sets[0]
    for entry in _current_conditions(case):
        if not case.vocabulary.strength(entry.codings, value_set) or _read_by_another(case, entry, value_set):
            continue
        in_time, open_because = in_window(entry.date, *case.window(reading.window, case.last_day(concept)))
        if in_time or open_because:
            found.leave_open(entry, _label(case, entry, value_set), "on the problem list, not the reason")


def _read_by_another(case: Case, entry: Entry, value_set: ValueSetId) -> bool:
    """Whether a red-flag concept reads the same entry by a statement of its own."""
    others = {
        listed
        for concept in case.topic.concepts.values()
        if concept.red_flag
        for reading in concept.readings
        if reading.kind is ReadingKind.STATEMENT
        for listed in reading.value_sets
    }
    return any(listed in others for coding in entry.codings for listed in case.vocabulary.matches(coding))


def _read_elsewhere_current(case: Case, concept: Concept, reading: ConceptReading, found: Weighing) -> None:
    """A current disease of another topic on the problem list leaves open what the order is for."""
    for entry in _current_conditions(case):
        for value_set in reading.value_sets:
            if case.vocabulary.strength(entry.codings, value_set):
                found.leave_open(entry, _label(case, entry, value_set), "on the problem list, not the reason")


def _current_conditions(case: Case) -> Iterable[Entry]:
    for entry in case.of_kind(Kind.CONDITION):
        dated = entry.date
        over = entry.past or all(is_sequela(coding) for coding in entry.codings)
        future = dated is not None and dated.is_after(case.as_of)
        if not entry.is_reason and not over and not future and entry.certainty is not Certainty.REFUTED:
            yield entry


def _read_old_fracture(case: Case, concept: Concept, reading: ConceptReading, found: Weighing) -> None:
    """A vertebral fracture that is old or over may mean osteoporosis; what is current and recent is read elsewhere."""
    assert reading.limit is not None
    value_set = reading.value_sets[0]
    recent = case.window(reading.limit, case.last_day(concept))
    for entry in case.statements:
        if not case.vocabulary.strength(entry.codings, value_set) or entry.certainty is Certainty.REFUTED:
            continue
        over = entry.past or all(map(is_sequela, entry.codings))
        dated = entry.date.clipped(recent[1]) if entry.date else None
        old = dated is not None and place(dated, *recent) is not Within.INSIDE
        if old or (over and (dated is not None or entry.date is None)):
            found.leave_open(entry, _label(case, entry, value_set), "" if entry.past else "old vertebral fracture")


def _label(case: Case, entry: Entry, value_set: ValueSetId) -> str:
    for coding in entry.codings:
        if value_set in case.vocabulary.matches(coding):
            return case.vocabulary.label(coding, value_set)
    return case.vocabulary.value_sets[value_set].title


def _read_measurements(case: Case, concept: Concept, reading: ConceptReading, found: Weighing) -> None:
    value_set, limit = reading.value_sets[0], reading.limit
    assert limit is not None
    for entry in case.of_kind(Kind.OBSERVATION):
        measured = entry.measurement
        if measured is None or measured.number is None or not case.vocabulary.strength(entry.codings, value_set):
            continue
        beyond = _lies_beyond(case, measured, limit, reading.limit_is)
        if beyond is False:
            continue
        in_time, open_because = counts(case, concept, reading, entry)
        if not (in_time or open_because):
            continue
        label = _label(case, entry, value_set)
        if beyond and in_time:
            found.add(entry, label, Strength.INCLUDED)
        else:
            found.leave_open(entry, label, open_because or "value or unit uncertain")


def _lies_beyond(case: Case, measured: Measurement, limit: Threshold, limit_is: str) -> Truth:
    """Whether a measured value lies on the far side of a limit; None where its comparator or unit leave that open."""
    unit = case.topic.observations.units.get((measured.unit or "").lower(), "")
    if unit in limit.by_unit:
        return _is_beyond(measured, limit.by_unit[unit], limit_is)
    if limit.value is not None:
        return _is_beyond(measured, limit.value, limit_is)
    # Without a unit we know, the number is held against the bound of every unit.
    found = {_is_beyond(measured, bound, limit_is) for bound in limit.by_unit.values()}
    return found.pop() if len(found) == 1 else None


def _is_beyond(measured: Measurement, bound: float, limit_is: str) -> Truth:
    """Whether a measured value lies on the far side of a bound; None where its comparator leaves that open."""
    assert measured.number is not None
    number, comparator = measured.number, measured.comparator
    if limit_is == "at_least":
        if comparator in (">", ">="):
            return True if number >= bound else None
        if comparator in ("<", "<="):
            return False if number < bound or (number == bound and comparator == "<") else None
        return number >= bound
    allowed = number < bound or (number == bound and (limit_is == "at_most" or comparator == "<"))
    if comparator in ("<", "<="):
        return True if allowed else None
    if comparator in (">", ">="):
        return False if number > bound or (number == bound and (limit_is == "below" or comparator == ">")) else None
    return number <= bound if limit_is == "at_most" else number < bound


def _read_interpretations(case: Case, concept: Concept, reading: ConceptReading, found: Weighing) -> None:
    value_set = reading.value_sets[0]
    for entry in case.of_kind(Kind.OBSERVATION):
        measured = entry.measurement
        if measured is None or not case.vocabulary.strength(entry.codings, value_set):
            continue
        if set(reading.interpretations) & set(measured.interpretations):
            _add_dated(case, concept, reading, entry, _label(case, entry, value_set), Strength.SUPPORTING, found)


def _read_positive(case: Case, concept: Concept, reading: ConceptReading, found: Weighing) -> None:
    value_set = reading.value_sets[0]
    for entry in case.of_kind(Kind.OBSERVATION):
        if case.is_positive(entry) and case.vocabulary.strength(entry.codings, value_set):
            _add_dated(case, concept, reading, entry, _label(case, entry, value_set), Strength.INCLUDED, found)


def _read_referrals(case: Case, concept: Concept, reading: ConceptReading, found: Weighing) -> None:
    value_set = reading.value_sets[0]
    for entry in case.of_kind(Kind.REFERRAL):
        strength = case.vocabulary.strength(entry.codings, value_set)
        if strength:
            _add_dated(case, concept, reading, entry, _label(case, entry, value_set), strength, found)


def _add_dated(
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


_READERS: dict[ReadingKind, Callable[[Case, Concept, ConceptReading, Weighing], None]] = {
    ReadingKind.STATEMENT: _read_statements,
    ReadingKind.REASON: _read_reasons,
    ReadingKind.STAGING: _read_staging,
    ReadingKind.RECENT_FRACTURE: _read_recent_fracture,
    ReadingKind.ELSEWHERE_CURRENT: _read_elsewhere_current,
    ReadingKind.OLD_FRACTURE: _read_old_fracture,
    ReadingKind.MEASUREMENT: _read_measurements,
    ReadingKind.INTERPRETATION: _read_interpretations,
    ReadingKind.POSITIVE: _read_positive,
    ReadingKind.REFERRAL: _read_referrals,
}


def _age(chart: Chart, as_of: date) -> tuple[int, int] | None:
    """The least and the greatest age the birth date allows."""
    birth = chart.birth_date
    if birth is None or birth.earliest > as_of:
        return None
    return age_on(min(birth.latest, as_of), as_of), age_on(birth.earliest, as_of)


def _read_age(case: Case, concept: Concept, age: tuple[int, int] | None) -> Finding:
    limit = concept.readings[0].limit
    assert limit is not None
    if age is None:
        if PrefetchKey.PATIENT in case.chart.unseen_counts_as_empty:
            return Finding(concept.id, Presence.ABSENT, assumed=True)
        return Finding(concept.id, Presence.UNKNOWN, unseen=(PrefetchKey.PATIENT,))
    least, greatest = age
    shown = f"{least} years" if least == greatest else f"{least} to {greatest} years"
    evidence = (Evidence(case.chart.patient, f"age {shown}", dated=f"born {case.chart.birth_date}"),)
    if least >= limit.number:
        return Finding(concept.id, Presence.PRESENT, evidence)
    if greatest < limit.number:
        return Finding(concept.id, Presence.ABSENT, evidence)
    return Finding(concept.id, Presence.UNKNOWN, evidence)


def _earlier_imaging(case: Case) -> Iterable[Evidence]:
    """Studies of the lumbar spine that were done before the order."""
    for entry in case.entries:
        if entry.kind not in (Kind.IMAGING, Kind.PROCEDURE) or entry.underway:
            continue
        resolved = case.orders.resolve(entry.codings)
        procedures = getattr(resolved, "procedures", ())
        dated = entry.date
        if not procedures or not any(case.topic.procedures[procedure].is_lumbar for procedure in procedures):
            continue
        if dated is None or not dated.is_after(case.as_of):
            yield evidence_of(entry, case.topic.procedures[procedures[0]].name)
