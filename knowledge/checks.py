"""What a JSON Schema cannot say of the data: check digits, exclusive sets, references, and cases on both sides."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from knowledge.loading import SUPPORTING, KnowledgeError, load, read_checked, read_json
from knowledge.vocabulary import ICD_10_CM, LOINC, SNOMED_CT, read_coding

Json = dict[str, Any]

# Sets of which no code may be in two: each pair would contradict itself.
EXCLUSIVE = (
    ("low-velocity-trauma", "high-energy-trauma"),
    ("acute-duration", "chronic-duration"),
    ("systemic-glucocorticoid", "glucocorticoid-route-needed"),
    ("systemic-glucocorticoid", "immunosuppressant"),
    ("conservative-therapy", "intervention-referral"),
)
# Codes of these never count: no other value set may include them.
NEVER_COUNTS = "look-alikes"

_ICD = re.compile(r"[A-Z]\d[0-9A-Z](?:\.[0-9A-Z]{1,4})?")
_STATES = {"present", "absent", "unknown"}
# Two of the three states is all that some concepts can have in a chart.
_CANNOT_BE = {
    "low-back-pain": {"absent"},
    "duration": {"absent"},
    "intervention-candidate": {"absent"},
}

# Verhoeff's tables, which give SNOMED CT its check digit (SNOMED CT Release File Specification, check-digit algorithm).
_D5 = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    (1, 2, 3, 4, 0, 6, 7, 8, 9, 5),
    (2, 3, 4, 0, 1, 7, 8, 9, 5, 6),
    (3, 4, 0, 1, 2, 8, 9, 5, 6, 7),
    (4, 0, 1, 2, 3, 9, 5, 6, 7, 8),
    (5, 9, 8, 7, 6, 0, 4, 3, 2, 1),
    (6, 5, 9, 8, 7, 1, 0, 4, 3, 2),
    (7, 6, 5, 9, 8, 2, 1, 0, 4, 3),
    (8, 7, 6, 5, 9, 3, 2, 1, 0, 4),
    (9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
)
_SHIFT = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def has_verhoeff_digit(code: str) -> bool:
    """Whether the last digit of a SNOMED CT identifier is its Verhoeff check digit."""
    check = 0
    for place, digit in enumerate(reversed(code)):
        shifted = int(digit)
        for _ in range(place % 8):
            shifted = _SHIFT[shifted]
        check = _D5[check][shifted]
    return check == 0


def has_loinc_digit(code: str) -> bool:
    """Whether the digit behind a LOINC code's hyphen is its mod 10 check digit."""
    number, _, digit = code.partition("-")
    total = 0
    for place, each in enumerate(reversed(number)):
        doubled = int(each) * (2 if place % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return digit == str(-total % 10)


def problems(folder: Path) -> Iterator[str]:
    """Every fault of a topic's folder, each with its file and path; none when the data are sound."""
    try:
        load(folder)
    except KnowledgeError as error:
        yield str(error)
        return
    value_sets = {file.stem: (file, read_json(file)) for file in sorted((folder / "valuesets").glob("*.json"))}
    for name, (file, data) in value_sets.items():
        yield from _schema(file, "valueset.schema.json")
        if data.get("id") != name:
            yield f"{file}: $.id: the file is named {name}"
        yield from _codes(file, data)
    yield from _unique_urls(value_sets)
    yield from _exclusive(value_sets)
    yield from _order_codes(folder / "orders.json")
    yield from _products(folder / "rxnorm-products.json")
    yield from _used(folder / "topic.json", value_sets)
    yield from _cases(folder)


def _schema(file: Path, schema: str) -> Iterator[str]:
    try:
        read_checked(file, schema)
    except KnowledgeError as error:
        yield str(error)


def _compose(data: Json) -> Iterator[tuple[str, str, str, bool]]:
    """Part and place, system, code, and whether the code is excluded."""
    for part in ("include", "exclude"):
        for number, block in enumerate(data["compose"].get(part, [])):
            where = f"$.compose.{part}[{number}]"
            for place, concept in enumerate(block.get("concept", [])):
                yield f"{where}.concept[{place}]", block["system"], concept["code"], part == "exclude"
            for place, rule in enumerate(block.get("filter", [])):
                yield f"{where}.filter[{place}]", block["system"], rule["value"], part == "exclude"


def _codes(file: Path, data: Json) -> Iterator[str]:
    seen: set[tuple[str, str]] = set()
    for where, system, code, _ in _compose(data):
        yield from _code(file, where, system, code)
        if (system, code) in seen:
            yield f"{file}: {where}: {code} stands here twice"
        seen.add((system, code))


def _code(file: Path, where: str, system: str, code: str) -> Iterator[str]:
    if read_coding(system, code) is None:
        yield f"{file}: {where}: {code!r} is not a code of {system}"
    elif system == SNOMED_CT and not has_verhoeff_digit(code):
        yield f"{file}: {where}: {code} fails the SNOMED CT check digit"
    elif system == LOINC and not has_loinc_digit(code):
        yield f"{file}: {where}: {code} fails the LOINC check digit"
    elif system == ICD_10_CM and not _ICD.fullmatch(code):
        yield f"{file}: {where}: {code} is not written as ICD-10-CM is (A00.0000)"


def _unique_urls(value_sets: dict[str, tuple[Path, Json]]) -> Iterator[str]:
    urls: dict[str, Path] = {}
    for file, data in value_sets.values():
        if data["url"] in urls:
            yield f"{file}: $.url: {data['url']} is the url of {urls[data['url']].name} too"
        urls[data["url"]] = file


def _included(value_sets: dict[str, tuple[Path, Json]], name: str) -> set[tuple[str, str]]:
    if name not in value_sets:
        return set()
    return {(system, code) for _, system, code, out in _compose(value_sets[name][1]) if not out}


def _exclusive(value_sets: dict[str, tuple[Path, Json]]) -> Iterator[str]:
    for one, other in EXCLUSIVE:
        for system, code in sorted(_included(value_sets, one) & _included(value_sets, other)):
            yield f"{value_sets[one][0]}: $.compose: {code} ({system}) is in {other} too"
    never = _included(value_sets, NEVER_COUNTS)
    for name in value_sets:
        if name != NEVER_COUNTS:
            for system, code in sorted(_included(value_sets, name) & never):
                yield f"{value_sets[name][0]}: $.compose: {code} ({system}) is a look-alike that never counts"
        base = name.removesuffix(SUPPORTING)
        if base != name:
            for system, code in sorted(_included(value_sets, name) & _included(value_sets, base)):
                yield f"{value_sets[name][0]}: $.compose: {code} ({system}) decides in {base} and is supporting here"


def _order_codes(file: Path) -> Iterator[str]:
    for number, key in enumerate(read_json(file)["keys"]):
        for place, code in enumerate(key["codes"]):
            yield from _code(file, f"$.keys[{number}].codes[{place}]", code["system"], code["code"])


def _products(file: Path) -> Iterator[str]:
    seen: set[str] = set()
    for number, element in enumerate(read_json(file)["group"][0]["element"]):
        if element["code"] in seen:
            yield f"{file}: $.group[0].element[{number}]: {element['code']} stands here twice"
        seen.add(element["code"])


def _used(file: Path, value_sets: dict[str, tuple[Path, Json]]) -> Iterator[str]:
    text = file.read_text(encoding="utf-8")
    data = read_json(file)
    for name in {each.removesuffix(SUPPORTING) for each in value_sets}:
        if f'"{name}"' not in text and name not in (NEVER_COUNTS, "body-weight"):
            yield f"{file}: $.concepts: no concept reads the value set {name}"
    for name in data["thresholds"]:
        if text.count(f'"{name}"') < 2:
            yield f"{file}: $.thresholds.{name}: nothing uses it"
    for name, place in (("concepts", "id"), ("procedures", "id"), ("notes", "id"), ("variants", "number")):
        ids = [each[place] for each in data[name]]
        for twice in sorted({str(each) for each in ids if ids.count(each) > 1}):
            yield f"{file}: $.{name}: {twice} stands here twice"
    scenarios = [scenario["id"] for variant in data["variants"] for scenario in variant["scenarios"]]
    for twice in sorted({each for each in scenarios if scenarios.count(each) > 1}):
        yield f"{file}: $.variants: scenario {twice} stands here twice"
    for number, variant in enumerate(data["variants"]):
        for index, rating in enumerate(variant["ratings"]):
            for scenario in variant["scenarios"]:
                if scenario["id"] not in rating["locator"]:
                    where = f"$.variants[{number}].ratings[{index}].locator"
                    yield f"{file}: {where}: does not name scenario {scenario['id']}"


def _cases(folder: Path) -> Iterator[str]:
    """Every variant and concept has rulings on both sides, and every cell of the table has one."""
    data = read_json(folder / "topic.json")
    rulings = []
    names: dict[str, Path] = {}
    for file in sorted((folder / "cases").glob("*.json")):
        schema = list(_schema(file, "cases.schema.json"))
        yield from schema
        if schema:
            continue
        for ruling in read_json(file)["rulings"]:
            if ruling["name"] in names:
                yield f"{file}: $.rulings: {ruling['name']!r} stands in {names[ruling['name']].name} too"
            names[ruling["name"]] = file
            rulings.append(ruling["expect"])
    where = folder / "cases"
    for variant in data["variants"]:
        number = variant["number"]
        sides = {number in each.get("established", []) for each in rulings if "established" in each}
        if sides != {True, False}:
            yield f"{where}: $.rulings: variant {number} needs rulings that establish it and that do not"
        for rating in variant["ratings"]:
            cell = {"category": rating["category"], "established": [number], "procedures": [rating["procedure"]]}
            if not any(all(each.get(name) == value for name, value in cell.items()) for each in rulings):
                yield f"{where}: $.rulings: no ruling for the cell of variant {number}, {rating['procedure']}"
    for concept in data["concepts"]:
        if not concept.get("internal"):
            yield from _concept_states(where, concept["id"], rulings)


def _concept_states(where: Path, concept: str, rulings: list[Json]) -> Iterator[str]:
    seen = {each.get("findings", {}).get(concept) for each in rulings}
    if concept == "duration":
        seen |= {"present"} if any("duration" in each for each in rulings) else set()
    for state in sorted(_STATES - _CANNOT_BE.get(concept, set()) - seen):
        yield f"{where}: $.rulings: no ruling in which {concept} is {state}"
