"""The requests that the kit sends: good ones of its own, the tester's, and changed copies of them.

Every id, name and token of the kit's own begins with ``kit-canary``, so that an answer that repeats one is found.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid1, uuid4

from conformance.paths import objects

Json = dict[str, Any]

CANARY = re.compile(r"kit-?canary", re.IGNORECASE)
TOKEN = "kit-canary-token"
MARK = '<b class="kit-mark">'

_HOOKS_WITH_ORDERS = ("order-select", "order-sign")
_PLAIN_CONTEXT = {
    "patient-view": {"userId": "Practitioner/kit-canary-user", "patientId": "kit-canary-patient"},
    "encounter-start": {
        "userId": "Practitioner/kit-canary-user",
        "patientId": "kit-canary-patient",
        "encounterId": "kit-canary-encounter",
    },
    "encounter-discharge": {
        "userId": "Practitioner/kit-canary-user",
        "patientId": "kit-canary-patient",
        "encounterId": "kit-canary-encounter",
    },
}
REQUIRED_CONTEXT = {
    "order-select": ("patientId", "draftOrders"),
    "order-sign": ("patientId", "draftOrders"),
    "patient-view": ("patientId",),
    "encounter-start": ("patientId",),
    "encounter-discharge": ("patientId",),
}
OPTIONAL_CONTEXT = ("encounterId",)


@dataclass(frozen=True, slots=True)
class Body:
    """A request body with the name under which reports speak of it."""

    name: str
    value: Json


def own(hook: str) -> list[Body]:
    """The kit's own bodies for a hook; none where it has none."""
    if hook in _HOOKS_WITH_ORDERS:
        return [Body(f"the kit's {kind} order", _read(f"{hook}-{kind}.json")) for kind in ("imaging", "medication")]
    if hook in _PLAIN_CONTEXT:
        return [Body("the kit's own body", {"hook": hook, "hookInstance": "", "context": dict(_PLAIN_CONTEXT[hook])})]
    return []


def fresh(value: Mapping[str, Any], **changes: Any) -> Json:
    """A deep copy under a hookInstance of its own; a change to None takes a member away."""
    changed: Json = {**copy.deepcopy(dict(value)), "hookInstance": str(uuid4()), **changes}
    return {name: each for name, each in changed.items() if each is not None}


def in_context(value: Mapping[str, Any], **changes: Any) -> Json:
    """As ``fresh``, with changes to the members of the context."""
    context = {**copy.deepcopy(value["context"]), **changes}
    return fresh(value, context={name: each for name, each in context.items() if each is not None})


def minimal(value: Mapping[str, Any]) -> Json:
    """What the standard requires and nothing more: no prefetch, no access, no optional context, no extension."""
    context = {name: each for name, each in value["context"].items() if name not in OPTIONAL_CONTEXT}
    kept = {"hook": value["hook"], "hookInstance": str(uuid4()), "context": context}
    return copy.deepcopy(kept)


def with_uuid_of_version_1(value: Mapping[str, Any]) -> Json:
    return {**fresh(value), "hookInstance": str(uuid1())}


def marked(value: Mapping[str, Any]) -> Json:
    """A copy that carries strings which an error answer must not repeat."""
    changed = fresh(value, fhirServer="https://kit-canary.invalid/fhir", fhirAuthorization=authorization("openid"))
    if isinstance(changed.get("context"), dict):
        changed["context"]["patientId"] = "kit-canary-patient"
    return changed


def authorization(scope: str) -> Json:
    return {
        "access_token": TOKEN,
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": scope,
        "subject": "kit-canary-client",
        "patient": "kit-canary-patient",
    }


def with_markup(value: Mapping[str, Any]) -> Json:
    """A copy in which every display and text of a code holds a harmless HTML tag, as a chart may."""
    changed = fresh(value)
    _mark(changed.get("context"))
    _mark(changed.get("prefetch"))
    return changed


def _mark(value: Any) -> None:
    if isinstance(value, dict):
        for name, each in value.items():
            if name in ("display", "text") and isinstance(each, str):
                value[name] = f"{each} {MARK}kit</b>"
            else:
                _mark(each)
    elif isinstance(value, list):
        for each in value:
            _mark(each)


def padded(value: Mapping[str, Any], size: int) -> Json:
    """A copy with a prefetched Bundle of about ``size`` bytes under a key of its own."""
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4", "display": "Heart rate"}]},
        "subject": {"reference": "Patient/kit-canary-patient"},
    }
    number = size // len(json.dumps({"resource": {**observation, "id": "kit-canary-heart-00000"}}))
    entries = [{"resource": {**observation, "id": f"kit-canary-heart-{each:05}"}} for each in range(number)]
    sent = value.get("prefetch")
    prefetch = {**(sent if isinstance(sent, dict) else {}), "org.example.cds-conformance.padding": _bundle(entries)}
    return fresh(value, prefetch=prefetch)


def drafts(request: Any) -> dict[str, Json]:
    """The draft orders of a request by ``Type/id``."""
    context = request.get("context") if isinstance(request, dict) else None
    bundle = context.get("draftOrders") if isinstance(context, dict) else None
    found = (entry.get("resource") for entry in objects(bundle.get("entry") if isinstance(bundle, dict) else None))
    return {
        f"{each.get('resourceType')}/{each['id']}": each
        for each in found
        if isinstance(each, dict) and isinstance(each.get("id"), str)
    }


def prefetch_for(templates: Mapping[str, Any], context: Mapping[str, Any]) -> Json:
    """What a client with the kit's small chart answers to prefetch templates; keys it cannot satisfy are left out."""
    answers = ((key, _answer(template, context)) for key, template in templates.items() if isinstance(template, str))
    return {key: answer for key, answer in answers if answer is not None}


_TOKEN_OF_CONTEXT = re.compile(r"\{\{context\.([A-Za-z][A-Za-z0-9_]*)\}\}")
_IGNORED = frozenset({"patient", "subject", "_count", "_sort"})
_CODED = frozenset({"category", "code"})


def _answer(template: str, context: Mapping[str, Any]) -> Json | None:
    asked = _TOKEN_OF_CONTEXT.sub(lambda found: str(context.get(found[1], "{{}}")), template)
    if "{{" in asked:
        return None
    place, question, query = asked.partition("?")
    kind, _, name = place.partition("/")
    if not question:
        return next((each for each in _chart(kind) if each["id"] == name), None)
    wanted = parse_qsl(query, keep_blank_values=True)
    if name or any(parameter not in _IGNORED | _CODED for parameter, _ in wanted):
        return None
    coded = [(parameter, text) for parameter, text in wanted if parameter in _CODED]
    found = [each for each in _chart(kind) if all(_has(each, parameter, text) for parameter, text in coded)]
    return _bundle([{"resource": each} for each in found])


def _has(resource: Json, parameter: str, wanted: str) -> bool:
    codes = {each.rpartition("|")[2] for each in wanted.split(",")}
    concepts = resource.get(parameter, [])
    listed = concepts if isinstance(concepts, list) else [concepts]
    return any(coding.get("code") in codes for concept in listed for coding in concept.get("coding", []))


def _bundle(entries: list[Json]) -> Json:
    found: Json = {"resourceType": "Bundle", "type": "searchset", "total": len(entries)}
    return {**found, "entry": entries} if entries else found


def _chart(kind: str) -> Iterator[Json]:
    return (copy.deepcopy(each) for each in _read("chart.json") if each["resourceType"] == kind)


@cache
def _read(name: str) -> Any:
    return json.loads(files("conformance").joinpath("requests", name).read_text(encoding="utf-8"))
