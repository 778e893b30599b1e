"""Quantities of time, in days."""

from __future__ import annotations

from typing import Any

# A hundred years in days: a longer duration is a slip of the pen.
LONGEST_COURSE = 36_525
# Days to a unit of time, by UCUM code and by the words the field writes.
DAYS = {"d": 1.0, "wk": 7.0, "mo": 30.4375, "a": 365.25, "h": 1 / 24, "min": 1 / 1440, "s": 1 / 86400}
_DAY_WORDS = {
    "day": "d",
    "days": "d",
    "week": "wk",
    "weeks": "wk",
    "month": "mo",
    "months": "mo",
    "year": "a",
    "years": "a",
}
# How a quantity may compare to its value; None: it is the value.
COMPARATORS = (None, "<", "<=", ">=", ">")


def unit_of(quantity: Any) -> str | None:
    for written in (quantity.code, quantity.unit):
        unit = _DAY_WORDS.get(str(written).lower(), written)
        if unit in DAYS:
            return str(unit)
    return None


def days_of(quantity: Any) -> float | None:
    """A duration in days; None without a unit of time, or where no course could last that long."""
    unit = unit_of(quantity)
    if unit is None or quantity.value is None:
        return None
    days = float(quantity.value) * DAYS[unit]
    return days if 0 <= days <= LONGEST_COURSE else None


def length_of(quantity: Any) -> tuple[float, float] | None:
    """The least and the most days of a duration, by its comparator; None where it cannot be read as one."""
    days = days_of(quantity) if quantity is not None else None
    if days is None:
        return None
    match quantity.comparator:
        case None:
            return days, days
        case "<" | "<=":
            return 0, days
        case ">" | ">=":
            return days, LONGEST_COURSE
    return 0, LONGEST_COURSE
