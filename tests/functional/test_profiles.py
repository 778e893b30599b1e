"""Each client's dialect: the shapes of suggestions, topics, links and system actions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from cards.profiles import Profile
from cds_service.addresses import read_address
from tests.cases_as_fhir import concept, request_for

Json = dict[str, Any]
Maker = Callable[..., Flask]

SELECT = "/cds-services/lumbar-imaging-order-select"
LBP = "ICD-10-CM M54.50"
RATING = "http://fhir.org/argonaut/Extension/pama-rating"
PAIN = {"code": LBP, "onset": "2026-02-20"}
CANCER = {"code": "ICD-10-CM C50.911", "onset": "2020-01-01"}
PLAIN: Json = {
    "order": {"code": "CPT 72148", "reasons": [LBP]},
    "chart": {"birth_date": "1981-05-10", "conditions": [PAIN]},
}
BETTER: Json = {
    "order": {"code": "CPT 72133", "reasons": [LBP]},
    "chart": {"birth_date": "1981-05-10", "conditions": [PAIN, CANCER]},
}
UNSEEN: Json = {"order": {"code": "CPT 72148", "reasons": [LBP]}, "chart": {"not_delivered": ["conditions", "patient"]}}
NO_PAIN: Json = {"order": {"code": "CPT 72148", "reasons": ["ICD-10-CM N20.0"]}}
OTHER_TOPIC: Json = {"order": {"code": "CPT 72148", "reasons": [LBP, "ICD-10-CM M41.9"]}}
SITE = """
[[orderables]]
order = "mri-lumbar-spine-without-and-with-iv-contrast"
code = "PL-72158"
display = "MRI lumbar spine without and with contrast"

[[orderables]]
order = "mri-lumbar-spine-without-iv-contrast"
code = "PL-72148"
display = "MRI lumbar spine without contrast"

[[orderables]]
order = "physical-therapy"
code = "PL-PT"
display = "Physical therapy"
"""


def _answer(app: Flask, ruling: Json, **changes: Any) -> Json:
    request = {**json.loads(json.dumps(request_for(ruling))), **changes}
    response = app.test_client().post(SELECT, json=request)
    assert response.status_code == 200, response.text
    answer: Json = json.loads(response.data)
    return answer


def _actions(card: Json) -> list[list[str]]:
    return [[action["type"] for action in suggestion["actions"]] for suggestion in card.get("suggestions", [])]


def _ratings(action: Json) -> list[str]:
    return [
        each["valueCodeableConcept"]["coding"][0]["code"]
        for each in action["resource"].get("extension", [])
        if each["url"] == RATING
    ]


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("ruling", [PLAIN, BETTER, UNSEEN], ids=["plain", "better", "unseen"])
def test_a_profile_changes_no_word_of_what_is_said(make_app: Maker, profile: Profile, ruling: Json) -> None:
    """Summary, detail, indicator and appraisal are the same in every dialect."""
    spec = _answer(make_app(), ruling)
    other = _answer(make_app(profile=profile), ruling)
    said = [(card["summary"], card["detail"], card["indicator"]) for card in spec["cards"]]
    assert [(card["summary"], card["detail"], card["indicator"]) for card in other["cards"]][: len(said)] == said
    assert other["extension"] == spec["extension"]


def test_the_sandbox_gets_updates_with_the_rating_of_what_is_proposed(make_app: Maker) -> None:
    """Each of its suggestions is one update that holds a coding with a display, coded reasons and a rating."""
    app = make_app(profile=Profile.SANDBOX)
    for ruling, rating in ((BETTER, "appropriate"), (UNSEEN, "appropriate")):
        (card,) = _answer(app, ruling)["cards"]
        assert _actions(card)
        for suggestion in card["suggestions"]:
            (action,) = suggestion["actions"]
            assert action["type"] == "update"
            assert action["resource"]["code"]["coding"][0]["code"]
            assert all(each["coding"][0]["code"] for each in action["resource"]["reasonCode"])
            assert _ratings(action) == [rating]


def test_the_sandbox_gets_no_button_that_would_do_nothing(make_app: Maker) -> None:
    """Deletes and creates are left out there, and so is an update of an order without coded reasons."""
    app = make_app(profile=Profile.SANDBOX)
    assert _actions(_answer(app, PLAIN)["cards"][0]) == []
    by_reference = {**BETTER, "order": {"code": "CPT 72133", "reasons": [{"why": "conditions-0"}]}}
    assert _actions(_answer(app, by_reference)["cards"][0]) == []


def test_epic_gets_one_action_a_suggestion_and_no_update(make_app: Maker, tmp_path: Path) -> None:
    """The better study is created from the site's preference list, the order deleted, any of the two alone."""
    site = tmp_path / "site.toml"
    site.write_text(SITE)
    app = make_app(profile=Profile.EPIC, site=site)
    (card,) = _answer(app, BETTER)["cards"]
    assert _actions(card) == [["create"], ["delete"]]
    assert card["selectionBehavior"] == "any"
    create, delete = (suggestion["actions"][0] for suggestion in card["suggestions"])
    assert create["resource"]["code"]["coding"] == [
        {
            "system": "urn:com.epic.cdshooks.action.code.system.preference-list-item",
            "code": "PL-72148",
            "display": "MRI lumbar spine without contrast",
        }
    ]
    assert create["description"] == "Order lumbar MRI without contrast instead"
    assert delete["resourceId"] == "ServiceRequest/order-1"
    (card,) = _answer(app, PLAIN)["cards"]
    assert _actions(card) == [["delete"], ["create"]]
    assert card["suggestions"][1]["label"] == "Refer to physical therapy"


def test_without_a_preference_list_epic_gets_text_instead_of_a_create(make_app: Maker) -> None:
    """Where the site named no code to create an order by nothing is created, and no order goes without a substitute."""
    app = make_app(profile=Profile.EPIC)
    assert _actions(_answer(app, BETTER)["cards"][0]) == []
    assert _actions(_answer(app, PLAIN)["cards"][0]) == [["delete"]]
    assert _actions(_answer(app, UNSEEN)["cards"][0]) == []


def test_epics_topic_is_static_and_alphanumeric(make_app: Maker) -> None:
    """Epic remembers overrides by a topic code of letters and digits, the same on every card."""
    app = make_app(profile=Profile.EPIC)
    codes = {_answer(app, ruling)["cards"][0]["source"]["topic"]["code"] for ruling in (PLAIN, BETTER, UNSEEN)}
    assert codes == {"LUMBARIMG01"}


@pytest.mark.parametrize(
    ("ruling", "topic"),
    [(PLAIN, "off-guideline"), (BETTER, "therapy-alternatives-opt"), (UNSEEN, "appropriate-use")],
    ids=["plain", "better", "unseen"],
)
def test_crd_gets_a_card_type_its_order_and_the_link_on_a_card_of_its_own(
    make_app: Maker, ruling: Json, topic: str
) -> None:
    """A card has CRD's topic and names its order; no card has both links and suggestions; no delete stands alone."""
    advice, reference = _answer(make_app(profile=Profile.CRD), ruling)["cards"]
    assert advice["source"]["topic"]["code"] == topic
    assert advice["source"]["topic"]["system"] == "http://terminology.hl7.org/CodeSystem/cdshooks-card-type"
    assert advice["extension"]["davinci-crd.associated-resource"] == [{"reference": "ServiceRequest/order-1"}]
    assert "links" not in advice
    assert advice["suggestions"]
    assert all(kinds in (["update"], ["delete", "create"]) for kinds in _actions(advice))
    assert reference["source"]["topic"]["code"] == "guideline"
    assert [link["type"] for link in reference["links"]] == ["absolute"]
    assert "suggestions" not in reference


def test_a_card_links_to_the_row_of_its_variant(make_app: Maker) -> None:
    """Where clinicians reach the service a card leads to its variant on the guideline page, and then to the ACR."""
    app = make_app(public_url=read_address("https://cds.example.org/lbp"))
    links = [link["url"] for link in _answer(app, PLAIN)["cards"][0]["links"]]
    assert links[0] == "https://cds.example.org/lbp/guideline#variant-1"
    assert links[1:] == [link["url"] for link in _answer(make_app(), PLAIN)["cards"][0]["links"]]


def test_crd_gets_no_link_where_there_is_no_advice(make_app: Maker) -> None:
    """A silent answer stays silent in every dialect."""
    assert _answer(make_app(profile=Profile.CRD), NO_PAIN)["cards"] == []


def test_a_client_of_crd_declines_the_link(make_app: Maker) -> None:
    """The card with the guideline's link is a kind that can be declined."""
    configuration = {"davinci-crd.configuration": {"guideline": False}}
    (card,) = _answer(make_app(profile=Profile.CRD), PLAIN, extension=configuration)["cards"]
    assert card["source"]["topic"]["code"] == "off-guideline"


def test_there_are_no_system_actions_unless_they_were_agreed(make_app: Maker) -> None:
    """By default an answer holds no systemActions, in any profile."""
    for profile in Profile:
        answer = _answer(make_app(profile=profile), PLAIN)
        assert "systemActions" not in answer
        assert "systemActions" not in answer["extension"]


@pytest.mark.parametrize(
    ("ruling", "code"),
    [
        (PLAIN, "not-appropriate"),
        ({**BETTER, "order": {"code": "CPT 72158", "reasons": [LBP]}}, "appropriate"),
        ({**BETTER, "order": {"code": "CPT 72131", "reasons": [LBP]}}, "appropriate"),
        (OTHER_TOPIC, "no-criteria-apply"),
        (NO_PAIN, None),
        (UNSEEN, None),
        ({"order": {"code": "CPT 70551", "reasons": [LBP]}}, None),
    ],
    ids=["lowest", "highest", "middle", "other topic", "no pain", "undetermined", "not ours"],
)
def test_a_rating_is_put_on_the_order(make_app: Maker, ruling: Json, code: str | None) -> None:
    """What is rated bears appropriate or not, what is of another topic bears no criteria, the rest bears nothing."""
    actions = _answer(make_app(system_actions=True), ruling).get("systemActions", [])
    assert [_ratings(action) for action in actions] == ([[code]] if code else [])


def test_a_rating_changes_nothing_else_of_the_order(make_app: Maker) -> None:
    """The update repeats the order, keeps its other extensions, and adds rating, consultation and criteria once."""
    app = make_app(system_actions=True)
    request = json.loads(json.dumps(request_for(PLAIN)))
    order = request["context"]["draftOrders"]["entry"][0]["resource"]
    order["extension"] = [{"url": "http://example.org/x", "valueString": "kept"}]
    for _ in range(2):
        answer = json.loads(app.test_client().post(SELECT, json=request).data)
        (action,) = answer["systemActions"]
        added = action["resource"]["extension"]
        assert action["description"]
        assert [each["url"].rsplit("/", 1)[-1] for each in added] == [
            "x",
            "pama-rating",
            "pama-rating-consult-id",
            "pama-rating-auc-applied",
        ]
        codings = added[1]["valueCodeableConcept"]["coding"]
        assert codings[1]["code"] == "usually-not-appropriate"
        assert added[2]["valueUri"].startswith("urn:uuid:")
        assert {**action["resource"], "extension": order["extension"]} == order
        # The order comes back with its rating, and is rated again.
        request["context"]["draftOrders"]["entry"][0]["resource"] = action["resource"]
        order = action["resource"]


def test_the_sandbox_finds_system_actions_where_it_looks(make_app: Maker) -> None:
    """With the sandbox's profile the actions stand in extension.systemActions too; elsewhere at the top alone."""
    for profile in Profile:
        answer = _answer(make_app(profile=profile, system_actions=True), PLAIN)
        mirrored = answer["extension"].get("systemActions")
        assert mirrored == (answer["systemActions"] if profile is Profile.SANDBOX else None)


def test_a_suggestion_does_not_carry_the_rating_of_another_study(make_app: Maker) -> None:
    """An order that was rated loses that rating in an update that changes its study."""
    request = json.loads(json.dumps(request_for(BETTER)))
    order = request["context"]["draftOrders"]["entry"][0]["resource"]
    order["extension"] = [
        {"url": RATING, "valueCodeableConcept": {"coding": [{"code": "not-appropriate"}]}},
        {"url": "http://example.org/x", "valueString": "kept"},
    ]
    (card,) = json.loads(make_app().test_client().post(SELECT, json=request).data)["cards"]
    (action,) = card["suggestions"][0]["actions"]
    assert action["resource"]["extension"] == [{"url": "http://example.org/x", "valueString": "kept"}]


def test_the_sandboxs_walk_ends(make_app: Maker) -> None:
    """Taking its first suggestion leads to an order that is rated appropriate and gets no card."""
    app = make_app(profile=Profile.SANDBOX, system_actions=True)
    request = json.loads(json.dumps(request_for(BETTER)))
    (card,) = _post(app.test_client(), request)["cards"]
    request["context"]["draftOrders"]["entry"][0]["resource"] = card["suggestions"][0]["actions"][0]["resource"]
    answer = _post(app.test_client(), request)
    assert answer["cards"] == []
    assert _ratings(answer["systemActions"][0]) == ["appropriate"]


def _post(client: FlaskClient, request: Json) -> Json:
    answer: Json = json.loads(client.post(SELECT, json=request).data)
    return answer


def test_the_fhir_of_these_tests_is_coded(knowledge: Any) -> None:
    """The orders of these tests stand for studies of the table."""
    from knowledge.findings import Coding

    for ruling in (PLAIN, BETTER):
        (coding,) = concept(ruling["order"]["code"])["coding"]
        assert Coding(coding["system"], coding["code"]) in knowledge.orders.codes
