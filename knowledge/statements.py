"""What statements say: reasons of the order, conditions, completed procedures; and what referrals say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from knowledge.dates import Within, place
from knowledge.findings import Certainty, Coding, Entry, Kind, ValueSetId
from knowledge.guideline import Concept, ConceptReading
from knowledge.reading import Case, Weighing, add_dated, counts, evidence_of, in_window, label_of
from knowledge.vocabulary import is_sequela


def read_statements(case: Case, concept: Concept, reading: ConceptReading, found: Weighing) -> None:
    """What the chart and the order state in the time that counts; a refuted statement denies."""
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


def read_reasons(case: Case, concept: Concept, reading: ConceptReading, found: Weighing) -> None:
    """What the order itself is for, whatever its date."""
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


def read_staging(case: Case, concept: Concept, reading: ConceptReading, found: Weighing) -> None:
    """A whole-body study ordered for a malignancy is staging."""
    procedures = [case.topic.procedures[procedure] for procedure in case.order.procedures]
    if procedures and not any(procedure.is_lumbar for procedure in procedures):
        read_reasons(case, concept, replace(reading, past="always"), found)


def read_recent_fracture(case: Case, concept: Concept, reading: ConceptReading, found: Weighing) -> None:
    """A current vertebral fracture on the problem list may be what the order is for."""
    assert reading.window is not None
    value_set = reading.value_sets[0]
    for entry in _current_conditions(case):
        if not case.vocabulary.strength(entry.codings, value_set) or _read_by_another(case, entry):
            continue
        in_time, open_because = in_window(entry.date, *case.window(reading.window, case.last_day(concept)))
        if in_time or open_because:
            found.leave_open(entry, label_of(case, entry, value_set), "on the problem list, not the reason")


def _read_by_another(case: Case, entry: Entry) -> bool:
    """Whether a red-flag concept reads the same entry by a statement of its own."""
    stated = case.topic.stated_red_flags
    return any(not stated.isdisjoint(case.vocabulary.matches(coding)) for coding in entry.codings)


def read_elsewhere_current(case: Case, concept: Concept, reading: ConceptReading, found: Weighing) -> None:
    """A current disease of another topic on the problem list leaves open what the order is for."""
    for entry in _current_conditions(case):
        for value_set in reading.value_sets:
            if case.vocabulary.strength(entry.codings, value_set):
                found.leave_open(entry, label_of(case, entry, value_set), "on the problem list, not the reason")


def _current_conditions(case: Case) -> Iterable[Entry]:
    for entry in case.of_kind(Kind.CONDITION):
        dated = entry.date
        over = entry.past or all(is_sequela(coding) for coding in entry.codings)
        future = dated is not None and dated.is_after(case.as_of)
        if not entry.is_reason and not over and not future and entry.certainty is not Certainty.REFUTED:
            yield entry


def read_old_fracture(case: Case, concept: Concept, reading: ConceptReading, found: Weighing) -> None:
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
            found.leave_open(entry, label_of(case, entry, value_set), "" if entry.past else "old vertebral fracture")


def read_referrals(case: Case, concept: Concept, reading: ConceptReading, found: Weighing) -> None:
    """A referral in the window."""
    value_set = reading.value_sets[0]
    for entry in case.of_kind(Kind.REFERRAL):
        strength = case.vocabulary.strength(entry.codings, value_set)
        if strength:
            add_dated(case, concept, reading, entry, label_of(case, entry, value_set), strength, found)
