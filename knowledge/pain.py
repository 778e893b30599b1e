"""The pain: whether the order is for it, when it began, and how long it has lasted."""

from __future__ import annotations

from datetime import date

from knowledge.dates import DateSpan, Within, days_before, place
from knowledge.findings import Certainty, ConceptId, Entry, Evidence, Finding, Kind, Presence
from knowledge.guideline import Concept, ConceptReading, ReadingKind
from knowledge.reading import Case, Onset, Weighing, evidence_of
from knowledge.vocabulary import Strength, is_sequela

LOW_BACK_PAIN = ConceptId("low-back-pain")
DURATION = ConceptId("duration")

ACUTE = "acute"
SUBACUTE_OR_CHRONIC = "subacute-or-chronic"


def find_onset(case: Case, concept: Concept) -> Onset | None:
    """The Condition the order refers to, else the most recent current one; the first with an onset, if any."""
    reading = indication_of(concept)
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


def read_indication(case: Case, concept: Concept, reading: ConceptReading, found: Weighing) -> None:
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


def read_duration(case: Case, concept: Concept, six_weeks: Finding) -> Finding:
    """Acute, or subacute or chronic: by the onset, else by a code, else by what is at least four weeks old."""
    reading, onset = concept.readings[0], case.onset
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


def indication_of(concept: Concept) -> ConceptReading:
    return next(reading for reading in concept.readings if reading.kind is ReadingKind.INDICATION)


def _is_pain(case: Case, entry: Entry, reading: ConceptReading) -> bool:
    strength = case.vocabulary.strength
    return (
        strength(entry.codings, *reading.value_sets) is Strength.INCLUDED
        or strength(entry.codings, *reading.plain) is not None
    )


def _evidence(entry: Entry, how: str) -> Evidence:
    shown = evidence_of(entry, "low back pain", how)
    return Evidence(shown.reference, shown.label, shown.code, f"{how} {shown.dated}") if shown.dated else shown
