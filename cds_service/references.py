"""References: their forms, and the resources of a call that they lead to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from cds_service.long_bodies import Entries
from cds_service.resource_types import is_type

Json = dict[str, Any]

_LONGEST_REFERENCE = 2_000


def relative(reference: object) -> str:
    """``Type/id`` of a reference in any form; a ``urn:`` or ``#`` reference as it stands; else an empty string."""
    if not isinstance(reference, str) or len(reference) > _LONGEST_REFERENCE:
        return ""
    reference = reference.strip()
    if reference.startswith(("urn:", "#")):
        return reference
    path = reference.partition("/_history/")[0].partition("?")[0].partition("#")[0]
    kind, _, identity = path.rpartition("/")
    kind = kind.rpartition("/")[2]
    return f"{kind}/{identity}" if identity and is_type(kind) else ""


def bare_id(value: str) -> str:
    """An id without the ``Patient/`` that some clients put before it."""
    return value.strip().rsplit("/", 1)[-1]


Place = tuple[list[Any] | Entries, int]
"""An entry of a list."""


@dataclass(slots=True)
class References:
    """What the references within one call lead to."""

    _seen: list[tuple[object, object, object, Json | Place]] = field(default_factory=list)
    """Of each resource its type, its id, its fullUrl, and itself."""
    _index: dict[str, Json | Place] | None = None
    """Every resource of the call by ``Type/id`` and by fullUrl; made when the first reference asks for it."""
    _again: dict[tuple[int, int], Json] = field(default_factory=dict)
    """Resources that were let go and found again, by the identity of their list and their number."""
    _contained: dict[int, tuple[list[Any], dict[str, Json]]] = field(default_factory=dict)
    """Contained resources by id, for each list of them that was asked for; the list is held, so its key is its own."""

    def resolve(self, reference: object, within: Json | None = None) -> Json | None:
        """The resource a reference points to: contained in ``within``, prefetched, or another draft."""
        name = relative(reference)
        if name.startswith("#"):
            return self._contained_in(within or {}).get(name[1:])
        if self._index is None:
            self._index = _indexed(self._seen)
        found = self._index.get(name) if name else None
        if isinstance(found, tuple):
            entries, number = found
            if (id(entries), number) not in self._again:
                self._again[id(entries), number] = entries[number]["resource"]
            return self._again[id(entries), number]
        return found

    def _contained_in(self, within: Json) -> dict[str, Json]:
        """Looked through once, however many references point into it: a body of ten megabytes can hold many."""
        contained = within.get("contained")
        if not isinstance(contained, list):
            return {}
        if id(contained) not in self._contained:
            found: dict[str, Json] = {}
            for each in contained:
                if isinstance(each, dict) and isinstance(each.get("id"), str):
                    found.setdefault(each["id"].removeprefix("#"), each)
            self._contained[id(contained)] = contained, found
        return self._contained[id(contained)][1]

    def remember(self, resource: Json, full_url: object = None, again: Place | None = None) -> None:
        """``again`` is where the resource is to be found if it shall not be held."""
        self._seen.append((resource.get("resourceType"), resource.get("id"), full_url, again or resource))
        self._index = None


def _indexed(seen: Iterable[tuple[object, object, object, Json | Place]]) -> dict[str, Json | Place]:
    found: dict[str, Json | Place] = {}
    for kind, identity, full_url, source in seen:
        if isinstance(kind, str) and isinstance(identity, str):
            found.setdefault(f"{kind}/{identity}", source)
        if isinstance(full_url, str) and full_url:
            found.setdefault(full_url, source)
            found.setdefault(relative(full_url) or full_url, source)
    return found
