"""The synthetic patients: valid FHIR R4, and each gets the card it promises."""

from __future__ import annotations

import json
from datetime import date
from importlib import import_module

import pytest
from flask.testing import FlaskClient

from cds_service.fhir_search import TYPES, fetch, search
from cds_service.patients import patients, resources
from cds_service.problems import Problem
from cds_service.trying import first_request, studies
from knowledge.knowledge import Knowledge
from tests.conftest import Clock

DAY = date(2026, 3, 2)
EVERYONE = [resource for patient in patients().values() for resource in resources(patient, DAY)]


@pytest.mark.parametrize("today", [DAY, date(2028, 2, 29), date(2027, 1, 1)], ids=str)
@pytest.mark.parametrize("name", patients())
def test_every_patient_gets_the_promised_card(
    name: str, today: date, client: FlaskClient, knowledge: Knowledge, clock: Clock
) -> None:
    """The first order of each story gets the indicator it promises, or silence, on any day of the calendar."""
    patient = patients()[name]
    clock.day = today
    body = first_request(patient, studies(knowledge)[patient.study], today, "0f6f4a3c-5b5e-4e0c-9a55-1f2b8e5b7c10")
    answer = client.post("/cds-services/lumbar-imaging-order-select", json=body)
    assert [card["indicator"] for card in answer.json["cards"]] == ([patient.expect] if patient.expect else [])


def test_the_stories_show_every_kind_of_answer() -> None:
    """Among the patients are silence and each indicator."""
    assert {patient.expect for patient in patients().values()} == {None, "info", "warning", "critical"}


@pytest.mark.parametrize("kind", TYPES)
def test_every_resource_is_valid_fhir_r4(kind: str) -> None:
    """Each resource of the synthetic charts parses as its FHIR R4 model, with an id that FHIR allows."""
    model = getattr(import_module(f"fhir.resources.R4B.{kind.lower()}"), kind)
    found = [resource for resource in EVERYONE if resource["resourceType"] == kind]
    assert found
    for resource in found:
        parsed = model.model_validate(json.loads(json.dumps(resource)))
        assert len(parsed.id) <= 64


def test_ids_are_unique_across_patients() -> None:
    """No two resources of one type share an id, so that one server can hold them all."""
    names = [(resource["resourceType"], resource["id"]) for resource in EVERYONE]
    assert len(names) == len(set(names))


def test_an_age_is_the_age_on_any_day() -> None:
    """A patient of 65 told as 64 would be another story: ages hold on leap days and at the turn of the year."""
    for today in (DAY, date(2028, 2, 29), date(2026, 12, 31), date(2027, 1, 1)):
        for patient in patients().values():
            born = date.fromisoformat(resources(patient, today)[0]["birthDate"])
            assert today.year - born.year - ((today.month, today.day) < (born.month, born.day)) == patient.age


def test_every_procedure_and_both_open_orders_can_be_ordered(knowledge: Knowledge) -> None:
    """The studies are the eleven of the table, and an MRI and a CT with open contrast; each code means its study."""
    offered = studies(knowledge)
    assert list(offered)[:11] == list(knowledge.topic.procedures)
    assert len(offered) == 13
    for study in offered.values():
        resolved = knowledge.orders.resolve([code.coding for code in study.codes])
        assert getattr(resolved, "procedures", None)
        if study.id in knowledge.topic.procedures:
            assert resolved.procedures == (study.id,)


@pytest.mark.parametrize(
    ("query", "total"),
    [
        ([("patient", "acute")], 2),
        ([("patient", "Patient/acute")], 2),
        ([("subject", "Patient/acute,fall")], 4),
        ([("patient", "acute"), ("code", "M54.50")], 1),
        ([("patient", "acute"), ("code", "http://snomed.info/sct|279039007")], 1),
        ([("patient", "acute"), ("code", "http://loinc.org|279039007")], 0),
        ([("patient", "acute"), ("code", "M54.50,38341003")], 2),
        ([("_id", "acute-back-pain")], 1),
        ([("patient", "cancer"), ("clinical-status", "remission")], 1),
        ([("patient", "acute"), ("_sort", "-onset-date"), ("category", "problem-list-item")], 2),
        ([("patient", "nobody")], 0),
    ],
)
def test_a_search_finds_what_it_asks_for(query: list[tuple[str, str]], total: int) -> None:
    """Parameters are joined by AND, comma-separated values by OR, and tokens keep to their system."""
    assert search(EVERYONE, "Condition", query).total == total


def test_a_parameter_that_is_not_supported_is_refused() -> None:
    """A search that ignored a parameter would show too much: it is refused by name."""
    with pytest.raises(Problem, match="onset-age is not supported on Condition"):
        search(EVERYONE, "Condition", [("onset-age", "5")])


def test_pages_hold_everything_once() -> None:
    """Following the next links of a paged search gives each resource once, in order."""
    query = [("_count", "7")]
    seen: list[str] = []
    while True:
        page = search(EVERYONE, "Condition", query)
        seen += [resource["id"] for resource in page.resources]
        if page.next_query is None:
            break
        query = [tuple(pair.split("=")) for pair in page.next_query.split("&")]  # type: ignore[misc]
    assert seen == [resource["id"] for resource in EVERYONE if resource["resourceType"] == "Condition"]


def test_a_prefetch_query_is_answered_as_a_client_would() -> None:
    """A read gives the resource or nothing, a search a searchset Bundle."""
    assert fetch(EVERYONE, "Patient/fall")["gender"] == "female"  # type: ignore[index]
    assert fetch(EVERYONE, "Patient/nobody") is None
    assert fetch(EVERYONE, "Procedure?patient=acute") == {"resourceType": "Bundle", "type": "searchset", "total": 0}
