"""A JSON Schema held in two ways: a compiled engine tells whether a value meets it, `jsonschema` where it does not.

`jsonschema` has the last word and is loaded only where something is wrong: it takes a second to load where its
checkers of formats are installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import jsonschema_rs

if TYPE_CHECKING:
    from jsonschema import ValidationError


class Schema:
    """One schema of the 2020-12 draft, compiled; formats are not asserted."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._schema = schema
        self._compiled = jsonschema_rs.Draft202012Validator(schema)

    def faults(self, value: Any) -> Iterator[ValidationError]:
        """What is wrong with a value, in no order; nothing where it meets the schema."""
        if not self._is_plainly_met(value):
            from jsonschema import Draft202012Validator

            yield from Draft202012Validator(self._schema).iter_errors(value)

    def _is_plainly_met(self, value: Any) -> bool:
        try:
            return self._compiled.is_valid(value)
        except ValueError:  # a number that remembers its spelling stands where the schema looks
            return False
