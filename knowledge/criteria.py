"""Criteria over findings in three-valued (Kleene) logic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from knowledge.findings import ConceptId, Findings, Presence


@dataclass(frozen=True, slots=True)
class Has:
    """True when the concept is present (with this value, where one is named)."""

    concept: ConceptId
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Suggests:
    """Unknown unless the concept is absent, then false: it points to ``of`` without establishing it."""

    concept: ConceptId
    of: ConceptId


@dataclass(frozen=True, slots=True)
class AllOf:
    criteria: tuple[Criterion, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    criteria: tuple[Criterion, ...]


@dataclass(frozen=True, slots=True)
class Not:
    criterion: Criterion


Criterion = Has | Suggests | AllOf | AnyOf | Not

Truth = bool | None
"""True, False, or None for unknown."""


def evaluate(criterion: Criterion, findings: Findings) -> Truth:
    """The truth of ``criterion``; a concept that is not among the findings is unknown."""
    # Patterns without members: looking those up by position takes twice as long, fifty times a judgement.
    match criterion:
        case Has():
            finding = findings.get(criterion.concept)
            if finding is None or finding.presence is Presence.UNKNOWN:
                return None
            if finding.presence is Presence.ABSENT:
                return False
            return criterion.value is None or criterion.value in (finding.value, finding.detail)
        case Suggests():
            finding = findings.get(criterion.concept)
            return False if finding is not None and finding.presence is Presence.ABSENT else None
        case AllOf():
            return _first(criterion.criteria, findings, decisive=False)
        case AnyOf():
            return _first(criterion.criteria, findings, decisive=True)
        case Not():
            return _negated(evaluate(criterion.criterion, findings))
        case _:
            assert_never(criterion)


def concepts_of(criterion: Criterion) -> tuple[ConceptId, ...]:
    """Every concept the criterion asks about, in order, once each."""
    match criterion:
        case Has(concept, _) | Suggests(concept, _):
            return (concept,)
        case AllOf(criteria) | AnyOf(criteria):
            return tuple(dict.fromkeys(concept for each in criteria for concept in concepts_of(each)))
        case Not(inner):
            return concepts_of(inner)
        case _:
            assert_never(criterion)


def open_concepts(criterion: Criterion, findings: Findings) -> tuple[ConceptId, ...]:
    """The concepts that keep the criterion from being settled, in order, once each."""
    match criterion:
        case Has():
            return (criterion.concept,) if _presence(findings, criterion.concept) is Presence.UNKNOWN else ()
        case Suggests():
            presence = _presence(findings, criterion.concept)
            if presence is Presence.ABSENT:
                return ()
            return (criterion.of if presence is Presence.PRESENT else criterion.concept,)
        case AllOf() | AnyOf():
            return tuple(dict.fromkeys([one for each in criterion.criteria for one in open_concepts(each, findings)]))
        case Not():
            return open_concepts(criterion.criterion, findings)
        case _:
            assert_never(criterion)


def _presence(findings: Findings, concept: ConceptId) -> Presence:
    finding = findings.get(concept)
    return finding.presence if finding is not None else Presence.UNKNOWN


def _negated(truth: Truth) -> Truth:
    return None if truth is None else not truth


def _first(criteria: tuple[Criterion, ...], findings: Findings, *, decisive: bool) -> Truth:
    """The decisive truth as soon as one criterion has it; else unknown where one is; else the other truth."""
    found: Truth = not decisive
    for each in criteria:
        truth = evaluate(each, findings)
        if truth is decisive:
            return truth
        if truth is None:
            found = None
    return found
