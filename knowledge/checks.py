"""What a JSON Schema cannot say of the data: check digits, exclusive sets, references, and cases on both sides."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from knowledge.coverage import uncovered
from knowledge.findings import Coding
from knowledge.loading import SUPPORTING, Knowledge, KnowledgeError, load, read_checked, read_json
from knowledge.orders import Study
from knowledge.vocabulary import ICD_10_CM, LOINC, SNOMED_CT, Strength, read_coding

Json = dict[str, Any]

# Sets of which no code may be in two: each pair would contradict itself.
EXCLUSIVE = (
    ("low-velocity-trauma", "high-energy-trauma"),
    ("acute-duration", "chronic-duration"),
    ("systemic-glucocorticoid", "glucocorticoid-route-needed"),
    ("systemic-glucocorticoid", "immunosuppressant"),
    ("conservative-therapy", "intervention-referral"),
    ("low-back-pain", "other-region"),
    ("lumbar-strain-sprain", "high-energy-trauma"),
    ("lumbar-strain-sprain", "vertebral-fracture"),
)
# Codes of these never count: no other value set may include them.
NEVER_COUNTS = "look-alikes"

_ICD = re.compile(r"[A-Z]\d[0-9A-Z](?:\.[0-9A-Z]{1,4})?")
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
        knowledge = load(folder)
    except KnowledgeError as error:
        yield str(error)
        return
    value_sets = {file.stem: (file, read_json(file)) for file in sorted((folder / "valuesets").glob("*.json"))}
    if NEVER_COUNTS not in value_sets:
        yield f"{folder / 'valuesets'}: $: the value set {NEVER_COUNTS} is missing"
    for name, (file, data) in value_sets.items():
        if data.get("id") != name:
            yield f"{file}: $.id: the file is named {name}"
        yield from _codes(file, data)
    yield from _unique_urls(value_sets)
    yield from _exclusive(value_sets)
    yield from _order_codes(folder / "orders.json")
    yield from _sent_codes(folder / "topic.json", knowledge)
    yield from _ratings(folder / "topic.json")
    yield from _products(folder / "rxnorm-products.json")
    yield from _used(folder / "topic.json", value_sets)
    yield from uncovered(folder)


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
    # The identifiers of LOINC answers (LA...) do not end in the digit of LOINC codes.
    elif system == LOINC and code[0].isdigit() and not has_loinc_digit(code):
        yield f"{file}: {where}: {code} fails the LOINC check digit"
    elif system == ICD_10_CM and not _ICD.fullmatch(code):
        yield f"{file}: {where}: {code} is not written as ICD-10-CM is (A00.0000)"


def _unique_urls(value_sets: dict[str, tuple[Path, Json]]) -> Iterator[str]:
    urls: dict[str, Path] = {}
    for file, data in value_sets.values():
        if data["url"] in urls:
            yield f"{file}: $.url: {data['url']} is the url of {urls[data['url']].name} too"
        urls[data["url"]] = file


def _holds(codes: set[tuple[str, str]], system: str, code: str) -> bool:
    """Whether a set holds a code, or in ICD-10-CM a coarser one above it."""
    if system != ICD_10_CM:
        return (system, code) in codes
    plain = code.replace(".", "")
    return any(each == system and plain.startswith(above.replace(".", "")) for each, above in codes)


def _included(value_sets: dict[str, tuple[Path, Json]], name: str) -> set[tuple[str, str]]:
    if name not in value_sets:
        return set()
    return {(system, code) for _, system, code, out in _compose(value_sets[name][1]) if not out}


def _exclusive(value_sets: dict[str, tuple[Path, Json]]) -> Iterator[str]:
    for one, other in EXCLUSIVE:
        first, second = _included(value_sets, one), _included(value_sets, other)
        for system, code in sorted(first):
            if _holds(second, system, code):
                yield f"{value_sets[one][0]}: $.compose: {code} ({system}) is in {other} too"
        for system, code in sorted(second - first):
            if _holds(first, system, code):
                yield f"{value_sets[other][0]}: $.compose: {code} ({system}) is in {one} too"
    never = _included(value_sets, NEVER_COUNTS)
    for name in value_sets:
        if name != NEVER_COUNTS:
            for system, code in sorted(_included(value_sets, name)):
                if _holds(never, system, code):
                    yield f"{value_sets[name][0]}: $.compose: {code} ({system}) is a look-alike that never counts"
        base = name.removesuffix(SUPPORTING)
        if base != name and base in value_sets:
            excluded = {(system, code) for _, system, code, out in _compose(value_sets[base][1]) if out}
            for system, code in sorted(_included(value_sets, name) & excluded):
                yield f"{value_sets[name][0]}: $.compose: {code} ({system}) is excluded from {base} and supporting here"
            for system, code in sorted(_included(value_sets, name) & _included(value_sets, base)):
                yield f"{value_sets[name][0]}: $.compose: {code} ({system}) decides in {base} and is supporting here"


def _order_codes(file: Path) -> Iterator[str]:
    for number, key in enumerate(read_json(file)["keys"]):
        for place, code in enumerate(key["codes"]):
            yield from _code(file, f"$.keys[{number}].codes[{place}]", code["system"], code["code"])


def _sent_codes(file: Path, knowledge: Knowledge) -> Iterator[str]:
    """Codes that the service sends or compares with stand for what they are sent for."""
    data = read_json(file)
    for where, coded in _codings(data, "$"):
        yield from _code(file, where, coded["system"], coded["code"])
    for number, procedure in enumerate(data["procedures"]):
        for place, coded in enumerate(procedure["order_codes"]):
            resolved = knowledge.orders.resolve([_coding(coded)])
            if not isinstance(resolved, Study) or resolved.procedures != (procedure["id"],):
                where = f"$.procedures[{number}].order_codes[{place}]"
                yield f"{file}: {where}: {coded['code']} is no order code of {procedure['id']} alone"
    for number, concept in enumerate(data["concepts"]):
        if "record" not in concept:
            continue
        sets = [name for reading in knowledge.topic.concepts[concept["id"]].readings for name in reading.every_set]
        if knowledge.vocabulary.strength([_coding(concept["record"])], *sets) is not Strength.INCLUDED:
            yield f"{file}: $.concepts[{number}].record: {concept['record']['code']} does not state {concept['id']}"
    for name in ("concepts", "notes"):
        for number, concept in enumerate(data[name]):
            for place, reading in enumerate(concept["readings"]):
                for part in ("window", "past", "from", "to", "acute", "chronic"):
                    threshold = data["thresholds"].get(reading.get(part, ""))
                    if threshold is not None and (threshold["unit"] != "d" or threshold["value"] < 1):
                        where = f"$.{name}[{number}].readings[{place}].{part}"
                        yield f"{file}: {where}: {reading[part]} is no number of days"


def _coding(coded: Json) -> Coding:
    return read_coding(coded["system"], coded["code"]) or Coding("", "")


def _codings(value: Any, where: str) -> Iterator[tuple[str, Json]]:
    """Every object with a system and a code, and its place."""
    if isinstance(value, dict):
        if isinstance(value.get("system"), str) and isinstance(value.get("code"), str):
            yield where, value
        for name, each in value.items():
            yield from _codings(each, f"{where}.{name}")
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _codings(each, f"{where}[{number}]")


def _ratings(file: Path) -> Iterator[str]:
    """Each locator names its variant, its row and its scenarios, and sources are used."""
    data = read_json(file)
    names = {procedure["id"]: procedure["name"] for procedure in data["procedures"]}
    for number, variant in enumerate(data["variants"]):
        for index, rating in enumerate(variant["ratings"]):
            where = f"{file}: $.variants[{number}].ratings[{index}].locator"
            for scenario in variant["scenarios"]:
                if scenario["id"] not in rating["locator"]:
                    yield f"{where}: does not name scenario {scenario['id']}"
            if f"variant {variant['number']} " not in rating["locator"]:
                yield f"{where}: does not name variant {variant['number']}"
            if names[rating["procedure"]] not in rating["locator"]:
                yield f"{where}: does not name the row {names[rating['procedure']]}"
    numbers = {variant["number"] for variant in data["variants"]}
    for name in ("decisive_variant", "remaining_variants"):
        listed = data[name] if isinstance(data[name], list) else [data[name]]
        for missing in sorted(set(listed) - numbers):
            yield f"{file}: $.{name}: there is no variant {missing}"
    shared = {each["id"] for each in data["concepts"]} & {each["id"] for each in data["notes"]}
    for twice in sorted(shared):
        yield f"{file}: $.notes: {twice} is the id of a concept too"


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
