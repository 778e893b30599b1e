"""Order codes: which procedures of the table an order stands for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from knowledge.findings import Coding, ProcedureId


@dataclass(frozen=True, slots=True)
class OrderCode:
    """What one order code stands for."""

    key: str
    procedures: tuple[ProcedureId, ...]
    """Empty where the table has no row; several where the contrast is open."""
    weak: bool
    """Does not say enough to be rated alone."""
    display: str


@dataclass(frozen=True, slots=True)
class Combination:
    """Codes that together mean another study: a myelogram with a CT is one CT myelography."""

    procedure: ProcedureId
    components: frozenset[Coding]
    together_with: frozenset[Coding]


@dataclass(frozen=True, slots=True)
class Study:
    """An order for a study of the table; no procedures: a study that the table does not rate."""

    procedures: tuple[ProcedureId, ...]


@dataclass(frozen=True, slots=True)
class ConflictingCodes:
    """The codes of one order contradict each other."""


Resolved = Study | ConflictingCodes | None


@dataclass(frozen=True, slots=True)
class OrderCodes:
    """The map from order codes to procedures."""

    codes: Mapping[Coding, OrderCode]
    combinations: tuple[Combination, ...]

    @property
    def keys(self) -> Mapping[str, tuple[ProcedureId, ...]]:
        """What each key of the map stands for: ``mri-wo``, ``ct-unspecified`` ..."""
        return {code.key: code.procedures for code in self.codes.values()}

    def with_codes(self, local: Mapping[Coding, str]) -> OrderCodes:
        """The map with a site's own codes, each standing for one of its keys."""
        found = {coding: OrderCode(key, self.keys[key], False, "") for coding, key in local.items()}
        return replace(self, codes={**self.codes, **found})

    def knows(self, codings: Collection[Coding]) -> bool:
        """Whether any of the codes is of imaging we know."""
        return not self.codes.keys().isdisjoint(codings)

    def resolve(self, codings: Collection[Coding], beside: Collection[Coding] = ()) -> Resolved:
        """What an order with these codes is, beside the other drafts' codes; None when none is imaging we know.

        Several codes are intersected; codes we do not know are passed over.
        """
        known = {coding: self.codes[coding] for coding in codings if coding in self.codes}
        if not known:
            return None
        sets: list[frozenset[ProcedureId]] = []
        explained: set[Coding] = set()
        around = {*codings, *beside}
        for combination in self.combinations:
            if not combination.together_with.isdisjoint(known) and not combination.components.isdisjoint(around):
                sets.append(frozenset({combination.procedure}))
                explained |= combination.together_with | combination.components
        stated = [code for coding, code in known.items() if coding not in explained and not code.weak]
        sets += [frozenset(code.procedures) for code in stated if code.procedures]
        if not sets:
            return Study(())
        common = frozenset.intersection(*sets)
        if not common or any(not code.procedures for code in stated):
            return ConflictingCodes()
        listed = [procedure for code in known.values() for procedure in code.procedures if procedure in common]
        return Study(tuple(dict.fromkeys([*listed, *common])))

    def may_be_component(self, codings: Collection[Coding]) -> bool:
        """Whether there is a study of which an order with these codes could be only the component."""
        known = {coding for coding in codings if coding in self.codes}
        return bool(known) and any(known <= combination.components for combination in self.combinations)

    def is_component_beside(self, codings: Collection[Coding], beside: Collection[Coding]) -> bool:
        """Whether an order is only the component of a study whose main part is another draft."""
        known = {coding for coding in codings if coding in self.codes}
        return bool(known) and any(
            known <= combination.components and combination.together_with & set(beside)
            for combination in self.combinations
        )
