"""What an answer to a search tells of the search: whether it asked for less than a whole part of the chart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from cds_service.json_access import items, word
from knowledge.findings import PrefetchKey

Json = dict[str, Any]

_NARROWING = {
    *("_id", "_lastUpdated", "authoredon", "based-on", "category", "clinical-status", "code", "combo-code", "date"),
    *("effective", "encounter", "evidence", "medication", "onset-date", "recorded-date", "status"),
    "verification-status",
}
"""Search parameters that leave out some of a patient's resources (FHIR R4); others only say how they are sent."""
_WHOLE = {
    PrefetchKey.CONDITIONS: {"problem-list-item"},
    PrefetchKey.OBSERVATIONS: {"vital-signs"},
    PrefetchKey.IMAGING: {"RAD"},
}
"""Categories that are what we ask for: a problem list holds what matters of all encounters."""


def is_narrowed(key: PrefetchKey, value: Any, resources: Iterable[Json]) -> bool:
    """Whether the answer in ``value``, of which these are resources of one part, is of less than that part.

    By the address that was asked, where the Bundle names it; and problem lists are more than encounters' diagnoses.
    """
    for name, asked in _asked(value):
        parameter = name.partition(":")[0]
        wanted = {each.rpartition("|")[2] for each in asked.split(",")}
        if parameter == "category" and not wanted.isdisjoint(_WHOLE.get(key, ())):
            continue
        if parameter in _NARROWING:
            return True
    listed = list(resources) if key is PrefetchKey.CONDITIONS else []
    return bool(listed) and all(_is_of_an_encounter(each) for each in listed)


def type_asked_for(value: Any) -> str:
    """The type of resources that was searched, by the address that the Bundle names; empty where it names none."""
    for url in _own_addresses(value):
        try:
            return urlsplit(url).path.rpartition("/")[2]
        except ValueError:
            continue
    return ""


def _asked(value: Any) -> Iterator[tuple[str, str]]:
    for url in _own_addresses(value):
        try:
            yield from parse_qsl(urlsplit(url).query)
        except ValueError:
            continue


def _own_addresses(value: Any) -> Iterator[str]:
    links = value.get("link") if isinstance(value, dict) else None
    for link in items(links):
        if isinstance(link, dict) and word(link, "relation").strip().lower() == "self":
            yield word(link, "url")


def _is_of_an_encounter(condition: Json) -> bool:
    codes = {
        word(coding, "code")
        for concept in items(condition.get("category"))
        if isinstance(concept, dict)
        for coding in items(concept.get("coding"))
        if isinstance(coding, dict)
    }
    return "encounter-diagnosis" in codes and "problem-list-item" not in codes
