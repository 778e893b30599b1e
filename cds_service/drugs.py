"""Drugs as entries name them: on the entry or behind a reference, and given out as well as prescribed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cds_service.codings import codings_of
from cds_service.elements import Unreadable
from cds_service.json_access import items, word
from cds_service.raw_resources import NOT_GIVEN, days_given, prescriptions_of, with_ingredients
from cds_service.references import References
from knowledge.findings import Coding, Entry
from knowledge.vocabulary import RXNORM, Vocabulary

Json = dict[str, Any]

Read = Callable[[Json], Entry | None]
"""Reads a prescription; raises Unreadable."""


def routes_of(resource: Json) -> tuple[tuple[Coding, ...], bool]:
    """The routes of a drug, each once, and whether some dosage goes by one that is not told, or not in a known code."""
    told = resource.get("dosageInstruction", resource.get("dosage"))  # of what is administered there is one
    routes = [_route_of(dosage) for dosage in ([told] if isinstance(told, dict) else items(told))]
    return tuple(dict.fromkeys(coding for route in routes for coding in route)), not all(routes)


def _route_of(dosage: Any) -> tuple[Coding, ...]:
    route = dosage.get("route") if isinstance(dosage, dict) else None
    if not isinstance(route, dict) or dosage.get("modifierExtension") or route.get("modifierExtension"):
        return ()
    readable, malformed = codings_of(route)
    return () if malformed else readable


class Drugs:
    """Finds the drugs of one call's entries; what many entries refer to is looked at once."""

    def __init__(self, references: References, vocabulary: Vocabulary) -> None:
        self._references = references
        self._vocabulary = vocabulary
        # By identity; the resource is held with it, so that this stays its own.
        self._made_of: dict[int, tuple[Json, Any]] = {}
        self._prescribed: dict[int, tuple[Json, Entry | None]] = {}

    def concept(self, resource: Json) -> Any:
        """The CodeableConcept that names the drug of an entry; raises Unreadable."""
        concept = resource.get("medicationCodeableConcept")
        reference = resource.get("medicationReference")
        if concept is not None and reference is not None:
            raise Unreadable("it names its drug twice")
        if concept is not None:
            return concept
        target = reference.get("reference") if isinstance(reference, dict) else None
        drug = self._references.resolve(target, within=resource)
        if drug is None:
            raise Unreadable("its drug is a reference that does not resolve")
        if word(drug, "resourceType") != "Medication":
            raise Unreadable("its drug is a reference to something else")
        if drug.get("modifierExtension"):
            raise Unreadable("a modifier extension changes its meaning")
        if "ingredient" not in drug or any(each.system == RXNORM for each in codings_of(drug.get("code")).readable):
            return drug.get("code")  # a product tells how its ingredients act
        if id(drug) not in self._made_of:
            holder = drug if "contained" in drug else resource
            whole = with_ingredients(drug, lambda reference, _: self._references.resolve(reference, holder))
            known = self._vocabulary.knows(codings_of(whole).readable)
            self._made_of[id(drug)] = drug, whole if known else drug.get("code")
        return self._made_of[id(drug)][1]

    def is_named(self, resource: Json) -> bool:
        """Whether a code says which drug it is, although one of no concern."""
        try:
            readable, malformed = codings_of(self.concept(resource))
        except Unreadable:
            return False
        return bool(readable) and not malformed

    def indications(self, resource: Json) -> tuple[Coding, ...]:
        """What a drug is prescribed for."""
        found: list[Coding] = []
        for concept in items(resource.get("reasonCode")):
            found += codings_of(concept).readable
        for target in self._targets(items(resource.get("reasonReference")), resource):
            found += codings_of(target.get("code")).readable
        return tuple(dict.fromkeys(found))

    def refers_to_a_prescription(self, given: Json) -> bool:
        """Whether something given refers to a prescription that was sent."""
        return bool(self._targets(prescriptions_of(given), given))

    def tells_of_more(self, given: Json, read: Read) -> bool:
        """Whether a drug was given out or taken that no prescription which was sent tells of."""
        if word(given, "status") in NOT_GIVEN:
            return False
        prescribed = self._targets(prescriptions_of(given), given)
        return not any(self._covers(self._prescription(target, read), given) for target in prescribed)

    def _targets(self, references: list[Any], resource: Json) -> list[Json]:
        """What these references of a resource lead to, each once."""
        names = dict.fromkeys(word(each, "reference") for each in references if isinstance(each, dict))
        found = [self._references.resolve(name, resource) for name in names]
        return list({id(target): target for target in found if target is not None}.values())

    def _prescription(self, prescribed: Json, read: Read) -> Entry | None:
        """What a prescription came to, where it can be read."""
        if id(prescribed) not in self._prescribed:
            try:
                entry = read(prescribed)
            except Unreadable:
                entry = None
            self._prescribed[id(prescribed)] = prescribed, entry
        return self._prescribed[id(prescribed)][1]

    def _covers(self, prescribed: Entry | None, given: Json) -> bool:
        """Whether a prescription counts, is for the drug that was given, as long and by the routes it was given."""
        try:
            codings = codings_of(self.concept(given)).readable
        except Unreadable:
            return False
        if prescribed is None or prescribed.prescription is None or not set(codings) & set(prescribed.codings):
            return False
        routes, (given_by, _) = prescribed.prescription.routes, routes_of(given)
        if routes and not set(given_by).issubset(routes):
            return False
        days, longest = days_given(given), prescribed.prescription.course.longest
        return days is None or longest is None or days <= longest
