"""What is read of a resource as it stands, without its model: its kind, its status, and what is left of an odd one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from itertools import chain, islice
from typing import Any

from cds_service.codings import MOST_CODINGS
from cds_service.durations import LONGEST_COURSE
from cds_service.elements import Unreadable
from cds_service.fhir_dates import span
from cds_service.json_access import items, word
from cds_service.references import relative
from knowledge.dates import DateSpan
from knowledge.findings import Kind

Json = dict[str, Any]

# Where an entry says what it is about, by its type.
CODE_OF = {
    "Condition": "code",
    "Procedure": "code",
    "MedicationRequest": "medicationCodeableConcept",
    "MedicationStatement": "medicationCodeableConcept",
    "Observation": "code",
    "ServiceRequest": "code",
    "DiagnosticReport": "code",
}
KINDS: Mapping[str, Kind] = {
    "Condition": Kind.CONDITION,
    "Procedure": Kind.PROCEDURE,
    "MedicationRequest": Kind.MEDICATION,
    "MedicationStatement": Kind.MEDICATION,
    "MedicationDispense": Kind.MEDICATION,
    "MedicationAdministration": Kind.MEDICATION,
    "Observation": Kind.OBSERVATION,
    "ServiceRequest": Kind.REFERRAL,
}
# They tell of drugs too, in ways that are not read: what they name is left open.
ALSO_MEDICATION = ("MedicationDispense", "MedicationAdministration")
NOT_GIVEN = ("entered-in-error", "not-done", "cancelled", "declined", "preparation")

# Where a Condition says when it ended.
ENDS = ("abatementDateTime", "abatementPeriod", "abatementAge", "abatementRange", "abatementString")

# Every status a resource can have (FHIR R4); another one cannot be read.
_STATUSES_OF = {
    "Procedure": "preparation in-progress not-done on-hold stopped completed entered-in-error unknown",
    "MedicationRequest": "active on-hold cancelled completed entered-in-error stopped draft unknown",
    "MedicationStatement": "active completed entered-in-error intended stopped on-hold unknown not-taken",
    "Observation": "registered preliminary final amended corrected cancelled entered-in-error unknown",
    "ServiceRequest": "draft active on-hold revoked completed entered-in-error unknown",
    "DiagnosticReport": "registered partial preliminary final amended corrected appended cancelled "
    "entered-in-error unknown",
}
_STATUSES = {kind: frozenset(statuses.split()) for kind, statuses in _STATUSES_OF.items()}


Resolve = Callable[[object, Json], Json | None]
"""The resource that a reference within another one leads to."""


def each_apart(resources: list[Json], resolve: Resolve, named: set[int] | None = None) -> Iterator[tuple[int, Json]]:
    """Every resource with its place; the components and contained members of an Observation follow it.

    ``named``: the identities of members that are passed over, to which those that are read are added. Where it is given
    other members are looked for too; in a chart they stand for themselves.
    """
    for number, resource in enumerate(resources):
        yield number, resource
        if ("component" in resource or "hasMember" in resource) and resource.get("resourceType") == "Observation":
            for part in _parts(resource, resolve, set() if named is None else named, follows=named is not None):
                yield number, part


def _parts(resource: Json, resolve: Resolve, named: set[int], *, follows: bool) -> Iterator[Json]:
    """The parts of an Observation, and theirs, as Observations under its id; members may go round in a circle."""
    panels = [resource]
    for panel in panels:
        common = {name: panel[name] for name in _OF_ALL if name in panel}
        kept = {name: panel[name] for name in ("id", "modifierExtension") if panel.get(name)}
        members = _members(panel, lambda name: resolve(name, resource), named, follows=follows)
        for told in (*_components(panel), *members):
            has_time = not told.keys().isdisjoint(_TIMES)
            part = {**common, **(_NO_TIME if has_time else {}), **told, **kept}
            yield part
            if "component" in part or "hasMember" in part:
                panels.append(part)


def _components(panel: Json) -> Iterator[Json]:
    """The components; one of no shape has a code of no shape."""
    for component in _each(panel.get("component")):
        if component not in (None, {}, ""):
            yield component if isinstance(component, dict) else {"code": component}


def _members(panel: Json, resolve: Callable[[str], Json | None], named: set[int], *, follows: bool) -> Iterator[Json]:
    """The members that were not named before, contained or any; one that is nowhere has no code."""
    for each in _each(panel.get("hasMember")):
        reference = word(each, "reference").strip() if isinstance(each, dict) else ""
        if not reference.startswith("#") and not (follows and reference):
            continue
        member = resolve(reference)
        if member is None and relative(reference).startswith(("#", "urn:", "Observation/")):
            yield {"code": None}
        elif member is not None and id(member) not in named:
            named.add(id(member))
            yield member


def _each(value: Any) -> list[Any]:
    """What stands in a list, or alone where one is due."""
    return value if isinstance(value, list) else [value]


# When something was, in the elements of which a resource has one at most.
_TIMES = ("effectiveDateTime", "effectiveInstant", "effectivePeriod", "effectiveTiming")
_NO_TIME = dict.fromkeys(_TIMES)
# What an observation tells of each of its parts.
_OF_ALL = ("resourceType", "id", "status", "subject", "patient", *_TIMES)


def with_ingredients(drug: Json, resolve: Resolve) -> Any:
    """What a Medication says it is, and of what it is made, in one CodeableConcept; raises Unreadable."""
    code, parts = drug.get("code"), _each(drug["ingredient"])
    own = code if isinstance(code, dict) else {}
    if (code and not own) or not isinstance(own.get("coding", []), list):
        return code
    told = chain(items(own.get("coding")), _codings_of(parts[:MOST_CODINGS], drug, resolve))
    codings = list(islice(told, MOST_CODINGS + 1))
    if max(len(parts), len(codings)) > MOST_CODINGS:
        raise Unreadable("a drug of more ingredients than any has")
    return {**own, "coding": codings}


def _codings_of(parts: list[Any], drug: Json, resolve: Resolve) -> Iterator[Any]:
    """The raw codings of ingredients, each told there or behind a reference."""
    for each in parts:
        if not isinstance(each, dict) or each.get("isActive") is False:
            continue
        if each.get("modifierExtension"):
            raise Unreadable("a modifier extension changes its meaning")
        reference = each.get("itemReference")
        target = resolve(reference.get("reference"), drug) if isinstance(reference, dict) else None
        for concept in (each.get("itemCodeableConcept"), target.get("code") if target is not None else None):
            yield from items(concept.get("coding")) if isinstance(concept, dict) else []


def status_of(resource: Json) -> str:
    """The status of a resource, one of those that its type can have; raises Unreadable."""
    status = word(resource, "status").strip().lower()
    if status not in _STATUSES[word(resource, "resourceType")]:
        raise Unreadable("its status cannot be read")
    return status


def is_denied(resource: Json) -> bool:
    """Whether the resource asks that something be not done; raises Unreadable."""
    denied = resource.get("doNotPerform")
    if denied is not None and not isinstance(denied, bool):
        raise Unreadable("its doNotPerform cannot be read")
    return denied is True


def with_modern_names(resource: Json) -> Json:
    """A Condition under the names of R4, where an older version wrote its date otherwise."""
    if "recordedDate" in resource:
        return resource
    recorded = resource.get("assertedDate", resource.get("dateRecorded"))
    return {**resource, "recordedDate": recorded} if recorded is not None else resource


def with_one_time(resource: Json) -> Json:
    """An Observation with one time: an instant is read as a date, and of several times any may be meant."""
    told = [name for name in _TIMES if resource.get(name)]
    if told == ["effectiveInstant"]:
        return {**resource, "effectiveDateTime": resource["effectiveInstant"]}
    if len(told) < 2:
        return resource
    days = days_told(resource)
    period = {"start": days.earliest.isoformat(), "end": days.latest.isoformat()} if days is not None else None
    return {**resource, **dict.fromkeys(told), "effectivePeriod": period}


def interpretations(concepts: Any) -> tuple[str, ...]:
    """The codes of how a value was interpreted; a lone concept is what R3 had there."""
    return tuple(
        coding["code"].strip()
        for concept in (items(concepts) or [concepts])
        if isinstance(concept, dict)
        for coding in items(concept.get("coding"))
        if isinstance(coding, dict) and isinstance(coding.get("code"), str)
    )


def days_told(resource: Json) -> DateSpan | None:
    """The days that an unread entry may be of, where it plainly says so; of several times any may be meant."""
    times = [_days(resource[name]) for name in _TIMES if resource.get(name)]
    if not times:
        given, days = resource.get("whenHandedOver") or resource.get("whenPrepared"), days_given(resource)
        day = span(given) if isinstance(given, str) else None
        if day is None or days is None:
            return None
        return DateSpan(day.earliest, day.latest + min(timedelta(days=days), date.max - day.latest))
    told = [each for each in times if each is not None]
    if len(told) < len(times):
        return None
    return DateSpan(min(each.earliest for each in told), max(each.latest for each in told))


def _days(written: Any) -> DateSpan | None:
    """The days of a date, or of a period up to its end; nothing that is open, or ends before it starts, has any."""
    if isinstance(written, str):
        return span(written)
    if not isinstance(written, dict):
        return None
    start, end = _days(written.get("start")), _days(written.get("end"))
    if end is None or (start is None and written.get("start")):
        return None
    begun = start.earliest if start is not None else date.min
    return DateSpan(begun, end.latest) if begun <= end.latest else None


def prescriptions_of(resource: Json) -> list[Any]:
    """The references of what was given out or taken to what prescribed it."""
    return [*items(resource.get("authorizingPrescription")), resource.get("request")]


def days_given(resource: Json) -> int | None:
    """For how many days a dispense lasts; None where it is not plainly said in days."""
    supply = resource.get("daysSupply")
    if not isinstance(supply, dict) or supply.get("code", supply.get("unit", "d")) not in ("d", "day", "days", "Days"):
        return None
    try:
        days = int(float(str(supply.get("value"))))
    except (ValueError, OverflowError):
        return None
    return days if 0 <= days <= LONGEST_COURSE else None
