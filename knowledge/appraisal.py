"""From variants to a verdict on the ordered procedure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from enum import StrEnum
from typing import assert_never

from knowledge.criteria import evaluate
from knowledge.findings import (
    Chart,
    ChartFindings,
    ConceptId,
    Finding,
    Findings,
    OrderedProcedure,
    Presence,
    ProcedureId,
)
from knowledge.guideline import AppropriatenessCategory, NoCriteriaReason, Topic
from knowledge.inference import (
    Standing,
    State,
    VariantMatch,
    in_states,
    match_variants,
    remembered,
    states_of,
    variants_in,
)
from knowledge.knowledge import Knowledge
from knowledge.recognition import recognise
from knowledge.values import hot_dataclass

LOWEST = AppropriatenessCategory.USUALLY_NOT_APPROPRIATE


@hot_dataclass(frozen=True, slots=True)
class Rated:
    """The table rates the order, whatever of the open questions is true."""

    category: AppropriatenessCategory


@hot_dataclass(frozen=True, slots=True)
class Undetermined:
    """The rating lies between a floor (None: no variant holds) and a ceiling."""

    floor: AppropriatenessCategory | None
    ceiling: AppropriatenessCategory
    missing: tuple[ConceptId, ...]
    """The concepts that would settle it."""
    only_contrast: bool = False
    """Some but not all of the procedures an order with open contrast stands for have the lowest floor."""


@hot_dataclass(frozen=True, slots=True)
class NoCriteriaApply:
    reason: NoCriteriaReason


class NotJudgedReason(StrEnum):
    """Why a draft for a lumbar study is not judged."""

    SUBJECT_MISMATCH = "subject-mismatch"
    CONFLICTING_CODES = "conflicting-codes"
    UNREADABLE_ORDER = "unreadable-order"
    STATUS = "status"


@hot_dataclass(frozen=True, slots=True)
class NotJudged:
    """A draft for a lumbar study that is not judged, whatever the guideline says."""

    order: str
    reason: NotJudgedReason


Verdict = Rated | Undetermined | NoCriteriaApply


@hot_dataclass(frozen=True, slots=True)
class VerdictWords:
    """A verdict in the words that the wire, the store and the pages share."""

    verdict: str
    """``rated``, ``undetermined``, ``no-criteria-apply`` or ``not-judged``."""
    category: str | None = None
    floor: str | None = None
    ceiling: str | None = None
    missing: tuple[str, ...] = ()
    reason: str | None = None


@remembered
def in_words(verdict: Verdict) -> VerdictWords:
    """What is rated has its category as floor and as ceiling."""
    match verdict:
        case Rated(category):
            return VerdictWords("rated", category.value, category.value, category.value)
        case Undetermined(floor, ceiling, missing):
            return VerdictWords("undetermined", None, floor and floor.value, ceiling.value, missing)
        case NoCriteriaApply(reason):
            return VerdictWords("no-criteria-apply", reason=reason.value)
        case _:
            assert_never(verdict)


@hot_dataclass(frozen=True, slots=True)
class Appraisal:
    """The verdict on one order, and everything it rests on."""

    order: OrderedProcedure
    as_of: date
    reading: ChartFindings
    matches: tuple[VariantMatch, ...]
    verdict: Verdict

    @property
    def findings(self) -> Findings:
        return self.reading.findings

    @property
    def established(self) -> tuple[int, ...]:
        return _standing(self.matches)[0]

    @property
    def possible(self) -> tuple[int, ...]:
        return _standing(self.matches)[1]


@remembered
def _standing(matches: tuple[VariantMatch, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The variants that are established, and those that are possible."""
    established = tuple(match.variant for match in matches if match.standing is Standing.ESTABLISHED)
    possible = tuple(match.variant for match in matches if match.standing is Standing.POSSIBLE)
    return established, possible


def appraise_order(knowledge: Knowledge, chart: Chart, order: OrderedProcedure, today: date) -> Appraisal:
    """Judge one order against one chart; ``today`` is the day of the call and dates orders without a date."""
    authored = order.authored
    as_of = min(authored.earliest, today) if authored is not None and authored.is_day else today
    reading = recognise(chart, order, as_of, today, knowledge.topic, knowledge.vocabulary, knowledge.orders)
    matches, verdict = _settled(
        knowledge.topic, order.procedures, reading.is_child, tuple(reading.findings), states_of(reading.findings)
    )
    return Appraisal(order, as_of, reading, matches, verdict)


@remembered
def _settled(
    topic: Topic,
    procedures: tuple[ProcedureId, ...],
    is_child: bool,
    concepts: tuple[ConceptId, ...],
    states: tuple[State, ...],
) -> tuple[tuple[VariantMatch, ...], Verdict]:
    """The variants that bear on the order, and its verdict: nothing but the states of the findings decides them."""
    findings = in_states(concepts, states)
    closed = _closed(topic, procedures, is_child, findings)
    if closed is not None:
        return (), NoCriteriaApply(closed)
    matches = variants_in(topic, concepts, states)
    return matches, appraise(topic, procedures, matches)


def _closed(
    topic: Topic, procedures: tuple[ProcedureId, ...], is_child: bool, findings: Findings
) -> NoCriteriaReason | None:
    """Why the topic is not entered; None where it is."""
    if not procedures:
        return NoCriteriaReason.NOT_A_RATED_PROCEDURE
    for rule in topic.closed_when:
        if rule.children_only and not is_child:
            continue
        truth = evaluate(rule.criterion, findings)
        if truth or (truth is None and rule.unknown_closes):
            return rule.reason
    return None


@remembered
def appraise(topic: Topic, procedures: tuple[ProcedureId, ...], matches: tuple[VariantMatch, ...]) -> Verdict:
    """The verdict on a procedure, or on the set that an open order stands for.

    The floor is the best category over the variants that hold, the ceiling the best over those that may hold;
    a set has the worst floor and the best ceiling of its procedures.
    """
    holding, may_hold = deciding_variants(topic, matches)
    if not may_hold:
        return NoCriteriaApply(NoCriteriaReason.NO_VARIANT)
    floors = [best(topic, procedure, holding) for procedure in procedures] if holding else []
    ceilings = [best(topic, procedure, may_hold) for procedure in procedures]
    floor = _agreed(floors, lowest=True) if floors else None
    ceiling = _agreed(ceilings, lowest=False)
    if floor is not None and floor.rank == ceiling.rank:
        return Rated(_agreed([*floors, *ceilings], lowest=True))
    if floor is None and ceiling is LOWEST:
        return Rated(LOWEST)
    return Undetermined(
        floor=floor,
        ceiling=ceiling,
        missing=_missing(topic, procedures, matches, floor, may_hold),
        only_contrast=floor is LOWEST and any(each is not LOWEST for each in floors),
    )


def suppose(topic: Topic, appraisal: Appraisal, concept: ConceptId) -> Verdict:
    """The verdict on the same order if ``concept`` were present."""
    return appraise(topic, appraisal.order.procedures, match_variants(topic, supposing(appraisal, concept)))


def supposing(appraisal: Appraisal, concept: ConceptId) -> Findings:
    """The findings with ``concept`` present."""
    return {**appraisal.findings, concept: Finding(concept, Presence.PRESENT)}


@remembered
def deciding_variants(topic: Topic, matches: tuple[VariantMatch, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The variants that set the floor, and those that set the ceiling.

    Suspected cauda equina syndrome, once established, rates alone. With nothing established, acute and chronic
    pain without red flags are what is left when nothing else holds.
    """
    established, possible = _standing(matches)
    if topic.decisive_variant in established:
        return (topic.decisive_variant,), (topic.decisive_variant,)
    holding = established or tuple(number for number in possible if number in topic.remaining_variants)
    return holding, established + possible


def best(topic: Topic, procedure: ProcedureId, variants: Iterable[int]) -> AppropriatenessCategory:
    """The best category of the procedure over the variants; labelled disagreement only where all the best are."""
    categories = [topic.variants[number].ratings[procedure].category for number in variants]
    return _agreed(categories, lowest=False)


def _agreed(categories: list[AppropriatenessCategory], *, lowest: bool) -> AppropriatenessCategory:
    """The lowest or highest of the categories; among equals the plain label wins over the disagreement."""
    if len(categories) == 1:
        return categories[0]
    rank = (min if lowest else max)(category.rank for category in categories)
    labels = {category for category in categories if category.rank == rank}
    return labels.pop() if len(labels) == 1 else AppropriatenessCategory.MAY_BE_APPROPRIATE


def _missing(
    topic: Topic,
    procedures: tuple[ProcedureId, ...],
    matches: tuple[VariantMatch, ...],
    floor: AppropriatenessCategory | None,
    may_hold: tuple[int, ...],
) -> tuple[ConceptId, ...]:
    """The open concepts of every possible variant that rates a procedure above the floor, in the topic's order."""
    above = -1 if floor is None else floor.rank
    wanted = {
        concept
        for match in matches
        if match.variant in may_hold
        and match.standing is Standing.POSSIBLE
        and any(topic.variants[match.variant].ratings[procedure].category.rank > above for procedure in procedures)
        for concept in match.missing
    }
    return tuple(concept for concept in topic.concepts if concept in wanted)
