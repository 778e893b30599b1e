"""The named rulings of the topic, judged in process and through HTTP in every shape an EHR sends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from cds_service.settings import Settings
from knowledge.knowledge import Knowledge
from tests.applications import opened
from tests.cases_as_fhir import SHAPES, request_for, rulings, today_of
from tests.conftest import Clock

Json = dict[str, Any]

RULINGS = list(rulings())
NAMED = [pytest.param(ruling, id=f"{file}: {ruling['name']}") for file, ruling in RULINGS]
RED_FLAGS = ("present", "unknown")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    folder = tmp_path_factory.mktemp("rulings")
    clock = Clock()
    with opened(Settings(database_url=f"sqlite:///{folder / 'store.sqlite3'}"), today=clock) as made:
        made.config["clock"] = clock
        yield made


def _answer(app: Flask, ruling: Json, shape: str, hook: str = "order-select") -> Json:
    app.config["clock"].day = today_of(ruling)
    response = app.test_client().post(f"/cds-services/lumbar-imaging-{hook}", json=request_for(ruling, shape, hook))
    assert response.status_code == 200, response.text
    answer: Json = json.loads(response.data)
    return answer


def _differences(expected: Json, answer: Json) -> list[str]:
    appraisals = answer.get("extension", {}).get("lumbar-imaging-cds.appraisals", [])
    cards = answer["cards"]
    shown = cards[0]["indicator"] if cards else "none"
    found: Json = appraisals[0] if appraisals else {"verdict": "not-looked-at"}
    presence = {each["concept"]: each["presence"] for each in found.get("findings", [])}
    values = {each["concept"]: each.get("value") for each in found.get("findings", [])}
    wrong = []
    for name in ("verdict", "category", "floor", "ceiling", "reason"):
        if name in expected and found.get(name) != expected[name]:
            wrong.append(f"{name}: expected {expected[name]}, is {found.get(name)}")
    if expected["verdict"] == "undetermined" and "floor" not in expected and "floor" in found:
        wrong.append(f"floor: expected none, is {found['floor']}")
    if "established" in expected and found.get("variants", {}).get("established", []) != expected["established"]:
        wrong.append(f"established: expected {expected['established']}, is {found.get('variants')}")
    if "procedures" in expected and sorted(found.get("procedures", [])) != sorted(expected["procedures"]):
        wrong.append(f"procedures: expected {expected['procedures']}, is {found.get('procedures')}")
    for concept, wanted in expected.get("findings", {}).items():
        if presence.get(concept) != wanted:
            flag = "RED FLAG MISSED " if wanted in RED_FLAGS and presence.get(concept) == "absent" else ""
            wrong.append(f"{flag}{concept}: expected {wanted}, is {presence.get(concept)}")
    if "duration" in expected and values.get("duration") != expected["duration"]:
        wrong.append(f"duration: expected {expected['duration']}, is {values.get('duration')}")
    for concept in expected.get("missing", []):
        if concept not in found.get("missing", []):
            wrong.append(f"missing: {concept} is not named")
    if "card" in expected and shown != expected["card"]:
        wrong.append(f"card: expected {expected['card']}, is {shown}")
    return wrong


@pytest.mark.parametrize("ruling", NAMED)
def test_every_ruling_is_judged_as_it_says(app: Flask, ruling: Json) -> None:
    """Each named ruling gets the verdict, the findings and the card that it names."""
    assert _differences(ruling["expect"], _answer(app, ruling, "plain")) == []


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape != "plain"])
@pytest.mark.parametrize("ruling", NAMED)
def test_the_shape_of_a_request_changes_no_ruling(app: Flask, ruling: Json, shape: str) -> None:
    """The same story in another of the shapes EHRs send gets the same ruling."""
    assert _differences(ruling["expect"], _answer(app, ruling, shape)) == []


def test_order_sign_rules_as_order_select_does(app: Flask) -> None:
    """Signing an order alone gets the ruling that selecting it got."""
    wrong = {
        ruling["name"]: differences
        for _, ruling in RULINGS
        if "also_ordered" not in ruling
        and (differences := _differences(ruling["expect"], _answer(app, ruling, "plain", "order-sign")))
    }
    assert wrong == {}


@pytest.mark.parametrize("ruling", [each for each in NAMED if "notes" in each.values[0]["expect"]])
def test_notes_are_noted(knowledge: Knowledge, ruling: Json) -> None:
    """Exactly the notes that a ruling names are found, and none changes its rating."""
    from cds_service.envelope import parse_request
    from cds_service.judging import Judge

    call = parse_request(json.dumps(request_for(ruling)).encode(), "order-select")
    judged = Judge(knowledge, Settings()).judge(call, today_of(ruling))
    notes = judged.orders[0].appraisal.reading.notes  # type: ignore[union-attr]
    assert [name for name, found in notes.items() if found.presence == "present"] == ruling["expect"]["notes"]


@pytest.mark.parametrize("ruling", [each for each in NAMED if "suggests" in each.values[0]["expect"]])
def test_the_better_study_is_suggested(app: Flask, ruling: Json) -> None:
    """Where a ruling names a kind of suggestion, the first one replaces the order's code and keeps the rest."""
    sent = request_for(ruling)["context"]["draftOrders"]["entry"][0]["resource"]
    (card,) = _answer(app, ruling, "plain")["cards"]
    (action,) = card["suggestions"][0]["actions"]
    assert action["type"] == "update"
    assert action["resource"]["code"] != sent["code"]
    assert {**action["resource"], "code": sent["code"]} == sent
