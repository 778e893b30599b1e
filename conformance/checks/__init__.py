"""The checks, one module a part of the standard."""

from __future__ import annotations

from conformance.check import Check, Group
from conformance.checks import (
    calls,
    cards,
    cors,
    crd,
    discovery,
    errors,
    feedback,
    suggestions,
    system_actions,
    tokens,
    whole,
)

# As they run: the schemas after the checks whose findings they need not repeat, the errors when all were seen.
GROUPS: tuple[Group, ...] = (
    discovery.GROUP,
    calls.GROUP,
    cards.GROUP,
    suggestions.GROUP,
    system_actions.GROUP,
    whole.GROUP,
    feedback.GROUP,
    cors.GROUP,
    tokens.GROUP,
    errors.GROUP,
)
CRD: Group = crd.GROUP


def all_checks() -> dict[str, Check]:
    """Every check by its id, those of profiles too."""
    return {check.id: check for group in (*GROUPS, CRD) for check in group.checks}
