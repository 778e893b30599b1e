"""What the guideline page shows, made from the topic: the table, our reading, the thresholds, the codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cards.links import variant_anchor
from cards.wording.words import CATEGORY, capitalised
from knowledge.code_search import CodeEntry, CodeIndex, Hits, value_sets_of
from knowledge.findings import ConceptId
from knowledge.guideline import (
    AppropriatenessCategory,
    ClosingRule,
    Concept,
    ConceptReading,
    Procedure,
    ReadingKind,
    RelativeRadiationLevel,
    Topic,
)
from knowledge.knowledge import Knowledge
from knowledge.rendering import closing_words, criterion_words, reading_words, silence_words, threshold_words
from knowledge.vocabulary import (
    CPT,
    HCPCS,
    ICD_10_PCS,
    NAMES,
    SNOMED_CT,
    Strength,
    written_code,
)

Json = dict[str, Any]

DOES = {Strength.INCLUDED: "decides", Strength.SUPPORTING: "supports", None: "excluded"}

# The resource an entry of this kind of reading is; a statement is a Condition or, by its system, a Procedure.
_RESOURCE = {
    ReadingKind.MEDICATION: "MedicationRequest",
    ReadingKind.STEROID_COURSES: "MedicationRequest",
    ReadingKind.DRUG_FOR_PAIN: "MedicationRequest",
    ReadingKind.THERAPY: "Procedure",
    ReadingKind.REFERRAL: "ServiceRequest",
    ReadingKind.MEASUREMENT: "Observation",
    ReadingKind.INTERPRETATION: "Observation",
    ReadingKind.POSITIVE: "Observation",
}
_PROCEDURE_SYSTEMS = (CPT, ICD_10_PCS, HCPCS)


@dataclass(frozen=True, slots=True)
class CellShown:
    """One cell of the table."""

    id: str
    variant: int
    procedure: str
    category: str
    words: str
    short: str
    locator: str
    sources: tuple[str, ...]
    agrees: tuple[str, ...]
    confidence: str
    note: str


@dataclass(frozen=True, slots=True)
class RowShown:
    procedure: Procedure
    cells: tuple[CellShown, ...]
    adult: str
    child: str


@dataclass(frozen=True, slots=True)
class VariantShown:
    number: int
    anchor: str
    title: str
    holds_when: str
    why: str
    scenarios: tuple[str, ...]
    by_category: tuple[tuple[str, str, tuple[str, ...]], ...]
    """Category, its words, and the studies in it, the highest category first."""


@dataclass(frozen=True, slots=True)
class ConceptShown:
    id: str
    label: str
    readings: tuple[str, ...]
    silence: str
    suspected: bool
    why: str
    red_flag: bool
    note: bool
    codes: int


@dataclass(frozen=True, slots=True)
class GuidelinePage:
    topic: Topic
    rows: tuple[RowShown, ...]
    variants: tuple[VariantShown, ...]
    concepts: tuple[ConceptShown, ...]
    thresholds: tuple[tuple[str, str, str, str], ...]
    modalities: tuple[str, ...]
    closed_when: tuple[str, ...]


SHORT = {
    "usually-not-appropriate": "not",
    "may-be-appropriate": "may",
    "may-be-appropriate-disagreement": "may*",
    "usually-appropriate": "usually",
}


def guideline_page(knowledge: Knowledge, index: CodeIndex) -> GuidelinePage:
    """Everything the page shows; it does not change while the service runs."""
    topic = knowledge.topic
    rows = tuple(_row(topic, procedure) for procedure in topic.procedures.values())
    concepts = [_concept(concept, index, note=False) for concept in topic.concepts.values() if not concept.internal]
    notes = [_concept(note, index, note=True) for note in topic.notes.values()]
    return GuidelinePage(
        topic=topic,
        rows=rows,
        variants=tuple(_variant(topic, number) for number in topic.variants),
        concepts=(*concepts, *notes),
        thresholds=tuple(
            (each.id.replace("-", " "), threshold_words(each), topic.sources[each.source], each.why)
            for each in topic.thresholds.values()
        ),
        modalities=tuple(dict.fromkeys(row.procedure.modality for row in rows)),
        closed_when=tuple(_unwrapped(closing_words(topic, rule, _namer(topic))) for rule in _told_once(topic)),
    )


def _row(topic: Topic, procedure: Procedure) -> RowShown:
    cells = []
    for number, variant in topic.variants.items():
        rating = variant.ratings[procedure.id]
        cells.append(
            CellShown(
                id=f"cell-{number}-{procedure.id}",
                variant=number,
                procedure=procedure.name,
                category=rating.category.value,
                words=CATEGORY[rating.category],
                short=SHORT[rating.category.value],
                locator=rating.locator,
                sources=tuple(topic.sources[source] for source in rating.sources),
                agrees=tuple(topic.sources[source] for source in rating.agrees_by_omission),
                confidence=rating.confidence,
                note=rating.note,
            )
        )
    return RowShown(procedure, tuple(cells), _level(procedure.adult), _level(procedure.paediatric))


def _level(level: RelativeRadiationLevel | None) -> str:
    if level is None:
        return "none assigned"
    return f"{level.display} {level.msv} mSv" if level.level else "no radiation"


def _variant(topic: Topic, number: int) -> VariantShown:
    variant = topic.variants[number]
    categories: dict[AppropriatenessCategory, list[str]] = {}
    for procedure, rating in sorted(variant.ratings.items(), key=lambda each: -each[1].category.rank):
        categories.setdefault(rating.category, []).append(topic.procedures[procedure].name)
    return VariantShown(
        number=number,
        anchor=variant_anchor(number),
        title=variant.title,
        holds_when=_unwrapped(criterion_words(variant.criterion, _namer(topic))),
        why=variant.why,
        scenarios=tuple(f"{scenario.name} (portal scenario {scenario.id})" for scenario in variant.scenarios),
        by_category=tuple((category.value, CATEGORY[category], tuple(names)) for category, names in categories.items()),
    )


def _told_once(topic: Topic) -> list[ClosingRule]:
    """What closes the topic, without what another rule says of more cases: that it is merely unknown closes it too."""
    wider = [rule.criterion for rule in topic.closed_when if rule.unknown_closes]
    return [rule for rule in topic.closed_when if rule.unknown_closes or rule.criterion not in wider]


def _unwrapped(words: str) -> str:
    """A sentence without the parentheses around the whole of it."""
    depth = 0
    for place, letter in enumerate(words):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return words[1:-1] if place == len(words) - 1 and words.startswith("(") else words
    return words


def _namer(topic: Topic) -> Callable[[ConceptId], str]:
    """How concepts are called in a sentence."""
    return lambda concept: topic.concepts[concept].short


def _concept(concept: Concept, index: CodeIndex, *, note: bool) -> ConceptShown:
    return ConceptShown(
        id=concept.id,
        label=capitalised(concept.label),
        readings=tuple(reading_words(reading) for reading in concept.readings),
        silence="says nothing" if note else silence_words(concept),
        suspected=concept.suspected_counts,
        why=concept.why,
        red_flag=concept.red_flag,
        note=note,
        codes=index.search("", concept.id, limit=0).total,
    )


def hits_json(knowledge: Knowledge, hits: Hits) -> list[Json]:
    """What a code search found, as the pages get it."""
    return [_hit_json(knowledge, entry) for entry in hits.entries]


def _hit_json(knowledge: Knowledge, entry: CodeEntry) -> Json:
    topic = knowledge.topic
    about = {**topic.concepts, **topic.notes}
    shown: Json = {
        "system": entry.coding.system,
        "systemName": NAMES[entry.coding.system],
        "code": written_code(entry.coding),
        "display": entry.display or entry.title,
        "list": entry.title,
        "does": DOES[entry.strength] if entry.value_set is not None else "orders",
        "below": entry.below,
        "concepts": [{"id": concept, "label": about[concept].label} for concept in entry.concepts],
        "procedures": [topic.procedures[procedure].name for procedure in entry.procedures],
    }
    reading = _reading_of(entry, about)
    if reading is not None:
        kind = _RESOURCE.get(reading.kind, "Condition")
        if kind == "Condition" and entry.coding.system in _PROCEDURE_SYSTEMS:
            kind = "Procedure"
        shown["resourceType"] = kind
        shown["members"] = _members(knowledge, reading) if kind == "Observation" else {}
    return shown


def _reading_of(entry: CodeEntry, about: dict[ConceptId, Concept]) -> ConceptReading | None:
    if entry.value_set is None or not entry.concepts:
        return None
    return value_sets_of(about[entry.concepts[0]])[entry.value_set]


def _members(knowledge: Knowledge, reading: ConceptReading) -> Json:
    """The members that make an observation say yes: a value at its threshold, an interpretation, a coded positive."""
    if reading.limit is not None:
        threshold = reading.limit
        unit, value = next(iter(threshold.by_unit.items()), (threshold.unit or "1", threshold.value))
        quantity = {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
        return {"valueQuantity": quantity}
    if reading.interpretations:
        system = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
        return {"interpretation": [{"coding": [{"system": system, "code": reading.interpretations[0]}]}]}
    positive = min(knowledge.topic.observations.positive, key=lambda coding: (coding.system != SNOMED_CT, coding.code))
    return {"valueCodeableConcept": {"coding": [{"system": positive.system, "code": positive.code}]}}
