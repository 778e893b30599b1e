"""What observations say: by their number against a limit, their interpretation, or a coded yes."""

from __future__ import annotations

from knowledge.criteria import Truth
from knowledge.findings import Kind, Measurement
from knowledge.guideline import Concept, ConceptReading, Threshold
from knowledge.reading import Case, Weighing, add_dated, counts, label_of
from knowledge.vocabulary import Strength


def read_measurements(case: Case, concept: Concept, reading: ConceptReading, found: Weighing) -> None:
    """A number beyond the limit; what its comparator or unit leaves open leaves the concept open."""
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
        label = label_of(case, entry, value_set)
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


def read_interpretations(case: Case, concept: Concept, reading: ConceptReading, found: Weighing) -> None:
    """A result that was called high or low: it only points."""
    value_set = reading.value_sets[0]
    for entry in case.of_kind(Kind.OBSERVATION):
        measured = entry.measurement
        if measured is None or not case.vocabulary.strength(entry.codings, value_set):
            continue
        if set(reading.interpretations) & set(measured.interpretations):
            add_dated(case, concept, reading, entry, label_of(case, entry, value_set), Strength.SUPPORTING, found)


def read_positive(case: Case, concept: Concept, reading: ConceptReading, found: Weighing) -> None:
    """A result that says yes."""
    value_set = reading.value_sets[0]
    for entry in case.of_kind(Kind.OBSERVATION):
        if case.is_positive(entry) and case.vocabulary.strength(entry.codings, value_set):
            add_dated(case, concept, reading, entry, label_of(case, entry, value_set), Strength.INCLUDED, found)
