"""What the try-it page starts from: the studies that can be ordered, and a patient's first hook request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from cds_service.discovery import PREFETCH
from cds_service.fhir_search import fetch
from cds_service.patients import SyntheticPatient, draft_order, resources
from knowledge.findings import Coding, ProcedureId
from knowledge.guideline import CodedText, Procedure
from knowledge.loading import Knowledge

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
