"""Named rulings as the requests an EHR would send, in several of the shapes EHRs send."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from knowledge.loading import LOW_BACK_PAIN
from knowledge.vocabulary import CPT, HCPCS, ICD_10_CM, LOINC, RXNORM, SNOMED_CT

Json = dict[str, Any]

PATIENT = "p1"
AS_OF = date(2026, 3, 2)
SYSTEMS = {
    "ICD-10-CM": ICD_10_CM,
    "SNOMED": SNOMED_CT,
    "LOINC": LOINC,
    "CPT": CPT,
    "HCPCS": HCPCS,
    "RxNorm": RXNORM,
    "local": "urn:oid:2.16.840.1.113883.3.9999",
}
KEYS = ("patient", "conditions", "medications", "procedures", "observations", "bone-density", "referrals", "imaging")
SHAPES = ("plain", "ehr", "contained", "foreign-keys")


def rulings() -> Iterator[tuple[str, Json]]:
    """Every ruling of the topic with its file's name."""
    for file in sorted((LOW_BACK_PAIN / "cases").glob("*.json")):
        for ruling in json.loads(Path(file).read_text(encoding="utf-8"))["rulings"]:
            yield file.stem, ruling


def today_of(ruling: Json) -> date:
    return date.fromisoformat(ruling["today"]) if "today" in ruling else AS_OF


def request_for(ruling: Json, shape: str = "plain", hook: str = "order-select") -> Json:
    """The order-select or order-sign request that tells the ruling's story in one of ``SHAPES``."""
    chart = ruling.get("chart", {})
    order = _order(ruling)
    drafts = [order] + [_draft(each, number) for number, each in enumerate(ruling.get("also_ordered", []))]
    context: Json = {
        "userId": "Practitioner/u1",
        "patientId": PATIENT,
        "draftOrders": {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [{"resource": each} for each in drafts],
        },
    }
    if hook == "order-select":
        context["selections"] = ["ServiceRequest/order-1"]
    request: Json = {
        "hook": hook,
        "hookInstance": "5b3c1f6e-9a4e-4f43-9c1d-0d9a4c0f7a11",
        "context": context,
        "prefetch": _prefetch(chart),
    }
    return _SHAPERS[shape](request)


def concept(codes: Any) -> Json:
    """A CodeableConcept from ``"SYSTEM code"``, or a list of them."""
    codings = []
    text = ""
    for each in codes if isinstance(codes, list) else [codes]:
        system, _, code = each.partition(" ")
        if system == "text":
            text = code
        else:
            codings.append({"system": SYSTEMS[system], "code": code})
    shown: Json = {"coding": codings} if codings else {}
    return {**shown, "text": text} if text else shown


def _order(ruling: Json) -> Json:
    told = ruling["order"]
    order: Json = {
        "resourceType": "ServiceRequest",
        "id": "order-1",
        "status": told.get("status", "draft"),
        "intent": "order",
        "code": concept(told["code"]),
        "subject": {"reference": told.get("subject", f"Patient/{PATIENT}")},
    }
    authored = ruling.get("as_of", AS_OF.isoformat())
    if authored is not None:
        order["authoredOn"] = authored
    if told.get("do_not_perform"):
        order["doNotPerform"] = True
    if told.get("modifier"):
        order["modifierExtension"] = [{"url": "http://example.org/not", "valueBoolean": True}]
    for reason in told.get("reasons", []):
        if isinstance(reason, dict):
            ((kind, target),) = reason.items()
            name = "supportingInfo" if kind == "supporting" else "reasonReference"
            reference = target if kind == "missing" else f"Condition/{target}"
            order.setdefault(name, []).append({"reference": reference})
        else:
            order.setdefault("reasonCode", []).append(concept(reason))
    return order


def _draft(told: Json, number: int) -> Json:
    return {
        "resourceType": "ServiceRequest",
        "id": f"also-{number}",
        "status": "draft",
        "intent": "order",
        "code": concept(told["code"]),
        "subject": {"reference": f"Patient/{PATIENT}"},
    }


def _prefetch(chart: Json) -> Json:
    patient: Json = {"resourceType": "Patient", "id": PATIENT}
    if chart.get("birth_date"):
        patient["birthDate"] = chart["birth_date"]
    found: Json = {"patient": patient}
    builders = (
        ("conditions", _condition),
        ("medications", _medication),
        ("procedures", _procedure),
        ("observations", _observation),
        ("referrals", _referral),
        ("imaging", _report),
    )
    for key, build in builders:
        found[key] = _bundle([build(told, f"{key}-{number}") for number, told in enumerate(chart.get(key, []))])
    found["bone-density"] = _bundle([])
    for key in chart.get("paged", []):
        found[key]["link"] = [{"relation": "next", "url": "https://ehr.example.org/fhir?page=2"}]
    return {key: value for key, value in found.items() if key not in chart.get("not_delivered", [])}


def _bundle(resources: list[Json]) -> Json:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": each} for each in resources]}


def _subject(told: Json) -> Json:
    whose = "someone-else" if told.get("id") == "other-patient" else PATIENT
    return {"reference": f"Patient/{whose}"}


def _condition(told: Json, name: str) -> Json:
    shown: Json = {
        "resourceType": "Condition",
        "id": told.get("id", name),
        "clinicalStatus": _status("condition-clinical", told.get("clinical", "active")),
        "verificationStatus": _status("condition-ver-status", told.get("verification", "confirmed")),
        "code": concept(told["code"]),
        "subject": _subject(told),
    }
    onset = told.get("onset")
    if isinstance(onset, int):
        shown["onsetAge"] = {"value": onset, "unit": "years", "system": "http://unitsofmeasure.org", "code": "a"}
    elif onset:
        shown["onsetDateTime"] = onset
    for name_here, element in (("abatement", "abatementDateTime"), ("recorded", "recordedDate")):
        if name_here in told:
            shown[element] = told[name_here]
    return shown


def _status(system: str, code: str) -> Json:
    return {"coding": [{"system": f"http://terminology.hl7.org/CodeSystem/{system}", "code": code}]}


def _procedure(told: Json, name: str) -> Json:
    shown: Json = {
        "resourceType": "Procedure",
        "id": told.get("id", name),
        "status": told.get("status", "completed"),
        "code": concept(told["code"]),
        "subject": _subject(told),
    }
    if "performed" in told:
        shown["performedDateTime"] = told["performed"]
    return shown


def _medication(told: Json, name: str) -> Json:
    statement = told.get("statement", False)
    shown: Json = {
        "resourceType": "MedicationStatement" if statement else "MedicationRequest",
        "id": told.get("id", name),
        "status": told.get("status", "active"),
        "medicationCodeableConcept": concept(told["code"]),
        "subject": _subject(told),
    }
    if not statement:
        shown["intent"] = told.get("intent", "order")
    if "authored" in told:
        shown["authoredOn"] = told["authored"]
    if "period" in told:
        shown["effectivePeriod"] = dict(zip(("start", "end"), told["period"], strict=False))
    if "for" in told:
        shown["reasonCode"] = [concept(told["for"])]
    dosage: Json = {}
    if "route" in told:
        dosage["route"] = concept(told["route"])
    if "bounds_days" in told:
        bounds = {"value": told["bounds_days"], "unit": "days", "system": "http://unitsofmeasure.org", "code": "d"}
        dosage["timing"] = {"repeat": {"boundsDuration": bounds}}
    if dosage:
        shown["dosage" if statement else "dosageInstruction"] = [dosage]
    if "days" in told:
        supply = {"value": told["days"], "unit": "days", "system": "http://unitsofmeasure.org", "code": "d"}
        shown["dispenseRequest"] = {"expectedSupplyDuration": supply}
        if "refills" in told:
            shown["dispenseRequest"]["numberOfRepeatsAllowed"] = told["refills"]
    return shown


def _observation(told: Json, name: str) -> Json:
    shown: Json = {
        "resourceType": "Observation",
        "id": told.get("id", name),
        "status": told.get("status", "final"),
        "code": concept(told["code"]),
        "subject": _subject(told),
    }
    if "effective" in told:
        shown["effectiveDateTime"] = told["effective"]
    if "value" in told:
        unit = {"unit": told["unit"], "code": told["unit"]} if "unit" in told else {}
        shown["valueQuantity"] = {"value": told["value"], **unit}
    if "coded" in told:
        shown["valueCodeableConcept"] = concept(told["coded"])
    if "yes" in told:
        shown["valueBoolean"] = told["yes"]
    if "interpretation" in told:
        shown["interpretation"] = [{"coding": [{"code": told["interpretation"]}]}]
    return shown


def _referral(told: Json, name: str) -> Json:
    shown = {**_draft(told, 0), "id": told.get("id", name), "status": told.get("status", "active")}
    return {**shown, "authoredOn": told["authored"]} if "authored" in told else shown


def _report(told: Json, name: str) -> Json:
    return {
        "resourceType": "DiagnosticReport",
        "id": told.get("id", name),
        "status": "final",
        "code": concept(told["code"]),
        "subject": _subject(told),
        "effectiveDateTime": told["effective"],
    }


# -- shapes ---------------------------------------------------------------------------------------


def _plain(request: Json) -> Json:
    return request


def _ehr(request: Json) -> Json:
    """As EHRs send it: noise, absolute references, local codes beside, vendor members, missing optional elements."""
    shown = copy.deepcopy(request)
    del shown["context"]["userId"]
    shown["context"]["patientId"] = f"Patient/{PATIENT}"
    shown["extension"] = {"com.example.trigger": "23"}
    for entry in shown["context"]["draftOrders"]["entry"]:
        order = entry["resource"]
        order["subject"]["reference"] = order["subject"]["reference"].replace(
            "Patient/", "https://ehr.example.org/fhir/Patient/"
        )
        order["code"].setdefault("coding", []).insert(0, {"system": SYSTEMS["local"], "code": "PROC-77"})
        order["requester"] = {"extension": [{"url": "http://example.org/absent", "valueCode": "unknown"}]}
        order["vendorNote"] = {"a": 1}
    for key, value in shown["prefetch"].items():
        for entry in value.get("entry", []):
            _decorate(entry["resource"])
        if key == "conditions":
            for number, code in enumerate(("ICD-10-CM I10", "ICD-10-CM E11.9", "SNOMED 38341003")):
                entry = {"resource": _condition({"code": code, "recorded": "2020-01-01"}, f"noise-{number}")}
                value["entry"].insert(number, entry)
            value["entry"].append(
                {
                    "search": {"mode": "outcome"},
                    "resource": {
                        "resourceType": "OperationOutcome",
                        "issue": [{"severity": "warning", "code": "processing"}],
                    },
                }
            )
    return shown


def _decorate(resource: Json) -> None:
    resource["meta"] = {"versionId": "3", "lastUpdated": "2026-01-01T00:00:00Z"}
    resource["text"] = {"status": "generated", "div": "<div>noise</div>"}
    resource["vendorField"] = [None, ""]
    resource["_status"] = {"extension": []}
    for name in ("code", "medicationCodeableConcept"):
        for coding in resource.get(name, {}).get("coding", []):
            coding["userSelected"] = "yes"
    if "subject" in resource:
        resource["subject"]["display"] = "a patient"
    if "dosageInstruction" in resource:
        resource["dosageInstruction"][0]["doseAndRate"] = {"doseQuantity": {"value": 1}}


def _contained(request: Json) -> Json:
    """Every coded reason as a contained Condition that the order refers to."""
    shown = copy.deepcopy(request)
    order = shown["context"]["draftOrders"]["entry"][0]["resource"]
    for number, reason in enumerate(order.pop("reasonCode", [])):
        condition = {"resourceType": "Condition", "id": f"r{number}", "code": reason, "subject": order["subject"]}
        order.setdefault("contained", []).append(condition)
        order.setdefault("reasonReference", []).append({"reference": f"#r{number}"})
    return shown


def _foreign_keys(request: Json) -> Json:
    """The prefetch under a client's own keys, wherever a resource shows what a key holds."""
    shown = copy.deepcopy(request)
    for number, key in enumerate(KEYS):
        value = shown["prefetch"].get(key)
        if value is not None and (key == "patient" or value.get("entry")):
            shown["prefetch"][f"item{number}"] = shown["prefetch"].pop(key)
    return shown


_SHAPERS = {"plain": _plain, "ehr": _ehr, "contained": _contained, "foreign-keys": _foreign_keys}
