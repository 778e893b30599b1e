"""What is read of a resource as it stands, without its model: its kind, its status, and what is left of an odd one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from cds_service.fhir_elements import LONGEST_COURSE, Unreadable, items, span, word
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


def each_apart(resources: list[Json]) -> Iterator[tuple[int, Json]]:
    """Every resource with its place; the components of a panel of observations follow it as observations."""
    for number, resource in enumerate(resources):
        yield number, resource
        if "component" in resource and resource.get("resourceType") == "Observation":
            for part in _parts(resource):
                yield number, part


def _parts(resource: Json) -> Iterator[Json]:
    """The components of an Observation, and theirs, as Observations; one of no shape has a code of no shape."""
    panels = [resource]
    for panel in panels:
        common = {name: panel[name] for name in _OF_ALL if name in panel}
        refused = {"modifierExtension": panel["modifierExtension"]} if panel.get("modifierExtension") else {}
        components = panel["component"]
        for component in components if isinstance(components, list) else [components]:
            if component not in (None, {}, ""):
                told = component if isinstance(component, dict) else {"code": component}
                part = {**common, **told, **refused}
                yield part
                if "component" in part:
                    panels.append(part)


# When something was, in the elements of which a resource has one at most.
_TIMES = ("effectiveDateTime", "effectiveInstant", "effectivePeriod", "effectiveTiming")
# What an observation tells of each of its components.
_OF_ALL = ("resourceType", "id", "status", "subject", "patient", *_TIMES)


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
