"""Prefetched data: what arrived under which key, and whether it is complete."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field, replace
from typing import Any

from cds_service.json_access import word
from cds_service.long_bodies import Entries
from cds_service.references import References
from cds_service.resource_types import BESIDE, CONTAINERS, KEY_OF_TYPE, OLDER_TYPES, is_type
from cds_service.searches import is_narrowed, type_asked_for
from knowledge.findings import Gap, PrefetchKey
from knowledge.values import hot_dataclass

Json = dict[str, Any]

_HARMLESS = ("warning", "information", "success")


@hot_dataclass(slots=True)
class Delivery:
    """One part of the chart as it arrived."""

    key: PrefetchKey
    resources: list[Json] = field(default_factory=list)
    complete: bool = True
    gaps: list[Gap] = field(default_factory=list)
    included: set[int] = field(default_factory=set)
    """The identities of resources that came along and were not searched for (`search.mode` include)."""
    narrowed: bool = False
    """Nothing but searches for less than the whole brought it."""

    def joined(self, other: Delivery) -> Delivery:
        """Both together: complete only where both are."""
        return Delivery(
            self.key,
            self.resources + other.resources,
            self.complete and other.complete,
            self.gaps + other.gaps,
            self.included | other.included,
        )

    def fail(self, reference: str, why: str) -> None:
        self.complete = False
        self.gaps.append(Gap(reference, why, self.key))


@hot_dataclass(slots=True)
class Delivered:
    """Everything that arrived with one call."""

    parts: dict[PrefetchKey, Delivery] = field(default_factory=dict)
    references: References = field(default_factory=References)


SILENT: Json = {}
"""Stands for an entry that says nothing and is held no longer, so that others keep their numbers."""
SaysNothing = Callable[[Json, str], bool]
"""Whether a resource of a type says nothing of the patient of the call."""


OWN_KEYS: Mapping[str, PrefetchKey] = {key.value: key for key in PrefetchKey}


def read_prefetch(
    prefetch: Mapping[str, Any],
    drafts: Iterable[tuple[Json, object]],
    aliases: Mapping[str, PrefetchKey] = {},
    unfetched: Mapping[str, str] = {},
    says_nothing: SaysNothing | None = None,
) -> Delivered:
    """Sort what was prefetched by our keys, and by a site's ``aliases`` of them.

    Keys under other names are recognised by the type of their resources. ``unfetched`` says by key why something could
    not be fetched that prefetch lacked. `Entries` of which ``says_nothing`` is true are not held.
    """
    delivered = Delivered()
    for resource, full_url in drafts:
        delivered.references.remember(resource, full_url)
    named = {**aliases, **OWN_KEYS} if aliases else OWN_KEYS
    for name in [name for name in prefetch if name in named]:
        key = named[name]
        part = _read_value(key, prefetch[name], delivered.references, name, says_nothing)
        delivered.parts[key] = delivered.parts[key].joined(part) if key in delivered.parts else part
    foreign = {name: value for name, value in prefetch.items() if name not in named}
    if foreign:
        _read_foreign(foreign, delivered)
    for name in (name for name in unfetched if name in OWN_KEYS):
        key = OWN_KEYS[name]
        delivered.parts.setdefault(key, Delivery(key)).fail(name, unfetched[name])
    return delivered


def _read_foreign(values: Mapping[str, Any], delivered: Delivered) -> None:
    """Keys that are not ours: their resources join the parts of their types, and so does what they lack.

    A foreign value that failed could have held any type: no part that only foreign keys brought is complete then.
    """
    ours = set(delivered.parts)
    failed: list[Gap] = []
    searched, narrowed = {PrefetchKey.PATIENT}, set[PrefetchKey]()
    brought: dict[PrefetchKey, str] = {}
    for name, value in values.items():
        reading = _read_value(PrefetchKey.CONDITIONS, value, delivered.references, name)
        is_alone = len(reading.resources) == 1 and value is reading.resources[0]
        answered: set[PrefetchKey] = set()
        found: dict[PrefetchKey, list[Json]] = {}
        for resource in reading.resources:
            kind = word(resource, "resourceType")
            key = KEY_OF_TYPE.get(kind) or OLDER_TYPES.get(kind)
            if key is not None:
                found.setdefault(key, []).append(resource)
                brought[key] = name
                if not is_alone and id(resource) not in reading.included:
                    answered.add(key)
            elif kind not in BESIDE:
                failed.append(Gap(name, "a resource of a type that is not known"))
        asked_for = KEY_OF_TYPE.get(type_asked_for(value)) if not reading.resources and reading.complete else None
        if asked_for is not None:  # searched, and nothing found
            found[asked_for] = []
            brought[asked_for] = name
            answered.add(asked_for)
        for key in answered:
            (narrowed if is_narrowed(key, value, found[key]) else searched).add(key)
        for key, resources in found.items():
            part = delivered.parts.setdefault(key, Delivery(key))
            part.resources += resources
            part.complete = part.complete and reading.complete
            part.gaps += [replace(gap, key=key) for gap in reading.gaps]
        if not found:
            failed += reading.gaps
    for key in brought.keys() - searched - ours:
        part = delivered.parts[key]
        part.narrowed = key in narrowed
        came_along = "resources that came along, and are no answer to a search"
        part.fail(brought[key], "an answer to a search for less than this key asks" if part.narrowed else came_along)
    for key, part in delivered.parts.items():
        if key not in ours and failed:
            part.complete = False
            part.gaps += [replace(gap, key=key) for gap in failed]


def _read_value(
    key: PrefetchKey, value: Any, references: References, name: str, says_nothing: SaysNothing | None = None
) -> Delivery:
    part = Delivery(key)
    if isinstance(value, dict) and "resourceType" not in value and isinstance(value.get("resource"), dict):
        value = value["resource"]
    if value is None:
        return part
    if not isinstance(value, dict):
        part.fail(name, f"a {type(value).__name__} where a resource is due")
        return part
    kind = value.get("resourceType")
    if kind == "OperationOutcome":
        if _failed(value):
            part.fail(name, "the client could not fetch it")
    elif kind == "Bundle" or (kind is None and isinstance(value.get("entry"), list | Entries)):
        _read_bundle(value, part, references, name, says_nothing)
    elif isinstance(kind, str):
        references.remember(value)
        part.resources.append(value)
        if name in OWN_KEYS and not _asked_for(key, kind):
            part.fail(name, "a resource of another type than this key asks for")
    else:
        part.fail(name, "an object that is no resource")
    return part


def _read_bundle(
    bundle: Json, part: Delivery, references: References, name: str, says_nothing: SaysNothing | None
) -> None:
    entries = bundle.get("entry", [])
    if not isinstance(entries, list | Entries):
        part.fail(name, "a Bundle whose entry is no list")
        return
    lets_go = says_nothing if isinstance(entries, Entries) else None
    kinds: set[str] = set()
    counts, matches = bundle.get("total") is not None, 0
    # A loop with few calls, for a chart can hold thousands of entries.
    for number, entry in enumerate(entries):
        matches += counts and _is_match(entry, name)
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(resource, dict):
            part.fail(f"{name}.entry[{number}]", "an entry without a resource")
            continue
        kind = word(resource, "resourceType")
        if kind in KEY_OF_TYPE:
            kinds.add(kind)
            if lets_go is not None and not _holds_more(resource) and lets_go(resource, kind):
                references.remember(resource, entry.get("fullUrl"), (entries, number))
                part.resources.append(SILENT)
                continue
            if "search" in entry and _mode(entry) == "include":
                part.included.add(id(resource))
        elif not _is_kept(resource, kind, part, f"{name}.entry[{number}]"):
            continue
        elif kind not in BESIDE:
            kinds.add(kind)
        references.remember(resource, entry.get("fullUrl"))
        part.resources.append(resource)
    _hold_against(bundle, matches, kinds, part, name)


def _holds_more(resource: Json) -> bool:
    """Whether there are others within a resource, which speak for themselves."""
    return "component" in resource or "contained" in resource


def _hold_against(bundle: Json, matches: int, kinds: set[str], part: Delivery, name: str) -> None:
    """What a Bundle says of itself, and what its key asks for, against what was in it."""
    if next_page(bundle) is not None:
        part.fail(name, "more pages follow that were not fetched")
    total = bundle.get("total")
    if isinstance(total, int | float) and total > matches:
        part.fail(name, "fewer entries than it says were found")
    if name in OWN_KEYS and kinds and not any(_asked_for(part.key, kind) for kind in kinds):
        part.fail(name, "resources of another type than this key asks for")


def _is_kept(resource: Json, kind: str, part: Delivery, place: str) -> bool:
    """Whether a resource of no type that is read is kept; what it tells of a failure is told of the part."""
    if kind == "OperationOutcome":
        if _failed(resource):
            part.fail(place, "the client could not fetch all of it")
        return False
    if not is_type(kind or "-") or kind in CONTAINERS:
        part.fail(place, "a resource of no type that is read")
        return False
    return True


def _mode(entry: Any) -> object:
    search = entry.get("search") if isinstance(entry, dict) else None
    return search.get("mode") if isinstance(search, dict) else None


def _is_match(entry: Any, name: str) -> bool:
    """Whether an entry is one of those that a search's total counts: by its mode, else by its type."""
    mode = _mode(entry)
    if mode is not None or not isinstance(entry, dict) or not isinstance(entry.get("resource"), dict):
        return bool(mode == "match")
    kind = word(entry["resource"], "resourceType")
    return _asked_for(OWN_KEYS[name], kind) if name in OWN_KEYS else kind in KEY_OF_TYPE or kind in OLDER_TYPES


def _asked_for(key: PrefetchKey, kind: str) -> bool:
    brought = KEY_OF_TYPE.get(kind) or OLDER_TYPES.get(kind)
    return brought is key or (key is PrefetchKey.BONE_DENSITY and brought is PrefetchKey.OBSERVATIONS)


def next_page(bundle: Json) -> object:
    """Where a Bundle says that its next page is, in whatever form; None where none follows."""
    links = bundle.get("link")
    if links is None:
        return None
    for link in _objects(links if isinstance(links, list) else [links]):
        if word(link, "relation").strip().lower() == "next":
            return link.get("url") or ""
    return None


def _failed(outcome: Json) -> bool:
    """Whether it may tell of a failure: only issues that say they are harmless are."""
    issues = outcome.get("issue")
    return not (
        isinstance(issues, list)
        and issues
        and all(isinstance(each, dict) and word(each, "severity").lower() in _HARMLESS for each in issues)
    )


def _objects(value: Any) -> Iterator[Json]:
    return (each for each in value if isinstance(each, dict)) if isinstance(value, list) else iter(())
