"""What the standard forbids in an answer, left out: null, and what is empty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def filled(members: Mapping[str, Any]) -> dict[str, Any]:
    """The members that have a value; false and 0 are values."""
    return {name: value for name, value in members.items() if value or not _is_empty(value)}


def without_empty(value: Any) -> Any:
    """A copy without nulls, empty strings, empty lists and empty objects, at any depth; false and 0 stay.

    Extensions of a list's primitives (``_given`` beside ``given``) stand by place: they go where a place would be lost.
    """
    if isinstance(value, list):
        kept = [without_empty(item) if isinstance(item, (dict, list)) else item for item in value]
        return [item for item in kept if item or not _is_empty(item)]
    if not isinstance(value, dict):
        return value
    left, by_place = {}, []
    for name, member in value.items():
        if isinstance(member, (dict, list)):
            if inner := without_empty(member):
                left[name] = inner
                if name[:1] == "_" and isinstance(member, list):
                    by_place.append(name)
        elif member or not _is_empty(member):
            left[name] = member
    for name in by_place:
        if any(_has_lost_a_place(value.get(part), left.get(part)) for part in (name, name[1:])):
            del left[name]
    return left


def _has_lost_a_place(sent: Any, left: Any) -> bool:
    return isinstance(sent, list) and (not isinstance(left, list) or len(left) < len(sent))


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, (str, list, dict)) and not value)
