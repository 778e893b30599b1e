"""Synthetic patients for trying out: told in a few lines each, made into FHIR R4 with dates that count from today."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

from knowledge.vocabulary import CPT, ICD_10_CM, LOINC, RXNORM, SNOMED_CT

Json = dict[str, Any]

_SYSTEMS = {"ICD-10-CM": ICD_10_CM, "SNOMED": SNOMED_CT, "LOINC": LOINC, "CPT": CPT, "RxNorm": RXNORM}
_CODE = re.compile(rf"({'|'.join(_SYSTEMS)}) (\S+) (.+)")
_HL7 = "http://terminology.hl7.org/CodeSystem"
_UCUM = "http://unitsofmeasure.org"
# Days since the last birthday: no patient changes age while the page is open.
_SINCE_BIRTHDAY = 100


@dataclass(frozen=True, slots=True)
class SyntheticPatient:
    """One invented person with a chart and a first order."""

    id: str
    title: str
    story: str
    teaches: str
    sex: str
    age: int
    study: str
    """The study ordered first: a procedure of the table."""
    expect: str | None
    """The indicator of the card for that study; None where no card comes."""
    reasons: tuple[str, ...]
    """Of the order: ``Condition/id``, or a coding as ``SYSTEM code display``."""
    chart: Mapping[str, tuple[Json, ...]]
    not_delivered: frozenset[str]
    """Prefetch keys that the client leaves out."""


@cache
def patients() -> Mapping[str, SyntheticPatient]:
    """Every patient that ships with the package, by id, in the order of the files."""
    folder = files("cds_service").joinpath("patients")
    found = sorted((file for file in folder.iterdir() if file.name.endswith(".json")), key=lambda file: file.name)
    told = [(file.name[3:].removesuffix(".json"), json.loads(file.read_text(encoding="utf-8"))) for file in found]
    return {name: _patient(name, each) for name, each in told}


def _patient(name: str, told: Json) -> SyntheticPatient:
    return SyntheticPatient(
        id=name,
        **{field: told[field] for field in ("title", "story", "teaches", "sex", "age", "study", "expect")},
        reasons=tuple(told["reasons"]),
        chart={part: tuple(told.get(part, ())) for part in _BUILDERS},
        not_delivered=frozenset(told.get("not_delivered", ())),
    )


def resources(patient: SyntheticPatient, today: date) -> list[Json]:
    """The whole chart as FHIR R4 resources, the Patient first."""
    return [_person(patient, today), *_entries(patient, today)]


def draft_order(patient: SyntheticPatient, code: Json, today: date) -> Json:
    """A draft ServiceRequest for the patient, with the reasons of the story."""
    order: Json = {
        "resourceType": "ServiceRequest",
        "id": "draft-1",
        "status": "draft",
        "intent": "order",
        "authoredOn": today.isoformat(),
        "code": code,
        "subject": _subject(patient),
    }
    for reason in patient.reasons:
        if reason.startswith("Condition/"):
            reference = {"reference": f"Condition/{patient.id}-{reason.removeprefix('Condition/')}"}
            order.setdefault("reasonReference", []).append(reference)
        else:
            order.setdefault("reasonCode", []).append(_concept([reason]))
    return order


def _person(patient: SyntheticPatient, today: date) -> Json:
    born = _on(date(today.year - patient.age, 1, 1), today) - timedelta(days=_SINCE_BIRTHDAY)
    who, _, story = patient.title.partition(": ")
    return {
        "resourceType": "Patient",
        "id": patient.id,
        # Some clients cannot show a patient without a given name; no names of people are made up.
        "name": [{"text": patient.title, "family": story, "given": [who]}],
        "gender": patient.sex,
        "birthDate": born.isoformat(),
    }


def _on(year: date, today: date) -> date:
    """Today's day in another year; the 28th for a leap day."""
    return year.replace(month=today.month, day=min(today.day, 28))


def _entries(patient: SyntheticPatient, today: date) -> Iterator[Json]:
    for part, build in _BUILDERS.items():
        for told in patient.chart[part]:
            kind, members = build(told, today)
            named = {"resourceType": kind, "id": f"{patient.id}-{told['id']}"}
            if "for" in told:
                reference = f"Condition/{patient.id}-{told['for'].removeprefix('Condition/')}"
                members["reasonReference"] = [{"reference": reference}]
            yield {**named, **members, "subject": _subject(patient)}


def _subject(patient: SyntheticPatient) -> Json:
    return {"reference": f"Patient/{patient.id}"}


def _ago(told: Json, name: str, element: str, today: date) -> Json:
    """The element with a date so many days back, where the story tells one."""
    if name not in told:
        return {}
    days = int(told[name].removesuffix(" days"))
    return {element: (today - timedelta(days=days)).isoformat()}


def _concept(codes: list[str]) -> Json:
    """A CodeableConcept from codings written as ``SYSTEM code display``."""
    codings = []
    for each in codes:
        match = _CODE.fullmatch(each)
        if match is None:
            raise ValueError(f"not a coding of a known system: {each}")
        system, code, display = match.groups()
        codings.append({"system": _SYSTEMS[system], "code": code, "display": display})
    return {"coding": codings, "text": codings[0]["display"]}


def _told_concept(told: Json) -> Json:
    return _concept(told["code"]) if "code" in told else {"text": told["text"]}


def _category(system: str, code: str) -> list[Json]:
    return [{"coding": [{"system": f"{_HL7}/{system}", "code": code}]}]


def _condition(told: Json, today: date) -> tuple[str, Json]:
    return "Condition", {
        "clinicalStatus": _category("condition-clinical", told.get("clinical", "active"))[0],
        "verificationStatus": _category("condition-ver-status", told.get("verification", "confirmed"))[0],
        "category": _category("condition-category", "problem-list-item"),
        "code": _told_concept(told),
        **_ago(told, "onset", "onsetDateTime", today),
        **_ago(told, "recorded", "recordedDate", today),
    }


def _medication(told: Json, today: date) -> tuple[str, Json]:
    return "MedicationRequest", {
        "status": told.get("status", "active"),
        "intent": "order",
        "medicationCodeableConcept": _concept(told["code"]),
        **_ago(told, "authored", "authoredOn", today),
    }


def _procedure(told: Json, today: date) -> tuple[str, Json]:
    return "Procedure", {
        "status": "completed",
        "code": _concept(told["code"]),
        **_ago(told, "performed", "performedDateTime", today),
    }


def _observation(told: Json, today: date) -> tuple[str, Json]:
    unit = told["unit"]
    return "Observation", {
        "status": "final",
        "category": _category("observation-category", told.get("category", "vital-signs")),
        "code": _concept(told["code"]),
        **_ago(told, "effective", "effectiveDateTime", today),
        "valueQuantity": {"value": told["value"], "unit": unit, "system": _UCUM, "code": unit},
    }


def _referral(told: Json, today: date) -> tuple[str, Json]:
    return "ServiceRequest", {
        "status": "active",
        "intent": "order",
        "code": _concept(told["code"]),
        **_ago(told, "authored", "authoredOn", today),
    }


def _report(told: Json, today: date) -> tuple[str, Json]:
    return "DiagnosticReport", {
        "status": "final",
        "category": _category("v2-0074", "RAD"),
        "code": _concept(told["code"]),
        **_ago(told, "effective", "effectiveDateTime", today),
    }


_BUILDERS = {
    "conditions": _condition,
    "medications": _medication,
    "procedures": _procedure,
    "observations": _observation,
    "referrals": _referral,
    "imaging": _report,
}
