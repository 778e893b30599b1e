"""How long a drug is taken, by the dosage."""

from __future__ import annotations

from typing import Any

from cds_service.durations import LONGEST_COURSE, length_of
from cds_service.fhir_dates import end_of, is_reversed, start_of
from knowledge.dates import DateSpan
from knowledge.findings import Course

_MOST_DOSAGES = 100
"""Of one drug; of one that claims more the course is not known."""


def course_of(dosages: list[Any] | None, refused: frozenset[str]) -> Course | None:
    """The length or the period the dosage states; None where it states one that cannot be read.

    Several instructions may follow one another or run together.
    """
    if refused & {"dosageInstruction", "dosage"} or len(dosages or []) > _MOST_DOSAGES:
        return None
    lengths: list[tuple[int, int]] = []
    periods: list[tuple[DateSpan | None, DateSpan | None]] = []
    for dosage in dosages or []:
        repeat = dosage.timing.repeat if dosage.timing is not None else None
        if repeat is None:
            continue
        length = length_of(repeat.boundsDuration)
        if length is not None and length[1] > 0:
            lengths.append((int(length[0]), int(length[1])))
        elif repeat.boundsRange is not None:
            low, high = length_of(repeat.boundsRange.low), length_of(repeat.boundsRange.high)
            if low is not None or (high is not None and high[1] > 0):
                shortest, longest = low[0] if low is not None else 0, high[1] if high is not None else LONGEST_COURSE
                lengths.append((int(shortest), int(longest)))
        elif repeat.boundsPeriod is not None:
            start, end = start_of(repeat.boundsPeriod), end_of(repeat.boundsPeriod)
            if start is None and end is None:
                continue
            if is_reversed(repeat.boundsPeriod):
                return None
            periods.append((start, end))
    if periods and lengths:
        return None  # what follows what is not said
    if periods:
        starts = [start for start, _ in periods if start is not None]
        ends = [end for _, end in periods if end is not None]
        each = tuple(Course(begin=start, end=end) for start, end in periods) if len(periods) > 1 else ()
        return Course(
            begin=min(starts, default=None), end=max(ends) if len(ends) == len(periods) else None, periods=each
        )
    if lengths:
        return Course(max(short for short, _ in lengths), sum(long for _, long in lengths))
    return Course()


def has_reversed_bounds(dosages: list[Any] | None) -> bool:
    """Whether a dosage is to end before it starts."""
    repeats = (dosage.timing.repeat for dosage in dosages or [] if dosage.timing is not None)
    return any(repeat is not None and is_reversed(repeat.boundsPeriod) for repeat in repeats)
