"""From a chart to findings: what is present, absent or unknown of every concept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from functools import lru_cache

from knowledge import measurements, pain, statements, treatments
from knowledge.dates import age_on
from knowledge.findings import (
    Chart,
    ChartFindings,
    Coding,
    Entry,
    Evidence,
    Finding,
    Findings,
    Kind,
    OrderedProcedure,
    PrefetchKey,
    Presence,
    ValueSetId,
)
from knowledge.guideline import Concept, ConceptReading, ReadingKind, Silence, Topic
from knowledge.orders import OrderCodes, Study
from knowledge.reading import NOT_READ, Case, Weighing, counts, evidence_of, label_of
from knowledge.vocabulary import Vocabulary


def recognise(
    chart: Chart,
    order: OrderedProcedure,
    as_of: date,
    today: date,
    topic: Topic,
    vocabulary: Vocabulary,
    orders: OrderCodes,
) -> ChartFindings:
    """Read every concept and note of ``topic`` from the chart and the order.

    ``as_of`` is the day windows and ages count back from; ``today`` is the day of the call.
    """
    case = Case(chart, order, as_of, today, topic, vocabulary, orders)
    silent = _where_silent if not order.unread_reasons else _silence
    findings, notes = map(dict, silent(topic, chart.searchable, order.unread_reasons))
    age = _age(chart, as_of)
    # The duration asks whether six weeks of management are present, and they ask when the pain began.
    case.onset = pain.find_onset(case, topic.concepts[pain.LOW_BACK_PAIN])
    for concepts, read in ((topic.concepts, findings), (topic.notes, notes)):
        for concept in concepts.values():
            if concept.by_age:
                read[concept.id] = _read_age(case, concept, age)
            elif concept.id != pain.DURATION and not concept.every_set.isdisjoint(case.mentioned):
                read[concept.id] = _read(case, concept)
    if pain.DURATION in findings:
        six_weeks = findings[treatments.SIX_WEEKS]
        findings[pain.DURATION] = pain.read_duration(case, topic.concepts[pain.DURATION], six_weeks)
    return ChartFindings(
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


def _read(case: Case, concept: Concept) -> Finding:
    found = Weighing()
    for reading in concept.readings:
        if reading.every_set.isdisjoint(case.mentioned):
            continue
        if case.unread:
            _leave_open_what_was_not_read(case, concept, reading, found)
        READERS[reading.kind](case, concept, reading, found)
    finding = _concluded(concept, found, case.chart.searchable, case.order.unread_reasons)
    if finding.presence is Presence.ABSENT:
        told = {evidence.reference for evidence in finding.evidence}
        passed_over = tuple(_passed_over(case, concept, told))
        if passed_over:
            return Finding(concept.id, Presence.ABSENT, finding.evidence, finding.assumed, passed_over=passed_over)
    return finding


READERS: dict[ReadingKind, Callable[[Case, Concept, ConceptReading, Weighing], None]] = {
    ReadingKind.INDICATION: pain.read_indication,
    ReadingKind.STATEMENT: statements.read_statements,
    ReadingKind.REASON: statements.read_reasons,
    ReadingKind.STAGING: statements.read_staging,
    ReadingKind.RECENT_FRACTURE: statements.read_recent_fracture,
    ReadingKind.ELSEWHERE_CURRENT: statements.read_elsewhere_current,
    ReadingKind.OLD_FRACTURE: statements.read_old_fracture,
    ReadingKind.MEASUREMENT: measurements.read_measurements,
    ReadingKind.INTERPRETATION: measurements.read_interpretations,
    ReadingKind.POSITIVE: measurements.read_positive,
    ReadingKind.REFERRAL: statements.read_referrals,
    ReadingKind.MEDICATION: treatments.read_medications,
    ReadingKind.STEROID_COURSES: treatments.read_steroid_courses,
    ReadingKind.THERAPY: treatments.read_therapy,
    ReadingKind.DRUG_FOR_PAIN: treatments.read_drugs_for_pain,
}
"""How entries of each kind are read; the age and the duration are no sum of entries, and read by themselves."""


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
            locally = any(treatments.is_passed_over(case, reading, entry) for reading in concept.readings)
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
        if entry.kind is Kind.MEDICATION and treatments.is_passed_over(case, reading, entry):
            continue
        for value_set in reading.own_sets:
            if case.vocabulary.strength(entry.codings, value_set):
                found.leave_open(entry, label_of(case, entry, value_set), entry.flaw or "an answer that is not known")
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
        procedures = resolved.procedures if isinstance(resolved, Study) else ()
        dated = entry.date
        if not procedures or not any(case.topic.procedures[procedure].is_lumbar for procedure in procedures):
            continue
        if dated is None or not dated.is_after(case.as_of):
            yield evidence_of(entry, case.topic.procedures[procedures[0]].name)
