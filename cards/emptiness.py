"""What the standard forbids in an answer, left out: null, and what is empty."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any


def filled(members: Mapping[str, Any]) -> dict[str, Any]:
    """The members that have a value; false and 0 are values."""
    return {name: value for name, value in members.items() if value or not _is_empty(value)}


def without_empty(value: Any) -> Any:
    """A copy without nulls, empty strings, empty lists and empty objects, at any depth; false and 0 stay.

    Where a list of primitives has extensions (``_given`` beside ``given``), both go by place, and null holds the place
    of what only the other has, as FHIR's JSON prescribes.
    """
    if isinstance(value, list):
        kept = [without_empty(each) if isinstance(each, (dict, list)) else each for each in value]
        return [each for each in kept if each or not _is_empty(each)]
    if not isinstance(value, dict):
        return value
    left, by_place = {}, []
    for name, each in value.items():
        if isinstance(each, (dict, list)):
            if name[:1] == "_" and isinstance(each, list):
                by_place.append(name)
            if inner := without_empty(each):
                left[name] = inner
        elif each or not _is_empty(each):
            left[name] = each
    for name in by_place:
        _keep_places(value, left, name[1:], name)
    return left


def _keep_places(value: dict[str, Any], left: dict[str, Any], name: str, extensions: str) -> None:
    """Lay the two lists of one element, which go by place, where they were left without their empty places."""
    lists = [value.get(each, []) for each in (name, extensions)]
    if not isinstance(lists[0], list):
        return
    pairs = [[without_empty(each) for each in pair] for pair in zip_longest(*lists)]
    kept = [pair for pair in pairs if not all(map(_is_empty, pair))]
    for each, place in ((name, 0), (extensions, 1)):
        told = [None if _is_empty(pair[place]) else pair[place] for pair in kept]
        if any(one is not None for one in told):
            left[each] = told
        else:
            left.pop(each, None)


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, (str, list, dict)) and not value)
