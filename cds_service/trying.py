"""What the try-it page starts from: what can be chosen, and a patient's first hook request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from cards.wording.words import CATEGORY, KEY
from cds_service.fhir_search import fetch
from cds_service.guideline_page import SHORT
from cds_service.patients import SyntheticPatient, draft_order, patients, resources
from cds_service.services import HOOKS, PREFETCH
from knowledge.findings import Coding, ProcedureId
from knowledge.guideline import CodedText, Procedure
from knowledge.knowledge import Knowledge

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Study:
    """A study that can be ordered: a procedure of the table, or a modality with the contrast left open."""

    id: str
    name: str
    modality: str
    codes: tuple[CodedText, ...]

    @property
    def concept(self) -> Json:
        """As a draft order names it."""
        return {
            "coding": [
                {"system": each.coding.system, "code": each.coding.code, "display": each.display} for each in self.codes
            ],
            "text": self.name,
        }


def studies(knowledge: Knowledge) -> dict[str, Study]:
    """Every procedure of the table in its order, then the orders that leave the contrast open."""
    table = [_study(knowledge, procedure) for procedure in knowledge.topic.procedures.values()]
    opened: dict[str, Study] = {}
    for coding, code in knowledge.orders.codes.items():
        if len(code.procedures) > 1 and code.key not in opened:
            modality = knowledge.topic.procedures[code.procedures[0]].modality
            name = f"{modality} lumbar spine, contrast not stated"
            opened[code.key] = Study(code.key, name, modality, (CodedText(coding, code.display),))
    return {study.id: study for study in (*table, *opened.values())}


def _study(knowledge: Knowledge, procedure: Procedure) -> Study:
    codes = procedure.order_codes or (_order_code(knowledge, procedure.id),)
    return Study(procedure.id, procedure.name, procedure.modality, codes)


def _order_code(knowledge: Knowledge, procedure: ProcedureId) -> CodedText:
    """A code that orders this procedure and no other, for those that are never suggested."""
    coding: Coding
    for coding, code in knowledge.orders.codes.items():
        if code.procedures == (procedure,) and not code.weak:
            return CodedText(coding, code.display)
    raise LookupError(procedure)


def first_request(patient: SyntheticPatient, study: Study, today: date, hook_instance: str) -> Json:
    """The order-select request an EHR would send for the patient's first order, with the prefetch that we ask for."""
    chart = resources(patient, today)
    order = draft_order(patient, study.concept, today)
    return {
        "hook": "order-select",
        "hookInstance": hook_instance,
        "context": {
            "userId": "Practitioner/example",
            "patientId": patient.id,
            "selections": [f"ServiceRequest/{order['id']}"],
            "draftOrders": {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": order}]},
        },
        "prefetch": {
            key: fetch(chart, query.replace("{{context.patientId}}", patient.id))
            for key, query in PREFETCH.items()
            if key not in patient.not_delivered
        },
    }


def choices_of(knowledge: Knowledge) -> Json:
    """What the page offers and how it names things."""
    topic = knowledge.topic
    concepts = [concept for concept in topic.concepts.values() if not concept.internal]
    return {
        "patients": [
            {name: getattr(each, name) for name in ("id", "title", "story", "teaches", "study", "expect")}
            for each in patients().values()
        ],
        "studies": [
            {"id": each.id, "name": each.name, "modality": each.modality, "code": each.concept}
            for each in studies(knowledge).values()
        ],
        "procedures": [
            {"id": each.id, "name": each.name, "short": each.short, "modality": each.modality}
            for each in topic.procedures.values()
        ],
        "variants": [
            {
                "number": each.number,
                "title": each.title,
                "short": each.short,
                "ratings": {procedure: rating.category.value for procedure, rating in each.ratings.items()},
            }
            for each in topic.variants.values()
        ],
        "categories": [
            {"id": category.value, "words": words, "short": SHORT[category.value]}
            for category, words in CATEGORY.items()
        ],
        "concepts": [
            {"id": each.id, "label": each.label, "short": each.short, "note": each.id in topic.notes}
            for each in (*concepts, *topic.notes.values())
        ],
        "keys": {key.value: words for key, words in KEY.items()},
        "services": {hook: service for service, hook in HOOKS.items()},
    }
