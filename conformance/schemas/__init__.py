"""JSON Schemas (2020-12) of the messages of CDS Hooks, for each version, with their formats checked.

``validator("card")`` judges a card by 2.0.1, ``validator("card", "3.0")`` by 3.0. The folder ``3.0`` holds what 3.0
changes; every other message is that of 2.0.1. ``envelope.schema.json`` stands apart: it is no part of the standard.

What validates is loaded with the first validator: a service that asks for the envelope alone does not wait for it.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from referencing import Registry

Version = Literal["2.0.1", "3.0"]
VERSIONS: tuple[Version, ...] = get_args(Version)

_SUFFIX = ".schema.json"


class UnknownSchemaError(KeyError):
    """There is no schema of that name; the message lists those that there are."""


def names() -> tuple[str, ...]:
    """The messages that have a schema: every name that ``schema`` and ``validator`` take."""
    return tuple(sorted(_read("2.0.1")))


def schema(name: str, version: Version = "2.0.1") -> dict[str, Any]:
    """The schema of a message in a version of CDS Hooks; raises UnknownSchemaError."""
    found = _read(version).get(name) or _read("2.0.1").get(name)
    if found is None:
        raise UnknownSchemaError(f"{name}: no such schema; there are {', '.join(names())}")
    return found


def envelope_schema() -> dict[str, Any]:
    """The schema of the least that a hook call must have to be read: the lenient door of one service."""
    found: dict[str, Any] = json.loads(files(__name__).joinpath(f"envelope{_SUFFIX}").read_text(encoding="utf-8"))
    return found


@cache
def validator(name: str, version: Version = "2.0.1") -> Draft202012Validator:
    """A compiled validator of a message, formats included; raises UnknownSchemaError."""
    from jsonschema import Draft202012Validator

    return Draft202012Validator(
        schema(name, version), registry=_registry(), format_checker=Draft202012Validator.FORMAT_CHECKER
    )


@cache
def _read(version: Version) -> dict[str, dict[str, Any]]:
    folder = files(__name__).joinpath(version)
    return {
        file.name.removesuffix(_SUFFIX): json.loads(file.read_text(encoding="utf-8"))
        for file in folder.iterdir()
        if file.name.endswith(_SUFFIX)
    }


@cache
def _registry() -> Registry[Any]:
    from referencing import Registry, Resource

    found = [each for version in VERSIONS for each in _read(version).values()]
    return Registry().with_resources((each["$id"], Resource.from_contents(each)) for each in found)
