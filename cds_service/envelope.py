"""From the body of a hook call to `HookRequest`: the JSON, then its schema, then what a schema cannot say."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import field
from functools import cache
from importlib.resources import files
from typing import Any

from jiter import from_json

from cds_service.fhir_access import FhirAccess, read_access
from cds_service.fhir_elements import reference_of
from cds_service.prefetch import bare_id, relative
from cds_service.problems import Problem, bad_request
from knowledge.schema import Schema
from knowledge.values import dataclass

Json = dict[str, Any]

DEEPEST = 200
# What one call may hold: reading this much takes a second or two, and no chart that was measured comes near it.
MOST_ENTRIES = 50_000
MOST_DRAFTS = 500
# Commas and opening brackets: as many values as a body of plain FHIR of this size can hold, several times over.
_MOST_MARKS = 1_500_000


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
    extension: Json
    oddities: tuple[str, ...]
    """What was passed over, for the log; never content of the request."""
    fhir: FhirAccess | None = None
    """The access to a FHIR server that came with the call."""
    unfetched: Mapping[str, str] = field(default_factory=dict)
    """Why keys could not be fetched that prefetch lacked."""


class WrittenInt(int):
    """A whole number of a draft order that remembers how it was written: ``-0``."""

    written: str

    def __new__(cls, written: str) -> WrittenInt:
        number = super().__new__(cls, written)
        number.written = written
        return number


def parse_json(body: bytes, *, as_written: bool = False) -> Any:
    """The value in a JSON body; raises Problem (400, 413) where it is not the JSON we accept.

    UTF-8 without a byte-order mark, at most 200 levels, no duplicate keys, no NUL, no lone surrogates, no NaN.
    ``as_written``: numbers with a fraction or an exponent are `jiter.LosslessFloat`, which remembers its spelling.
    """
    if body.startswith(b"\xef\xbb\xbf"):
        raise bad_request("The body begins with a byte-order mark; send UTF-8 without one.")
    if len(body) > _MOST_MARKS and sum(body.count(mark) for mark in (b",", b"[", b"{")) > _MOST_MARKS:
        raise Problem(413, "The body holds more values than this service reads.")
    try:
        # The parser's limit is 201 levels; the brackets around the body are one of them.
        values = from_json(
            b"[" + body + b"]",
            allow_inf_nan=False,
            cache_mode="keys",
            catch_duplicate_keys=True,
            float_mode="lossless-float" if as_written else "float",
        )
    except ValueError as error:
        raise bad_request(_refusal(str(error))) from None
    if len(values) != 1:
        raise bad_request("The body is not JSON (it must hold one value).")
    if b"\\" in body and b"\\u0000" in body:
        _refuse_nul(values)
    return values[0]


_PLACE = re.compile(r" at line (\d+) column (\d+)\Z")


def _refusal(error: str) -> str:
    """What is wrong with a body, in our words: the parser's may quote it."""
    found = _PLACE.search(error)
    # The bracket before the body moved its first line by one column.
    place = f"line {found[1]}, column {int(found[2]) - (found[1] == '1')}" if found else "its end"
    if "duplicate key" in error:
        return f"An object of the body holds the same key twice ({place})."
    if "recursion limit" in error:
        return f"The body is nested more than {DEEPEST} levels deep."
    if "unicode" in error:
        return f"The body is not UTF-8 ({place})."
    if "escape" in error or "surrogate" in error:
        return f"A string of the body holds a broken escape or half of a surrogate pair ({place})."
    if "out of range" in error:
        return f"The body holds a number that is too long ({place})."
    return f"The body is not JSON ({place})."


def _lossless(written: str) -> Any:
    return from_json(written.encode(), float_mode="lossless-float")


def parse_request(body: bytes, hook: str) -> HookRequest:
    """The hook call in a body; ``hook`` is the one the called service answers. Raises Problem (400, 413)."""
    value = parse_json(body, as_written=True)
    if not isinstance(value, dict):
        raise bad_request("The body is not a JSON object.")
    try:
        fault = _schema().first_fault(value)
    except ValueError:  # a number that remembers its spelling stands where a member is due
        fault = _schema().first_fault(parse_json(body))
    if fault is not None:
        raise bad_request(f"{fault.place}: {_in_words(fault.rule, fault.asked)}.")
    if value["hook"] != hook:
        raise bad_request(f"This service answers the hook {hook}, not the one in the request.")
    context = value["context"]
    oddities = [name for name in ("hookInstance",) if not isinstance(value.get(name), str)]
    oddities += [f"context.{name}" for name in ("userId",) if not isinstance(context.get(name), str)]
    selections = context.get("selections")
    if hook == "order-select" and not isinstance(selections, list):
        oddities.append("context.selections")
    prefetch = _object(value.get("prefetch"))
    drafts = _drafts(context["draftOrders"])
    if any(_holds_zero(draft.resource) for draft in drafts) and _NEGATIVE_ZERO.search(body):
        drafts = _drafts(json.loads(body, parse_float=_lossless, parse_int=_integer)["context"]["draftOrders"])
    if len(drafts) > MOST_DRAFTS or entries_in(prefetch) > MOST_ENTRIES:
        raise Problem(413, f"More than {MOST_DRAFTS} draft orders or {MOST_ENTRIES} prefetched entries are not read.")
    if isinstance(selections, list) and selections and not _named(selections, drafts):
        oddities.append("context.selections: none names a draft")
    return HookRequest(
        hook=hook,
        patient_id=bare_id(context["patientId"]),
        drafts=drafts,
        selections=tuple(each for each in selections if isinstance(each, str)) if isinstance(selections, list) else (),
        prefetch=prefetch,
        extension=_object(value.get("extension")),
        oddities=tuple(oddities),
        fhir=read_access(value.get("fhirServer"), value.get("fhirAuthorization")),
    )


def entries_in(prefetch: Json) -> int:
    """How many resources prefetch holds at most, over all its keys."""
    return sum(
        len(value["entry"]) if isinstance(value, dict) and isinstance(value.get("entry"), list) else 1
        for value in prefetch.values()
    )


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _named(selections: list[Any], drafts: tuple[Draft, ...]) -> bool:
    references = {reference_of(draft.resource, "") for draft in drafts}
    return any(relative(each) in references for each in selections if isinstance(each, str))


def _drafts(bundle: Json) -> tuple[Draft, ...]:
    entries = bundle.get("entry")
    return tuple(
        Draft(entry["resource"], entry.get("fullUrl"))
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict) and isinstance(entry.get("resource"), dict)
    )


# Where a chart has one at all it is written 0; only the echo of an order needs to know.
_NEGATIVE_ZERO = re.compile(rb"-0(?=[\s,\]}])")


def _holds_zero(resource: Json) -> bool:
    """Whether some whole number in it is zero, however it was written."""
    waiting: list[Any] = [resource]
    for each in waiting:
        if isinstance(each, dict):
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
        elif each == 0 and isinstance(each, int) and not isinstance(each, bool):
            return True
    return False


@cache
def _schema() -> Schema:
    return Schema(json.loads(files("conformance").joinpath("schemas/envelope.schema.json").read_text(encoding="utf-8")))


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


def _integer(written: str) -> int:
    return WrittenInt(written) if written == "-0" else int(written)


def _refuse_nul(value: Any) -> None:
    """Refuse NUL, which JSON can only bring in as an escape."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            if "\0" in each:
                raise bad_request("A string of the body holds NUL.")
        elif isinstance(each, dict):
            waiting += each.keys()
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each


__all__ = ["Draft", "HookRequest", "Problem", "WrittenInt", "parse_json", "parse_request"]
