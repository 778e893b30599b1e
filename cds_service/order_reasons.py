"""The reasons of an order: its codes, and the resources that it names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from cds_service.chart import ChartReader
from cds_service.codings import codings_of
from cds_service.elements import Unreadable
from cds_service.json_access import items, reference_of, text_of, word
from cds_service.problems import too_large
from cds_service.raw_resources import each_apart
from cds_service.references import relative
from knowledge.findings import Entry, Kind

Json = dict[str, Any]

MOST_REASONS = 20_000
"""Resources that the orders of one call name, and what is listed in them, each as often as some order names it."""
REASONS = ("reasonCode", "reasonReference", "supportingInfo")
_READ_AS_REASON = ("Condition", "Observation", "Procedure")


@dataclass(slots=True)
class Reasons:
    """What is read of the reasons of one order, and what is not."""

    entries: list[Entry]
    unread: list[str]
    """The places of those that cannot be read."""
    named: set[int]
    """The identities of what was read already, however often the order names it."""


class ReasonReader:
    """Reads the reasons of the orders of one call."""

    def __init__(self, reader: ChartReader) -> None:
        self._reader = reader
        self._number = 0
        """How many resources were read, and what is listed in them."""

    def read(self, order: Json) -> Reasons:
        """The reasons of one order; what another one names is read again. Raises Problem (413)."""
        # What stands where a list is due says something that cannot be read.
        unread = [
            f"order.{name}" for name in REASONS if order.get(name) is not None and not isinstance(order[name], list)
        ]
        found = Reasons([], unread, set())
        for number, concept in enumerate(items(order.get("reasonCode"))):
            place = f"order.reasonCode[{number}]"
            codings, malformed = codings_of(concept)
            if codings:
                reason = Entry(place, Kind.REASON, codings, text_of(concept), is_reason=True, on_order=True)
                found.entries.append(reason)
            if malformed or (not codings and concept not in (None, {})):
                found.unread.append(place)
        for name in ("reasonReference", "supportingInfo"):
            for number, each in enumerate(items(order.get(name))):
                place = f"order.{name}[{number}]"
                reference = each.get("reference") if isinstance(each, dict) else each
                if isinstance(each, dict) and reference is None and name == "supportingInfo":
                    if word(each, "type") in _READ_AS_REASON:
                        found.unread.append(place)
                elif isinstance(each, dict) and (reference is None or isinstance(reference, str)):
                    self._read_reference(found, order, reference, place, name)
                elif each is not None or name == "reasonReference":
                    found.unread.append(place)
        return found

    def _read_reference(self, found: Reasons, order: Json, reference: str | None, place: str, name: str) -> None:
        resolve = self._reader.delivered.references.resolve
        target = resolve(reference, within=order)
        kind = word(target, "resourceType") if target else relative(reference).split("/")[0]
        points_inside = isinstance(reference, str) and reference.strip().startswith(("#", "urn:"))
        if name == "supportingInfo" and kind not in _READ_AS_REASON and (target is not None or not points_inside):
            return
        if target is None or kind not in _READ_AS_REASON:
            found.unread.append(place)
            return
        if id(target) in found.named:
            return
        found.named.add(id(target))
        contained = isinstance(reference, str) and reference.strip().startswith("#")
        holder = order if contained else target
        for _, each in each_apart([target], lambda name, _: resolve(name, holder), found.named):
            self._number += 1 + sum(len(value) for value in each.values() if isinstance(value, list))
            if self._number > MOST_REASONS:
                raise too_large(f"More than {MOST_REASONS} resources that orders of one call name are not read.")
            try:
                entry = self._reader.read_reason(each, place if contained else reference_of(target, place))
            except Unreadable as error:
                # In what merely goes with an order, a part may be in a site's own code.
                code = each.get("code") if each is not target and name == "supportingInfo" else None
                if not (error.uncoded and isinstance(code, dict) and code.get("coding")):
                    found.unread.append(place)
                continue
            if entry is not None:
                # A contained Condition without a date of its own is dated as of the order, as a reasonCode is.
                undated = entry.date is None and entry.end is None
                found.entries.append(replace(entry, is_reason=True, on_order=contained and undated))
