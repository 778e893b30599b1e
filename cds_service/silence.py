"""Entries whose codes concern nobody: most of a chart, and told from the rest by a look at each code."""

from __future__ import annotations

from typing import Any

from cds_service.codings import codings_of
from cds_service.json_access import status_code
from cds_service.raw_resources import CODE_OF, KINDS
from knowledge.extent import says_nothing
from knowledge.knowledge import Knowledge

Json = dict[str, Any]

_MAY_BE_IMAGING = ("Procedure", "DiagnosticReport")
_MOST_NAMES = 4


class Silence:
    """Tells which entries of one patient say nothing."""

    def __init__(self, knowledge: Knowledge, patient_id: str) -> None:
        self._vocabulary = knowledge.vocabulary
        self._orders = knowledge.orders
        self._spellings = knowledge.spellings
        self._drug_spellings = knowledge.drug_spellings
        self._names: list[object] = [f"Patient/{patient_id}"]
        """References that were found to name the patient; a list, since what stands there may be anything."""

    def remember_name(self, reference: object) -> None:
        """So that the next entry under the same name is recognised at once: a client writes it one way, or two."""
        if len(self._names) < _MOST_NAMES and reference not in self._names:
            self._names.append(reference)

    def says_nothing(self, resource: Json, kind: str) -> bool:
        """An entry of this patient, readable, whose codes concern nobody: most of a chart, whatever else it says."""
        element = CODE_OF.get(kind)
        if element is None or "modifierExtension" in resource:
            return False
        told = self._spellings
        if element == "medicationCodeableConcept":
            if resource.get("medicationReference") is not None:
                return False  # it names two drugs
            told = self._drug_spellings
        says_so = False
        try:
            concept = resource[element]
            if resource["subject"]["reference"] not in self._names or "modifierExtension" in concept:
                return False
            for coding in concept["coding"]:
                nothing = told[coding.get("system"), coding.get("code")]
                if nothing is None:
                    return self._says_nothing_here(resource, concept, kind)
                says_so = says_so or nothing
        except (AttributeError, KeyError, TypeError):  # something else stands where these are due
            return self._says_nothing_here(resource, resource.get(element), kind)
        return says_so and not _is_refuted(resource, kind)

    def _says_nothing_here(self, resource: Json, concept: Any, kind: str) -> bool:
        """The same of codes that one look-up does not tell of: some concern us in resources of other kinds."""
        subject = resource.get("subject")
        if not isinstance(subject, dict) or subject.get("reference") not in self._names:
            return False
        codings, malformed = codings_of(concept)
        if not codings or malformed or "modifierExtension" in concept or self._vocabulary.knows(codings):
            return False
        if not says_nothing(codings, KINDS.get(kind)) or _is_refuted(resource, kind):
            return False
        return kind not in _MAY_BE_IMAGING or not self._orders.knows(codings)


def _is_refuted(resource: Json, kind: str) -> bool:
    """A refuted category denies what lies below it, although no list holds the category itself."""
    return kind == "Condition" and status_code(resource, "verificationStatus") == "refuted"
