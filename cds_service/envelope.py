"""From the body of a hook call to `HookRequest`: the JSON, then its schema, then what a schema cannot say."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from jiter import from_json
from jsonschema import Draft202012Validator

from cds_service.fhir_elements import reference_of
from cds_service.prefetch import bare_id, relative
from cds_service.problems import Problem, bad_request

Json = dict[str, Any]

DEEPEST = 200


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


class WrittenInt(int):
    """A whole number that remembers how it was written: ``-0``."""

    written: str

    def __new__(cls, written: str) -> WrittenInt:
        number = super().__new__(cls, written)
        number.written = written
        return number


def parse_json(body: bytes) -> Any:
    """The value in a JSON body; raises Problem (400) where it is not the JSON we accept.

    UTF-8 without a byte-order mark, at most 200 levels, no duplicate keys, no NUL, no lone surrogates, no NaN. Numbers
    with a fraction or an exponent are `jiter.LosslessFloat`: they remember how they were written.
    """
    if body.startswith(b"\xef\xbb\xbf"):
        raise bad_request("The body begins with a byte-order mark; send UTF-8 without one.")
    try:
        # The parser's limit is 201 levels; the brackets around the body are one of them.
        values = from_json(
            b"[" + body + b"]",
            allow_inf_nan=False,
            cache_mode="keys",
            catch_duplicate_keys=True,
            float_mode="lossless-float",
        )
    except ValueError as error:
        raise bad_request(_refusal(str(error))) from None
    if len(values) != 1:
        raise bad_request("The body is not JSON (it must hold one value).")
    if b"\\u0000" in body:
        _refuse_nul(values)
    if _NEGATIVE_ZERO.search(body):
        return json.loads(body, parse_float=_lossless, parse_int=_integer)
    return values[0]


# Where a chart has one at all it is written 0; only the echo of an order needs to know.
_NEGATIVE_ZERO = re.compile(rb"-0(?=[\s,\]}])")
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
    """The hook call in a body; ``hook`` is the one the called service answers. Raises Problem (400)."""
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
    drafts = _drafts(context["draftOrders"])
    if isinstance(selections, list) and selections and not _named(selections, drafts):
        oddities.append("context.selections: none names a draft")
    return HookRequest(
        hook=hook,
        patient_id=bare_id(context["patientId"]),
        drafts=drafts,
        selections=tuple(each for each in selections if isinstance(each, str)) if isinstance(selections, list) else (),
        prefetch=_object(value.get("prefetch")),
        extension=_object(value.get("extension")),
        oddities=tuple(oddities),
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
