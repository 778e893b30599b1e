"""The days that dates, periods and ages stand for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from cds_service.durations import DAYS, unit_of
from knowledge.dates import DateSpan

DATED = re.compile(r"(\d{4}-\d{2}-\d{2})[T ]")
"""A date as written, before a time."""


def span(value: Any) -> DateSpan | None:
    """The days a date of a model stands for."""
    if value is None:
        return None
    if isinstance(value, date):
        return DateSpan.on(date(value.year, value.month, value.day))
    try:
        return DateSpan.parse(str(value)[:10])
    except ValueError:
        return None


def local_day(written: str) -> str | None:
    """The day of a moment in the time zone of this machine; None where no moment with a zone is written."""
    if not DATED.match(written):
        return None
    try:
        moment = datetime.fromisoformat(written)
        return moment.astimezone().date().isoformat() if moment.tzinfo is not None else None
    except (ValueError, OverflowError):  # 9999-12-31 is how some write "open"
        return None


def start_of(period: Any) -> DateSpan | None:
    return span(period.start) if period is not None else None


def end_of(period: Any) -> DateSpan | None:
    return span(period.end) if period is not None else None


def days_in(period: Any) -> DateSpan | None:
    """The days of a period, any of which may be meant: without an end all from its start, without a start none."""
    start, end = start_of(period), end_of(period)
    if start is None or is_reversed(period):
        return None
    return DateSpan(start.earliest, end.latest if end is not None else date.max)


def is_reversed(period: Any) -> bool:
    """Whether a period ends before it starts: one of its dates is wrong, and nothing says which."""
    start, end = start_of(period), end_of(period)
    return start is not None and end is not None and end.latest < start.earliest


def onset_and_end(
    onset: DateSpan | None, end: DateSpan | None, others: Iterable[DateSpan | None], today: str | None
) -> tuple[DateSpan | None, DateSpan | None]:
    """Both as they are told; an end before its onset dates nothing.

    An onset that is still to come is doubtful where something dates the same before today, its end or else one of
    ``others``: it may be any day from then on.
    """
    if onset is None:
        return onset, end
    ends_first = end is not None and end.latest < onset.earliest
    if today is not None and onset.earliest.isoformat() > today:
        before = [each for each in (end, *others) if each is not None and each.latest.isoformat() <= today]
        if before:
            onset = DateSpan(before[0].earliest, onset.latest)
    return onset, None if ends_first else end


def years_after(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)


def at_age(age: Any, birth_date: DateSpan | None) -> DateSpan | None:
    """The days on which the patient had the age, by the birth date."""
    if age is None or age.value is None or birth_date is None or age.value < 0 or age.comparator:
        return None
    unit = unit_of(age)
    if unit is None:
        return None
    begin = float(age.value) * DAYS[unit]
    try:
        if unit == "a":
            years = int(age.value)
            return DateSpan(
                years_after(birth_date.earliest, years),
                years_after(birth_date.latest, years + 1) - timedelta(days=1),
            )
        return DateSpan(
            birth_date.earliest + timedelta(days=int(begin)),
            birth_date.latest + timedelta(days=int(begin + DAYS[unit])),
        )
    except (OverflowError, ValueError):
        return None
