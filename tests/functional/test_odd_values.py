"""A red flag that is written oddly is never taken for a red flag that is not there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from cds_service.envelope import parse_request
from cds_service.judging import Judge
from cds_service.settings import Settings
from knowledge.appraisal import LOWEST, Appraisal, Rated
from knowledge.findings import ConceptId, PrefetchKey, Presence
from knowledge.knowledge import Knowledge
from tests.cases_as_fhir import AS_OF, PATIENT, concept, request_for

Json = dict[str, Any]
Path = tuple[str | int, ...]

LBP = "ICD-10-CM M54.50"
DAYS = {"unit": "days", "system": "http://unitsofmeasure.org", "code": "d"}
ORDER: Path = ("context", "draftOrders", "entry", 0, "resource")


@dataclass(frozen=True)
class Flag:
    """A statement that makes a concept present: an entry of a prefetch key, or elements of the order."""

    concept: str
    key: str = ""
    resource: Json = field(default_factory=dict)
    on_order: Json = field(default_factory=dict)

    def request(self) -> tuple[Json, list[Path]]:
        """Ten days of low back pain, a lumbar MRI and the red flag; and where in the request the red flag stands."""
        pain = {"code": LBP, "onset": "2026-02-20"}
        told = {"order": {"code": "CPT 72148", "reasons": [LBP]}, "chart": {"conditions": [pain]}}
        request = request_for(told)
        request["prefetch"]["patient"]["birthDate"] = "1981-05-10"
        places: list[Path] = []
        if self.key == "patient":
            request["prefetch"]["patient"].update(self.resource)
            places.append(("prefetch", "patient"))
        elif self.key:
            entries = request["prefetch"][self.key]["entry"]
            subject = {"subject": {"reference": f"Patient/{PATIENT}"}}
            entries.append({"resource": {"id": "flag", **subject, **self.resource}})
            places.append(("prefetch", self.key, "entry", len(entries) - 1))
        for name, value in self.on_order.items():
            listed = request["context"]["draftOrders"]["entry"][0]["resource"].setdefault(name, [])
            listed.append(value)
            places.append((*ORDER, name, len(listed) - 1))
        return request, places


def _status(system: str, code: str) -> Json:
    return {"coding": [{"system": f"http://terminology.hl7.org/CodeSystem/{system}", "code": code}]}


def _condition(code: Any, clinical: str = "active", **more: Any) -> Json:
    verified = {"verificationStatus": _status("condition-ver-status", "confirmed")}
    stated = {"clinicalStatus": _status("condition-clinical", clinical), **verified}
    return {"resourceType": "Condition", **stated, "code": concept(code), **more}


def _observation(code: str, value: float, unit: str) -> Json:
    quantity = {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
    shown = {"resourceType": "Observation", "status": "final", "code": concept(code)}
    return {**shown, "effectiveDateTime": "2026-03-01", "valueQuantity": quantity}


def _prescription(status: str = "completed", drug: str = "RxNorm 198145", **more: Any) -> Json:
    named = {} if "medicationReference" in more else {"medicationCodeableConcept": concept(drug)}
    order = {"resourceType": "MedicationRequest", "status": status, "intent": "order", "doNotPerform": False}
    return {**order, **named, "authoredOn": "2025-11-02", **more}


def _dosage(**bounds: Any) -> Json:
    return {"dosageInstruction": [{"timing": {"repeat": bounds}, "route": concept("SNOMED 26643006")}]}


def _procedure(code: str, **performed: Any) -> Json:
    return {"resourceType": "Procedure", "status": "completed", "code": concept(code), **performed}


PANEL = {"resourceType": "Observation", "status": "final", "effectiveDateTime": "2026-03-01"}
SIGNS = {"code": concept("LOINC 85353-1")}
WARM = {"code": concept("LOINC 8310-5"), "valueQuantity": {"value": 39.2, "unit": "Cel", "code": "Cel"}}
SUPPLY = {"dispenseRequest": {"expectedSupplyDuration": {"value": 60, **DAYS}, "numberOfRepeatsAllowed": 1}}
RETENTION = _condition("ICD-10-CM R33.9", onsetDateTime="2025-06-01")
FLAGS = {
    "cancer": Flag("cancer", "conditions", _condition("ICD-10-CM C61", recordedDate="2020-01-01")),
    "cancer by its second code": Flag("cancer", "conditions", _condition(["ICD-10-CM Z00.00", "SNOMED 254837009"])),
    "cancer of the past": Flag(
        "cancer",
        "conditions",
        _condition("ICD-10-CM C61", "resolved", onsetDateTime="2010-01-01", abatementDateTime="2011-01-01"),
    ),
    "fever": Flag("infection", "conditions", _condition("ICD-10-CM R50.9", onsetDateTime="2026-02-25")),
    "bacteraemia of the past": Flag(
        "infection",
        "conditions",
        _condition("ICD-10-CM R78.81", "resolved", abatementPeriod={"start": "2026-02-01", "end": "2026-02-20"}),
    ),
    "weight loss": Flag(
        "unexplained-weight-loss",
        "conditions",
        _condition("ICD-10-CM R63.4", onsetPeriod={"start": "2026-01-05"}, recordedDate="2026-01-07"),
    ),
    "osteoporosis": Flag("osteoporosis", "conditions", _condition("SNOMED 64859006", onsetAge={"value": 40, **DAYS})),
    "temperature": Flag("infection", "observations", _observation("LOINC 8310-5", 39.2, "Cel")),
    "temperature in a panel": Flag("infection", "observations", {**PANEL, **SIGNS, "component": [WARM]}),
    "temperature within a component": Flag(
        "infection", "observations", {**PANEL, **SIGNS, "component": [{**SIGNS, "component": [WARM]}]}
    ),
    "T-score": Flag("osteoporosis", "bone-density", _observation("LOINC 38267-1", -3.1, "{T-score}")),
    "steroids by supply": Flag("chronic-steroid-use", "medications", _prescription(**SUPPLY)),
    "steroids by three supplies": Flag(
        "chronic-steroid-use",
        "medications",
        _prescription(dispenseRequest={"expectedSupplyDuration": {"value": 40, **DAYS}, "numberOfRepeatsAllowed": 2}),
    ),
    "steroids by bounds": Flag(
        "chronic-steroid-use", "medications", _prescription(**_dosage(boundsDuration={"value": 120, **DAYS}))
    ),
    "steroids by period": Flag(
        "chronic-steroid-use",
        "medications",
        _prescription(**_dosage(boundsPeriod={"start": "2025-11-02", "end": "2026-02-20"})),
    ),
    "steroids in a contained drug": Flag(
        "chronic-steroid-use",
        "medications",
        _prescription(
            "active",
            contained=[{"resourceType": "Medication", "id": "drug", "code": concept("RxNorm 198145")}],
            medicationReference={"reference": "#drug"},
        ),
    ),
    "steroids among the ingredients of a drug": Flag(
        "chronic-steroid-use",
        "medications",
        _prescription(
            "active",
            contained=[
                {
                    "resourceType": "Medication",
                    "id": "drug",
                    "code": concept("local 4711"),
                    "ingredient": [{"itemCodeableConcept": concept("RxNorm 8640")}],
                }
            ],
            medicationReference={"reference": "#drug"},
        ),
    ),
    "steroids as stated": Flag(
        "chronic-steroid-use",
        "medications",
        {
            "resourceType": "MedicationStatement",
            "status": "completed",
            "medicationCodeableConcept": concept("RxNorm 198145"),
            "effectivePeriod": {"start": "2025-09-01", "end": "2026-02-01"},
        },
    ),
    "tacrolimus": Flag("immunosuppression", "medications", _prescription("active", "RxNorm 198377")),
    "transplantation": Flag(
        "immunosuppression",
        "procedures",
        _procedure("SNOMED 14681002", performedPeriod={"start": "2012-05-01", "end": "2012-05-02"}),
    ),
    "lumbar surgery": Flag(
        "prior-lumbar-surgery", "procedures", _procedure("CPT 22612", performedDateTime="2019-05-01")
    ),
    "age": Flag("elderly", "patient", {"birthDate": "1950-05-10"}),
    "retention as a reason": Flag("cauda-equina", on_order={"reasonCode": concept("ICD-10-CM R33.9")}),
    "retention by the second code of a reason": Flag(
        "cauda-equina", on_order={"reasonCode": concept(["ICD-10-CM Z00.00", "SNOMED 267064002"])}
    ),
    "retention as a Condition": Flag(
        "cauda-equina", "conditions", RETENTION, {"reasonReference": {"reference": "Condition/flag"}}
    ),
    "retention as a contained Condition": Flag(
        "cauda-equina",
        on_order={"contained": {**RETENTION, "id": "flag"}, "reasonReference": {"reference": "#flag"}},
    ),
}
ODD = [None, "", "Oddity", 7, True, 1e308, [], {}, [None], "2026-13-45"]


def _odd_for(value: Any) -> Iterator[Any]:
    """Values that are odd in place of this one: its like in another type, in a list, or out of it."""
    yield from (odd for odd in ODD if odd is not value)
    yield [value]
    yield {"value": value}
    if isinstance(value, list) and len(value) == 1:
        yield value[0]
    if isinstance(value, str) and value.isdigit():
        yield int(value)
    if isinstance(value, float | int) and not isinstance(value, bool):
        yield f"about {value}"


def _places(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    yield path, value
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inner:
        yield from _places(each, (*path, name))


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def _replaced(value: Any, path: Path, odd: Any) -> Any:
    """A copy, as far as it differs, with ``odd`` at the end of ``path``."""
    if not path:
        return odd
    inner = _replaced(value[path[0]], path[1:], odd)
    if isinstance(value, dict):
        return {**value, path[0]: inner}
    return [inner if number == path[0] else each for number, each in enumerate(value)]


def _takes_back(path: Path, value: Any, odd: Any) -> bool:
    """Whether the odd value is no odd way to say it, but says something else, or takes the statement back."""
    empty = odd in (None, "", [], {})
    number = isinstance(odd, float | int) and not isinstance(odd, bool | None)
    match path[-1]:
        case "numberOfRepeatsAllowed":
            return empty or number  # 60 days without a repeat are 60 days
        case "doNotPerform":
            return odd is True
        case "value":
            return number and not isinstance(value, dict)  # another length, another measurement
        case "valueQuantity":
            return odd is None  # nothing was measured
        case "component":
            return empty or odd == [None]
        case 0 if path[-2] == "component":
            return empty and odd != []
        case "system" if path[-2] == 1:
            return odd is None or isinstance(odd, str)  # a local code beside one that is known is passed over
        case "code" if path[-2] == 1:
            return odd is None  # so is a coding without a code
        case 1 if path[-2] == "coding":
            return odd is None or isinstance(odd, dict)  # and one with neither
        case int() if path[-2] == "reasonCode":
            return odd is None or odd == {}  # an empty reason is none
    return False


def _is_missed(appraisal: Appraisal, flag: Flag) -> bool:
    """Whether the red flag counts as absent, or the order is rated as if it were."""
    absent = appraisal.findings[ConceptId(flag.concept)].presence is Presence.ABSENT
    if absent and flag.key in ("observations", "bone-density"):
        # Silence does not need them, and the card says when they were not seen.
        return PrefetchKey(flag.key) not in appraisal.reading.missing_keys
    return absent or appraisal.verdict == Rated(LOWEST)


@pytest.fixture(scope="module")
def judge(knowledge: Knowledge) -> Judge:
    return Judge(knowledge, Settings())


def _appraisal(judge: Judge, request: Json) -> Appraisal:
    (found,) = judge.judge(parse_request(json.dumps(request).encode(), "order-select"), AS_OF).appraisals
    assert isinstance(found, Appraisal)
    return found


@pytest.mark.parametrize("flag", FLAGS.values(), ids=FLAGS)
def test_a_red_flag_that_is_written_oddly_is_not_absent(judge: Judge, flag: Flag) -> None:
    """Whatever stands in place of any value of a red flag, it stays present or open, and no rating passes over it."""
    request, roots = flag.request()
    assert _appraisal(judge, request).findings[ConceptId(flag.concept)].presence is Presence.PRESENT
    missed = [
        (path, odd)
        for root in roots
        for path, value in _places(_at(request, root), root)
        for odd in _odd_for(value)
        if not _takes_back(path, value, odd) and _is_missed(_appraisal(judge, _replaced(request, path, odd)), flag)
    ]
    assert missed == []


@pytest.mark.parametrize("repeats", [True, -2])
def test_a_number_of_repeats_that_is_none_leaves_the_length_of_a_course_open(judge: Judge, repeats: Any) -> None:
    """Neither true nor a negative number says how often thirty days of prednisone were supplied."""
    supply = {"expectedSupplyDuration": {"value": 30, **DAYS}, "numberOfRepeatsAllowed": repeats}
    request, _ = Flag("chronic-steroid-use", "medications", _prescription(dispenseRequest=supply)).request()
    found = _appraisal(judge, request).findings[ConceptId("chronic-steroid-use")]
    assert found.presence is Presence.UNKNOWN


@pytest.mark.parametrize("comparator", ["\u2265", "x", "ad"])
def test_a_comparator_that_cannot_be_read_leaves_the_measurement_open(judge: Judge, comparator: str) -> None:
    """37 degrees with a sign before it that nobody knows is not 37 degrees."""
    observation = _observation("LOINC 8310-5", 37, "Cel")
    observation["valueQuantity"]["comparator"] = comparator
    request, _ = Flag("infection", "observations", observation).request()
    assert _appraisal(judge, request).findings[ConceptId("infection")].presence is Presence.UNKNOWN


@pytest.mark.parametrize("kind", ["Conditions", "CONDITION"])
def test_a_type_that_is_not_known_opens_the_clients_own_key_too(judge: Judge, kind: str) -> None:
    """A misspelt Condition among Conditions under a key of another name is not passed over."""
    flag = FLAGS["cancer"]
    request, _ = Flag(flag.concept, flag.key, {**flag.resource, "resourceType": kind}).request()
    request["prefetch"]["item1"] = request["prefetch"].pop("conditions")
    assert not _is_missed(_appraisal(judge, request), flag)


@pytest.mark.parametrize("info", ["Condition/flag", {"reference": 7}, {"reference": ["Condition/flag"]}])
def test_supporting_info_of_no_shape_is_a_reason_not_read(judge: Judge, info: Any) -> None:
    """What stands in place of a reference may have pointed to a red flag."""
    flag = Flag("cauda-equina", "conditions", RETENTION, {"supportingInfo": info})
    request, _ = flag.request()
    assert not _is_missed(_appraisal(judge, request), flag)
