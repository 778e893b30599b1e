"""What the schemas of the standard say beyond the checks before: every member is of the type and form it has there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jsonschema import ValidationError

from conformance.check import Fault, Group
from conformance.exchange import Exchange, shown
from conformance.paths import json_path
from conformance.schemas import validator
from conformance.session import Session

GROUP = Group("schema", "Types and forms of all members")


def deviations(message: str, value: Any, version: Any) -> Iterator[tuple[str, str]]:
    """Where a message does not meet its schema, and why; a missing member is named where it should stand."""
    for error in validator(message, version).iter_errors(value):
        if error.validator == "required":
            yield from (
                (json_path((*error.absolute_path, name)), "missing")
                for name in error.validator_value
                if name not in error.instance
            )
        else:
            yield json_path(tuple(error.absolute_path)), _in_words(error)


def _in_words(error: ValidationError) -> str:
    if error.validator == "not":
        return "must not be there"
    asked = error.validator_value if error.validator in ("type", "enum", "pattern", "format", "const") else ""
    return f"{shown(error.instance)} does not meet {error.validator}{f' {shown(asked)}' if asked else ''}"


def _new(session: Session, exchange: Exchange, message: str) -> Iterator[Fault]:
    named = [place for call, place in session.named if call == exchange.label]
    for place, why in dict.fromkeys(deviations(message, exchange.answer, session.version)):
        if not any(place == each or place.startswith((f"{each}.", f"{each}[")) for each in named):
            yield exchange.fault(place, why)


@GROUP.check("discovery")
def discovery(session: Session) -> Iterator[Fault]:
    """Every member of the discovery document is of the type and form that its schema gives."""
    yield from _new(session, session.discovery, "discovery")


@GROUP.check("response")
def response(session: Session) -> Iterator[Fault]:
    """Every member of an answer to a hook call is of the type and form that its schema gives."""
    for each in session.answered():
        yield from _new(session, each, "response")
