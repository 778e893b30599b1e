"""A JSON Schema held in two ways: by a compiled engine, and by `jsonschema`, with which a test holds it to agree.

Of our data `jsonschema` says what is wrong. It is loaded only then: it takes a second and 28 MB where its checkers of
formats are installed, which nobody who sends a bad request shall bring about.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jsonschema_rs

if TYPE_CHECKING:
    from jsonschema import ValidationError


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a value."""

    place: str
    """A JSON path: ``$.context``."""
    rule: str
    """The keyword of the schema that is not met."""
    asked: Any
    """What stands at that keyword."""


class Schema:
    """One schema of the 2020-12 draft, compiled; formats are not asserted."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._schema = schema
        self._compiled = jsonschema_rs.Draft202012Validator(schema)

    def faults(self, value: Any) -> Iterator[ValidationError]:
        """What is wrong with a value, in no order; nothing where it meets the schema."""
        if not self._compiled.is_valid(value):
            from jsonschema import Draft202012Validator

            yield from Draft202012Validator(self._schema).iter_errors(value)

    def first_fault(self, value: Any) -> Fault | None:
        """What is wrong with a value at its first place; None where it meets the schema.

        The schema refers to no other, and asks nothing of items, nor of members that it does not name. Only what it
        looks at is shown to the engine: to say what is wrong it copies all, many times as large.
        """
        outline = _outline(value, self._schema)
        if self._compiled.is_valid(outline):
            return None
        first = min(self._compiled.iter_errors(outline), key=lambda found: [str(step) for step in found.instance_path])
        asked: Any = self._schema
        for step in first.schema_path:
            asked = asked[step]
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in first.instance_path)
        return Fault(f"${place}", str(first.schema_path[-1]), asked)


def _outline(value: Any, schema: dict[str, Any]) -> Any:
    """The members of a value that a schema names, with theirs; a list without its items."""
    if isinstance(value, list):
        return []
    if not isinstance(value, dict):
        return value
    found = {}
    for each in (schema, *schema.get("anyOf", ())):
        for name, inner in each.get("properties", {}).items():
            if name in value:
                found[name] = _outline(value[name], inner)
    return found
