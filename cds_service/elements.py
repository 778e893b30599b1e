"""The elements of a resource that are read: pruned for the model, repaired by leaving out, turned to values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from types import SimpleNamespace
from typing import Any

from jiter import LosslessFloat
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from cds_service.fhir_dates import DATED

Json = dict[str, Any]

# What a leaf is.
TEXT, NUMBER, FLAG, CODE, DATE = "text", "number", "flag", "code", "date"

_UNREADABLE = (ValidationError, KeyError, RecursionError, TypeError, ValueError)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


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
        if read == DATE and (match := DATED.match(value)):
            return match[1]  # the date as written, whatever its time and zone
        if read == CODE:
            return value.strip()
    return float(value) if isinstance(value, LosslessFloat) else value
