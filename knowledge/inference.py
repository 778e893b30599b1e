"""From findings to variants: established, possible or ruled out, and why."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import lru_cache
from typing import ParamSpec, TypeVar, cast

from knowledge.criteria import evaluate, open_concepts
from knowledge.findings import ConceptId, Finding, Findings, Presence
from knowledge.guideline import Scenario, Topic, Variant
from knowledge.values import hot_dataclass

P = ParamSpec("P")
T = TypeVar("T")


def remembered(function: Callable[P, T]) -> Callable[P, T]:
    """For what depends on the knowledge and on a few states alone: it is made once for all charts in those states."""
    return cast(Callable[P, T], lru_cache(maxsize=4096)(function))


State = tuple[Presence, str | None, str | None]
"""What a criterion asks of a finding: its presence, value and detail."""


class Standing(Enum):
    """Whether a variant holds: true, unknown or false."""

    ESTABLISHED = "established"
    POSSIBLE = "possible"
    RULED_OUT = "ruled-out"


_STANDING = {True: Standing.ESTABLISHED, None: Standing.POSSIBLE, False: Standing.RULED_OUT}


@hot_dataclass(frozen=True, slots=True, eq=False)
class VariantMatch:
    """One variant against the findings.

    Equal to itself alone, which costs nothing to find out: findings in the same states have the same matches.
    """

    variant: int
    standing: Standing
    because: tuple[ConceptId, ...]
    """The concepts of its criterion that are present."""
    missing: tuple[ConceptId, ...]
    """The concepts that keep a possible variant from being settled."""
    scenario: Scenario | None = None
    """The portal's finer scenario, where the findings settle it."""


def match_variants(topic: Topic, findings: Findings) -> tuple[VariantMatch, ...]:
    """Every variant of the topic against the findings, in the order of the topic."""
    return variants_in(topic, tuple(findings), states_of(findings))


def states_of(findings: Findings) -> tuple[State, ...]:
    """All that the guideline asks of the findings, without what they rest on."""
    return tuple([(each.presence, each.value, each.detail) for each in findings.values()])


def in_states(concepts: tuple[ConceptId, ...], states: tuple[State, ...]) -> Findings:
    """Findings that are in these states, and rest on nothing."""
    return {
        concept: Finding(concept, presence, value=value, detail=detail)
        for concept, (presence, value, detail) in zip(concepts, states, strict=True)
    }


@remembered
def variants_in(topic: Topic, concepts: tuple[ConceptId, ...], states: tuple[State, ...]) -> tuple[VariantMatch, ...]:
    """The same for all charts whose findings are in these states: nothing else is asked of them."""
    findings = in_states(concepts, states)
    matches = []
    for variant in topic.variants.values():
        standing = _STANDING[evaluate(variant.criterion, findings)]
        matches.append(
            VariantMatch(
                variant=variant.number,
                standing=standing,
                because=_present(variant, findings) if standing is not Standing.RULED_OUT else (),
                missing=open_concepts(variant.criterion, findings) if standing is Standing.POSSIBLE else (),
                scenario=_scenario(variant.scenarios, findings) if standing is Standing.ESTABLISHED else None,
            )
        )
    return tuple(matches)


def _present(variant: Variant, findings: Findings) -> tuple[ConceptId, ...]:
    found = ((concept, findings.get(concept)) for concept in variant.concepts)
    return tuple(concept for concept, each in found if each is not None and each.presence is Presence.PRESENT)


def _scenario(scenarios: tuple[Scenario, ...], findings: Findings) -> Scenario | None:
    """The only scenario of the variant whose condition holds; None where none or several do."""
    holding = [each for each in scenarios if each.when is None or evaluate(each.when, findings) is True]
    return holding[0] if len(holding) == 1 and (len(scenarios) == 1 or holding[0].when is not None) else None
