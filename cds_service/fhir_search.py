"""A few FHIR R4 searches over resources in memory: what the demonstration server and the try-it page ask."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from cds_service.problems import bad_request

Json = dict[str, Any]

TYPES = (
    "Patient",
    "Condition",
    "MedicationRequest",
    "Procedure",
    "Observation",
    "ServiceRequest",
    "DiagnosticReport",
)
_LONGEST_PAGE = 100
# Parameters that shape a Bundle and choose nothing.
_SHAPING = ("_count", "_offset", "_sort", "_format", "_pretty", "_total", "_summary", "_elements", "_include")


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a search."""

    total: int
    resources: tuple[Json, ...]
    next_query: str | None
    """The query of the page that follows; None on the last one."""


def search(resources: Iterable[Json], kind: str, query: Sequence[tuple[str, str]]) -> Page:
    """The resources of a type that a query asks for.

    Parameters are joined by AND, the comma-separated values of one by OR. Raises Problem (400) for a parameter that
    is not supported: an answer that ignored it would show too much.
    """
    tests = [_test(kind, name, value) for name, value in query if name not in _SHAPING]
    found = [each for each in resources if each["resourceType"] == kind and all(test(each) for test in tests)]
    shaping = dict(query)
    count = _number(shaping, "_count", _LONGEST_PAGE)
    offset = _number(shaping, "_offset", 0)
    page = found[offset : offset + min(count, _LONGEST_PAGE)]
    follows = offset + len(page)
    rest = [(name, value) for name, value in query if name != "_offset"]
    more = bool(page) and follows < len(found)
    return Page(len(found), tuple(page), urlencode([*rest, ("_offset", str(follows))]) if more else None)


def fetch(resources: Sequence[Json], query: str) -> Json | None:
    """The answer to a prefetch query, ``Type/id`` or ``Type?name=value``: a resource, None, or a searchset Bundle."""
    path, _, parameters = query.partition("?")
    kind, _, identity = path.partition("/")
    if identity:
        return next((each for each in resources if each["resourceType"] == kind and each["id"] == identity), None)
    return searchset(search(resources, kind, parse_qsl(parameters)))


def searchset(page: Page, base: str = "") -> Json:
    """A searchset Bundle; full URLs where a base is given."""
    entries = [_entry(resource, base) for resource in page.resources]
    bundle: Json = {"resourceType": "Bundle", "type": "searchset", "total": page.total}
    return {**bundle, "entry": entries} if entries else bundle


def _entry(resource: Json, base: str) -> Json:
    entry: Json = {"resource": resource, "search": {"mode": "match"}}
    return {"fullUrl": f"{base}/{resource['resourceType']}/{resource['id']}", **entry} if base else entry


def _number(query: Mapping[str, str], name: str, otherwise: int) -> int:
    text = query.get(name, str(otherwise))
    if not text.isdecimal() or len(text) > 9:
        raise bad_request(f"{name} is not a whole number.")
    return int(text)


Test = Callable[[Json], bool]


def _test(kind: str, name: str, value: str) -> Test:
    wanted = [each.strip() for each in value.split(",") if each.strip()]
    match name:
        case "_id":
            return lambda resource: resource["id"] in wanted
        case "patient" | "subject" if kind != "Patient":
            names = {each.removeprefix("Patient/") for each in wanted}
            return lambda resource: resource["subject"]["reference"].removeprefix("Patient/") in names
        case "category" | "code" | "clinical-status" | "verification-status":
            return lambda resource: any(_has_token(resource, name, each) for each in wanted)
        case "status" | "intent" | "gender" | "birthdate":
            element = {"birthdate": "birthDate"}.get(name, name)
            return lambda resource: resource.get(element) in [each.rpartition("|")[2] for each in wanted]
    raise bad_request(f"The search parameter {name[:40]} is not supported on {kind}.")


_TOKENS = {
    "category": ("category",),
    "code": ("code", "medicationCodeableConcept"),
    "clinical-status": ("clinicalStatus",),
    "verification-status": ("verificationStatus",),
}


def _has_token(resource: Json, name: str, token: str) -> bool:
    """``code``, ``system|code`` or ``system|``, as FHIR writes a token."""
    system, bar, code = token.rpartition("|")
    return any(
        (not bar or coding.get("system", "") == system) and (not code or coding.get("code") == code)
        for element in _TOKENS[name]
        for coding in _codings(resource.get(element))
    )


def _codings(element: Any) -> Iterator[Json]:
    for concept in element if isinstance(element, list) else [element]:
        if isinstance(concept, dict):
            yield from concept.get("coding", [])
