"""The elements of a resource that are read: pruned for the model, repaired by leaving out, turned to values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from jiter import LosslessFloat
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from knowledge.dates import DateSpan
from knowledge.findings import Course
from knowledge.vocabulary import may_be_any, read_coding

Json = dict[str, Any]

# What a leaf is.
TEXT, NUMBER, FLAG, CODE, DATE = "text", "number", "flag", "code", "date"

# A hundred years in days: a longer duration is a slip of the pen.
LONGEST_COURSE = 36_525

_UNREADABLE = (ValidationError, KeyError, RecursionError, TypeError, ValueError)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATED = re.compile(r"(\d{4}-\d{2}-\d{2})[T ]")
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


class Unreadable(Exception):
    """An entry that cannot be read; the message says why, without its content.

    ``uncoded``: for want of a code of a known system. ``of_another``: it is not of the patient of the call.
    """

    def __init__(self, why: str, *, uncoded: bool = False, of_another: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.uncoded = uncoded
        self.of_another = of_another


@dataclass(frozen=True, slots=True)
class Elements:
    """The elements of a FHIR model that are read, as a model of their own.

    Each has the type that the whole model gives it. The whole model would look at all its other elements in each
    resource again, at several times the cost.
    """

    read: Mapping[str, Any]
    model: type[BaseModel]
    choices: tuple[tuple[str, ...], ...]
    """Of each of these groups (``onset[x]``) a resource has one element at most."""

    @classmethod
    def of(cls, model: type[BaseModel], read: Mapping[str, Any]) -> Elements:
        fields: dict[str, Any] = {name: (model.model_fields[name].annotation, None) for name in read}
        choices: dict[str, list[str]] = {}
        for name in read:
            said = model.model_fields[name].json_schema_extra
            if isinstance(said, dict) and "one_of_many" in said:
                choices.setdefault(str(said["one_of_many"]), []).append(name)
        return cls(
            read,
            create_model(model.__name__, __config__=ConfigDict(extra="forbid"), **fields),
            tuple(tuple(names) for names in choices.values() if len(names) > 1),
        )

    def parse(self, resource: Json) -> tuple[Any, frozenset[str]]:
        """The elements of a resource as the model reads them, and the names of those that it refuses.

        A bad item of a list is left out alone, any other bad element as a whole. Raises Unreadable when nothing helps.
        """
        data = _pruned(resource, self.read)
        dropped: set[str] = set()
        if not self._has_two_of_one(data):
            try:
                return read_plainly(data, self.read), frozenset()
            except (KeyError, ValueError):
                pass
        for _ in range(_MOST_REPAIRS):
            try:
                found = self.model.model_validate(data)
            except ValidationError as error:
                for place in {tuple(each["loc"]) for each in error.errors(include_input=False, include_url=False)}:
                    _leave_out(data, place, dropped)
            except _UNREADABLE:
                break
            else:
                if self._has_two_of_one(data):
                    break
                return found, frozenset(dropped)
        raise Unreadable("malformed beyond what can be read")

    def _has_two_of_one(self, data: Json) -> bool:
        return len(data) > 1 and any(sum(name in data for name in names) > 1 for names in self.choices)


def read_plainly(data: Json, read: Mapping[str, Any]) -> SimpleNamespace:
    """Elements that are plainly right, of which a model would say the same: whole days, numbers and simple words.

    Raises ValueError or KeyError where anything else stands, a dosage for one: a model reads that.
    """
    found: Json = dict.fromkeys(read)
    for name, value in data.items():
        expected = read[name]
        if expected == DATE:
            if not isinstance(value, str) or not _DAY.fullmatch(value):
                raise ValueError(name)
            found[name] = date.fromisoformat(value)
        elif isinstance(expected, str):
            if not _PLAIN[expected](value):
                raise ValueError(name)
            found[name] = value
        elif isinstance(value, dict) and isinstance(expected, dict):
            found[name] = read_plainly(value, expected)
        else:
            raise ValueError(name)
    return SimpleNamespace(**found)


def _is_plain_word(value: Any) -> bool:
    return isinstance(value, str) and _WORD.fullmatch(value) is not None


def _is_plain_number(value: Any) -> bool:
    return type(value) in (int, float) and (value == 0 or _SMALLEST < abs(value) < _LARGEST)


_WORD = re.compile(r"[!-~]+")
_SMALLEST, _LARGEST = 1e-6, 1e12
_PLAIN: Mapping[str, Callable[[Any], bool]] = {
    CODE: _is_plain_word,
    TEXT: _is_plain_word,
    NUMBER: _is_plain_number,
    FLAG: lambda value: isinstance(value, bool),
}
_MOST_REPAIRS = 5


def _leave_out(data: Json, place: tuple[Any, ...], dropped: set[str]) -> None:
    """Take out the innermost list item that holds the bad place, else the whole element."""
    dropped.add(str(place[0]) if place else "")
    for depth in range(len(place) - 1, 0, -1):
        if isinstance(place[depth], int):
            parent: Any = data
            for step in place[:depth]:
                parent = parent[step] if _has(parent, step) else None
            if isinstance(parent, list) and place[depth] < len(parent):
                # Emptied in place: the other indices of the same report stay right.
                parent[place[depth]] = {}
                return
    if place:
        data.pop(place[0], None)


def _has(parent: Any, step: Any) -> bool:
    return (isinstance(parent, dict) and step in parent) or (
        isinstance(parent, list) and isinstance(step, int) and step < len(parent)
    )


def _pruned(value: Any, read: Any) -> Any:
    """A copy with only the elements that are read; what has an unexpected shape is left for the model to refuse."""
    if isinstance(read, str):
        return _leaf(value, read)
    if isinstance(read, list):
        if not isinstance(value, list):
            return value
        return [_pruned(each, read[0]) for each in value if each not in (None, {}, "")]
    if not isinstance(value, dict):
        return value
    if value.get("modifierExtension"):
        return {"modifierExtension": "refused: it may change the meaning"}
    found = {}
    for name, inner in read.items():
        each = value.get(name)
        if each is not None and each != "":
            pruned = _pruned(each, inner)
            if pruned not in ({}, []):
                found[name] = pruned
    return found


def _leaf(value: Any, read: str) -> Any:
    if read == DATE and not isinstance(value, str):
        return ""  # a number would be read as seconds since 1970: let the model refuse it
    if isinstance(value, str):
        if read == DATE and (match := _DATED.match(value)):
            return match[1]  # the date as written, whatever its time and zone
        if read == CODE:
            return value.strip()
    return float(value) if isinstance(value, LosslessFloat) else value


def status_code(resource: Json, name: str) -> str | None:
    """The code of a status, a CodeableConcept or (older) a string; None when absent, empty when unreadable."""
    status = resource.get(name)
    if status is None:
        return None
    if isinstance(status, str):
        return status.strip().lower()
    listed = items(status.get("coding") if isinstance(status, dict) else None)
    if len(listed) == 1:
        return word(listed[0], "code").strip().lower() if isinstance(listed[0], dict) else ""
    codings = [each for each in listed if isinstance(each, dict) and isinstance(each.get("code"), str)]
    # A site's own status beside HL7's says nothing; two of HL7's that differ cannot be read.
    standard = [each for each in codings if "terminology.hl7.org" in str(each.get("system"))]
    codes = {each["code"].strip().lower() for each in standard or codings}
    return codes.pop() if len(codes) == 1 else ""


def has_malformed_coding(concept: Any) -> bool:
    """Whether a CodeableConcept holds a coding that could be any: of no shape, or no code of its known system."""
    if concept is not None and not isinstance(concept, dict):
        return True
    found = concept.get("coding") if concept is not None else None
    if found is not None and not isinstance(found, list):
        return True
    return any(_is_malformed(coding) for coding in found or [] if coding not in (None, {}))


def _is_malformed(coding: Any) -> bool:
    if not isinstance(coding, dict):
        return True
    system, code = coding.get("system"), coding.get("code")
    return read_coding(system, code) is None and may_be_any(system, code)


def word(value: Json, name: str) -> str:
    """A member that should be a code or a type; an empty string where it is missing or something else."""
    found = value.get(name)
    return found if isinstance(found, str) else ""


def reference_of(resource: Json, otherwise: str) -> str:
    kind, identity = resource.get("resourceType"), resource.get("id")
    # Ids in the field are longer than FHIR allows; a thousand letters are no id, and would be repeated in the answer.
    return f"{kind}/{identity}" if isinstance(identity, str) and 0 < len(identity) <= 1_000 else otherwise


def text_of(concept: Any) -> str:
    """What a person reads in a CodeableConcept: its text, else the first display."""
    written = concept.get("text") if isinstance(concept, dict) else None
    if isinstance(written, str) and (text := written.strip()):
        return text
    return next(iter(texts_of(concept)), "")


def texts_of(concept: Any) -> list[str]:
    """The text of a CodeableConcept and the displays of its codings, in this order."""
    if not isinstance(concept, dict):
        return []
    displays = [each.get("display") for each in items(concept.get("coding")) if isinstance(each, dict)]
    return [each.strip() for each in (concept.get("text"), *displays) if isinstance(each, str) and each.strip()]


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
    if not _DATED.match(written):
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


def years_after(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)


def items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


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
