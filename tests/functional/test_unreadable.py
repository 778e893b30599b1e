"""What a client sends in a shape that cannot be read never becomes the absence of a red flag."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.cases_as_fhir import concept, request_for

Json = dict[str, Any]

LBP = "ICD-10-CM M54.50"
SNOMED, ICD = "http://snomed.info/sct", "http://hl7.org/fhir/sid/icd-10-cm"
SELECT = "/cds-services/lumbar-imaging-order-select"


def _request(*conditions: Json) -> Json:
    pain = {"code": LBP, "onset": "2026-02-20"}
    told = {
        "order": {"code": "CPT 72148", "reasons": [LBP]},
        "chart": {"birth_date": "1981-05-10", "conditions": [pain, *conditions]},
    }
    return copy.deepcopy(request_for(told))


def _order(request: Json) -> Json:
    order: Json = request["context"]["draftOrders"]["entry"][0]["resource"]
    return order


def _presence(client: FlaskClient, request: Json, concept_id: str) -> str:
    answer = json.loads(client.post(SELECT, json=request).data)
    (appraisal,) = answer["extension"]["lumbar-imaging-cds.appraisals"]
    (found,) = [each["presence"] for each in appraisal["findings"] if each["concept"] == concept_id]
    return str(found)


@pytest.mark.parametrize("name", ["reasonCode", "reasonReference", "supportingInfo"])
@pytest.mark.parametrize("value", [concept("ICD-10-CM G83.4"), {"reference": "Condition/x"}, "cancer", 5, True])
def test_reasons_that_are_no_list_are_reasons_that_could_not_be_read(
    client: FlaskClient, name: str, value: Any
) -> None:
    """Whatever stands where a list of reasons is due leaves every red flag open."""
    request = _request()
    _order(request)[name] = value
    assert _presence(client, request, "cauda-equina") == "unknown"
    assert _presence(client, request, "cancer") == "unknown"


@pytest.mark.parametrize(
    "coding",
    [
        {"system": SNOMED, "code": 254837009},
        {"system": f"{SNOMED}/", "code": 254837009},
        {"system": SNOMED, "code": "SCT254837009"},
        {"system": ICD, "code": "C 61"},
        {"system": 7, "code": "C61"},
        "C61",
        7,
    ],
)
@pytest.mark.parametrize("option", [False, True], ids=["unknown", "listed"])
def test_a_malformed_coding_beside_one_of_no_concern_is_a_gap(
    make_app: Callable[..., Flask], coding: Any, option: bool
) -> None:
    """The coding that cannot be read may be the one that matters, whatever a site says of entries without a code."""
    request = _request()
    entry = {"resourceType": "Condition", "id": "q", "subject": {"reference": "Patient/p1"}}
    entry["code"] = {"coding": [coding, {"system": ICD, "code": "Z00.00"}]}
    request["prefetch"]["conditions"]["entry"].append({"resource": entry})
    client = make_app(text_only_entries_listed=option).test_client()
    assert _presence(client, request, "cancer") == "unknown"


@pytest.mark.parametrize(
    ("issue", "presence"),
    [
        (None, "unknown"),
        ([], "unknown"),
        ({}, "unknown"),
        ([{}], "unknown"),
        ([{"severity": "Error"}], "unknown"),
        ([{"severity": "warning"}, {"severity": "fatal"}], "unknown"),
        ([{"severity": "Warning"}], "absent"),
        ([{"severity": "information"}], "absent"),
    ],
)
def test_an_outcome_is_harmless_only_where_it_says_so(client: FlaskClient, issue: Any, presence: str) -> None:
    """An OperationOutcome in a key's place is a failure unless each of its issues says that it is none."""
    request = _request()
    outcome = {"resourceType": "OperationOutcome"} | ({} if issue is None else {"issue": issue})
    request["prefetch"]["conditions"] = outcome
    assert _presence(client, request, "cancer") == presence


@pytest.mark.parametrize(
    ("kind", "presence"), [("Conditions", "unknown"), ("Encounter", "absent"), ("Claim", "absent")]
)
def test_a_resource_of_an_unknown_type_opens_its_key(client: FlaskClient, kind: str, presence: str) -> None:
    """A misspelt Condition is not passed over; a resource that merely stands beside is."""
    request = _request({"code": "ICD-10-CM C61"})
    request["prefetch"]["conditions"]["entry"][-1]["resource"]["resourceType"] = kind
    assert _presence(client, request, "cancer") == presence


def test_a_sites_own_status_does_not_refute(client: FlaskClient) -> None:
    """HL7's status decides beside another; two of HL7's that differ leave the entry unread."""
    request = _request({"code": "ICD-10-CM C61"})
    confirmed = request["prefetch"]["conditions"]["entry"][-1]["resource"]["verificationStatus"]["coding"]
    confirmed.insert(0, {"system": "urn:local", "code": "refuted"})
    assert _presence(client, request, "cancer") == "present"
    confirmed[0]["system"] = confirmed[1]["system"]
    assert _presence(client, request, "cancer") == "unknown"


@pytest.mark.parametrize("subject", ["Patient/p2", [{"reference": "Patient/p2"}]])
def test_a_subject_in_another_shape_is_not_this_patient(client: FlaskClient, subject: Any) -> None:
    """An entry whose subject cannot be read is not taken for the patient's."""
    request = _request({"code": "ICD-10-CM C61"})
    request["prefetch"]["conditions"]["entry"][-1]["resource"]["subject"] = subject
    assert _presence(client, request, "cancer") == "unknown"


def test_an_order_from_the_future_ages_no_red_flag(client: FlaskClient) -> None:
    """Windows count back from today where the order is dated after it."""
    request = _request({"code": "ICD-10-CM R50.9", "onset": "2026-03-01"})
    _order(request)["authoredOn"] = "2036-03-02"
    assert _presence(client, request, "infection") == "present"


def test_an_id_of_an_order_brings_no_markup(client: FlaskClient) -> None:
    """The reference of an order stands in the detail without HTML and without a link."""
    request = _request()
    odd = {**_order(request), "id": "<img src=x onerror=alert(1)>[a](http://evil.example)"}
    request["context"]["draftOrders"]["entry"].append({"resource": odd})
    request["context"]["selections"] = []
    for card in json.loads(client.post(SELECT, json=request).data)["cards"]:
        assert "<img" not in card["detail"]
        assert "[a](http://" not in card["detail"]


def test_an_accepted_study_is_not_contradicted_by_the_old_ones_billing_code(client: FlaskClient) -> None:
    """The billing options of the replaced study go with it, so that the next call rates the new one."""
    request = _request({"code": "ICD-10-CM C61"})
    url = "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/ext-billing-options"
    billing = {"url": url, "valueCodeableConcept": concept("CPT 72133")}
    _order(request).update(code=concept("CPT 72133"), extension=[billing])
    (card,) = json.loads(client.post(SELECT, json=request).data)["cards"]
    request["context"]["draftOrders"]["entry"][0]["resource"] = card["suggestions"][0]["actions"][0]["resource"]
    answer = json.loads(client.post(SELECT, json=request).data)
    assert answer["extension"]["lumbar-imaging-cds.appraisals"][0]["category"] == "usually-appropriate"


def _observed(code: str, **value: Any) -> Json:
    """A measurement of yesterday."""
    observation = {"resourceType": "Observation", "id": "seen", "status": "final", "code": concept(code)}
    dated = {"subject": {"reference": "Patient/p1"}, "effectiveDateTime": "2026-03-01T10:00:00Z"}
    return {"resource": {**observation, **dated, **value}}


@pytest.mark.parametrize(
    ("code", "concept_id"), [("LOINC 8310-5", "infection"), ("LOINC 80948-3", "osteoporosis")], ids=["fever", "t-score"]
)
@pytest.mark.parametrize(
    "value",
    [
        {"valueString": "see the note"},
        {"valueInteger": 39},
        {"valueQuantity": {"unit": "Cel"}},
        {"valueQuantity": {"value": "<5"}},
        {"valueQuantity": "39.1 Cel"},
        {"valueRange": {"low": {"value": 38}}},
        {"valueCodeableConcept": {"text": "high"}},
        {"valueString": "39", "dataAbsentReason": {"text": "odd"}},
        {"valueString": "39", "dataAbsentReason": "odd"},
        {"valueQuantity": {"value": 36.5, "code": "Cel"}, "status": "banana"},
        {"valueQuantity": {"value": 36.5, "code": "Cel"}, "modifierExtension": [{"url": "http://x"}]},
    ],
)
def test_a_measurement_that_cannot_be_read_leaves_its_red_flag_open(
    client: FlaskClient, code: str, concept_id: str, value: Json
) -> None:
    """A temperature or T-score of unreadable value, status or meaning is neither high nor harmless."""
    request = _request()
    request["prefetch"]["observations"]["entry"].append(_observed(code, **value))
    assert _presence(client, request, concept_id) == "unknown"


@pytest.mark.parametrize(
    "value",
    [
        {"valueQuantity": {"value": 36.5, "code": "Cel"}},
        {},
        {"dataAbsentReason": {"coding": [{"code": "unknown"}]}},
        {"valueString": "39", "status": "cancelled"},
        {"valueString": "39", "status": "entered-in-error", "modifierExtension": [{"url": "http://x"}]},
        {"valueString": "39", "effectiveDateTime": "2025-12-01"},
        {"status": "banana", "effectiveDateTime": "2025-12-01"},
    ],
)
def test_a_measurement_that_says_nothing_leaves_nothing_open(client: FlaskClient, value: Json) -> None:
    """A harmless, missing, cancelled or long past temperature does not keep a patient from a rating."""
    request = _request()
    request["prefetch"]["observations"]["entry"].append(_observed("LOINC 8310-5", **value))
    assert _presence(client, request, "infection") == "absent"


def test_an_observation_that_is_a_reason_and_has_no_readable_value_leaves_its_concept_open(client: FlaskClient) -> None:
    """What a finding in words says of the saddle area is not taken for a no."""
    request = _request()
    request["prefetch"]["observations"]["entry"].append(_observed("SNOMED 449813001", valueString="yes, since Monday"))
    _order(request)["supportingInfo"] = [{"reference": "Observation/seen"}]
    assert _presence(client, request, "cauda-equina") == "unknown"


@pytest.mark.parametrize(
    "end",
    [
        {"abatementString": "last week"},
        {"abatementRange": {"low": {"value": 44, "code": "a"}}},
        {"abatementPeriod": {"start": "2026-02-01"}},
        {"abatementDateTime": "02/20/2026"},
    ],
)
@pytest.mark.parametrize(("onset", "presence"), [("2024-03-01", "unknown"), ("2026-02-01", "present")])
def test_a_past_disease_whose_end_cannot_be_dated_ended_some_time_after_its_onset(
    client: FlaskClient, end: Json, onset: str, presence: str
) -> None:
    """It counts where its onset is in the window, and is open where the onset lies before it."""
    request = _request({"code": "ICD-10-CM R78.81", "clinical": "resolved", "onset": onset})
    request["prefetch"]["conditions"]["entry"][-1]["resource"].update(end)
    assert _presence(client, request, "infection") == presence


@pytest.mark.parametrize("value", ["true", 1, [True]])
def test_a_denial_that_cannot_be_read_judges_nothing(client: FlaskClient, value: Any) -> None:
    """An order whose doNotPerform is no boolean may ask for the opposite: it is not judged."""
    request = _request()
    _order(request)["doNotPerform"] = value
    answer = json.loads(client.post(SELECT, json=request).data)
    (appraisal,) = answer["extension"]["lumbar-imaging-cds.appraisals"]
    assert (appraisal["verdict"], appraisal["reason"], answer["cards"]) == ("not-judged", "unreadable-order", [])


@pytest.mark.parametrize("change", [{"intent": None}, {"intent": 5}, {"intent": "leave out"}])
def test_an_order_without_a_readable_intent_is_judged(client: FlaskClient, change: Json) -> None:
    """Any intent is judged, so none that cannot be read stands in the way."""
    request = _request()
    _order(request).update(change)
    if change["intent"] == "leave out":
        del _order(request)["intent"]
    assert len(json.loads(client.post(SELECT, json=request).data)["cards"]) == 1


def test_an_order_whose_text_is_no_string_is_judged_by_its_code(client: FlaskClient) -> None:
    """Text is never read for what is ordered where a code says it."""
    request = _request()
    _order(request)["code"]["text"] = 5
    assert len(json.loads(client.post(SELECT, json=request).data)["cards"]) == 1


@pytest.mark.parametrize(
    "link", [{"relation": "next", "url": "https://x"}, [{"relation": "Next"}], [{"relation": " next"}]]
)
def test_a_next_page_is_seen_however_its_link_is_written(client: FlaskClient, link: Any) -> None:
    """More pages follow, whether the link stands in a list or alone, in capitals or not."""
    request = _request()
    request["prefetch"]["conditions"]["link"] = link
    assert _presence(client, request, "cancer") == "unknown"


@pytest.mark.parametrize(
    ("reference", "presence"),
    [("#lost", "unknown"), ("urn:uuid:5b3c1f6e-9a4e-4f43-9c1d-0d9a4c0f7a11", "unknown"), ("Coverage/5", "absent")],
)
def test_supporting_info_that_leads_nowhere_is_a_reason_not_read(
    client: FlaskClient, reference: str, presence: str
) -> None:
    """A reference into the request whose end is missing may have been a finding; one of another type was none."""
    request = _request()
    _order(request)["supportingInfo"] = [{"reference": reference}]
    assert _presence(client, request, "cancer") == presence


def test_days_between_two_periods_of_a_drug_are_not_taken(client: FlaskClient) -> None:
    """Two weeks of prednisone half a year apart are no course of six months."""
    request = _request()
    periods = [{"start": "2025-06-01", "end": "2025-06-14"}, {"start": "2026-01-01", "end": "2026-01-14"}]
    drug = {
        "resourceType": "MedicationRequest",
        "id": "steroid",
        "status": "completed",
        "intent": "order",
        "medicationCodeableConcept": concept("RxNorm 8640"),
        "subject": {"reference": "Patient/p1"},
        "authoredOn": "2025-06-01",
        "dosageInstruction": [{"timing": {"repeat": {"boundsPeriod": period}}} for period in periods],
    }
    request["prefetch"]["medications"]["entry"].append({"resource": drug})
    assert _presence(client, request, "chronic-steroid-use") == "absent"
    del drug["dosageInstruction"][1]
    drug["dosageInstruction"][0]["timing"]["repeat"]["boundsPeriod"] = {"start": "2025-06-01", "end": "2026-01-14"}
    assert _presence(client, request, "chronic-steroid-use") == "present"


@pytest.mark.parametrize(
    ("components", "presence"),
    [
        ([{"code": concept("LOINC 8310-5"), "valueQuantity": {"value": 39.5, "code": "Cel"}}], "present"),
        ([{"code": concept("LOINC 8310-5"), "valueQuantity": {"value": 36.5, "code": "Cel"}}], "absent"),
        ([{"code": concept("LOINC 8310-5"), "valueString": "hot"}], "unknown"),
        ([{"code": concept("LOINC 8867-4"), "valueQuantity": {"value": 72, "code": "/min"}}], "absent"),
        ([{"valueQuantity": {"value": 39.5, "code": "Cel"}}, "odd", None], "absent"),
    ],
)
def test_a_temperature_in_a_panel_of_vital_signs_is_read(
    client: FlaskClient, components: list[Any], presence: str
) -> None:
    """Each component counts as an observation of its own, at the time and with the status of its panel."""
    request = _request()
    panel = _observed("LOINC 85353-1", component=components)
    request["prefetch"]["observations"]["entry"].append(panel)
    assert _presence(client, request, "infection") == presence
    panel["resource"]["effectiveDateTime"] = "2025-12-01"
    assert _presence(client, request, "infection") == "absent"


def test_a_contained_reason_that_had_ended_counts_by_its_end(client: FlaskClient) -> None:
    """A fever that was over last summer is no fever of today for standing on the order."""
    request = _request()
    fever = {
        "resourceType": "Condition",
        "id": "fever",
        "code": concept("ICD-10-CM R50.9"),
        "clinicalStatus": {"coding": [{"code": "resolved"}]},
        "abatementDateTime": "2025-06-01",
    }
    _order(request).update(contained=[fever], reasonReference=[{"reference": "#fever"}])
    assert _presence(client, request, "infection") == "absent"


def test_blanks_around_a_system_do_not_hide_its_code(client: FlaskClient) -> None:
    """A system is compared as a code is, without the blanks around it."""
    request = _request({"code": "ICD-10-CM C61"})
    request["prefetch"]["conditions"]["entry"][-1]["resource"]["code"]["coding"][0]["system"] = f" {ICD} "
    assert _presence(client, request, "cancer") == "present"


@pytest.mark.parametrize(
    ("answer", "presence"),
    [
        ({"coding": [{"system": SNOMED, "code": "52101004"}]}, "present"),
        ({"coding": [{"system": SNOMED, "code": "373066001"}]}, "present"),
        ({"coding": [{"system": "http://loinc.org", "code": "LA33-6"}]}, "present"),
        ({"coding": [{"system": SNOMED, "code": "24484000"}]}, "unknown"),
        ({"coding": [{"system": SNOMED, "code": "373067005"}]}, "absent"),
        ({"coding": [{"system": SNOMED, "code": "260385009"}]}, "absent"),
    ],
)
def test_a_coded_answer_that_is_neither_yes_nor_no_leaves_its_concept_open(
    client: FlaskClient, answer: Json, presence: str
) -> None:
    """Only an answer that is known to deny lets a finding count for nothing."""
    request = _request()
    request["prefetch"]["observations"]["entry"].append(_observed("SNOMED 449813001", valueCodeableConcept=answer))
    assert _presence(client, request, "cauda-equina") == presence


def test_supporting_info_by_name_alone_is_a_reason_where_it_says_its_type(client: FlaskClient) -> None:
    """A Condition that is named by an identifier cannot be read; a Coverage need not be."""
    request = _request()
    named = {"identifier": {"value": "ca-1"}, "display": "Metastatic breast cancer"}
    _order(request)["supportingInfo"] = [{"type": "Coverage", **named}]
    assert _presence(client, request, "cancer") == "absent"
    _order(request)["supportingInfo"] = [{"type": "Condition", **named}]
    assert _presence(client, request, "cancer") == "unknown"


def test_two_conditions_of_one_id_are_both_read_beside_the_order(client: FlaskClient) -> None:
    """The copy that the order resolves to does not hide its namesake."""
    over = {"id": "ce", "code": "ICD-10-CM G83.4", "clinical": "resolved", "abatement": "2025-01-01"}
    request = _request(over, {"id": "ce", "code": "ICD-10-CM G83.4", "onset": "2026-03-01"})
    _order(request)["reasonReference"] = [{"reference": "Condition/ce"}]
    assert _presence(client, request, "cauda-equina") == "present"


def test_a_lone_component_is_read_as_a_list_of_one(client: FlaskClient) -> None:
    """A panel whose component stands outside a list still tells its temperature."""
    request = _request()
    component = {"code": concept("LOINC 8310-5"), "valueQuantity": {"value": 39, "code": "Cel"}}
    request["prefetch"]["observations"]["entry"].append(_observed("LOINC 85353-1", component=component))
    assert _presence(client, request, "infection") == "present"


def _record(kind: str, code: str, **more: Any) -> Json:
    named = {"code" if kind == "Procedure" else "medicationCodeableConcept": concept(code)}
    return {"resource": {"resourceType": kind, "id": "r", "subject": {"reference": "Patient/p1"}, **named, **more}}


@pytest.mark.parametrize(
    ("key", "entry", "concept_id", "presence"),
    [
        ("procedures", _record("Procedure", "CPT 47562", status="completed"), "prior-lumbar-surgery", "absent"),
        (
            "medications",
            _record("MedicationRequest", "RxNorm 314076", status="active"),
            "chronic-steroid-use",
            "absent",
        ),
        (
            "medications",
            _record("MedicationRequest", "SNOMED 116602009", status="active"),
            "chronic-steroid-use",
            "unknown",
        ),
        (
            "medications",
            _record("MedicationDispense", "RxNorm 312615", status="completed"),
            "chronic-steroid-use",
            "unknown",
        ),
        (
            "medications",
            _record("MedicationDispense", "RxNorm 312615", status="cancelled"),
            "chronic-steroid-use",
            "absent",
        ),
        ("medications", _record("MedicationAdministration", "RxNorm 314076"), "chronic-steroid-use", "absent"),
        (
            "medications",
            _record(
                "MedicationDispense",
                "RxNorm 312615",
                whenHandedOver="2019-01-05",
                daysSupply={"value": 30, "code": "d"},
            ),
            "chronic-steroid-use",
            "absent",
        ),
        (
            "medications",
            _record(
                "MedicationDispense", "RxNorm 312615", whenPrepared="2025-02-01", daysSupply={"value": 90, "code": "d"}
            ),
            "chronic-steroid-use",
            "unknown",
        ),
        (
            "medications",
            _record("MedicationAdministration", "RxNorm 312615", effectivePeriod={"start": "2024-01-01"}),
            "chronic-steroid-use",
            "unknown",
        ),
        (
            "medications",
            _record(
                "MedicationAdministration",
                "RxNorm 312615",
                effectivePeriod={"start": "2024-01-01", "end": "2026-02-27"},
            ),
            "chronic-steroid-use",
            "unknown",
        ),
    ],
)
def test_what_our_lists_do_not_cover_is_no_silence(
    client: FlaskClient, key: str, entry: Json, concept_id: str, presence: str
) -> None:
    """A drug in a system without a list of ours, or told of by its dispense, leaves open what it may be."""
    request = _request()
    request["prefetch"][key]["entry"].append(entry)
    assert _presence(client, request, concept_id) == presence


def test_an_operation_in_a_system_without_a_list_leaves_surgery_open(client: FlaskClient) -> None:
    """An ICD-10-PCS code that is no transplant may be a lumbar fusion."""
    request = _request()
    fusion = {"coding": [{"system": "http://www.cms.gov/Medicare/Coding/ICD10", "code": "0SG00A0"}]}
    procedure = _record("Procedure", "CPT 47562", status="completed")
    procedure["resource"]["code"] = fusion
    request["prefetch"]["procedures"]["entry"].append(procedure)
    assert _presence(client, request, "prior-lumbar-surgery") == "unknown"
    fusion["coding"].append(concept("CPT 47562")["coding"][0])
    assert _presence(client, request, "prior-lumbar-surgery") == "unknown"
    fusion["coding"][0]["code"] = "0DTJ4ZZ"
    assert _presence(client, request, "prior-lumbar-surgery") == "absent"


def test_a_dispense_of_a_prescription_that_was_sent_tells_nothing_more(client: FlaskClient) -> None:
    """Six days of prednisone that were prescribed and handed out are six days."""
    request = _request()
    supply = {"expectedSupplyDuration": {"value": 6, "code": "d"}}
    prescribed = _record("MedicationRequest", "RxNorm 312615", status="completed", intent="order")
    prescribed["resource"].update(authoredOn="2026-02-01", dispenseRequest=supply)
    given = _record(
        "MedicationDispense", "RxNorm 312615", authorizingPrescription=[{"reference": "MedicationRequest/r"}]
    )
    request["prefetch"]["medications"]["entry"] += [prescribed, given]
    assert _presence(client, request, "chronic-steroid-use") == "absent"
    given["resource"]["daysSupply"] = {"value": 120, "code": "d"}
    assert _presence(client, request, "chronic-steroid-use") == "unknown"
    del given["resource"]["daysSupply"]
    prescribed["resource"]["status"] = "cancelled"
    assert _presence(client, request, "chronic-steroid-use") == "unknown"
    given["resource"]["authorizingPrescription"] = [{"reference": "Patient/p1"}]
    assert _presence(client, request, "chronic-steroid-use") == "unknown"


def test_what_only_came_along_under_a_foreign_key_was_not_searched(client: FlaskClient) -> None:
    """A Condition that a search of drugs includes is no problem list."""
    request = _request()
    pain = request["prefetch"].pop("conditions")["entry"][0]["resource"]
    drugs = request["prefetch"].pop("medications")
    drugs["entry"] = [
        {**_record("MedicationRequest", "RxNorm 314076", status="active"), "search": {"mode": "match"}},
        {"resource": pain, "search": {"mode": "include"}},
    ]
    request["prefetch"]["item3"] = drugs
    assert _presence(client, request, "cancer") == "unknown"
    request["prefetch"]["item5"] = pain
    assert _presence(client, request, "cancer") == "unknown"
    request["prefetch"]["item6"] = {"resourceType": "Bundle", "entry": [{"resource": pain}]}
    assert _presence(client, request, "cancer") == "absent"


def test_one_resource_under_a_foreign_key_is_no_whole_list(client: FlaskClient) -> None:
    """The indication alone, under a name of the client's, does not stand for the problem list, nor spoil it."""
    request = _request()
    whole = request["prefetch"].pop("conditions")
    request["prefetch"]["indication"] = whole["entry"][0]["resource"]
    assert _presence(client, request, "cancer") == "unknown"
    request["prefetch"]["problems"] = whole
    request["prefetch"]["encounter"] = {"resourceType": "Encounter", "id": "e", "status": "in-progress"}
    assert _presence(client, request, "cancer") == "absent"


def test_a_bundle_of_another_type_leaves_its_key_open(client: FlaskClient) -> None:
    """Observations where Conditions were asked for are no problem list."""
    request = _request()
    request["prefetch"]["conditions"]["entry"] = [_observed("LOINC 8867-4")]
    assert _presence(client, request, "cancer") == "unknown"


def test_a_fracture_in_neoplastic_disease_does_not_rule_out_cancer(client: FlaskClient) -> None:
    """Its code names no tumour, and leaves cancer open."""
    assert _presence(client, _request({"code": "ICD-10-CM M84.58XA", "onset": "2026-02-25"}), "cancer") == "unknown"


@pytest.mark.parametrize(
    ("written", "presence"),
    [
        ("2026-03-03T00:30:00+14:00", "present"),
        ("2026-03-03T00:30:00", "absent"),
        ("2026-03-03", "absent"),
        ("2026-03-04T00:30:00+14:00", "absent"),
    ],
)
def test_a_moment_that_is_tomorrow_in_another_zone_alone_is_of_today(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, written: str, presence: str
) -> None:
    """An infection recorded this evening is not passed over for the zone in which its moment is written."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    request = _request({"code": "ICD-10-CM A41.9"})
    request["prefetch"]["conditions"]["entry"][-1]["resource"]["recordedDate"] = written
    assert _presence(client, request, "infection") == presence


def test_a_bundle_that_says_more_was_found_leaves_its_key_open(client: FlaskClient) -> None:
    """Forty found and one sent is no whole problem list, whether a next page is named or not."""
    request = _request()
    request["prefetch"]["conditions"]["total"] = 1
    assert _presence(client, request, "cancer") == "absent"
    for total in (2, 2.0, 2**64, 1e300):
        request["prefetch"]["conditions"]["total"] = total
        assert _presence(client, request, "cancer") == "unknown"
    request["prefetch"]["conditions"]["entry"].append({"resource": {"resourceType": "Encounter", "id": "e"}})
    assert _presence(client, request, "cancer") == "unknown"
    request["prefetch"]["problems"] = request["prefetch"].pop("conditions")
    assert _presence(client, request, "cancer") == "unknown"
    request["prefetch"]["problems"]["total"] = 1
    assert _presence(client, request, "cancer") == "absent"


def test_a_date_at_the_end_of_time_is_no_fault(client: FlaskClient) -> None:
    """Who writes 9999 for an end that is open is answered."""
    request = _request({"code": "ICD-10-CM C61"})
    entry = request["prefetch"]["conditions"]["entry"][-1]["resource"]
    entry["abatementDateTime"] = "9999-12-31T23:59:59-05:00"
    _order(request)["authoredOn"] = "9999-12-31T23:59:59-05:00"
    assert _presence(client, request, "cancer") == "present"


def test_a_period_of_tomorrow_in_another_zone_is_of_today_too(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The beginning of a period is a moment like any other."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    request = _request({"code": "ICD-10-CM A41.9"})
    entry = request["prefetch"]["conditions"]["entry"][-1]["resource"]
    entry["onsetPeriod"] = {"start": "2026-03-03T00:30:00+14:00"}
    assert _presence(client, request, "infection") == "present"


@pytest.mark.parametrize(("denied", "presence"), [(False, "present"), (True, "absent"), ("true", "unknown")])
def test_a_drug_whose_denial_cannot_be_read_is_neither_taken_nor_not(
    client: FlaskClient, denied: Any, presence: str
) -> None:
    """Whether tacrolimus is to be taken or not is open where doNotPerform is no boolean."""
    request = _request()
    drug = _record("MedicationRequest", "RxNorm 198377", status="active", intent="order", doNotPerform=denied)
    drug["resource"]["authoredOn"] = "2026-02-01"
    request["prefetch"]["medications"]["entry"].append(drug)
    assert _presence(client, request, "immunosuppression") == presence
