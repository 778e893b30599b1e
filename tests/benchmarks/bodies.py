"""The request bodies that are measured: synthetic patients in the sizes that EHRs send."""

from __future__ import annotations

import copy
import json
from typing import Any

from tests.cases_as_fhir import SYSTEMS, concept, request_for

Json = dict[str, Any]

_STORY: Json = {
    "order": {"code": "CPT 72148", "reasons": ["ICD-10-CM M54.50"]},
    "chart": {
        "birth_date": "1981-05-10",
        "conditions": [{"code": "ICD-10-CM M54.50", "onset": "2026-02-20", "recorded": "2026-02-21"}],
    },
}
_COMMON = (
    "I10",
    "E11.9",
    "E78.5",
    "J45.909",
    "K21.9",
    "F41.1",
    "G43.909",
    "N40.0",
    "H52.13",
    "L40.0",
    "E03.9",
    "R51.9",
)
_DRUGS = (
    ("314076", "lisinopril 10 MG Oral Tablet"),
    ("860975", "metformin hydrochloride 500 MG Extended Release Oral Tablet"),
    ("617312", "atorvastatin 20 MG Oral Tablet"),
    ("966247", "levothyroxine sodium 0.05 MG Oral Tablet"),
)
_NARRATIVE = (
    "<div xmlns='http://www.w3.org/1999/xhtml'><p>" + "Recorded in the course of routine care. " * 12 + "</p></div>"
)


def lean() -> bytes:
    """About 8 KB: the order, a pain, a few conditions."""
    request = copy.deepcopy(request_for(_STORY))
    request["prefetch"]["conditions"]["entry"] += [{"resource": _condition(number)} for number in range(9)]
    return _written(request)


def ehr() -> bytes:
    """About 40 KB: 27 resources with narrative, identifiers, several codings and extensions."""
    request = copy.deepcopy(request_for(_STORY))
    prefetch = request["prefetch"]
    prefetch["conditions"]["entry"] += [{"resource": _dressed(_condition(number))} for number in range(11)]
    prefetch["medications"]["entry"] = [{"resource": _dressed(_drug(number))} for number in range(5)]
    prefetch["observations"]["entry"] = [{"resource": _dressed(_vital(number))} for number in range(6)]
    prefetch["procedures"]["entry"] = [{"resource": _dressed(_procedure(number))} for number in range(2)]
    prefetch["patient"] = _dressed(prefetch["patient"])
    order = request["context"]["draftOrders"]["entry"][0]["resource"]
    request["context"]["draftOrders"]["entry"][0]["resource"] = _dressed(order)
    return _written(request)


def large(conditions: int = 5_000) -> bytes:
    """A chart of many Conditions, none of which concerns the guideline."""
    request = copy.deepcopy(request_for(_STORY))
    request["prefetch"]["conditions"]["entry"] += [{"resource": _condition(number)} for number in range(conditions)]
    return _written(request)


def order_only() -> bytes:
    """The order alone, as the public sandbox sends it."""
    request = copy.deepcopy(request_for(_STORY))
    del request["prefetch"]
    return _written(request)


def _written(body: Json) -> bytes:
    return json.dumps(body).encode()


def _condition(number: int) -> Json:
    return {
        "resourceType": "Condition",
        "id": f"other-{number}",
        "clinicalStatus": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]
        },
        "verificationStatus": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-ver-status", "code": "confirmed"}]
        },
        "category": [{"coding": [{"code": "problem-list-item"}]}],
        "code": concept(f"ICD-10-CM {_COMMON[number % len(_COMMON)]}"),
        "subject": {"reference": "Patient/p1"},
        "onsetDateTime": "2019-05-01",
        "recordedDate": "2019-05-02",
    }


def _drug(number: int) -> Json:
    code, name = _DRUGS[number % len(_DRUGS)]
    return {
        "resourceType": "MedicationRequest",
        "id": f"drug-{number}",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"coding": [{"system": SYSTEMS["RxNorm"], "code": code, "display": name}]},
        "subject": {"reference": "Patient/p1"},
        "authoredOn": "2025-11-03",
        "dosageInstruction": [
            {"text": "one a day", "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}}
        ],
    }


def _vital(number: int) -> Json:
    code, value, unit = (("8310-5", 36.8, "Cel"), ("29463-7", 80.5, "kg"), ("8867-4", 72, "/min"))[number % 3]
    return {
        "resourceType": "Observation",
        "id": f"vital-{number}",
        "status": "final",
        "category": [{"coding": [{"code": "vital-signs"}]}],
        "code": concept(f"LOINC {code}"),
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2026-03-01T09:30:00+01:00",
        "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
    }


def _procedure(number: int) -> Json:
    return {
        "resourceType": "Procedure",
        "id": f"procedure-{number}",
        "status": "completed",
        "code": concept("CPT 47562"),
        "subject": {"reference": "Patient/p1"},
        "performedDateTime": "2018-02-03",
    }


def _dressed(resource: Json) -> Json:
    """With what an EHR adds: meta, narrative, identifiers, a local coding, an extension."""
    shown = {
        **resource,
        "meta": {"versionId": "3", "lastUpdated": "2026-02-28T08:00:00Z", "profile": ["http://example.org/profile"]},
        "text": {"status": "generated", "div": _NARRATIVE},
        "identifier": [{"use": "usual", "system": "urn:oid:1.2.3.4.5", "value": "9937521"}],
        "extension": [{"url": "http://example.org/extension", "valueString": "a value of the vendor"}],
    }
    for name in ("code", "medicationCodeableConcept"):
        if name in shown:
            local = {"system": SYSTEMS["local"], "code": "4711", "display": "as it is called here"}
            shown[name] = {**shown[name], "coding": [*shown[name]["coding"], local]}
    return shown


def feedback(card: str) -> bytes:
    """One item of feedback, about a card of its own: the same one again would be no news to the store."""
    reason = {"system": SYSTEMS["local"], "code": "clinical-judgement"}
    item = {
        "card": card,
        "outcome": "overridden",
        "outcomeTimestamp": "2026-03-02T10:00:00Z",
        "overrideReason": {"reason": reason, "userComment": "seen before"},
    }
    return _written({"feedback": [item]})
