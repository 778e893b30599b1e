"""Places in JSON values: how they are written, and how a value is walked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

Path = tuple[str | int, ...]

_PLAIN = re.compile(r"^[A-Za-z_][A-Za-z0-9_-]*$")


def json_path(path: Path) -> str:
    """A place as JSONPath: ``$.cards[0].summary``."""
    return "$" + "".join(
        f"[{step}]" if isinstance(step, int) else f".{step}" if _PLAIN.match(step) else f"[{json.dumps(step)}]"
        for step in path
    )


def walk(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value in a JSON value with its place, the value itself first."""
    yield path, value
    if isinstance(value, dict):
        for name, each in value.items():
            yield from walk(each, (*path, name))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from walk(each, (*path, number))


def empties(value: Any, path: Path = (), in_fhir: bool = False) -> Iterator[tuple[Path, Any]]:
    """Every null, empty string, empty list and empty object, with its place.

    In a FHIR resource a null in a list is no empty value: it pairs a value with the extensions of another list.
    """
    if value is None or value in ("", [], {}):
        yield path, value
    elif isinstance(value, dict):
        in_fhir = in_fhir or "resourceType" in value
        for name, each in value.items():
            yield from empties(each, (*path, name), in_fhir)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            if each is not None or not in_fhir:
                yield from empties(each, (*path, number), in_fhir)
