"""What a client sends in a shape that cannot be read never becomes the absence of a red flag."""

from __future__ import annotations

import copy
import json
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


@pytest.mark.parametrize(("kind", "presence"), [("Conditions", "unknown"), ("Encounter", "absent")])
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
