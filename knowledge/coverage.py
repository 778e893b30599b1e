"""Whether the named rulings cover the topic: every variant, concept, note and cell on both of its sides."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from knowledge.appraisal import NotJudgedReason
from knowledge.guideline import NoCriteriaReason
from knowledge.pain import ACUTE, SUBACUTE_OR_CHRONIC
from knowledge.sources import Json, KnowledgeError, Sources, read_checked, read_json

_STATES = {"present", "absent", "unknown"}
# Two of the three states is all that some concepts can have in a chart.
_CANNOT_BE = {
    "low-back-pain": {"absent"},
    "duration": {"absent"},
    "intervention-candidate": {"absent"},
}


def uncovered(sources: Sources) -> Iterator[str]:
    """What of a topic no ruling holds, and rulings that cannot be used; each with the place of the cases."""
    data = sources.topic
    where = sources.folder / "cases"
    rulings, faults = _rulings(where, data)
    yield from faults
    yield from _uncounted(sources)
    yield from _variants(where, data, rulings)
    yield from _concepts(where, data, rulings)
    for note in data["notes"]:
        if {note["id"] in each["notes"] for each in rulings if "notes" in each} != {True, False}:
            yield f"{where}: $.rulings: the note {note['id']} needs rulings with it and without"


def _uncounted(sources: Sources) -> Iterator[str]:
    """Rulings that went missing, or came without being declared."""
    files = {file.stem: file for file in (sources.folder / "cases").glob("*.json")}
    declared = sources.contents["rulings"]
    for name in sorted(files.keys() | declared.keys()):
        file = files.get(name, sources.folder / "cases" / f"{name}.json")
        try:
            held = len(read_json(file)["rulings"]) if name in files else 0
        except (KnowledgeError, KeyError, TypeError):
            continue  # what is wrong with the file is told by its schema
        if held != declared.get(name, 0):
            yield f"{file}: $.rulings: holds {held} rulings; contents.json says {declared.get(name, 0)}"


def _rulings(folder: Path, topic: Json) -> tuple[list[Json], list[str]]:
    """What the rulings expect, and the faults of their files."""
    found: list[Json] = []
    faults: list[str] = []
    names: dict[str, Path] = {}
    known = _known(topic)
    for file in sorted(folder.glob("*.json")):
        try:
            data = read_checked(file, "cases.schema.json")
        except KnowledgeError as error:
            faults.append(str(error))
            continue
        for number, ruling in enumerate(data["rulings"]):
            if ruling["name"] in names:
                first = names[ruling["name"]].name
                faults.append(f"{file}: $.rulings[{number}]: {ruling['name']!r} stands in {first} too")
            names[ruling["name"]] = file
            found.append(ruling["expect"])
            for name, (what, there) in known.items():
                named = ruling["expect"].get(name, [])
                for stranger in sorted({named} - there if isinstance(named, str) else set(named) - there):
                    faults.append(f"{file}: $.rulings[{number}].expect.{name}: no such {what}: {stranger}")
    return found, faults


def _known(topic: Json) -> dict[str, tuple[str, set[Any]]]:
    """What a ruling may name under each member of what it expects: how it is called, and what the topic has of it."""
    concepts = {each["id"] for each in topic["concepts"]}
    return {
        "established": ("variant", {each["number"] for each in topic["variants"]}),
        "procedures": ("procedure", {each["id"] for each in topic["procedures"]}),
        "findings": ("concept", concepts),
        "missing": ("concept", concepts),
        "reason": ("reason", {*NoCriteriaReason, *NotJudgedReason}),
        "notes": ("note", {each["id"] for each in topic["notes"]}),
    }


def _variants(where: Path, data: Json, rulings: list[Json]) -> Iterator[str]:
    for variant in data["variants"]:
        number = variant["number"]
        sides = {number in each.get("established", []) for each in rulings if "established" in each}
        if sides != {True, False}:
            yield f"{where}: $.rulings: variant {number} needs rulings that establish it and that do not"
        for rating in variant["ratings"]:
            cell = {"category": rating["category"], "established": [number], "procedures": [rating["procedure"]]}
            if not any(all(each.get(name) == value for name, value in cell.items()) for each in rulings):
                yield f"{where}: $.rulings: no ruling for the cell of variant {number}, {rating['procedure']}"


def _concepts(where: Path, data: Json, rulings: list[Json]) -> Iterator[str]:
    for value in (ACUTE, SUBACUTE_OR_CHRONIC):
        if not any(each.get("duration") == value for each in rulings):
            yield f"{where}: $.rulings: no ruling in which the pain is {value}"
    for concept in data["concepts"]:
        if not concept.get("internal"):
            yield from _states(where, concept["id"], rulings)


def _states(where: Path, concept: str, rulings: list[Json]) -> Iterator[str]:
    seen = {each.get("findings", {}).get(concept) for each in rulings}
    if concept == "duration":
        seen |= {"present"} if any("duration" in each for each in rulings) else set()
    for state in sorted(_STATES - _CANNOT_BE.get(concept, set()) - seen):
        yield f"{where}: $.rulings: no ruling in which {concept} is {state}"
