"""From the body of a hook call to `HookRequest`: the JSON, then its schema, then what a schema cannot say."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator

from cds_service.fhir_access import FhirAccess, read_access
from cds_service.prefetch import bare_id
from cds_service.problems import Problem, bad_request

Json = dict[str, Any]

DEEPEST = 200
# What one call may hold: reading this much takes a second or two, and no chart that was measured comes near it.
MOST_ENTRIES = 10_000
MOST_DRAFTS = 500
# Commas and opening brackets: as many values as a body of plain FHIR of this size can hold, several times over.
_MOST_MARKS = 1_500_000
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKETS = re.compile(rb"[\[\]{}]")


@dataclass(frozen=True, slots=True)
class Draft:
    """One draft order as the client sent it."""

    resource: Json
    full_url: object


@dataclass(frozen=True, slots=True)
class HookRequest:
    """A hook call, with everything in it that is used."""

    hook: str
    patient_id: str
    drafts: tuple[Draft, ...]
    selections: tuple[str, ...]
    """As sent; empty when there are none."""
    prefetch: Json
    oddities: tuple[str, ...]
    """What was passed over, for the log; never content of the request."""
    fhir: FhirAccess | None = None
    """The access to a FHIR server that came with the call."""
    unfetched: Mapping[str, str] = field(default_factory=dict)
    """Why keys could not be fetched that prefetch lacked."""


class WrittenFloat(float):
    """A number that remembers how it was written, so that an echo repeats it to the letter."""

    __slots__ = ("written",)
    written: str

    def __new__(cls, written: str) -> WrittenFloat:
        number = super().__new__(cls, written)
        number.written = written
        return number


class WrittenInt(int):
    """A whole number that remembers how it was written: ``-0``, or more than 64 bits."""

    written: str

    def __new__(cls, written: str) -> WrittenInt:
        number = super().__new__(cls, written)
        number.written = written
        return number


def parse_json(body: bytes) -> Any:
    """The value in a JSON body; raises Problem (400, 413) where it is not the JSON we accept.

    UTF-8 without a byte-order mark, at most 200 levels, no duplicate keys, no NUL, no lone surrogates, no NaN.
    """
    if body.startswith(b"\xef\xbb\xbf"):
        raise bad_request("The body begins with a byte-order mark; send UTF-8 without one.")
    if sum(body.count(mark) for mark in (b",", b"[", b"{")) > _MOST_MARKS:
        raise Problem(413, "The body holds more values than this service reads.")
    _refuse_deep(body)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise bad_request(f"The body is not UTF-8 (byte {error.start}).") from None
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_float=WrittenFloat,
            parse_int=_integer,
            parse_constant=_refuse_constant,
        )
    except json.JSONDecodeError as error:
        raise bad_request(f"The body is not JSON (line {error.lineno}, column {error.colno}).") from None
    except RecursionError:
        raise bad_request(f"The body is nested more than {DEEPEST} levels deep.") from None
    if "\\u" in text:
        _refuse_bad_text(value)
    return value


def parse_request(body: bytes, hook: str) -> HookRequest:
    """The hook call in a body; ``hook`` is the one the called service answers. Raises Problem (400, 413)."""
    value = parse_json(body)
    if not isinstance(value, dict):
        raise bad_request("The body is not a JSON object.")
    for error in sorted(_validator().iter_errors(value), key=lambda found: [str(step) for step in found.absolute_path]):
        raise bad_request(f"{error.json_path}: {_in_words(error.validator, error.validator_value)}.")
    if value["hook"] != hook:
        raise bad_request(f"This service answers the hook {hook}, not the one in the request.")
    context = value["context"]
    oddities = [name for name in ("hookInstance",) if not isinstance(value.get(name), str)]
    oddities += [f"context.{name}" for name in ("userId",) if not isinstance(context.get(name), str)]
    selections = context.get("selections")
    if hook == "order-select" and not isinstance(selections, list):
        oddities.append("context.selections")
    prefetch = value.get("prefetch")
    prefetch = prefetch if isinstance(prefetch, dict) else {}
    drafts = _drafts(context["draftOrders"])
    if len(drafts) > MOST_DRAFTS or entries_in(prefetch) > MOST_ENTRIES:
        raise Problem(413, f"More than {MOST_DRAFTS} draft orders or {MOST_ENTRIES} prefetched entries are not read.")
    return HookRequest(
        hook=hook,
        patient_id=bare_id(context["patientId"]),
        drafts=drafts,
        selections=tuple(each for each in selections if isinstance(each, str)) if isinstance(selections, list) else (),
        prefetch=prefetch,
        oddities=tuple(oddities),
        fhir=read_access(value.get("fhirServer"), value.get("fhirAuthorization")),
    )


def entries_in(prefetch: Json) -> int:
    """How many resources prefetch holds at most, over all its keys."""
    return sum(
        len(value["entry"]) if isinstance(value, dict) and isinstance(value.get("entry"), list) else 1
        for value in prefetch.values()
    )


def _drafts(bundle: Json) -> tuple[Draft, ...]:
    entries = bundle.get("entry")
    return tuple(
        Draft(entry["resource"], entry.get("fullUrl"))
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict) and isinstance(entry.get("resource"), dict)
    )


@cache
def _validator() -> Draft202012Validator:
    schema = files("conformance").joinpath("schemas/envelope.schema.json").read_text(encoding="utf-8")
    return Draft202012Validator(json.loads(schema))


def _in_words(rule: object, value: Any) -> str:
    """What a schema rule asks, without anything of the request."""
    match rule:
        case "required":
            return f"the members {', '.join(value)} are required"
        case "type":
            return f"must be of type {value if isinstance(value, str) else ' or '.join(value)}"
        case "minLength":
            return "must not be empty"
        case "anyOf":
            return "must be a Bundle (an object with resourceType Bundle, or with a list of entries)"
        case _:
            return f"does not meet {rule}"


def _unique(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise bad_request("An object of the body holds the same key twice.")
    return found


def _integer(written: str) -> int:
    if written == "-0" or len(written) > _LONGEST_NATIVE:
        return _written_int(written)
    return int(written)


# Every whole number up to this length fits into 64 bits, which is what the writer of JSON takes as it is.
_LONGEST_NATIVE = 18


def _written_int(written: str) -> WrittenInt:
    try:
        return WrittenInt(written)
    except ValueError:
        raise bad_request("The body holds a number that is too long.") from None


def _refuse_constant(name: str) -> Any:
    raise bad_request(f"{name} is not JSON.")


def _refuse_deep(body: bytes) -> None:
    if body.count(b"[") + body.count(b"{") <= DEEPEST:
        return
    depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub(b"", body)):
        depth += 1 if bracket in b"[{" else -1
        if depth > DEEPEST:
            raise bad_request(f"The body is nested more than {DEEPEST} levels deep.")


def _refuse_bad_text(value: Any) -> None:
    """Refuse NUL and lone surrogates, which JSON can only bring in as escapes."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            if "\0" in each or any("\ud800" <= letter <= "\udfff" for letter in each):
                raise bad_request("A string of the body holds NUL or half of a surrogate pair.")
        elif isinstance(each, dict):
            waiting += each.keys()
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each


__all__ = ["Draft", "HookRequest", "Problem", "WrittenFloat", "WrittenInt", "parse_json", "parse_request"]
