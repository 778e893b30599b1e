"""From the topic's JSON files to `Knowledge`; an error names the file and the JSON path."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from knowledge.completeness import missing_parts
from knowledge.criteria import AllOf, AnyOf, Criterion, Has, Not, Suggests, concepts_of
from knowledge.findings import Coding, ConceptId, PrefetchKey, ProcedureId, ValueSetId
from knowledge.guideline import (
    AppropriatenessCategory,
    Citation,
    ClosingRule,
    CodedText,
    Concept,
    ConceptReading,
    NoCriteriaReason,
    ObservationRules,
    Procedure,
    Rating,
    ReadingKind,
    RelativeRadiationLevel,
    Scenario,
    Silence,
    Threshold,
    Topic,
    Variant,
)
from knowledge.knowledge import Knowledge
from knowledge.order_text import OrderText, spelling
from knowledge.orders import Combination, OrderCode, OrderCodes
from knowledge.soundness import unsound
from knowledge.sources import ROOT, SUPPORTING, Fault, Json, KnowledgeError, Sources, read_sources
from knowledge.vocabulary import Form, Ingredient, Strength, ValueSet, Vocabulary, read_coding, read_once

LOW_BACK_PAIN = ROOT / "low_back_pain"


@cache
def load_low_back_pain() -> Knowledge:
    """The topic that ships with the package."""
    return load(LOW_BACK_PAIN)


def load(folder: Path) -> Knowledge:
    """Read one topic's folder; raises KnowledgeError at the first thing that is not as it must be."""
    sources = read_sources(folder)
    refuse(missing_parts(sources))
    knowledge = build(sources)
    refuse(unsound(sources, knowledge.topic, knowledge.vocabulary, knowledge.orders))
    return knowledge


def refuse(faults: Iterable[Fault]) -> None:
    """Raise the first fault, where there is one."""
    for fault in faults:
        raise KnowledgeError(*fault)


def build(sources: Sources) -> Knowledge:
    """What the files say, as the types of the house; raises KnowledgeError where a reference leads nowhere."""
    value_sets = _value_sets(sources)
    topic = _Reader(sources.topic_file, sources.topic, value_sets).topic()
    orders = _orders(sources.orders_file, sources.orders, topic)
    asked_for = frozenset(
        value_set for concept in (*topic.concepts.values(), *topic.notes.values()) for value_set in concept.every_set
    )
    vocabulary = Vocabulary(value_sets, _ingredients(sources.products_file, sources.products), asked_for)
    return Knowledge(topic, vocabulary, orders, _order_text(sources.orders_file, sources.orders["text"], orders))


def _coding(file: Path, path: str, data: Json) -> Coding:
    coding = read_coding(data.get("system"), data.get("code"))
    if coding is None:
        raise _unknown(file, path, data)
    return coding


def _unknown(file: Path, path: str, data: Json) -> KnowledgeError:
    return KnowledgeError(file, path, f"not a code of a known system: {data}")


def _value_sets(sources: Sources) -> dict[ValueSetId, ValueSet]:
    found: dict[ValueSetId, ValueSet] = {}
    for name in sorted({stem.removesuffix(SUPPORTING) for stem in sources.value_sets}):
        members: dict[Coding, Strength | None] = {}
        branches: dict[str, Strength | None] = {}
        displays: dict[Coding, str] = {}
        title = ""
        # Supporting codes first: a code that decides wins over the same code that only points.
        for stem, strength in ((name + SUPPORTING, Strength.SUPPORTING), (name, Strength.INCLUDED)):
            data = sources.value_sets.get(stem)
            if data is None:
                continue
            file = sources.value_set_file(stem)
            title = str(data["title"]).removesuffix(": supporting codes")
            compose = data["compose"]
            for part, kind in (("include", strength), ("exclude", None)):
                for number, block in enumerate(compose.get(part, [])):
                    where = f"$.compose.{part}[{number}]"
                    for coding, display in _concepts(file, where, block):
                        members[coding] = kind
                        if display:
                            displays[coding] = display
                    branches |= dict.fromkeys(_branches(file, where, block), kind)
        found[ValueSetId(name)] = ValueSet(ValueSetId(name), title, members, branches, displays)
    return found


def _concepts(file: Path, where: str, block: Json) -> Iterator[tuple[Coding, str]]:
    """The codes that a compose block lists, and their displays."""
    system = block["system"]
    for number, concept in enumerate(block.get("concept", ())):
        coding = read_once(system, concept["code"])
        if coding is None:
            raise _unknown(file, f"{where}.concept[{number}]", {"system": system, **concept})
        yield coding, concept.get("display", "")


def _branches(file: Path, where: str, block: Json) -> Iterator[str]:
    """The codes that stand in a compose block for all below them."""
    for number, rule in enumerate(block.get("filter", ())):
        path = f"{where}.filter[{number}]"
        if (rule.get("property"), rule.get("op")) != ("concept", "is-a"):
            raise KnowledgeError(file, path, "only filters of concept by is-a are read")
        yield _coding(file, path, {"system": block["system"], "code": rule.get("value")}).code


def _ingredients(file: Path, data: Json) -> dict[Coding, Ingredient]:
    found: dict[Coding, Ingredient] = {}
    for group_number, group in enumerate(data["group"]):
        for number, element in enumerate(group["element"]):
            where = f"$.group[{group_number}].element[{number}]"
            target = element["target"][0]
            product = _coding(file, where, {"system": group["source"], **element})
            found[product] = Ingredient(
                _coding(file, f"{where}.target[0]", {"system": group["target"], **target}), Form(target["comment"])
            )
    return found


def _orders(file: Path, data: Json, topic: Topic) -> OrderCodes:
    codes: dict[Coding, OrderCode] = {}
    for number, key in enumerate(data["keys"]):
        procedures = tuple(ProcedureId(procedure) for procedure in key.get("procedures", []))
        for unknown in set(procedures) - set(topic.procedures):
            raise KnowledgeError(file, f"$.keys[{number}].procedures", f"not a procedure of the table: {unknown}")
        for place, code in enumerate(key["codes"]):
            where = f"$.keys[{number}].codes[{place}]"
            coding = _coding(file, where, code)
            if coding in codes:
                raise KnowledgeError(file, where, f"{coding.code} stands under two keys")
            codes[coding] = OrderCode(key["key"], procedures, code.get("weak", False), code.get("display", ""))
    combinations = tuple(
        Combination(
            ProcedureId(each["procedure"]),
            frozenset(_coding(file, "$.combinations", code) for code in each["components"]),
            frozenset(_coding(file, "$.combinations", code) for code in each["with"]),
        )
        for each in data["combinations"]
    )
    return OrderCodes(codes, combinations)


def _order_text(file: Path, data: Json, orders: OrderCodes) -> OrderText:
    studies = {}
    for number, each in enumerate(data["studies"]):
        if each["key"] not in orders.keys:
            raise KnowledgeError(file, f"$.text.studies[{number}].key", f"no such key: {each['key']}")
        studies[each["modality"], each["contrast"]] = orders.keys[each["key"]]
    return OrderText(
        spellings=tuple((spelling(written), word) for written, word in data["spellings"]),
        regions=frozenset(data["regions"]),
        modalities={word: modality for modality, words in data["modalities"].items() for word in words},
        with_contrast=frozenset(data["with_contrast"]),
        without_contrast=frozenset(data["without_contrast"]),
        fillers=frozenset(data["fillers"]),
        own_fillers={modality: frozenset(words) for modality, words in data["own_fillers"].items()},
        studies=studies,
    )


class _Reader:
    """Reads the parts of one topic file; references between them are checked as they are followed."""

    def __init__(self, file: Path, data: Json, value_sets: Mapping[ValueSetId, ValueSet]) -> None:
        self.file = file
        self.data = data
        self.value_sets = value_sets
        self.thresholds = {name: self._threshold(name, each) for name, each in data["thresholds"].items()}

    def topic(self) -> Topic:
        data = self.data
        levels = {
            group: {each["level"]: RelativeRadiationLevel(**each) for each in data["radiation_levels"][group]}
            for group in ("adult", "paediatric")
        }
        procedures = {ProcedureId(each["id"]): self._procedure(each, levels) for each in data["procedures"]}
        self.concept_ids = {each["id"] for each in data["concepts"]}
        concepts = [self._concept(f"$.concepts[{n}]", each) for n, each in enumerate(data["concepts"])]
        notes = [self._concept(f"$.notes[{n}]", each) for n, each in enumerate(data["notes"])]
        variants = [self._variant(n, each, procedures) for n, each in enumerate(data["variants"])]
        return Topic(
            id=data["id"],
            edition=data["edition"],
            title=data["title"],
            citation=Citation(**{name: data["citation"][name] for name in Citation.__dataclass_fields__}),
            rights=tuple(data["rights"]),
            sources={name: source["title"] for name, source in data["sources"].items()},
            procedures=procedures,
            variants={variant.number: variant for variant in variants},
            closed_when=tuple(self._closing_rule(n, each) for n, each in enumerate(data["entry"]["closed_when"])),
            adult_age=self._named("$.entry.adult_age", data["entry"]["adult_age"]),
            decisive_variant=data["decisive_variant"],
            remaining_variants=tuple(data["remaining_variants"]),
            thresholds=self.thresholds,
            concepts={concept.id: concept for concept in concepts},
            notes={note.id: note for note in notes},
            observations=self._observations(data["observations"]),
            systemic_routes=self._codings("$.routes.systemic", data["routes"]["systemic"]),
            local_routes=self._codings("$.routes.local", data["routes"]["local"]),
            physical_therapy=self._coded("$.suggestions.physical_therapy", data["suggestions"]["physical_therapy"]),
            therapy_referrals=self._codings("$.suggestions", data["suggestions"]["referrals_that_count"]),
            most_recorded_facts=data["suggestions"]["most_recorded_facts"],
            child_card_modalities=frozenset(data["child_card_modalities"]),
        )

    def _closing_rule(self, number: int, data: Json) -> ClosingRule:
        return ClosingRule(
            criterion=self.criterion(f"$.entry.closed_when[{number}].criterion", data["criterion"]),
            unknown_closes=data.get("unknown_closes", False),
            children_only=data.get("children_only", False),
            reason=NoCriteriaReason(data["reason"]),
            why=data["reading"]["why"],
        )

    def criterion(self, path: str, data: Json) -> Criterion:
        match data:
            case {"has": concept}:
                return Has(self._concept_id(path, concept), data.get("value"))
            case {"suggests": concept, "of": of}:
                return Suggests(self._concept_id(path, concept), self._concept_id(path, of))
            case {"all": criteria}:
                return AllOf(self._each(path, criteria))
            case {"any": criteria}:
                return AnyOf(self._each(path, criteria))
            case {"not": inner}:
                return Not(self.criterion(f"{path}.not", inner))
        raise KnowledgeError(self.file, path, f"not a criterion: {data}")

    def _each(self, path: str, criteria: list[Json]) -> tuple[Criterion, ...]:
        return tuple(self.criterion(f"{path}[{number}]", each) for number, each in enumerate(criteria))

    def _concept_id(self, path: str, name: str) -> ConceptId:
        if name not in self.concept_ids:
            raise KnowledgeError(self.file, path, f"no such concept: {name}")
        return ConceptId(name)

    def _threshold(self, name: str, data: Json) -> Threshold:
        if data["source"] not in self.data["sources"]:
            raise KnowledgeError(self.file, f"$.thresholds.{name}", f"no such source: {data['source']}")
        return Threshold(
            name, data.get("value"), data.get("unit"), data.get("by_unit", {}), data["source"], data["why"]
        )

    def _named(self, path: str, name: str) -> Threshold:
        if name not in self.thresholds:
            raise KnowledgeError(self.file, path, f"no such threshold: {name}")
        return self.thresholds[name]

    def _procedure(self, data: Json, levels: Mapping[str, Mapping[int, RelativeRadiationLevel]]) -> Procedure:
        paediatric = data["paediatric"]
        return Procedure(
            id=ProcedureId(data["id"]),
            name=data["name"],
            short=data["short"],
            modality=data["modality"],
            region=data["region"],
            contrast=data["contrast"],
            ionising=data["ionising"],
            adult=levels["adult"][data["adult"]],
            paediatric=None if paediatric is None else levels["paediatric"][paediatric],
            order_codes=tuple(self._coded("$.procedures", each) for each in data["order_codes"]),
        )

    def _variant(self, number: int, data: Json, procedures: Mapping[ProcedureId, Procedure]) -> Variant:
        path = f"$.variants[{number}]"
        ratings: dict[ProcedureId, Rating] = {}
        for place, each in enumerate(data["ratings"]):
            procedure = ProcedureId(each["procedure"])
            where = f"{path}.ratings[{place}]"
            if procedure not in procedures or procedure in ratings:
                raise KnowledgeError(self.file, where, f"no such procedure, or twice: {procedure}")
            for source in {*each["sources"], *each.get("agrees_by_omission", [])} - set(self.data["sources"]):
                raise KnowledgeError(self.file, where, f"no such source: {source}")
            ratings[procedure] = Rating(
                procedure,
                AppropriatenessCategory(each["category"]),
                each["locator"],
                tuple(each["sources"]),
                tuple(each.get("agrees_by_omission", [])),
                each["confidence"],
                each.get("note", ""),
            )
        for procedure in set(procedures) - set(ratings):
            raise KnowledgeError(self.file, f"{path}.ratings", f"no rating of {procedure}")
        scenarios = tuple(
            Scenario(
                each["id"],
                each["name"],
                self.criterion(f"{path}.scenarios[{place}].when", each["when"]) if "when" in each else None,
            )
            for place, each in enumerate(data["scenarios"])
        )
        criterion = self.criterion(f"{path}.criterion", data["criterion"])
        return Variant(
            number=data["number"],
            title=data["title"],
            short=data["short"],
            scenarios=scenarios,
            criterion=criterion,
            concepts=concepts_of(criterion),
            why=data["reading"]["why"],
            ratings=ratings,
        )

    def _concept(self, path: str, data: Json) -> Concept:
        silence = data.get("silence", "absent")
        needs = tuple(PrefetchKey(key) for key in silence["needs"]) if isinstance(silence, dict) else ()
        record = data.get("record")
        readings = tuple(self._reading(f"{path}.readings[{n}]", each) for n, each in enumerate(data["readings"]))
        return Concept(
            id=ConceptId(data["id"]),
            label=data["label"],
            short=str(data.get("short", data["label"])),
            red_flag=data.get("red_flag", False),
            until_today=data.get("until_today", False),
            internal=data.get("internal", False),
            suspected_counts=data.get("suspected_counts", True),
            silence=Silence.ABSENT_WHERE_SEARCHED if needs else Silence(silence),
            needs=needs,
            readings=readings,
            every_set=frozenset(value_set for reading in readings for value_set in reading.every_set),
            by_age=any(reading.kind is ReadingKind.AGE for reading in readings),
            why=data.get("reading", {}).get("why", ""),
            record=self._coded(f"{path}.record", record) if record else None,
            record_label=record["label"] if record else "",
            record_priority=record["priority"] if record else 0,
            record_where_silent=bool(record and record.get("where_silent")),
        )

    def _reading(self, path: str, data: Json) -> ConceptReading:
        def named(*names: str) -> Threshold | None:
            given = [name for name in names if name in data]
            return self._named(f"{path}.{given[0]}", data[given[0]]) if given else None

        def sets(names: list[str]) -> tuple[ValueSetId, ...]:
            return tuple(self._value_set(path, each) for each in names)

        past = data.get("past", "never")
        limits = [name for name in ("at_least", "at_most", "below", "older_than", "days") if name in data]
        value_sets = sets([data["value_set"]] if "value_set" in data else data.get("value_sets", []))
        plain, fallback = sets(data.get("plain", [])), sets(data.get("fallback", []))
        route_needed = self._value_set(path, data["route_needed"]) if "route_needed" in data else None
        return ConceptReading(
            kind=ReadingKind(data["kind"]),
            value_sets=value_sets,
            plain=plain,
            fallback=fallback,
            route_needed=route_needed,
            every_set=frozenset({*value_sets, *plain, *fallback, *((route_needed,) if route_needed else ())}),
            window=named("window"),
            past=past if past in ("never", "always") else self._named(f"{path}.past", past),
            limit=named(*limits),
            limit_is=limits[0] if limits else "",
            interpretations=tuple(data.get("as", [])),
            earliest=named("from"),
            latest=named("to"),
            acute=named("acute"),
            chronic=named("chronic"),
            as_long_as_current=data.get("as_long_as_current", False),
            open_by_local_routes=data.get("open_by_local_routes", False),
        )

    def _value_set(self, path: str, name: str) -> ValueSetId:
        if name not in self.value_sets:
            raise KnowledgeError(self.file, path, f"no such value set: {name}")
        return ValueSetId(name)

    def _coded(self, path: str, data: Json) -> CodedText:
        return CodedText(_coding(self.file, path, data), data["display"])

    def _codings(self, path: str, data: list[Json]) -> frozenset[Coding]:
        return frozenset(_coding(self.file, path, each) for each in data)

    def _observations(self, data: Json) -> ObservationRules:
        return ObservationRules(
            positive=self._codings("$.observations.positive", data["positive"]),
            positive_interpretations=frozenset(data["positive_interpretations"]),
            negative=self._codings("$.observations.negative", data["negative"]),
            negative_interpretations=frozenset(data["negative_interpretations"]),
            units={spelling.lower(): unit for unit, spellings in data["units"].items() for spelling in spellings},
        )
