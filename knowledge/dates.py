"""Dates as charts write them: a year, a month or a day, each standing for all of its days."""

from __future__ import annotations

import calendar
import re
from datetime import date, timedelta
from enum import Enum

from knowledge.values import hot_dataclass

_WRITTEN = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?\Z", re.ASCII)


@hot_dataclass(frozen=True, slots=True, order=True)
class DateSpan:
    """The days a written date may mean, both ends included."""

    earliest: date
    latest: date

    @classmethod
    def parse(cls, written: str) -> DateSpan:
        """Read ``YYYY``, ``YYYY-MM`` or ``YYYY-MM-DD``; anything else raises ValueError."""
        match = _WRITTEN.match(written)
        if match is None:
            raise ValueError(f"not a FHIR date: {written!r}")
        year, month, day = (int(part) if part else None for part in match.groups())
        assert year is not None
        if month is None:
            return cls(date(year, 1, 1), date(year, 12, 31))
        if day is None:
            return cls(date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1]))
        return cls.on(date(year, month, day))

    @classmethod
    def on(cls, day: date) -> DateSpan:
        return cls(day, day)

    @property
    def is_day(self) -> bool:
        return self.earliest == self.latest

    def clipped(self, last: date) -> DateSpan | None:
        """The days up to ``last``; None when every day lies after it."""
        if self.latest <= last:
            return self
        return DateSpan(self.earliest, last) if self.earliest <= last else None

    def is_after(self, last: date) -> bool:
        """Whether every day lies after ``last``."""
        return self.earliest > last

    def __str__(self) -> str:
        written = self.earliest.isoformat()
        if self.is_day:
            return written
        for shorter in (written[:7], written[:4]):
            if self == DateSpan.parse(shorter):
                return shorter
        return f"{self.earliest.isoformat()} to {self.latest.isoformat()}"


class Within(Enum):
    """Where a span lies against a window: all of it inside, none of it, or across an edge."""

    INSIDE = "inside"
    OUTSIDE = "outside"
    STRADDLES = "straddles"


def place(span: DateSpan, first: date, last: date) -> Within:
    """Where ``span`` lies against the window from ``first`` to ``last``, both ends included."""
    if first <= span.earliest and span.latest <= last:
        return Within.INSIDE
    if span.latest < first or span.earliest > last:
        return Within.OUTSIDE
    return Within.STRADDLES


def days_before(day: date, days: int) -> date:
    try:
        return day - timedelta(days=days)
    except OverflowError:
        return date.min


def age_on(birth: date, day: date) -> int:
    """Completed years from ``birth`` to ``day``; someone born on 29 February has the birthday on 1 March."""
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))
