"""What is refused at start: data that pass their schemas, file by file, and are not sound together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from knowledge.agreement import disagreements
from knowledge.check_digits import fault_of
from knowledge.findings import Coding
from knowledge.guideline import Topic
from knowledge.orders import OrderCodes, Study
from knowledge.sources import SUPPORTING, Fault, Json, Sources
from knowledge.vocabulary import ICD_10_CM, Strength, Vocabulary, read_coding

Codes = set[tuple[str, str]]


def unsound(sources: Sources, topic: Topic, vocabulary: Vocabulary, orders: OrderCodes) -> Iterator[Fault]:
    """Every fault that makes answers wrong and is found without the rulings, in far less time than reading takes."""
    yield from disagreements(sources, topic)
    yield from _identities(sources)
    yield from _exclusive(sources)
    yield from _order_codes(sources)
    yield from _sent_codes(sources, topic, vocabulary, orders)
    yield from _products(sources)
    yield from _unused(sources, topic)


def composed(data: Json) -> Iterator[tuple[str, str, str, bool]]:
    """Part and place, system, code, and whether the code is excluded, for every code of a value set."""
    for part in ("include", "exclude"):
        for number, block in enumerate(data["compose"].get(part, [])):
            where = f"$.compose.{part}[{number}]"
            for place, concept in enumerate(block.get("concept", [])):
                yield f"{where}.concept[{place}]", block["system"], concept["code"], part == "exclude"
            for place, rule in enumerate(block.get("filter", [])):
                yield f"{where}.filter[{place}]", block["system"], rule["value"], part == "exclude"


def _identities(sources: Sources) -> Iterator[Fault]:
    """A value set is named as its file is, and no two have one url."""
    urls: dict[str, str] = {}
    for name, data in sources.value_sets.items():
        file = sources.value_set_file(name)
        if data["id"] != name:
            yield Fault(file, "$.id", f"the file is named {name}")
        if data["url"] in urls:
            yield Fault(file, "$.url", f"{data['url']} is the url of {urls[data['url']]}.json too")
        urls[data["url"]] = name


def _exclusive(sources: Sources) -> Iterator[Fault]:
    """No code counts in two sets that contradict each other, nor where it never counts, nor decides and supports."""
    contents = sources.contents
    pairs = [(f"$.exclusive[{number}]", name) for number, pair in enumerate(contents["exclusive"]) for name in pair]
    apart = [("$.not_read", name) for name in contents["not_read"]]
    for path, name in (*pairs, ("$.never_counts", contents["never_counts"]), *apart):
        if name not in sources.value_sets:
            yield Fault(sources.contents_file, path, f"no such value set: {name}")
    included, excluded = _sides(sources)
    never = included.get(contents["never_counts"], set())
    for name, codes in included.items():
        file = sources.value_set_file(name)
        others = [other for pair in contents["exclusive"] for other in pair if name in pair and other != name]
        for other in others:
            for system, code in _shared(codes, included.get(other, set())):
                yield Fault(file, "$.compose", f"{code} ({system}) is in {other} too")
        if name != contents["never_counts"]:
            for system, code in _shared(codes, never):
                yield Fault(file, "$.compose", f"{code} ({system}) is a look-alike that never counts")
        base = name.removesuffix(SUPPORTING)
        if base != name:
            for system, code in sorted(codes & excluded.get(base, set())):
                yield Fault(file, "$.compose", f"{code} ({system}) is excluded from {base} and supporting here")
            for system, code in sorted(codes & included.get(base, set())):
                yield Fault(file, "$.compose", f"{code} ({system}) decides in {base} and is supporting here")


def _sides(sources: Sources) -> tuple[dict[str, Codes], dict[str, Codes]]:
    """The codes that each value set includes, and those that it excludes."""
    # Not by `composed`: to write down where each of ten thousand codes stands takes as long as all else here.
    included: dict[str, Codes] = {}
    excluded: dict[str, Codes] = {}
    for name, data in sources.value_sets.items():
        for side, part in ((included, "include"), (excluded, "exclude")):
            side[name] = {
                (block["system"], code)
                for block in data["compose"].get(part, [])
                for code in (
                    *(concept["code"] for concept in block.get("concept", [])),
                    *(rule["value"] for rule in block.get("filter", [])),
                )
            }
    return included, excluded


def _shared(codes: Codes, others: Codes) -> list[tuple[str, str]]:
    """The codes that another set holds too, or holds a coarser one of, as ICD-10-CM has it."""
    above = {code.replace(".", "") for system, code in others if system == ICD_10_CM}
    shared = codes & others
    for system, code in codes - others if above else ():
        if system == ICD_10_CM:
            plain = code.replace(".", "")
            if any(plain[:length] in above for length in range(3, len(plain) + 1)):
                shared.add((system, code))
    return sorted(shared)


def _order_codes(sources: Sources) -> Iterator[Fault]:
    for number, key in enumerate(sources.orders["keys"]):
        for place, code in enumerate(key["codes"]):
            wrong = fault_of(code["system"], code["code"])
            if wrong:
                yield Fault(sources.orders_file, f"$.keys[{number}].codes[{place}]", wrong)


def _sent_codes(sources: Sources, topic: Topic, vocabulary: Vocabulary, orders: OrderCodes) -> Iterator[Fault]:
    """Codes that the service sends or compares with stand for what they are sent for."""
    file, data = sources.topic_file, sources.topic
    for where, coded in _codings(data, "$"):
        wrong = fault_of(coded["system"], coded["code"])
        if wrong:
            yield Fault(file, where, wrong)
    for number, procedure in enumerate(data["procedures"]):
        for place, coded in enumerate(procedure["order_codes"]):
            resolved = orders.resolve([_coding(coded)])
            if not isinstance(resolved, Study) or resolved.procedures != (procedure["id"],):
                where = f"$.procedures[{number}].order_codes[{place}]"
                yield Fault(file, where, f"{coded['code']} is no order code of {procedure['id']} alone")
    for number, concept in enumerate(data["concepts"]):
        if "record" not in concept:
            continue
        sets = [name for reading in topic.concepts[concept["id"]].readings for name in reading.every_set]
        if vocabulary.strength([_coding(concept["record"])], *sets) is not Strength.INCLUDED:
            where = f"$.concepts[{number}].record"
            yield Fault(file, where, f"{concept['record']['code']} does not state {concept['id']}")


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


def _products(sources: Sources) -> Iterator[Fault]:
    seen: set[str] = set()
    for number, element in enumerate(sources.products["group"][0]["element"]):
        if element["code"] in seen:
            yield Fault(sources.products_file, f"$.group[0].element[{number}]", f"{element['code']} stands here twice")
        seen.add(element["code"])


def _unused(sources: Sources, topic: Topic) -> Iterator[Fault]:
    """Value sets that nothing reads and numbers that nothing uses: what did use them went missing."""
    apart = {sources.contents["never_counts"], *sources.contents["not_read"]}
    read: set[str] = set()
    used = {topic.adult_age.id}
    for concept in (*topic.concepts.values(), *topic.notes.values()):
        for reading in concept.readings:
            read |= reading.every_set
            named = (reading.window, reading.limit, reading.past, reading.earliest, reading.latest)
            used |= {getattr(each, "id", "") for each in (*named, reading.acute, reading.chronic)}
    for name in sorted(read & apart):
        yield Fault(sources.topic_file, "$.concepts", f"a concept reads {name}, which contents.json keeps apart")
    for name in sorted({each.removesuffix(SUPPORTING) for each in sources.value_sets} - read - apart):
        yield Fault(sources.topic_file, "$.concepts", f"no concept reads the value set {name}")
    for name in topic.thresholds:
        if name not in used:
            yield Fault(sources.topic_file, f"$.thresholds.{name}", "nothing uses it")
