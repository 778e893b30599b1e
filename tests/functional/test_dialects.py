"""How the field's clients differ from the standard, a test for each; the number in its name counts the differences.

The differences were gathered from vendors' documents, public client code, recorded requests and issue threads.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.cases_as_fhir import AS_OF, concept, request_for

Json = dict[str, Any]

SELECT = "/cds-services/lumbar-imaging-order-select"
SIGN = "/cds-services/lumbar-imaging-order-sign"
APPRAISALS = "lumbar-imaging-cds.appraisals"
LBP = "ICD-10-CM M54.50"
CANCER = {"code": "ICD-10-CM C50.911", "onset": "2020-01-01"}
OUTCOME = {"resourceType": "OperationOutcome"}
NOTHING_FOUND = {**OUTCOME, "issue": [{"severity": "warning", "code": "not-found"}]}
FAILED = {**OUTCOME, "issue": [{"severity": "error", "code": "timeout"}]}


def _request(*conditions: Json, order: Json | None = None, **more: Any) -> Json:
    """Ten days of low back pain, a lumbar MRI, a chart delivered in full; with these conditions beside."""
    pain = {"code": LBP, "onset": "2026-02-20"}
    told = {
        "order": {"code": "CPT 72148", "reasons": [LBP], **(order or {})},
        "chart": {"birth_date": "1981-05-10", "conditions": [pain, *conditions]},
        **more,
    }
    return copy.deepcopy(request_for(told))


def _order(request: Json) -> Json:
    order: Json = request["context"]["draftOrders"]["entry"][0]["resource"]
    return order


def _answer(client: FlaskClient, request: Json, path: str = SELECT) -> Json:
    response = client.post(path, json=request)
    assert response.status_code == 200, response.text
    answer: Json = json.loads(response.data)
    return answer


def _appraisal(client: FlaskClient, request: Json, path: str = SELECT) -> Json:
    (appraisal,) = _answer(client, request, path)["extension"][APPRAISALS]
    found: Json = appraisal
    return found


def _presence(appraisal: Json, concept_id: str) -> str:
    (found,) = [each["presence"] for each in appraisal["findings"] if each["concept"] == concept_id]
    return str(found)


def _cancer(client: FlaskClient, request: Json) -> str:
    return _presence(_appraisal(client, request), "cancer")


@pytest.mark.parametrize(
    ("value", "presence"),
    [
        ("missing", "unknown"),
        (None, "absent"),
        (FAILED, "unknown"),
        ({"resourceType": "Bundle", "type": "searchset", "total": 0}, "absent"),
        ("all missing", "unknown"),
        ("no prefetch", "unknown"),
        ("null prefetch", "unknown"),
    ],
)
def test_01_each_prefetch_key_has_four_states(client: FlaskClient, value: Any, presence: str) -> None:
    """Missing and failed are unknown, null and an empty Bundle are searched and empty; each key stands alone."""
    request = _request()
    if value == "missing":
        del request["prefetch"]["conditions"]
    elif value == "all missing":
        request["prefetch"] = {}
    elif value == "no prefetch":
        del request["prefetch"]
    elif value == "null prefetch":
        request["prefetch"] = None
    else:
        request["prefetch"]["conditions"] = value
    assert _cancer(client, request) == presence


def test_02_keys_of_another_name_are_recognised_by_their_resources(client: FlaskClient) -> None:
    """Epic's item1, item2 ... are read by what they hold."""
    request = _request(CANCER)
    request["prefetch"] = {f"item{number}": value for number, value in enumerate(request["prefetch"].values(), 1)}
    assert _cancer(client, request) == "present"


@pytest.mark.parametrize(
    ("outcome", "presence"), [(NOTHING_FOUND, "absent"), (FAILED, "unknown")], ids=["a warning", "an error"]
)
def test_03_an_outcome_among_the_entries_is_no_resource(client: FlaskClient, outcome: Json, presence: str) -> None:
    """A warning that nothing was found leaves the key delivered; an error does not."""
    request = _request()
    entries = request["prefetch"]["conditions"]["entry"]
    entries.append({"resource": outcome, "search": {"mode": "outcome"}})
    assert _cancer(client, request) == presence


def test_04_a_page_with_more_to_come_is_incomplete(client: FlaskClient) -> None:
    """A next link that nobody followed leaves what is not on the first page unknown."""
    request = _request()
    request["prefetch"]["conditions"]["link"] = [{"relation": "next", "url": "https://ehr.example.org/fhir?page=2"}]
    assert _cancer(client, request) == "unknown"


@pytest.mark.parametrize(
    ("wrap", "presence"),
    [
        (lambda bundle: {"resource": bundle}, "present"),
        (lambda bundle: {"response": {"status": "200 OK"}, "resource": bundle}, "present"),
        (lambda bundle: "Patient/123", "unknown"),
        (lambda bundle: "<html><body>502</body></html>", "unknown"),
        (lambda bundle: [bundle], "unknown"),
    ],
    ids=["wrapped", "wrapped as before 1.0", "a string", "HTML", "a list"],
)
def test_05_wrapped_values_are_unwrapped_and_rubbish_is_unknown(
    client: FlaskClient, wrap: Callable[[Json], Any], presence: str
) -> None:
    """A resource inside `resource` is read; a string, a page or a list leaves the key unknown."""
    request = _request(CANCER)
    request["prefetch"]["conditions"] = wrap(request["prefetch"]["conditions"])
    assert _cancer(client, request) == presence


def test_06_a_chart_of_an_older_fhir_beside_an_order_of_r4(client: FlaskClient) -> None:
    """DSTU2 and STU3 Conditions and Patients are read; a MedicationOrder leaves its key unknown."""
    request = _request()
    request["prefetch"]["patient"] = {
        "resourceType": "Patient",
        "id": "p1",
        "name": [{"family": ["Doe"], "given": ["A"]}],
        "birthDate": "1950-01-01",
    }
    old = {
        "resourceType": "Condition",
        "patient": {"reference": "Patient/p1"},
        "code": concept("SNOMED 254837009"),
        "category": {"coding": [{"code": "diagnosis"}]},
        "clinicalStatus": "active",
        "verificationStatus": "confirmed",
        "dateRecorded": "2020-01-01",
    }
    request["prefetch"]["conditions"]["entry"].append({"resource": old})
    request["prefetch"]["medications"]["entry"] = [{"resource": {"resourceType": "MedicationOrder", "id": "m"}}]
    appraisal = _appraisal(client, request)
    assert _presence(appraisal, "elderly") == "present"
    assert _presence(appraisal, "cancer") == "present"
    assert _presence(appraisal, "six-weeks-management") == "unknown"


@pytest.mark.parametrize("identity", ["p.1-" + "x" * 196, "a_b:c", "1"])
def test_07_ids_are_opaque_and_may_bear_their_type(client: FlaskClient, identity: str) -> None:
    """An id of two hundred characters with any marks is one, with or without Patient/ before it."""
    text = json.dumps(_request(CANCER)).replace("Patient/p1", f"Patient/{identity}")
    request = json.loads(text.replace('"p1"', json.dumps(identity)))
    request["context"]["patientId"] = f"Patient/{identity}"
    assert _cancer(client, request) == "present"


def test_08_a_draft_without_an_id_gets_a_card_without_buttons(client: FlaskClient) -> None:
    """No action could name it, so that the card stands alone."""
    request = _request()
    del _order(request)["id"]
    (card,) = _answer(client, request)["cards"]
    assert "suggestions" not in card


@pytest.mark.parametrize("selections", [None, [], ["72148"], ["ServiceRequest/gone"], "ServiceRequest/order-1", [7]])
def test_09_selections_that_name_no_draft_select_nothing_away(client: FlaskClient, selections: Any) -> None:
    """Missing, empty, dangling and odd selections, and codes in their place, leave every imaging order judged."""
    request = _request()
    request["context"]["selections"] = selections
    assert _appraisal(client, request)["order"] == "ServiceRequest/order-1"


def test_09_order_sign_has_no_selections(client: FlaskClient) -> None:
    """Selections sent with order-sign are passed over."""
    request = {**_request(), "hook": "order-sign"}
    request["context"]["selections"] = ["MedicationRequest/other"]
    assert _appraisal(client, request, SIGN)["verdict"] == "rated"


def _category(code: str) -> Json:
    return {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-category", "code": code}]}


ENCOUNTER, PROBLEM = _category("encounter-diagnosis"), _category("problem-list-item")


@pytest.mark.parametrize(
    ("key", "asked", "categories", "presence"),
    [
        ("conditions", None, None, "absent"),
        ("conditions", None, [PROBLEM], "absent"),
        ("conditions", None, [ENCOUNTER, PROBLEM], "absent"),
        ("conditions", None, [ENCOUNTER], "unknown"),
        ("conditions", "Condition?patient=p1&_count=100&_sort=-onset-date", None, "absent"),
        ("conditions", "Condition?patient=p1&category=problem-list-item", None, "absent"),
        ("conditions", "Condition?patient=p1&category=problem-list-item,encounter-diagnosis", [ENCOUNTER], "unknown"),
        ("conditions", "Condition?patient=p1&category=http://x%7Cencounter-diagnosis", None, "unknown"),
        ("conditions", "Condition?patient=p1&clinical-status=active", [PROBLEM], "unknown"),
        ("conditions", "Condition?patient=p1&code:in=http://x", None, "unknown"),
        ("medications", "MedicationRequest?patient=p1&intent=order", None, "absent"),
        ("medications", "MedicationRequest?patient=p1&status=active", None, "unknown"),
        ("procedures", "https://ehr.example.org/fhir/Procedure?subject=Patient/p1", None, "absent"),
        ("procedures", "https://ehr.example.org/fhir/Procedure?subject=Patient/p1&date=ge2025", None, "unknown"),
        ("procedures", "//[", None, "absent"),
    ],
)
def test_a_key_of_the_clients_own_is_whole_only_where_all_was_asked_for(
    client: FlaskClient, key: str, asked: str | None, categories: list[Json] | None, presence: str
) -> None:
    """Encounter diagnoses are no problem list, and a search by status, code or date says nothing of the rest."""
    told = {"medications": [{"code": "RxNorm 314076"}], "procedures": [{"code": "CPT 47562"}]}
    request = _request({"code": "ICD-10-CM I10"})
    request["prefetch"] |= {
        name: request_for({"order": {"code": "CPT 72148"}, "chart": told})["prefetch"][name] for name in told
    }
    bundle = request["prefetch"]["theirs"] = request["prefetch"].pop(key)
    if asked is not None:
        bundle["link"] = [{"relation": "self", "url": asked}]
    for entry in bundle["entry"] if categories else []:
        entry["resource"]["category"] = categories
    assert _presence(_appraisal(client, request), "immunosuppression") == presence


@pytest.mark.parametrize(
    ("asked", "presence"),
    [
        ("https://ehr.example.org/fhir/Condition?patient=p1&category=problem-list-item", "absent"),
        ("Condition?patient=p1&category=encounter-diagnosis", "unknown"),
        ("Coverage?patient=p1", "unknown"),
        ("//[", "unknown"),
        (None, "unknown"),
    ],
)
def test_an_empty_answer_says_what_was_searched(client: FlaskClient, asked: str | None, presence: str) -> None:
    """Under a key of the client's own, nothing was found of the type that its address names."""
    request = _request()
    del request["prefetch"]["conditions"]
    request["prefetch"]["theirs"] = {"resourceType": "Bundle", "type": "searchset", "total": 0}
    if asked is not None:
        request["prefetch"]["theirs"]["link"] = [{"relation": "self", "url": asked}]
    assert _cancer(client, request) == presence


def test_a_problem_list_completes_what_encounters_began(client: FlaskClient) -> None:
    """Beside encounter diagnoses under one key of the client's own, a problem list under another is the whole."""
    request = _request({"code": "ICD-10-CM I10"})
    conditions = request["prefetch"].pop("conditions")
    first, second = conditions["entry"]
    first["resource"]["category"] = [ENCOUNTER]
    request["prefetch"]["encounterDx"] = {**conditions, "entry": [first]}
    assert _cancer(client, request) == "unknown"
    request["prefetch"]["problems"] = {**conditions, "entry": [second]}
    assert _cancer(client, request) == "absent"


def test_10_bundles_need_no_type_and_no_name(client: FlaskClient) -> None:
    """A Bundle without type, fullUrl or even resourceType is read by its entries."""
    request = _request(CANCER)
    request["context"]["draftOrders"] = {"entry": request["context"]["draftOrders"]["entry"]}
    request["prefetch"]["conditions"] = {"entry": request["prefetch"]["conditions"]["entry"]}
    assert _cancer(client, request) == "present"


@pytest.mark.parametrize(
    "reference",
    [
        "Condition/why",
        "https://ehr.example.org/fhir/Condition/why",
        "https://ehr.example.org/fhir/Condition/why/_history/3",
        "Condition/why/_history/3",
        "urn:uuid:0f4f6b0e-70e5-4d5b-8a8f-2f6f1f2c9a77",
    ],
)
def test_11_references_in_every_form_find_their_target(client: FlaskClient, reference: str) -> None:
    """Relative, absolute, versioned and urn:uuid references are one."""
    request = _request({"id": "why", "code": "SNOMED 192970008", "onset": "2026-03-01"})
    entries = request["prefetch"]["conditions"]["entry"]
    entries[-1]["fullUrl"] = "urn:uuid:0f4f6b0e-70e5-4d5b-8a8f-2f6f1f2c9a77"
    order = _order(request)
    del order["reasonCode"]
    order["reasonReference"] = [{"reference": reference}]
    order["subject"] = {"reference": "https://ehr.example.org/fhir/Patient/p1"}
    assert 4 in _appraisal(client, request)["variants"]["established"]


@pytest.mark.parametrize(
    ("codes", "verdict"),
    [
        (["local PROC-77", "CPT 72148"], "rated"),
        (["LOINC 30679-5", "CPT 72148"], "rated"),
        (["CPT 72148", "CPT 72131"], "not-judged"),
    ],
)
def test_12_all_codings_of_an_order_are_tried(client: FlaskClient, codes: list[str], verdict: str) -> None:
    """Unknown codings are passed over, agreeing ones are one study, and contradicting ones are not judged."""
    assert _appraisal(client, _request(order={"code": codes}))["verdict"] == verdict


MRI, CT = "mri-lumbar-spine", "ct-lumbar-spine"


@pytest.mark.parametrize(
    ("text", "procedures"),
    [
        ("MR LUMBAR SPINE WO CONTRAST", [f"{MRI}-without-iv-contrast"]),
        ("MRI LUMBAR SPINE W/O CONTRAST", [f"{MRI}-without-iv-contrast"]),
        ("MR Lumbar Spine w & wo IV Contrast", [f"{MRI}-without-and-with-iv-contrast"]),
        ("CT LUMBAR SPINE W WO", [f"{CT}-without-and-with-iv-contrast"]),
        ("CT L-SPINE W CONTRAST", [f"{CT}-with-iv-contrast"]),
        ("XR LUMBAR SPINE 2 OR 3 VW", ["radiography-lumbar-spine"]),
        ("X-ray lumbosacral spine, AP and lateral", ["radiography-lumbar-spine"]),
        (
            "MRI lumbar spine",
            [f"{MRI}-with-iv-contrast", f"{MRI}-without-and-with-iv-contrast", f"{MRI}-without-iv-contrast"],
        ),
        ("MR THORACIC AND LUMBAR SPINE WO CONTRAST", None),
        ("MR SPINE WO CONTRAST", None),
        ("LUMBAR SPINE", None),
        ("MR CT LUMBAR SPINE", None),
        ("CT LUMBAR SPINE CONTRAST", None),
        ("CT GUIDED LUMBAR BIOPSY", None),
        ("CT LUMBAR MYELOGRAM", None),
        ("DO NOT MR LUMBAR SPINE", None),
        ("XR LUMBAR SPINE W CONTRAST", None),
        ("", None),
    ],
)
def test_13_an_order_without_a_code_is_read_by_its_words(
    client: FlaskClient, text: str, procedures: list[str] | None
) -> None:
    """Region, modality and contrast are understood as EHRs write them; one word more, and the order is not read."""
    request = _request()
    _order(request)["code"] = {"coding": [{"system": "urn:oid:1.2.840.114350.1.13.0", "code": "33476"}], "text": text}
    appraisals = _answer(client, request).get("extension", {}).get(APPRAISALS, [])
    assert [sorted(each["procedures"]) for each in appraisals] == ([procedures] if procedures else [])


def test_13_a_card_says_that_the_study_was_read_from_the_text(client: FlaskClient) -> None:
    """The clinician sees the words that were read, and is asked to check them."""
    request = _request()
    _order(request)["code"] = {"text": "MR LUMBAR SPINE WO CONTRAST"}
    (card,) = _answer(client, request)["cards"]
    assert "read from the order's text** (MR LUMBAR SPINE WO CONTRAST)" in card["detail"]
    assert card["summary"].startswith("Lumbar MRI without contrast: usually not appropriate")


def test_13_words_never_overrule_a_code(client: FlaskClient) -> None:
    """An order with a code of a known system is not read by its words, whatever they say."""
    request = _request()
    _order(request)["code"] = {**concept("CPT 73721"), "text": "MR LUMBAR SPINE WO CONTRAST"}
    assert _answer(client, request) == {"cards": []}


def test_13_a_site_can_turn_the_reading_of_words_off(make_app: Callable[..., Flask]) -> None:
    """With CDS_ORDER_TEXT=off an order without a code is not ours."""
    request = _request()
    _order(request)["code"] = {"text": "MR LUMBAR SPINE WO CONTRAST"}
    assert _answer(make_app(order_text=False).test_client(), request) == {"cards": []}


def test_13_a_sites_own_code_is_known(make_app: Callable[..., Flask], tmp_path: Path) -> None:
    """A local code that the site's file maps is judged as its study, without a word on its text."""
    site = tmp_path / "site.toml"
    site.write_text('[[order_codes]]\nsystem = "urn:oid:1.2.840.114350.1.13.0"\ncode = "33476"\nstudy = "mri-wo"\n')
    request = _request()
    _order(request)["code"] = {"coding": [{"system": "urn:oid:1.2.840.114350.1.13.0", "code": "33476"}], "text": "MSK7"}
    answer = _answer(make_app(site=site).test_client(), request)
    assert answer["extension"][APPRAISALS][0]["procedures"] == [f"{MRI}-without-iv-contrast"]
    assert "read from the order's text" not in answer["cards"][0]["detail"]


@pytest.mark.parametrize("where", ["contained", "prefetched", "problem list"])
def test_14_a_reason_may_stand_elsewhere(client: FlaskClient, where: str) -> None:
    """Contained and prefetched reasons are the order's; the problem list speaks where the order has none."""
    request = _request()
    order = _order(request)
    del order["reasonCode"]
    if where == "contained":
        order["contained"] = [
            {"resourceType": "Condition", "id": "c", "code": concept(LBP), "subject": order["subject"]}
        ]
        order["reasonReference"] = [{"reference": "#c"}]
    elif where == "prefetched":
        order["reasonReference"] = [{"reference": "Condition/conditions-0"}]
    answer = _answer(client, request)
    assert answer["extension"][APPRAISALS][0]["category"] == "usually-not-appropriate"
    assert ("on the problem list, not on the order" in answer["cards"][0]["detail"]) == (where == "problem list")


@pytest.mark.parametrize("path", [SELECT, SIGN])
def test_15_an_order_without_any_reason_is_not_scolded(client: FlaskClient, path: str) -> None:
    """Without a reason on the order or pain on the problem list there is no card."""
    request = {**_request(), "hook": "order-sign" if path == SIGN else "order-select"}
    del _order(request)["reasonCode"]
    request["prefetch"]["conditions"]["entry"] = []
    answer = _answer(client, request, path)
    assert answer["cards"] == []
    assert answer["extension"][APPRAISALS][0]["reason"] == "no-low-back-pain-indication"


@pytest.mark.parametrize(
    "system",
    ["http://hl7.org/fhir/sid/icd-10-cm", "http://hl7.org/fhir/sid/icd-10", "urn:oid:2.16.840.1.113883.6.90"],
)
@pytest.mark.parametrize("code", ["M54.50", "M5450", "M54.5", "m54.50"])
def test_16_icd_10_cm_in_every_spelling(client: FlaskClient, system: str, code: str) -> None:
    """Three system URLs, with and without the dot, retired parents among them, are one."""
    request = _request()
    _order(request)["reasonCode"] = [{"coding": [{"system": system, "code": code}]}]
    assert _appraisal(client, request)["category"] == "usually-not-appropriate"


def test_17_pseudo_codes_and_icd_9_are_no_codes(client: FlaskClient) -> None:
    """IMO0002 under ICD-10-CM and an ICD-9 code say nothing; a real code beside them does."""
    pseudo = [
        {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "IMO0002"},
        {"system": "http://hl7.org/fhir/sid/icd-9-cm", "code": "724.2"},
    ]
    request = _request()
    _order(request)["reasonCode"] = [{"coding": pseudo, "text": "Low back pain"}]
    assert _appraisal(client, request)["verdict"] == "no-criteria-apply"
    _order(request)["reasonCode"] = [{"coding": [*pseudo, *concept(LBP)["coding"]]}]
    assert _appraisal(client, request)["verdict"] == "rated"


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"intent": "proposal"}, "rated"),
        ({"intent": "original-order"}, "rated"),
        ({"intent": "reflex-order"}, "rated"),
        ({"status": "active"}, "rated"),
        ({"status": "on-hold"}, "rated"),
        ({"status": "completed"}, "not-judged"),
        ({"status": "revoked"}, "not-judged"),
        ({"status": "entered-in-error"}, "not-judged"),
        ({"doNotPerform": True}, "not-judged"),
    ],
)
def test_18_intent_and_status_of_an_order(client: FlaskClient, changes: Json, verdict: str) -> None:
    """Every intent is judged while the order lives; ended, mistaken and forbidding orders are not."""
    request = _request()
    _order(request).update(changes)
    assert _appraisal(client, request)["verdict"] == verdict


def _several(number: int) -> Json:
    request = _request()
    entries = request["context"]["draftOrders"]["entry"]
    entries += [{"resource": {**copy.deepcopy(_order(request)), "id": f"more-{each}"}} for each in range(number - 1)]
    request["context"]["selections"] = []
    return request


def test_19_several_orders_get_a_card_each_that_names_its_order(client: FlaskClient) -> None:
    """Three orders of one study get three cards, each with the reference of its own."""
    cards = _answer(client, _several(3))["cards"]
    named = ["ServiceRequest/order-1", "ServiceRequest/more-0", "ServiceRequest/more-1"]
    assert [card["detail"].splitlines()[0] for card in cards] == [f"**Order:** {each}" for each in named]


def test_19_a_client_caps_the_number_of_cards(client: FlaskClient) -> None:
    """Of several cards the most urgent are kept, up to max-cards."""
    request = _several(3)
    for entry in request["context"]["draftOrders"]["entry"][:2]:
        entry["resource"]["reasonCode"].append({"text": "as discussed"})  # which leaves all red flags open
    assert [card["indicator"] for card in _answer(client, request)["cards"]] == ["info", "info", "warning"]
    request["extension"] = {"davinci-crd.configuration": {"max-cards": 1}}
    assert [card["indicator"] for card in _answer(client, request)["cards"]] == ["warning"]


@pytest.mark.parametrize(
    ("configuration", "cards"),
    [
        ({"off-guideline": False}, 0),
        ({"off-guideline": True}, 1),
        ({"therapy-alternatives-opt": False}, 1),
        ({"off-guideline": "no", "max-cards": "0", "unknown": 1}, 1),
        ({"max-cards": True}, 1),
        ({"max-cards": -1}, 1),
        ({"max-cards": 0}, 0),
        ("off", 1),
        (None, 1),
    ],
)
def test_19_a_client_declines_a_kind_of_card(client: FlaskClient, configuration: Any, cards: int) -> None:
    """A declared option is honoured for the call; an unknown one or one of another type is passed over."""
    request = _request()
    request["extension"] = {"davinci-crd.configuration": configuration}
    assert len(_answer(client, request)["cards"]) == cards


def test_19_an_emergency_is_told_whatever_was_declined(client: FlaskClient) -> None:
    """Suspected cauda equina syndrome reaches a client that declined cards on inappropriate studies."""
    request = _request(order={"code": "CPT 72100", "reasons": [LBP, "SNOMED 192970008"]})
    request["extension"] = {"davinci-crd.configuration": {"off-guideline": False}}
    assert [card["indicator"] for card in _answer(client, request)["cards"]] == ["critical"]


def test_19_discovery_declares_what_can_be_declined(client: FlaskClient) -> None:
    """Each kind of card and the number of cards is an option with code, type, name, description and default."""
    for service in json.loads(client.get("/cds-services").data)["services"]:
        options = service["extension"]["davinci-crd.configuration-options"]
        assert {(each["code"], each["type"]) for each in options} == {
            ("off-guideline", "boolean"),
            ("therapy-alternatives-opt", "boolean"),
            ("appropriate-use", "boolean"),
            ("guideline", "boolean"),
            ("max-cards", "integer"),
        }
        assert all(set(each) == {"code", "type", "name", "description", "default"} for each in options)


def test_20_an_order_for_another_patient_is_not_judged(client: FlaskClient) -> None:
    """Order and context must speak of one patient."""
    request = _request()
    _order(request)["subject"] = {"reference": "Patient/positive"}
    answer = _answer(client, request)
    assert answer["cards"] == []
    assert answer["extension"][APPRAISALS][0]["reason"] == "subject-mismatch"


@pytest.mark.parametrize("instance", ["randomGUIDforthehookevent", "", None, 7, "00000000-0000-1000-8000-000000000000"])
def test_21_any_hook_instance_will_do(client: FlaskClient, instance: Any) -> None:
    """What is no UUID, or is sent again and again, changes nothing."""
    request = {**_request(), "hookInstance": instance}
    assert _appraisal(client, request) == _appraisal(client, request)


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        {},
        "null",
        {"token_type": "Bearer"},
        {"access_token": None, "token_type": "Bearer", "scope": "Condition.Read (Problems) (R4)"},
        {"access_token": "t", "token_type": "Bearer", "expires_in": 300, "scope": "patient/*.read", "subject": "s"},
        {
            "access_token": "t",
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": "patient/Condition.rs",
            "subject": "s",
        },
    ],
)
def test_22_23_an_odd_authorization_refuses_no_call(client: FlaskClient, authorization: Any) -> None:
    """A partial, null or unusual fhirAuthorization, whatever its scopes, leaves the call answered from prefetch."""
    assert _appraisal(client, {**_request(), "fhirAuthorization": authorization})["verdict"] == "rated"


@pytest.mark.parametrize("header", ["Bearer null", "Bearer", "Basic eA==", ""])
def test_26_any_authorization_header_will_do_in_open_mode(client: FlaskClient, header: str) -> None:
    """Where callers are not authenticated their tokens are not looked at."""
    response = client.post(SELECT, json=_request(), headers={"Authorization": header})
    assert response.status_code == 200


def test_28_the_summary_stands_alone_and_holds_no_markup(client: FlaskClient) -> None:
    """A client that shows only the summary shows study and rating; chart text in the detail is inert."""
    request = _request()
    _order(request)["reasonCode"][0]["text"] = "<img src=x onerror=alert(1)> [a](http://evil.example)"
    (card,) = _answer(client, request)["cards"]
    assert (
        card["summary"]
        == "Lumbar MRI without contrast: usually not appropriate for acute low back pain without red flags."
    )
    assert "<" not in card["detail"]
    assert "http://" not in card["detail"]


def _taken(request: Json, card: Json, number: int) -> Json:
    """The request that follows when a suggestion's update was taken."""
    (action,) = card["suggestions"][number]["actions"]
    again = copy.deepcopy(request)
    again["context"]["draftOrders"]["entry"][0]["resource"] = action["resource"]
    return again


@pytest.mark.parametrize("optional_cards", [False, True])
@pytest.mark.parametrize("code", ["CPT 72133", "CPT 72100", "CPT 72158", "CPT 72149", "LOINC 39816-4"])
@pytest.mark.parametrize("flag", ["ICD-10-CM C50.911", "SNOMED 192970008", "ICD-10-CM M81.0", "ICD-10-CM Z79.52"])
def test_30_what_was_accepted_is_not_suggested_again(
    make_app: Callable[..., Flask], code: str, flag: str, optional_cards: bool
) -> None:
    """The call that follows an accepted study offers neither that study nor one that leads back."""
    client = make_app(optional_cards=optional_cards).test_client()
    request = _request({"code": flag, "onset": "2026-02-25"}, order={"code": code})
    seen = [_order(request)["code"]]
    for _ in range(3):
        cards = _answer(client, request)["cards"]
        if not cards:
            break
        request = _taken(request, cards[0], 0)
        assert _order(request)["code"] not in seen
        seen.append(_order(request)["code"])
    assert _answer(client, request)["cards"] == []


def test_30_a_fact_that_was_recorded_is_not_asked_for_again(client: FlaskClient) -> None:
    """The call that follows a recorded fact does not offer to record it once more."""
    request = _request()
    request["prefetch"] = {}
    (card,) = _answer(client, request)["cards"]
    label = card["suggestions"][1]["label"]
    cards = _answer(client, _taken(request, card, 1))["cards"]
    assert all(suggestion["label"] != label for again in cards for suggestion in again.get("suggestions", []))


def test_30_a_referral_that_was_made_is_not_made_again(client: FlaskClient) -> None:
    """With a draft referral to physical therapy in the session the card offers only to remove the imaging order."""
    request = _request()
    (card,) = _answer(client, request)["cards"]
    referral = card["suggestions"][1]["actions"][1]["resource"]
    request["context"]["draftOrders"]["entry"].append({"resource": {**referral, "id": "pt-1"}})
    (card,) = _answer(client, request)["cards"]
    assert [suggestion["label"] for suggestion in card["suggestions"]] == ["Remove this imaging order"]


@pytest.mark.parametrize("missing", ["context", "draftOrders", "patientId"])
def test_31_a_stripped_call_is_refused_in_words_and_never_with_404(client: FlaskClient, missing: str) -> None:
    """A call without its essentials gets 400 with an OperationOutcome, so that the operator sees it."""
    request = _request()
    (request if missing == "context" else request["context"]).pop(missing)
    response = client.post(SELECT, json=request)
    assert response.status_code == 400
    assert json.loads(response.data)["resourceType"] == "OperationOutcome"


def test_32_discovery_can_be_cached_and_asked_again_cheaply(client: FlaskClient) -> None:
    """Discovery bears an ETag, and answers 304 to who has it still."""
    first = client.get("/cds-services")
    again = client.get("/cds-services", headers={"If-None-Match": first.headers["ETag"]})
    assert (first.status_code, again.status_code, again.data) == (200, 304, b"")
    assert "max-age" in first.headers["Cache-Control"]


def test_a_sites_name_for_a_key_is_known(make_app: Callable[..., Flask], tmp_path: Path) -> None:
    """An empty value under a site's own name for a key means searched and empty, which its type could not show."""
    site = tmp_path / "site.toml"
    names = {"item1": "conditions", "encounterDx": "conditions", "item2": "medications", "item3": "procedures"}
    rows = [f'[[prefetch_keys]]\nname = "{name}"\nkey = "{key}"\n' for name, key in names.items()]
    site.write_text("\n".join(rows))
    request = _request()
    conditions = request["prefetch"].pop("conditions")
    request["prefetch"] |= {"item1": conditions, "encounterDx": None, "item2": None, "item3": None}
    del request["prefetch"]["medications"], request["prefetch"]["procedures"]
    client = make_app(site=site).test_client()
    assert _appraisal(client, request)["category"] == "usually-not-appropriate"
    request["prefetch"]["encounterDx"] = FAILED
    assert _cancer(client, request) == "unknown"


SITE_FAULTS = [
    ("order_codes = 7", "line 1: write [[order_codes]]"),
    ('[[order_codes]]\ncode = "1"\n', "line 1: a row of order_codes has exactly system, code, study"),
    ('\n[[order_codes]]\nsystem = "u"\ncode = "1"\nstudy = "mri"\n', "line 2: 'mri' is no study"),
    ('[[order_codes]]\nsystem = "u"\ncode = 1\nstudy = "mri-wo"\n', "line 1: every member"),
    (
        '[[order_codes]]\nsystem = "u"\ncode = "1"\nstudy = "xr"\n' * 2,
        "line 5: the same thing stands in an earlier row",
    ),
    (
        '[[order_codes]]\nsystem = "http://www.ama-assn.org/go/cpt"\ncode = "72148"\nstudy = "xr"\n',
        "line 1: 72148 is a code for mri-wo already",
    ),
    ('[[prefetch_keys]]\nname = "a"\nkey = "b"\n', "line 1: 'b' is no prefetch key"),
    ('[[prefetch_keys]]\nname = "patient"\nkey = "conditions"\n', "line 1: 'patient' is a key of the service's own"),
    ('[[orderables]]\norder = "b"\ncode = "1"\ndisplay = "x"\n', "line 1: 'b' is nothing that is suggested"),
    ("[[colours]]\n", "line 1: no such table: colours"),
    ("[[order_codes]\n", "at line 1"),
]


@pytest.mark.parametrize(("text", "words"), SITE_FAULTS)
def test_a_sites_file_with_a_fault_is_refused_with_its_line(
    tmp_path: Path, text: str, words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service does not start on a bad row, and says in which file and line it stands."""
    from cds_service.__main__ import main

    site = tmp_path / "site.toml"
    site.write_text(text)
    monkeypatch.setenv("CDS_SITE", str(site))
    monkeypatch.setenv("CDS_DATABASE_URL", f"sqlite:///{tmp_path / 'store.sqlite3'}")
    assert main(["serve", "--port", "1"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"cds-service: CDS_SITE: {site}: ")
    assert words in said


def test_the_day_of_these_tests_is_that_of_their_charts() -> None:
    """The requests are judged as of the day their order was written."""
    assert _order(_request())["authoredOn"] == AS_OF.isoformat()
