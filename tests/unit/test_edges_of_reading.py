"""Where a reading turns: at the edge of a threshold, at the end of a course, between one resource and its double."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cds_service import drugs, entries
from cds_service.envelope import parse_request
from cds_service.judging import Judge
from cds_service.raw_resources import with_ingredients
from knowledge.findings import ConceptId, PrefetchKey
from knowledge.orders import OrderCodes
from tests.cases_as_fhir import AS_OF, SYSTEMS, concept, request_for
from tests.judging import appraisal_of, judged_of, only_order, presence_of

Json = dict[str, Any]

LBP = "ICD-10-CM M54.50"
PREDNISONE = concept("RxNorm 198145")
DAYS = {"code": "d"}
SUBJECT = {"reference": "Patient/p1"}


def _request(key: str | None = None, *resources: Json) -> Json:
    """Ten days of low back pain, a lumbar MRI, a chart delivered in full; with these resources under ``key``."""
    pain = {"code": LBP, "onset": "2026-02-20"}
    told = {
        "order": {"code": "CPT 72148", "reasons": [LBP]},
        "chart": {"birth_date": "1981-05-10", "conditions": [pain]},
    }
    request = request_for(told)
    if key is not None:
        for resource in resources:
            request["prefetch"][key]["entry"].append({"resource": {"id": "x", "subject": SUBJECT, **resource}})
    return request


def _observation(code: str, quantity: Json) -> Json:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": concept(code),
        "effectiveDateTime": "2026-03-01",
        "valueQuantity": quantity,
    }


def _prescription(**more: Any) -> Json:
    base = {"resourceType": "MedicationRequest", "status": "completed", "intent": "order", "authoredOn": "2025-08-01"}
    return {**base, "medicationCodeableConcept": PREDNISONE, **more}


TEMPERATURE = ("LOINC 8310-5", "Cel", "infection")
T_SCORE = ("LOINC 38267-1", "{T-score}", "osteoporosis")
FILTRATION = ("LOINC 98979-8", "mL/min/{1.73_m2}", "contrast-caution")


@pytest.mark.parametrize(
    ("measured", "comparator", "value", "presence"),
    [
        (TEMPERATURE, "<", 38, "absent"),
        (TEMPERATURE, "<", 37.5, "absent"),
        (TEMPERATURE, "<", 39, "unknown"),
        (TEMPERATURE, "<=", 38, "unknown"),
        (TEMPERATURE, "<=", 37.9, "absent"),
        (TEMPERATURE, ">=", 38, "present"),
        (TEMPERATURE, ">=", 37.9, "unknown"),
        (TEMPERATURE, ">", 38, "present"),
        (TEMPERATURE, ">", 37, "unknown"),
        (T_SCORE, "<", -2.5, "present"),
        (T_SCORE, "<=", -2.5, "present"),
        (T_SCORE, "<", -2.4, "unknown"),
        (T_SCORE, "<=", -2.4, "unknown"),
        (T_SCORE, ">", -2.5, "absent"),
        (T_SCORE, ">=", -2.5, "unknown"),
        (T_SCORE, ">", -2.6, "unknown"),
        (T_SCORE, ">=", -2.4, "absent"),
        (FILTRATION, None, 30, "absent"),
        (FILTRATION, None, 29.9, "present"),
        (FILTRATION, "<", 30, "present"),
        (FILTRATION, "<=", 30, "unknown"),
        (FILTRATION, "<=", 29, "present"),
        (FILTRATION, "<", 31, "unknown"),
        (FILTRATION, ">=", 30, "absent"),
        (FILTRATION, ">", 30, "absent"),
        (FILTRATION, ">", 29, "unknown"),
    ],
)
def test_a_comparator_is_held_against_the_edge_of_the_threshold(
    judge: Judge, measured: tuple[str, str, str], comparator: str | None, value: float, presence: str
) -> None:
    """Below 38 is no fever and at least 38 is one; what lies on both sides of a threshold leaves it open."""
    code, unit, concept_id = measured
    quantity = {"value": value, "unit": unit, **({"comparator": comparator} if comparator else {})}
    assert presence_of(judge, _request("observations", _observation(code, quantity)), concept_id) == presence


@pytest.mark.parametrize(
    ("shortest", "longest", "presence"),
    [(90, 120, "present"), (89, 90, "unknown"), (30, 89, "absent")],
)
def test_a_range_of_lengths_is_sure_of_its_shortest_alone(
    judge: Judge, shortest: int, longest: int, presence: str
) -> None:
    """A course of 89 to 90 days may be ninety days of steroids, one of 90 to 120 days is."""
    bounds = {"low": {"value": shortest, **DAYS}, "high": {"value": longest, **DAYS}}
    dosage = [{"timing": {"repeat": {"boundsRange": bounds}}}]
    request = _request("medications", _prescription(dosageInstruction=dosage))
    assert presence_of(judge, request, "chronic-steroid-use") == presence


@pytest.mark.parametrize(
    ("first", "second", "presence"), [(60, 40, "unknown"), (40, 95, "present"), (40, 40, "absent")]
)
def test_two_instructions_run_together_or_one_after_the_other(
    judge: Judge, first: int, second: int, presence: str
) -> None:
    """Two lengths in one prescription last at least as long as the longer, and at most as long as both."""
    dosages = [
        {"timing": {"repeat": {"boundsDuration": {"value": days, **DAYS}}}, "sequence": number}
        for number, days in enumerate((first, second), 1)
    ]
    request = _request("medications", _prescription(dosageInstruction=dosages))
    assert presence_of(judge, request, "chronic-steroid-use") == presence


LOCAL_ROUTES = ("6064005", "46713006", "54485002", "447694001", "10547007", "12130007", "37161004")
SYSTEMIC_ROUTES = ("26643006", "47625008", "78421000", "34206005")
HYDROCORTISONE, CYCLOSPORINE = "RxNorm 5492", "RxNorm 3008"
NOSE = {"route": concept("SNOMED 46713006")}
V3 = "http://terminology.hl7.org/CodeSystem/v3-RouteOfAdministration"


def _dosed(drug: str, *dosages: Any, **more: Any) -> Json:
    """A drug that is taken now, for 120 days."""
    length = {"dispenseRequest": {"expectedSupplyDuration": {"value": 120, **DAYS}}}
    told = {"medicationCodeableConcept": concept(drug), "authoredOn": "2025-10-01", "status": "active", **length}
    return _prescription(**told, dosageInstruction=list(dosages), **more)


@pytest.mark.parametrize(
    ("routes", "steroids", "immunosuppression"),
    [(LOCAL_ROUTES, "absent", "unknown"), (SYSTEMIC_ROUTES, "present", "present")],
)
def test_each_route_is_known_as_local_or_as_systemic(
    judge: Judge, routes: tuple[str, ...], steroids: str, immunosuppression: str
) -> None:
    """By a local route hydrocortisone is no steroid use and cyclosporine may be none; by mouth or injected both are."""
    for route in routes:
        dosage = {"route": concept(f"SNOMED {route}")}
        told = _request("medications", _dosed(HYDROCORTISONE, dosage))
        assert presence_of(judge, told, "chronic-steroid-use") == steroids, route
        told = _request("medications", _dosed(CYCLOSPORINE, dosage))
        assert presence_of(judge, told, "immunosuppression") == immunosuppression, route


@pytest.mark.parametrize(
    "other",
    [
        {"route": concept("SNOMED 37839007")},
        {"route": {"coding": [{"system": V3, "code": "PO"}], "text": "Oral"}},
        {"route": {"text": "Oral"}},
        {"route": {"coding": [{"system": SYSTEMS["SNOMED"], "code": 26643006}]}},
        {"route": {"coding": "oral"}},
        {"route": {**concept("SNOMED 54485002"), "modifierExtension": [{"url": "urn:x"}]}},
        {**NOSE, "modifierExtension": [{"url": "urn:x"}]},
        {"text": "one capsule by mouth"},
    ],
)
def test_a_drug_is_local_only_where_every_dosage_of_it_is(judge: Judge, other: Json) -> None:
    """Into the nose, and by a route that is not read or not told: it may be systemic."""
    told = _request("medications", _dosed(HYDROCORTISONE, NOSE, other))
    assert presence_of(judge, told, "chronic-steroid-use") == "unknown"
    told = _request("medications", _dosed(CYCLOSPORINE, NOSE, other))
    assert presence_of(judge, told, "immunosuppression") == "present"
    statement = {
        "resourceType": "MedicationStatement",
        "status": "active",
        "medicationCodeableConcept": concept(CYCLOSPORINE),
        "effectiveDateTime": "2026-02-01",
        "dosage": [NOSE, other],
    }
    assert presence_of(judge, _request("medications", statement), "immunosuppression") == "present"
    statement["dosage"] = [NOSE, NOSE]
    assert presence_of(judge, _request("medications", statement), "immunosuppression") == "unknown"


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("MedicationDispense", {"authorizingPrescription": [{"reference": "MedicationRequest/rx"}]}),
        ("MedicationAdministration", {"request": {"reference": "MedicationRequest/rx"}}),
    ],
)
def test_a_prescription_tells_of_what_is_given_by_its_own_routes(judge: Judge, kind: str, how: Json) -> None:
    """A steroid that was prescribed for the nose and given by mouth leaves steroid use open."""
    for route, presence in (("46713006", "absent"), ("26643006", "unknown")):
        dosage = {"route": concept(f"SNOMED {route}")}
        told = {"dosageInstruction": [dosage]} if kind == "MedicationDispense" else {"dosage": dosage}
        given = {"resourceType": kind, "status": "completed", "medicationCodeableConcept": concept(HYDROCORTISONE)}
        request = _request("medications", _dosed(HYDROCORTISONE, NOSE, id="rx"), {**given, **how, **told})
        assert presence_of(judge, request, "chronic-steroid-use") == presence


@pytest.mark.parametrize(
    ("kind", "drug", "told", "presence"),
    [
        ("MedicationDispense", HYDROCORTISONE, {"dosageInstruction": [NOSE]}, "absent"),
        ("MedicationDispense", HYDROCORTISONE, {"dosageInstruction": [NOSE, {"text": "by mouth"}]}, "unknown"),
        ("MedicationDispense", HYDROCORTISONE, {}, "unknown"),
        ("MedicationDispense", "RxNorm 1085728", {}, "absent"),
        ("MedicationDispense", "RxNorm 198145", {"dosageInstruction": [NOSE]}, "unknown"),
        ("MedicationAdministration", HYDROCORTISONE, {"dosage": NOSE}, "absent"),
        ("MedicationAdministration", HYDROCORTISONE, {"dosage": {}}, "unknown"),
        ("MedicationAdministration", "RxNorm 1085728", {}, "absent"),
    ],
)
def test_a_drug_of_which_else_nothing_is_read_is_left_open_unless_it_is_local(
    judge: Judge, kind: str, drug: str, told: Json, presence: str
) -> None:
    """Given out or administered it may be steroid use where it is not local."""
    given = {"resourceType": kind, "status": "completed", "medicationCodeableConcept": concept(drug), **told}
    assert presence_of(judge, _request("medications", given), "chronic-steroid-use") == presence


def test_a_drug_that_was_given_locally_is_said_to_be(judge: Judge) -> None:
    """What is not counted because of its route, or of its form, is said to be so, and what is too long ago is too."""
    for drug, dosage in ((HYDROCORTISONE, NOSE), ("RxNorm 1085728", {"text": "a thin layer"})):
        told = appraisal_of(judge, _request("medications", _dosed(drug, dosage)))
        (passed,) = told.findings[ConceptId("chronic-steroid-use")].passed_over
        assert passed.how == "given locally"
    drops = _prescription(medicationCodeableConcept=concept(CYCLOSPORINE), authoredOn="2025-06-10")
    told = appraisal_of(judge, _request("medications", {**drops, "dosageInstruction": [NOSE]}))
    (passed,) = told.findings[ConceptId("immunosuppression")].passed_over
    assert passed.how == "too short or too long ago"


def test_a_drug_by_two_routes_is_systemic_where_one_of_them_is(judge: Judge) -> None:
    """Hydrocortisone on the skin and by mouth is taken by mouth; on the skin alone it is not systemic."""
    skin, mouth = concept("SNOMED 6064005"), concept("SNOMED 26643006")
    drug = _prescription(
        medicationCodeableConcept=concept("RxNorm 5492"),
        dispenseRequest={"expectedSupplyDuration": {"value": 120, **DAYS}},
    )
    for routes, presence in (([skin, mouth], "present"), ([skin], "absent")):
        dosed = {**drug, "dosageInstruction": [{"route": route} for route in routes]}
        assert presence_of(judge, _request("medications", dosed), "chronic-steroid-use") == presence


@pytest.mark.parametrize(
    ("element", "presence"),
    [
        ({"abatementString": "before Christmas"}, "absent"),
        ({"abatementBoolean": True}, "absent"),
        ({"abatementBoolean": False}, "present"),
        ({}, "present"),
    ],
)
def test_an_abatement_without_a_date_is_an_abatement(judge: Judge, element: Json, presence: str) -> None:
    """Weight loss that is said to be over does not count, whether anyone wrote when; abated: false is current."""
    loss = {"resourceType": "Condition", "code": concept("ICD-10-CM R63.4"), "onsetDateTime": "2026-02-01", **element}
    assert presence_of(judge, _request("conditions", loss), "unexplained-weight-loss") == presence


@pytest.mark.parametrize("where", ["contained", "prefetched"])
def test_a_modifier_extension_on_the_drug_itself_leaves_its_prescription_unread(judge: Judge, where: str) -> None:
    """A Medication whose meaning an extension changes does not say that there is no steroid, nor that there is one."""
    drug = {"resourceType": "Medication", "id": "drug", "code": PREDNISONE}
    odd = {**drug, "modifierExtension": [{"url": "http://example.org/not", "valueBoolean": True}]}
    supply = {"dispenseRequest": {"expectedSupplyDuration": {"value": 120, **DAYS}}}
    for medication, presence in ((drug, "present"), (odd, "unknown")):
        reference = {"reference": "#drug" if where == "contained" else "Medication/drug"}
        prescription = _prescription(medicationReference=reference, **supply)
        del prescription["medicationCodeableConcept"]
        if where == "contained":
            prescription["contained"] = [medication]
        request = _request("medications", prescription)
        if where == "prefetched":
            request["prefetch"]["medications"]["entry"].append({"resource": medication})
        assert presence_of(judge, request, "chronic-steroid-use") == presence


HARMLESS = concept("RxNorm 314076")
LOCAL = concept("local 4711")


def _prescribed(drug: Json, *contained: Json) -> Json:
    """A request with 120 days of a drug that is contained in its prescription."""
    supply = {"dispenseRequest": {"expectedSupplyDuration": {"value": 120, **DAYS}}}
    prescription = _prescription(medicationReference={"reference": "#drug"}, **supply)
    del prescription["medicationCodeableConcept"]
    prescription["contained"] = [{"resourceType": "Medication", "id": "drug", **drug}, *contained]
    return _request("medications", prescription)


@pytest.mark.parametrize(
    ("code", "ingredient", "presence"),
    [
        (HARMLESS, None, "absent"),
        (HARMLESS, [{"itemCodeableConcept": HARMLESS}], "absent"),
        (LOCAL, [{"itemCodeableConcept": HARMLESS}], "unknown"),
        (HARMLESS, [{"itemCodeableConcept": HARMLESS}, {"itemCodeableConcept": PREDNISONE}], "absent"),
        (LOCAL, [{"itemCodeableConcept": HARMLESS}, {"itemCodeableConcept": PREDNISONE}], "present"),
        (LOCAL, [{"itemCodeableConcept": HARMLESS}, {"itemCodeableConcept": PREDNISONE, "isActive": False}], "unknown"),
        (LOCAL, [None, {"itemCodeableConcept": PREDNISONE}], "present"),
        (None, [{"itemCodeableConcept": PREDNISONE}], "present"),
        ({"text": "a tablet"}, [{"itemCodeableConcept": PREDNISONE}], "present"),
        ("a tablet", [{"itemCodeableConcept": PREDNISONE}], "unknown"),
        ({"coding": "a tablet"}, [{"itemCodeableConcept": PREDNISONE}], "unknown"),
        (LOCAL, {"itemCodeableConcept": PREDNISONE}, "present"),
        (LOCAL, [{"itemReference": {"reference": "#substance"}}], "present"),
        (LOCAL, [{"itemReference": {"reference": "#lost"}}], "unknown"),
        (LOCAL, [{"itemReference": {"reference": "#drug"}}], "unknown"),
        (None, [{"itemCodeableConcept": PREDNISONE, "modifierExtension": [{"url": "http://x"}]}], "unknown"),
        (None, [{"itemCodeableConcept": PREDNISONE}] * 201, "unknown"),
        (None, [{"itemCodeableConcept": {"coding": PREDNISONE["coding"] * 201}}], "unknown"),
        (concept("RxNorm 1085728"), [{"itemCodeableConcept": concept("RxNorm 10759")}], "absent"),
    ],
)
def test_a_drug_is_what_it_is_made_of(judge: Judge, code: Any, ingredient: Any, presence: str) -> None:
    """Prednisone among the ingredients of a tablet is prednisone, unless RxNorm says itself what the product is."""
    substance = {"resourceType": "Substance", "id": "substance", "code": PREDNISONE}
    drug = {name: value for name, value in (("code", code), ("ingredient", ingredient)) if value is not None}
    assert presence_of(judge, _prescribed(drug, substance), "chronic-steroid-use") == presence


def test_an_ingredient_is_looked_for_where_its_drug_stands(judge: Judge) -> None:
    """A substance within a Medication of its own is not looked for in the prescription that names the Medication."""
    substance = {"resourceType": "Substance", "id": "s"}
    made_of = {"ingredient": [{"itemReference": {"reference": "#s"}}], "code": LOCAL}
    drug = {"resourceType": "Medication", "id": "d", **made_of, "contained": [{**substance, "code": PREDNISONE}]}
    prescription = _prescription(status="active", medicationReference={"reference": "Medication/d"})
    del prescription["medicationCodeableConcept"]
    request = _request("medications", {**prescription, "contained": [{**substance, "code": HARMLESS}]})
    request["prefetch"]["medications"]["entry"].append({"resource": drug})
    assert presence_of(judge, request, "chronic-steroid-use") == "present"


@pytest.mark.parametrize("kind", ["Substance", "MedicationKnowledge", "Condition", None])
def test_a_drug_that_is_no_medication_is_not_read(judge: Judge, kind: str | None) -> None:
    """A reference to something else says neither that a drug is taken nor that none is."""
    for code in (HARMLESS, PREDNISONE):
        request = _prescribed({"resourceType": kind, "code": code})
        assert presence_of(judge, request, "chronic-steroid-use") == "unknown"


@pytest.mark.parametrize(
    ("key", "kind", "complete"),
    [
        ("conditions", "Encounter", False),
        ("conditions", "Observation", False),
        ("medications", "Condition", False),
        ("bone-density", "Observation", True),
        ("bone-density", "Condition", False),
        ("procedures", "Procedure", True),
    ],
)
def test_a_resource_of_another_type_in_the_place_of_a_key_is_not_its_answer(
    judge: Judge, key: str, kind: str, complete: bool
) -> None:
    """What stands alone under a key answers it only where it is what the key asks for."""
    request = _request()
    fine = {"status": "final" if kind == "Observation" else "completed", "code": concept("SNOMED 38341003")}
    request["prefetch"][key] = {"resourceType": kind, "id": "x", "subject": SUBJECT, **fine}
    assert (PrefetchKey(key) in judged_of(judge, request).chart.delivered) is complete


@pytest.mark.parametrize(("status", "seen"), [("completed", 1), ("in-progress", 0)])
def test_a_study_under_way_is_no_earlier_study(judge: Judge, status: str, seen: int) -> None:
    """A radiograph that is being taken has not been seen by anybody; one that was completed is earlier imaging."""
    study = {"resourceType": "Procedure", "status": status, "code": concept("CPT 72100")}
    request = _request("procedures", {**study, "performedDateTime": "2026-02-25"})
    assert len(appraisal_of(judge, request).reading.earlier_imaging) == seen


RESOLVED = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "resolved"}]}


@pytest.mark.parametrize(
    ("dates", "presence"),
    [
        ({}, "present"),
        ({"onsetDateTime": "2025-05-20", "abatementDateTime": "2025-06-01"}, "absent"),
        ({"onsetDateTime": "2026-02-20", "abatementDateTime": "2026-02-24"}, "present"),
    ],
)
def test_a_contained_reason_is_dated_as_of_its_order_only_without_a_date_of_its_own(
    judge: Judge, dates: Json, presence: str
) -> None:
    """A fever that was over last summer is none for being carried inside the order; an undated one is the order's."""
    request = _request()
    fever = {"resourceType": "Condition", "id": "r", "code": concept("ICD-10-CM R50.9"), "clinicalStatus": RESOLVED}
    only_order(request).update(contained=[{**fever, **dates}], reasonReference=[{"reference": "#r"}])
    assert presence_of(judge, request, "infection") == presence


def test_two_conditions_of_one_id_are_both_read(judge: Judge) -> None:
    """A reason that bears the id of another diagnosis does not put that diagnosis out."""
    pain = {"resourceType": "Condition", "id": "twice", "code": concept(LBP), "onsetDateTime": "2026-02-20"}
    request = _request("conditions", pain, {**pain, "code": concept("ICD-10-CM C61")})
    del only_order(request)["reasonCode"]
    only_order(request)["reasonReference"] = [{"reference": "Condition/twice"}]
    assert presence_of(judge, request, "low-back-pain") == "present"
    assert presence_of(judge, request, "cancer") == "present"


def test_an_order_that_is_sent_twice_is_judged_once(judge: Judge) -> None:
    """Two drafts of one id get one appraisal, and one card."""
    request = _request()
    request["context"]["draftOrders"]["entry"] *= 2
    judged = judged_of(judge, request)
    assert (len(judged.appraisals), len(judged.cards)) == (1, 1)


def test_nobody_is_younger_than_nothing(judge: Judge) -> None:
    """Someone born some day of this year is not yet one, however much of the year is left."""
    request = _request()
    request["prefetch"]["patient"]["birthDate"] = "2026"
    appraisal = appraisal_of(judge, request)
    assert [each.label for each in appraisal.findings[ConceptId("elderly")].evidence] == ["age 0 years"]
    assert appraisal.reading.is_child


def test_what_parts_of_studies_cost_grows_with_the_square_of_their_number(
    judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of forty studies and forty parts each is held against each other once, and not once more for each study."""
    asked = []
    told = OrderCodes.is_component_beside

    def counting(*arguments: Any) -> bool:
        asked.append(arguments)
        return told(*arguments)

    monkeypatch.setattr(OrderCodes, "is_component_beside", counting)
    request = _request()
    order = only_order(request)
    codes = ["72132"] * 40 + ["72265"] * 40
    request["context"]["draftOrders"]["entry"] = [
        {"resource": {**order, "id": f"o{number}", "code": concept(f"CPT {code}")}} for number, code in enumerate(codes)
    ]
    judged_of(judge, {**request, "context": {**request["context"], "selections": ["ServiceRequest/o0"]}})
    assert 40 * 40 <= len(asked) <= 80 * 80


@pytest.mark.parametrize("clinical", [None, "active", "resolved"])
@pytest.mark.parametrize(
    ("onset", "end", "presence"),
    [
        ("2026-02-20", "2026-02-24", "present"),
        ("2026-02-20", "2025-02-24", "present"),
        ("2026-02-20", "2026-02-19", "present"),
        ("2026-12-20", "2026-02-24", "present"),
        ("2026-12-20", "2025-12-24", "unknown"),
    ],
)
def test_an_end_before_its_onset_ends_nothing(
    judge: Judge, clinical: str | None, onset: str, end: str, presence: str
) -> None:
    """A fever that was over before it began may go on, and one that is to begin after it was told of may have begun."""
    fever = {"resourceType": "Condition", "code": concept("ICD-10-CM R50.9")}
    dates = {"onsetDateTime": onset, "abatementDateTime": end, "recordedDate": "2020-01-01"}
    status = {"clinicalStatus": {"coding": [{"code": clinical}]}} if clinical else {}
    assert presence_of(judge, _request("conditions", {**fever, **dates, **status}), "infection") == presence


LONG_AGO = {"start": "2024-03-01", "end": "2024-03-20"}
REVERSED = {"start": "2026-01-20", "end": "2024-01-10"}
TOO_LONG_AGO = {"start": "2024-03-20", "end": "2024-03-01"}


@pytest.mark.parametrize(
    ("kind", "dates", "presence"),
    [
        ("MedicationStatement", {"effectivePeriod": LONG_AGO}, "absent"),
        ("MedicationStatement", {"effectivePeriod": REVERSED}, "unknown"),
        ("MedicationStatement", {"effectivePeriod": TOO_LONG_AGO}, "unknown"),
        ("MedicationStatement", {"effectivePeriod": TOO_LONG_AGO, "dateAsserted": "2024-04-01"}, "absent"),
        ("MedicationStatement", {"effectiveDateTime": "2024-03-01", "effectivePeriod": REVERSED}, "unknown"),
        ("MedicationAdministration", {"effectivePeriod": LONG_AGO}, "absent"),
        ("MedicationAdministration", {"effectivePeriod": {"end": "2024-03-20"}}, "absent"),
        ("MedicationAdministration", {"effectivePeriod": {"start": "soon", "end": "2024-03-20"}}, "unknown"),
        ("MedicationAdministration", {"effectivePeriod": REVERSED}, "unknown"),
        ("MedicationAdministration", {"effectivePeriod": {"start": "2026-02-01", "end": "2026-04-01"}}, "unknown"),
        ("MedicationAdministration", {"effectiveDateTime": "2024-03-01", "effectivePeriod": LONG_AGO}, "absent"),
        (
            "MedicationAdministration",
            {"effectiveDateTime": "2024-03-01", "effectivePeriod": {"start": "2024-03-01", "end": "2026-02-01"}},
            "unknown",
        ),
        ("MedicationDispense", {"whenHandedOver": "2026-02-20", "daysSupply": {"value": 90, "code": "d"}}, "unknown"),
        ("MedicationDispense", {"whenHandedOver": "9999-12-01", "daysSupply": {"value": 90, "code": "d"}}, "absent"),
    ],
)
def test_a_drug_whose_dates_contradict_each_other_is_not_over(
    judge: Judge, kind: str, dates: Json, presence: str
) -> None:
    """Prednisone that ended before it began may be taken today; what was given for days to come was given."""
    drug = {"resourceType": kind, "status": "completed", "medicationCodeableConcept": PREDNISONE, **dates}
    request = _request("medications", drug)
    assert presence_of(judge, request, "chronic-steroid-use") == presence


@pytest.mark.parametrize(("bounds", "presence"), [(LONG_AGO, "absent"), (REVERSED, "unknown")])
def test_a_dosage_that_ends_before_it_starts_dates_no_prescription(judge: Judge, bounds: Json, presence: str) -> None:
    """A prescription of two years ago with bounds that lie the wrong way round may reach into this year."""
    dosage = [{"timing": {"repeat": {"boundsPeriod": bounds}}}]
    request = _request("medications", _prescription(authoredOn="2024-03-01", dosageInstruction=dosage))
    assert presence_of(judge, request, "chronic-steroid-use") == presence


@pytest.mark.parametrize(
    ("times", "presence"),
    [
        ({"effectiveDateTime": "2025-12-01"}, "absent"),
        ({"effectiveDateTime": "2026-03-01", "effectiveInstant": "2026-02-27T23:30:00Z"}, "present"),
        ({"effectiveDateTime": "2025-12-01", "effectiveInstant": "2026-03-01T23:30:00Z"}, "unknown"),
        ({"effectiveDateTime": "2025-12-01", "effectiveInstant": "2025-12-03T23:30:00Z"}, "absent"),
        ({"effectiveDateTime": "2025-12-01", "effectiveInstant": "yesterday"}, "unknown"),
        ({"effectiveDateTime": "2025-12-01", "effectiveInstant": ""}, "absent"),
        ({"effectiveDateTime": "2025-12-01", "effectivePeriod": {}}, "absent"),
        ({"effectiveDateTime": "2025-12-01", "effectivePeriod": {"start": "2026-02-28"}}, "unknown"),
        (
            {"effectiveDateTime": "2026-03-01", "effectivePeriod": {"start": "2026-02-28", "end": "2026-03-01"}},
            "present",
        ),
        (
            {"effectiveDateTime": "2025-12-01", "effectivePeriod": {"start": "2026-02-28", "end": "2026-03-01"}},
            "unknown",
        ),
        ({"effectiveDateTime": "2025-12-01", "effectiveTiming": {"event": ["2026-03-01"]}}, "unknown"),
        ({"effectiveDateTime": "2025-12-01", "effectiveInstant": "2026-03-01T08:00:00Z", "status": "odd"}, "unknown"),
    ],
)
def test_of_two_times_of_a_measurement_either_may_be_meant(judge: Judge, times: Json, presence: str) -> None:
    """A temperature of last year that is of yesterday too may be of either day, and of any between them."""
    fever = _observation("LOINC 8310-5", {"value": 39.2, "code": "Cel", "unit": "Cel"})
    del fever["effectiveDateTime"]
    assert presence_of(judge, _request("observations", {**fever, **times}), "infection") == presence


@pytest.mark.parametrize(
    ("dates", "presence"),
    [
        ({"onsetDateTime": "2062-01-01", "recordedDate": "2020-01-01"}, "present"),
        ({"onsetDateTime": "2062-01-01", "recordedDate": "2020-01-01", "abatementDateTime": "2062-02-01"}, "present"),
        ({"onsetPeriod": {"start": "2062-01-01", "end": "2020-02-01"}}, "present"),
        ({"onsetAge": {"value": 60, "code": "a"}, "recordedDate": "2026-02-01"}, "present"),
        ({"onsetDateTime": "2062-01-01"}, "absent"),
        ({"onsetDateTime": "2062-01-01", "recordedDate": "2062-01-01"}, "absent"),
    ],
)
def test_what_is_told_of_before_it_begins_may_have_begun(judge: Judge, dates: Json, presence: str) -> None:
    """A metastasis that was recorded years before its onset to come is one, wherever the wrong date stands."""
    cancer = {"resourceType": "Condition", "code": concept("ICD-10-CM C79.51"), **dates}
    assert presence_of(judge, _request("conditions", cancer), "cancer") == presence


def test_an_operation_that_ended_before_it_began_was_some_time(judge: Judge) -> None:
    """One that began in 2062 and ended in 2016 is one before; nothing says when."""
    period = {"start": "2062-03-01", "end": "2016-03-02"}
    operation = {"resourceType": "Procedure", "status": "completed", "code": concept("CPT 63030")}
    request = _request("procedures", {**operation, "performedPeriod": period})
    assert presence_of(judge, request, "prior-lumbar-surgery") == "present"


OVER = [{"timing": {"repeat": {"boundsPeriod": {"end": "2025-01-01"}}}}]


@pytest.mark.parametrize(
    ("changes", "presence"),
    [
        ({"authoredOn": "2025-08-01", "status": "active"}, "present"),
        ({"authoredOn": "2025-08-01", "status": "active", "dosageInstruction": OVER}, "unknown"),
        ({"authoredOn": "2024-08-01", "status": "completed", "dosageInstruction": OVER}, "absent"),
    ],
)
def test_a_drug_that_was_over_before_it_was_prescribed_has_no_length(
    judge: Judge, changes: Json, presence: str
) -> None:
    """Prednisone whose dosage ended before it was authored may be taken still."""
    drug = {
        "resourceType": "MedicationRequest",
        "intent": "order",
        "medicationCodeableConcept": concept("RxNorm 198145"),
    }
    assert presence_of(judge, _request("medications", {**drug, **changes}), "chronic-steroid-use") == presence


def test_a_value_beside_the_reason_for_none_may_be_one(judge: Judge) -> None:
    """39.2 degrees that are marked as an error leave infection open; the mark alone says nothing."""
    error = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "error"}]}
    fever = {
        "resourceType": "Observation",
        "status": "final",
        "code": concept("LOINC 8310-5"),
        "dataAbsentReason": error,
    }
    fever["effectiveDateTime"] = "2026-03-01"
    value = {"valueQuantity": {"value": 39.2, "code": "Cel", "unit": "Cel"}}
    assert presence_of(judge, _request("observations", {**fever, **value}), "infection") == "unknown"
    assert presence_of(judge, _request("observations", fever), "infection") == "absent"


def test_what_is_of_today_here_is_not_of_tomorrow_when_it_cannot_be_read(judge: Judge) -> None:
    """A drug handed over this noon, which another zone writes as tomorrow, may be taken."""
    given = {"resourceType": "MedicationDispense", "status": "completed", "daysSupply": {"value": 30, "code": "d"}}
    given |= {"medicationCodeableConcept": concept("RxNorm 105585"), "whenHandedOver": "2026-03-03T00:30:00+14:00"}
    assert presence_of(judge, _request("medications", given), "immunosuppression") == "unknown"


@pytest.mark.parametrize("code", ["SCT254837009", "AC7951", "DX79"])
def test_letters_before_digits_are_no_pseudo_code(judge: Judge, code: str) -> None:
    """Beside a diagnosis of no concern, what is written under ICD-10-CM and is no code of it may be any."""
    codes = {"coding": [*concept("ICD-10-CM I10")["coding"], {"system": SYSTEMS["ICD-10-CM"], "code": code}]}
    assert (
        presence_of(judge, _request("conditions", {"resourceType": "Condition", "code": codes}), "cancer") == "unknown"
    )


def test_what_is_given_out_is_held_against_each_prescription_once(
    judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A prescription that forty dispenses name ten times each is read once for them, and once for the chart."""
    read: list[str] = []
    whole = entries.read_medication_request

    def counting(context: entries.Context, resource: Json, reference: str) -> Any:
        read.append(reference)
        return whole(context, resource, reference)

    monkeypatch.setitem(entries.READERS, "MedicationRequest", counting)  # type: ignore[index]
    prescription = {"resourceType": "MedicationRequest", "id": "mr", "status": "completed", "intent": "order"}
    prescription |= {"medicationCodeableConcept": concept("RxNorm 105585"), "authoredOn": "2024-01-01"}
    given = {"resourceType": "MedicationDispense", "status": "completed"}
    given |= {"medicationCodeableConcept": concept("RxNorm 198145")}
    given["authorizingPrescription"] = [{"reference": "MedicationRequest/mr"}] * 10
    request = _request("medications", prescription)
    request["prefetch"]["medications"]["entry"] += [{"resource": {**given, "id": f"d{n}"}} for n in range(40)]
    judged_of(judge, request)
    assert len(read) == 2


@pytest.mark.parametrize("kind", ["MedicationDispense", "MedicationAdministration"])
@pytest.mark.parametrize(
    ("drug", "presence"),
    [
        ({"medicationReference": {"reference": "Medication/lost"}}, "unknown"),
        ({"medicationCodeableConcept": {"text": "prednisone 20 mg"}}, "unknown"),
        ({"medicationCodeableConcept": PREDNISONE, "medicationReference": {"reference": "Medication/m"}}, "unknown"),
        ({"medicationCodeableConcept": HARMLESS}, "absent"),
    ],
)
def test_a_drug_that_was_given_and_cannot_be_read_is_a_gap(judge: Judge, kind: str, drug: Json, presence: str) -> None:
    """What was given out or taken under no name that is read may be prednisone, unless its prescription came too."""
    given = {"resourceType": kind, "status": "completed", **drug}
    assert presence_of(judge, _request("medications", given), "chronic-steroid-use") == presence
    prescription = {"resourceType": "MedicationRequest", "status": "active", "intent": "order", "id": "mr"}
    prescription |= {"medicationCodeableConcept": HARMLESS}
    named = {"authorizingPrescription": [{"reference": "MedicationRequest/mr"}]}
    request = _request("medications", {**given, **named, "id": "given"}, prescription)
    assert presence_of(judge, request, "chronic-steroid-use") == "absent"


def test_a_drug_of_more_dosages_than_any_has_no_length_that_is_known(judge: Judge) -> None:
    """Ten days of prednisone in a hundred dosages are ten days; in one more they may be any number."""
    bounds = {"start": "2025-09-01", "end": "2025-09-10"}
    for number, presence in ((100, "absent"), (101, "unknown")):
        drug = {"resourceType": "MedicationRequest", "status": "completed", "intent": "order"}
        drug |= {"authoredOn": "2025-09-01", "medicationCodeableConcept": PREDNISONE}
        drug["dosageInstruction"] = [{"timing": {"repeat": {"boundsPeriod": bounds}}}] * number
        assert presence_of(judge, _request("medications", drug), "chronic-steroid-use") == presence


def test_what_many_references_of_a_drug_lead_to_is_looked_at_once(judge: Judge) -> None:
    """A thousand references to a few indications give their codes, each once and in their order."""
    codes = ["M54.50", "I10", "E11.9", "L40.0", "J45.909"]
    drug = {"resourceType": "MedicationRequest", "status": "active", "intent": "order"}
    named = [{"reference": f"Condition/{code}"} for code in codes]
    drug |= {"medicationCodeableConcept": PREDNISONE, "reasonReference": named * 200}
    request = _request("medications", drug)
    for code in codes:
        condition = {"resourceType": "Condition", "id": code, "code": concept(f"ICD-10-CM {code}"), "subject": SUBJECT}
        request["prefetch"]["conditions"]["entry"].append({"resource": condition})
    (entry,) = [each for each in judged_of(judge, request).chart.entries if each.prescription is not None]
    assert entry.prescription is not None
    assert [coding.code for coding in entry.prescription.indications] == [code.replace(".", "") for code in codes]


@pytest.mark.parametrize("repeats", [b"2", b"2.0"])
def test_a_whole_number_of_repeats_is_one_however_it_is_written(judge: Judge, repeats: bytes) -> None:
    """Thirty days with two repeats are ninety, written with a fraction or without."""
    drug = {"resourceType": "MedicationRequest", "status": "completed", "intent": "order", "authoredOn": "2025-09-01"}
    supply = {"expectedSupplyDuration": {"value": 30, **DAYS}, "numberOfRepeatsAllowed": 123456}
    request = _request("medications", {**drug, "medicationCodeableConcept": PREDNISONE, "dispenseRequest": supply})
    body = json.dumps(request).encode().replace(b"123456", repeats)
    (entry,) = [
        each
        for each in judge.judge(parse_request(body, "order-select"), AS_OF).chart.entries
        if each.prescription is not None
    ]
    assert entry.prescription is not None
    assert (entry.prescription.course.shortest, entry.prescription.course.longest) == (90, 90)


def test_a_drug_that_many_prescribe_is_made_of_the_same_once(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ingredients of one Medication are put together once for all prescriptions of it."""
    made: list[Json] = []
    monkeypatch.setattr(
        drugs, "with_ingredients", lambda drug, resolve: (made.append(drug), with_ingredients(drug, resolve))[1]
    )
    medication = {"resourceType": "Medication", "id": "m", "code": LOCAL}
    medication |= {"ingredient": [{"itemCodeableConcept": PREDNISONE}]}
    drug = {"resourceType": "MedicationRequest", "status": "active", "intent": "order"}
    drug |= {"medicationReference": {"reference": "Medication/m"}}
    request = _request("medications", *[{**drug, "id": f"r{number}"} for number in range(9)])
    request["prefetch"]["medications"]["entry"].append({"resource": medication})
    assert presence_of(judge, request, "chronic-steroid-use") != "absent"
    assert len(made) == 1
