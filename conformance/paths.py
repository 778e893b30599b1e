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


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects in a list; none where the value is no list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def walk(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value in a JSON value with its place, the value itself first."""
    yield path, value
    if isinstance(value, dict):
        for name, each in value.items():
            yield from walk(each, (*path, name))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from walk(each, (*path, number))


def empties(value: Any, path: Path = (), paired: bool = False) -> Iterator[tuple[Path, Any]]:
    """Every null, empty string, empty list and empty object, with its place.

    A null in a list of a FHIR resource is no empty value where a list beside it, under the same name with ``_`` before
    it, pairs the values with their extensions; ``paired`` says that a list is one of such two.
    """
    if value is None or value in ("", [], {}):
        yield path, value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from empties(each, (*path, name), f"_{name}" in value or (name[:1] == "_" and name[1:] in value))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            if each is not None or not paired:
                yield from empties(each, (*path, number))
