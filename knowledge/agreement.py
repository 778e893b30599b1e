"""Whether the parts of a topic agree: the cells with the table, the variants with each other, the numbers in order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise

from knowledge.criteria import AllOf, AnyOf, Criterion, Has, Not, Suggests, concepts_of
from knowledge.findings import ConceptId
from knowledge.guideline import ReadingKind, Topic, Variant
from knowledge.sources import Fault, Json, Sources


def disagreements(sources: Sources, topic: Topic) -> Iterator[Fault]:
    """Every contradiction within a topic, each with its place in topic.json."""
    for path, message in (
        *_repeated(sources.topic),
        *_variants(sources.topic),
        *_cells(sources.topic),
        *_locators(sources.topic),
        *_radiation(sources.topic),
        *_criteria(topic),
        *_silence(sources),
        *_numbers(sources.topic),
    ):
        yield Fault(sources.topic_file, path, message)


Found = Iterator[tuple[str, str]]


def _repeated(data: Json) -> Found:
    for name, key in (("concepts", "id"), ("procedures", "id"), ("notes", "id"), ("variants", "number")):
        ids = [each[key] for each in data[name]]
        for twice in sorted({str(each) for each in ids if ids.count(each) > 1}):
            yield f"$.{name}", f"{twice} stands here twice"
    for shared in sorted({each["id"] for each in data["concepts"]} & {each["id"] for each in data["notes"]}):
        yield "$.notes", f"{shared} is the id of a concept too"
    scenarios = [scenario["id"] for variant in data["variants"] for scenario in variant["scenarios"]]
    for twice in sorted({each for each in scenarios if scenarios.count(each) > 1}):
        yield "$.variants", f"scenario {twice} stands here twice"


def _variants(data: Json) -> Found:
    """The variants are those of the table, and the ones with a part to play are among them."""
    declared = data["table"]["variants"]
    numbers = [variant["number"] for variant in data["variants"]]
    for missing in sorted(set(declared) - set(numbers)):
        yield "$.variants", f"variant {missing} is missing, though the table has it"
    for stray in sorted(set(numbers) - set(declared)):
        yield "$.variants", f"variant {stray} is not one of the table"
    for name in ("decisive_variant", "remaining_variants"):
        listed = data[name] if isinstance(data[name], list) else [data[name]]
        for missing in sorted(set(listed) - set(numbers)):
            yield f"$.{name}", f"there is no variant {missing}"
    if data["decisive_variant"] in data["remaining_variants"]:
        yield "$.remaining_variants", f"variant {data['decisive_variant']} is the decisive one"


def _cells(data: Json) -> Found:
    """Every rating says what its letter in the table says."""
    table = data["table"]
    procedures = {each["id"] for each in data["procedures"]}
    for missing in sorted(procedures - set(table["rows"])):
        yield "$.table.rows", f"no row for {missing}"
    for name, row in table["rows"].items():
        if name not in procedures:
            yield f"$.table.rows.{name}", "there is no such procedure"
        if len(row) != len(table["variants"]):
            yield f"$.table.rows.{name}", f"{len(row)} letters for {len(table['variants'])} variants"
        for letter in sorted(set(row) - set(table["letters"])):
            yield f"$.table.rows.{name}", f"no category has the letter {letter}"
    places = {number: place for place, number in enumerate(table["variants"])}
    for number, variant in enumerate(data["variants"]):
        place = places.get(variant["number"])
        for index, rating in enumerate(variant["ratings"]):
            row = table["rows"].get(rating["procedure"], "")
            if place is None or place >= len(row):
                continue
            said = table["letters"].get(row[place])
            if said != rating["category"]:
                yield (
                    f"$.variants[{number}].ratings[{index}].category",
                    f"{rating['category']}, but the table says {said} for {rating['procedure']} in variant "
                    f"{variant['number']}",
                )


# The portal's numbers of scenarios have seven digits; those of topics and variants are shorter.
_SCENARIO = re.compile(r"\d{7}")


def _locators(data: Json) -> Found:
    """Each locator names its variant, its row and its scenarios."""
    names = {procedure["id"]: procedure["name"] for procedure in data["procedures"]}
    for number, variant in enumerate(data["variants"]):
        for index, rating in enumerate(variant["ratings"]):
            where = f"$.variants[{number}].ratings[{index}].locator"
            named, listed = set(_SCENARIO.findall(rating["locator"])), {each["id"] for each in variant["scenarios"]}
            for scenario in sorted(listed - named):
                yield where, f"does not name scenario {scenario}"
            for scenario in sorted(named - listed):
                yield where, f"names scenario {scenario}, which the variant does not list"
            if f"variant {variant['number']} " not in rating["locator"]:
                yield where, f"does not name variant {variant['number']}"
            if names[rating["procedure"]] not in rating["locator"]:
                yield where, f"does not name the row {names[rating['procedure']]}"


def _radiation(data: Json) -> Found:
    for group in ("adult", "paediatric"):
        for number, each in enumerate(data["radiation_levels"][group]):
            if each["level"] != number or len(each["display"].replace("O", "")) != number:
                yield f"$.radiation_levels.{group}[{number}]", f"is not level {number} with {number} symbols"
    for number, procedure in enumerate(data["procedures"]):
        for group in ("adult", "paediatric"):
            level = procedure[group]
            if level is not None and (level > 0) is not procedure["ionising"]:
                said = "ionising" if procedure["ionising"] else "not ionising"
                yield f"$.procedures[{number}].{group}", f"level {level}, but the study is {said}"


def _criteria(topic: Topic) -> Found:
    """Every concept is asked for, and a red flag makes some variant hold."""
    leads_to = {concept for variant in topic.variants.values() for concept in _affirmed(variant.criterion)}
    closing = [rule.criterion for rule in topic.closed_when]
    asked = {concept for criterion in closing for concept in concepts_of(criterion)}
    asked |= {concept for variant in topic.variants.values() for concept in variant.concepts}
    for place, concept in enumerate(topic.concepts.values()):
        if concept.id not in asked:
            yield f"$.concepts[{place}]", f"no variant asks for {concept.id}"
        elif concept.red_flag and concept.id not in leads_to:
            yield f"$.concepts[{place}]", f"{concept.id} is a red flag, and no variant holds by it"
    for place, criterion in enumerate(closing):
        yield from _which(f"$.entry.closed_when[{place}].criterion", topic, criterion)
    for place, variant in enumerate(topic.variants.values()):
        where = f"$.variants[{place}].criterion"
        yield from _which(where, topic, variant.criterion)
        if variant.number in topic.remaining_variants:
            yield from _remaining(where, topic, variant, leads_to)
        elif _denied(variant.criterion):
            yield "$.remaining_variants", f"variant {variant.number} asks that others do not hold, and is not listed"


def _which(where: str, topic: Topic, criterion: Criterion) -> Found:
    """A duration that is asked for is named."""
    for concept_id in sorted(_valueless(criterion)):
        if any(reading.kind is ReadingKind.DURATION for reading in topic.concepts[concept_id].readings):
            yield where, f"does not say which {concept_id}"


def _remaining(where: str, topic: Topic, variant: Variant, leads_to: set[ConceptId]) -> Found:
    """What remains when nothing else holds denies exactly what leads elsewhere."""
    denied = _denied(variant.criterion)
    if not _affirmed(variant.criterion):
        yield where, "asks for nothing that must be present"
    for stray in sorted(denied - leads_to):
        yield where, f"{stray} rules the variant out, and leads to no other"
    others = {
        concept: other.number
        for other in topic.variants.values()
        if other.number != variant.number
        for concept in _sufficient(other.criterion)
    }
    for concept_id, concept in topic.concepts.items():
        if concept_id not in denied and (concept.red_flag or concept_id in others):
            why = "is a red flag" if concept.red_flag else f"establishes variant {others[concept_id]}"
            yield where, f"does not ask that {concept_id} be absent, which {why}"


def _affirmed(criterion: Criterion) -> set[ConceptId]:
    """The concepts whose presence counts for a criterion."""
    match criterion:
        case Has(concept, _) | Suggests(concept, _):
            return {concept}
        case AllOf(criteria) | AnyOf(criteria):
            return {concept for each in criteria for concept in _affirmed(each)}
        case Not(_):
            return set()


def _valueless(criterion: Criterion) -> set[ConceptId]:
    """The concepts that are asked for without a value."""
    match criterion:
        case Has(concept, None):
            return {concept}
        case AllOf(criteria) | AnyOf(criteria):
            return {concept for each in criteria for concept in _valueless(each)}
        case Not(inner):
            return _valueless(inner)
        case _:
            return set()


def _sufficient(criterion: Criterion) -> set[ConceptId]:
    """The concepts of which each makes a criterion true by itself."""
    match criterion:
        case Has(concept, None):
            return {concept}
        case AnyOf(criteria):
            return {concept for each in criteria for concept in _sufficient(each)}
        case _:
            return set()


def _denied(criterion: Criterion) -> set[ConceptId]:
    """The concepts of which each makes a criterion false by itself."""
    match criterion:
        case Not(inner):
            return _sufficient(inner)
        case AllOf(criteria):
            return {concept for each in criteria for concept in _denied(each)}
        case _:
            return set()


# What has to be delivered before silence means that nothing of this kind is there.
_NEEDED = {
    ReadingKind.STATEMENT: "conditions",
    ReadingKind.MEDICATION: "medications",
    ReadingKind.STEROID_COURSES: "medications",
    ReadingKind.DRUG_FOR_PAIN: "medications",
    ReadingKind.THERAPY: "procedures",
    ReadingKind.AGE: "patient",
}


def _silence(sources: Sources) -> Found:
    """Silence needs what the readings of a concept look at, and an internal concept asks what another one finds."""
    concepts = sources.topic["concepts"]
    found = {name for each in concepts if not each.get("internal") for name in _sets(each)}
    for number, concept in enumerate(concepts):
        if concept.get("internal"):
            for name in sorted(_sets(concept) - found):
                yield f"$.concepts[{number}].readings", f"no other concept reads the value set {name}"
        if not isinstance(concept["silence"], dict):
            continue
        for reading in concept["readings"]:
            kind = ReadingKind(reading["kind"])
            need = _NEEDED.get(kind)
            # A drug of which no code decides leaves a concept open, where it is seen.
            decides = kind is not ReadingKind.MEDICATION or reading["value_set"] in sources.value_sets
            if need and decides and need not in concept["silence"]["needs"]:
                yield f"$.concepts[{number}].silence.needs", f"{need} is not listed, where {kind} looks"


def _sets(concept: Json) -> set[str]:
    return {
        name for each in concept["readings"] for name in (each.get("value_set"), *each.get("value_sets", ())) if name
    }


def _numbers(data: Json) -> Found:
    """The smaller number is the smaller one, a window is in days, and two units of one limit are one temperature."""
    thresholds = data["thresholds"]
    adult_age = data["entry"]["adult_age"]
    if thresholds[adult_age].get("unit") != "a":
        yield "$.entry.adult_age", f"{adult_age} is no number of years"
    units = data["observations"]["units"]
    for name, each in thresholds.items():
        by_unit = each.get("by_unit", {})
        for unit in sorted(set(by_unit) - set(units)):
            yield f"$.thresholds.{name}.by_unit", f"no observation is read in {unit}"
        if by_unit and abs(by_unit["Cel"] * 9 / 5 + 32 - by_unit["[degF]"]) > _SAME:
            yield f"$.thresholds.{name}.by_unit", f"{by_unit['Cel']} Cel is not {by_unit['[degF]']} [degF]"
    for name in ("concepts", "notes"):
        for number, concept in enumerate(data[name]):
            for place, reading in enumerate(concept["readings"]):
                where = f"$.{name}[{number}].readings[{place}]"
                yield from _reading(where, reading, thresholds, adult_age)


# Degrees Fahrenheit by which two readings of one temperature may differ, as each is rounded to a tenth.
_SAME = 0.1

# Of the thresholds of one reading, each of these is smaller than the next.
_ORDERED = (("acute", "chronic"), ("to", "from"), ("days", "window"))


def _reading(where: str, reading: Json, thresholds: Mapping[str, Json], adult_age: str) -> Found:
    for part in ("window", "past", "from", "to", "acute", "chronic", "older_than", "days"):
        threshold = thresholds.get(reading.get(part, ""))
        if threshold is not None and threshold.get("unit") != "d":
            yield f"{where}.{part}", f"{reading[part]} is no number of days"
    if reading["kind"] == ReadingKind.AGE:
        yield from _ascending(f"{where}.at_least", thresholds, adult_age, reading["at_least"])
    for smaller, greater in _ORDERED:
        if smaller in reading and greater in reading:
            yield from _ascending(f"{where}.{smaller}", thresholds, reading[smaller], reading[greater])


def _ascending(where: str, thresholds: Mapping[str, Json], *names: str) -> Found:
    for less, more in pairwise(names):
        one, other = thresholds[less], thresholds[more]
        if one.get("unit") != other.get("unit") or one.get("value", 0) >= other.get("value", 0):
            yield where, f"{less} is not less than {more}"
