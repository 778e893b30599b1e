"""From the body of a hook call to `HookRequest`: the JSON, then its schema, then what a schema cannot say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from functools import cache
from typing import Any

from cds_service.fhir_access import FhirAccess, read_access
from cds_service.json_access import reference_of
from cds_service.json_in import parse_json, parse_json_as_written
from cds_service.long_bodies import LONG, Entries, parse_long
from cds_service.problems import bad_request, too_large
from cds_service.references import bare_id, relative
from conformance.schemas import envelope_schema
from knowledge.schema import Schema
from knowledge.values import hot_dataclass

Json = dict[str, Any]

# What one call may hold: reading this much takes a second or two, and no chart that was measured comes near it.
MOST_ENTRIES = 50_000
MOST_DRAFTS = 500


@hot_dataclass(frozen=True, slots=True)
class Draft:
    """One draft order as the client sent it."""

    resource: Json
    full_url: object


@hot_dataclass(frozen=True, slots=True)
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


def parse_request(body: bytes, hook: str) -> HookRequest:
    """The hook call in a body; ``hook`` is the one the called service answers. Raises Problem (400, 413)."""
    value, text = parse_long(body) if len(body) > LONG else (parse_json(body), body)
    if not isinstance(value, dict):
        raise bad_request("The body is not a JSON object.")
    if text is not body and value.get("fhirAuthorization") is not None:
        value, text = parse_json(body), body  # pages may be added to its Bundles
    fault = _schema().first_fault(value)
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
    # Only the echo of an order needs to know how a number was written that has more than one spelling.
    numbers = [number for draft in drafts for number in _numbers(draft.resource)]
    zeros = any(number == 0 for number in numbers)
    if zeros or any(isinstance(number, float) for number in numbers):
        drafts = _drafts(parse_json_as_written(text, zeros=zeros)["context"]["draftOrders"])
    if len(drafts) > MOST_DRAFTS or entries_in(prefetch) > MOST_ENTRIES:
        raise too_large(f"More than {MOST_DRAFTS} draft orders or {MOST_ENTRIES} prefetched entries are not read.")
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
        len(value["entry"]) if isinstance(value, dict) and isinstance(value.get("entry"), list | Entries) else 1
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


def _numbers(resource: Json) -> list[float]:
    """Every number in it."""
    waiting: list[Any] = [resource]
    found = []
    for each in waiting:
        if isinstance(each, dict):
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
        elif isinstance(each, int | float) and not isinstance(each, bool):
            found.append(each)
    return found


@cache
def _schema() -> Schema:
    return Schema(envelope_schema())


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
