"""What the buttons of a card do to the drafts of a session, the odd ones among them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from cards.profiles import Profile
from tests.cases_as_fhir import concept, request_for

Json = dict[str, Any]
Maker = Callable[..., Flask]

SELECT = "/cds-services/lumbar-imaging-order-select"
LBP = "ICD-10-CM M54.50"
PAIN = {"code": LBP, "onset": "2026-02-20"}
CHART = {"birth_date": "1981-05-10", "conditions": [PAIN]}
MYELOGRAPHY: Json = {
    "order": {"code": "CPT 72132", "reasons": [LBP]},
    "also_ordered": [{"code": "CPT 62304"}],
    "chart": CHART,
}


def _request(told: Json) -> Json:
    copied: Json = json.loads(json.dumps(request_for(told)))
    return copied


def _drafts(request: Json) -> list[Json]:
    return [entry["resource"] for entry in request["context"]["draftOrders"]["entry"]]


def _answer(client: FlaskClient, request: Json) -> Json:
    answer: Json = json.loads(client.post(SELECT, json=request).data)
    return answer


def _deleted(suggestion: Json) -> list[str]:
    return [action["resourceId"] for action in suggestion["actions"] if action["type"] == "delete"]


def test_both_parts_of_a_study_go_together(client: FlaskClient) -> None:
    """Whoever takes a CT myelography back, or refers instead, leaves no order for the injection alone."""
    (card,) = _answer(client, _request(MYELOGRAPHY))["cards"]
    both = ["ServiceRequest/order-1", "ServiceRequest/also-0"]
    assert [_deleted(suggestion) for suggestion in card["suggestions"]] == [both, both]


def test_a_better_study_takes_the_place_of_both_parts(client: FlaskClient) -> None:
    """The update that proposes another study removes the draft of the part that it no longer needs."""
    chart = {**CHART, "conditions": [PAIN, {"code": "ICD-10-CM C61"}]}
    told = {**MYELOGRAPHY, "also_ordered": [{"code": "CPT 62290"}], "chart": chart}
    (card,) = _answer(client, _request(told))["cards"]
    (suggestion,) = card["suggestions"]
    assert [action["type"] for action in suggestion["actions"]] == ["update", "delete"]
    assert _deleted(suggestion) == ["ServiceRequest/also-0"]


@pytest.mark.parametrize(
    ("profile", "deleted"),
    [(Profile.EPIC, [["ServiceRequest/order-1"], ["ServiceRequest/also-0"]]), (Profile.SANDBOX, [])],
)
def test_the_parts_go_as_their_client_can_carry_it_out(
    make_app: Maker, profile: Profile, deleted: list[list[str]]
) -> None:
    """Epic gets a suggestion for each part, and the sandbox, where a delete does nothing, none."""
    (card,) = _answer(make_app(profile=profile).test_client(), _request(MYELOGRAPHY))["cards"]
    assert [_deleted(suggestion) for suggestion in card.get("suggestions", [])] == deleted


def test_a_cancelled_part_is_left_alone(client: FlaskClient) -> None:
    """A draft of the injection that is no longer live is not deleted once more."""
    request = _request({**MYELOGRAPHY, "order": {"code": ["CPT 72132", "CPT 62304"], "reasons": [LBP]}})
    _drafts(request)[1]["status"] = "revoked"
    request["context"]["selections"] = ["ServiceRequest/order-1"]
    (card,) = _answer(client, request)["cards"]
    assert [_deleted(suggestion) for suggestion in card["suggestions"]] == [["ServiceRequest/order-1"]] * 2


@pytest.mark.parametrize(
    "change",
    [
        {"subject": {"reference": "Patient/p2"}},
        {"doNotPerform": True},
        {"id": "also-1"},
    ],
    ids=["another patient's", "denied", "an id that another draft has"],
)
def test_a_part_that_is_not_plainly_of_this_study_is_left_alone(client: FlaskClient, change: Json) -> None:
    """Nothing is deleted that belongs to someone else, asks for nothing, or cannot be told from another draft."""
    request = _request({**MYELOGRAPHY, "also_ordered": [{"code": "CPT 62304"}, {"code": "CPT 97110"}]})
    _drafts(request)[1].update(change)
    for card in _answer(client, request)["cards"]:
        for suggestion in card["suggestions"]:
            assert not {"ServiceRequest/also-0", "ServiceRequest/also-1"} & set(_deleted(suggestion))


def test_a_part_that_two_studies_need_stays(client: FlaskClient) -> None:
    """Taking back one of two myelographies does not take the injection from the other."""
    request = _request({**MYELOGRAPHY, "also_ordered": [{"code": "CPT 62304"}, {"code": "CPT 72131"}]})
    _drafts(request)[2]["code"] = concept("CPT 72132")
    request["context"]["selections"] = []
    for card in _answer(client, request)["cards"]:
        assert all("ServiceRequest/also-0" not in _deleted(suggestion) for suggestion in card["suggestions"])


def test_two_drafts_of_one_id_are_both_judged_and_neither_is_changed(make_app: Maker) -> None:
    """Each gets its card, without a button or a rating that would hit the other."""
    app = make_app(profile=Profile.SPEC, system_actions=True)
    request = _request({"order": {"code": "CPT 72148", "reasons": [LBP]}, "chart": CHART})
    other = {**_drafts(request)[0], "code": concept("CPT 72158")}
    request["context"]["draftOrders"]["entry"].append({"resource": other})
    answer = _answer(app.test_client(), request)
    assert len(answer["cards"]) == len(answer["extension"]["lumbar-imaging-cds.appraisals"]) == 2
    assert all("suggestions" not in card for card in answer["cards"])
    assert "systemActions" not in answer


def test_a_draft_that_is_sent_twice_gets_one_card(client: FlaskClient) -> None:
    """The same resource again is the same order, and keeps its buttons."""
    request = _request({"order": {"code": "CPT 72148", "reasons": [LBP]}, "chart": CHART})
    request["context"]["draftOrders"]["entry"] *= 2
    (card,) = _answer(client, request)["cards"]
    assert len(card["suggestions"]) == 2


def _referral(client: FlaskClient, **changes: Any) -> Json:
    request = _request({"order": {"code": "CPT 72148", "reasons": [LBP]}, "chart": CHART})
    _drafts(request)[0].update(changes)
    (card,) = _answer(client, request)["cards"]
    created: Json = card["suggestions"][1]["actions"][-1]["resource"]
    return created


def test_a_referral_brings_the_contained_resources_it_refers_to(client: FlaskClient) -> None:
    """References into the order stay resolvable in the referral, and what nothing refers to stays behind."""
    pain = {"resourceType": "Condition", "id": "pain", "code": concept(LBP), "asserter": {"reference": "#who"}}
    pain["subject"] = {"reference": "Patient/p1"}
    contained = [
        pain,
        {"resourceType": "Practitioner", "id": "who"},
        {"resourceType": "Coverage", "id": "unused"},
    ]
    referral = _referral(client, contained=contained, reasonReference=[{"reference": "#pain"}])
    assert [each["id"] for each in referral["contained"]] == ["pain", "who"]
    assert referral["reasonReference"] == [{"reference": "#pain"}]
    assert "contained" not in _referral(client, contained=contained)


@pytest.mark.parametrize(("intent", "written"), [(None, "order"), (5, "order"), ("plan", "plan")])
def test_a_referral_has_an_intent(client: FlaskClient, intent: Any, written: str) -> None:
    """FHIR requires one: the order's own, else ``order``."""
    assert _referral(client, intent=intent)["intent"] == written


def test_extensions_of_a_lists_values_do_not_slip_to_another_value(client: FlaskClient) -> None:
    """Null holds the place of a value or of its extensions in the echo, as FHIR's JSON has it."""
    told = {"order": {"code": "CPT 72133", "reasons": [LBP]}}
    told["chart"] = {**CHART, "conditions": [PAIN, {"code": "ICD-10-CM C61"}]}
    request = _request(told)
    extension = {"extension": [{"url": "http://example.org/x", "valueString": "of the second"}]}
    canonical = ["http://example.org/a", "http://example.org/b"]
    _drafts(request)[0].update(
        instantiatesCanonical=canonical,
        _instantiatesCanonical=[None, extension],
        instantiatesUri=canonical,
        _instantiatesUri=[extension, extension],
        contained=[{"resourceType": "Patient", "name": [{"given": ["A", None], "_given": [{}, extension]}]}],
    )
    (card,) = _answer(client, request)["cards"]
    echoed = card["suggestions"][0]["actions"][0]["resource"]
    assert echoed["instantiatesCanonical"] == canonical
    assert echoed["_instantiatesCanonical"] == [None, extension]
    assert echoed["_instantiatesUri"] == [extension, extension]
    assert echoed["contained"][0]["name"] == [{"given": ["A", None], "_given": [None, extension]}]


@pytest.mark.parametrize(
    "pregnancy",
    [{"code": "ICD-10-CM Z34.02"}, {"code": "ICD-10-CM Z34.02", "onset": "2025"}],
    ids=["undated", "date too coarse"],
)
def test_a_pregnancy_that_may_be_over_still_keeps_ionising_studies_away(client: FlaskClient, pregnancy: Json) -> None:
    """What leaves a pregnancy open is noted as possible, and no study with ionising radiation is suggested."""
    told = {
        "order": {"code": "CPT 72100", "reasons": [LBP, "ICD-10-CM G83.4"]},
        "chart": {**CHART, "conditions": [PAIN, pregnancy]},
    }
    (card,) = _answer(client, _request(told))["cards"]
    assert [suggestion["label"] for suggestion in card["suggestions"]] == ["Replace by lumbar MRI without contrast"]
    assert "No study with ionizing radiation is suggested, for the chart leaves open a pregnancy." in card["detail"]
    assert "Possible pregnancy:" in card["detail"]
