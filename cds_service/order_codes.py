"""The codes of an order: its own, a site's, and those of its billing options."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cds_service.codings import codings_of
from cds_service.json_access import items
from knowledge.findings import Coding
from knowledge.knowledge import Knowledge

Json = dict[str, Any]

_BILLING = "billing-options"


def order_codings(resource: Json, knowledge: Knowledge) -> tuple[Coding, ...]:
    """The codings of an order, the site's own and the CPT codes of its billing options among them."""
    code = resource.get("code")
    found = [*codings_of(code).readable, *_local_codings(code, knowledge)]
    for holder in (resource, code):
        for extension in items(holder.get("extension")) if isinstance(holder, dict) else []:
            if isinstance(extension, dict) and _BILLING in str(extension.get("url")):
                found += _codings_within(extension)
    return tuple(dict.fromkeys(found))


def _local_codings(code: Any, knowledge: Knowledge) -> Iterator[Coding]:
    for each in items(code.get("coding")) if isinstance(code, dict) else []:
        if isinstance(each, dict) and isinstance(each.get("system"), str) and isinstance(each.get("code"), str):
            local = Coding(each["system"], each["code"])
            if local in knowledge.orders.codes:
                yield local


def _codings_within(value: Any, depth: int = 0) -> Iterator[Coding]:
    if depth > 6 or not isinstance(value, dict):
        return
    if isinstance(value.get("valueCoding"), dict):
        yield from codings_of({"coding": [value["valueCoding"]]}).readable
    yield from codings_of(value.get("valueCodeableConcept")).readable
    for inner in items(value.get("extension")):
        yield from _codings_within(inner, depth + 1)
