"""The pages and what they ask the service: over HTTP, without a browser."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from cards.links import variant_link
from cds_service.envelope import parse_request
from cds_service.explain import explain
from cds_service.explanation import explained
from cds_service.judging import Judge
from cds_service.patients import patients
from cds_service.settings import Settings
from knowledge.knowledge import Knowledge
from tests.cases_as_fhir import AS_OF, request_for

ROOT = Path(__file__).parents[2]
SERVICE = ROOT / "cds_service"
GALLERY = json.loads((ROOT / "tests/data/gallery.json").read_text(encoding="utf-8"))["patients"]


def test_pages_can_be_turned_off(make_app: Callable[..., Flask]) -> None:
    """With pages=False there is nothing to try and nothing is explained; the guideline stays."""
    client = make_app(pages=False).test_client()
    assert client.get("/").status_code == 404
    assert client.post("/try/explain", json=request_for(GALLERY[0])).status_code == 404
    assert "Try it" not in client.get("/guideline").text


@pytest.mark.parametrize("path", ["/", "/guideline"])
def test_a_page_lives_under_its_own_policy(path: str, client: FlaskClient) -> None:
    """The policy allows this service alone, and the page has no script or style in itself and loads nothing else."""
    answer = client.get(path)
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'; ")
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", answer.text)
    loaded = re.findall(r"<(?:script|link|img)[^>]*?(?:src|href)=\"([^\"]+)\"", answer.text)
    assert loaded
    assert all(address.startswith("/static/") for address in loaded)
    for address in loaded:
        with client.get(address) as asset:
            assert asset.status_code == 200


def test_scripts_load_nothing_from_elsewhere() -> None:
    """No script of ours names another host, evaluates text, or writes markup but the rendered Markdown."""
    for file in sorted((SERVICE / "static").glob("*.js")):
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"\beval\(|new Function|document\.write|insertAdjacentHTML|outerHTML", text), file.name
        assert text.count("innerHTML") == (file.name == "card.js"), file.name
        hosts = set(re.findall(r"https?://[\w.]+", text))
        assert hosts <= {"http://www.w3.org", "http://terminology.hl7.org", "http://unitsofmeasure.org"}, file.name


def test_the_vendored_library_is_the_one_on_record() -> None:
    """What is vendored has the recorded content, and its licence stands beside it."""
    folder = SERVICE / "static/vendor"
    records = json.loads((folder / "vendored.json").read_text(encoding="utf-8"))
    for record in records:
        content = (folder / record["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == record["sha256"]
        assert record["version"].encode() in content[:200]
        assert "Permission is hereby granted" in (folder / record["licence_file"]).read_text(encoding="utf-8")
    ours = {record[name] for record in records for name in ("file", "licence_file")} | {"vendored.json"}
    assert {file.name for file in folder.iterdir()} == ours


def test_every_file_of_the_pages_is_in_the_package() -> None:
    """Patients, templates and static files are all declared as package data."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    globs = declared["tool"]["setuptools"]["package-data"]["cds_service"]
    for file in SERVICE.rglob("*"):
        name = file.relative_to(SERVICE).as_posix()
        if file.is_file() and file.suffix not in (".py", ".pyc"):
            depth = [glob for glob in globs if glob.count("/") == name.count("/") and fnmatch(name, glob)]
            assert depth, name


def test_the_guideline_page_says_where_the_guideline_is_not_entered(client: FlaskClient) -> None:
    """What closes it stands on the page once and in its order, that of children last."""
    (said,) = re.findall("The guideline is not entered when (.*?)</p>", client.get("/guideline").text)
    assert [each.split()[0] for each in said.split("; when ")] == ["not", "(high-energy", "duration"]
    assert said.endswith("is subacute-or-chronic, under 18 years of age.")


def test_the_guideline_page_shows_every_cell_with_its_place(client: FlaskClient, knowledge: Knowledge) -> None:
    """Seven anchored variants, and 77 cells each with its category in words and its locator."""
    text = client.get("/guideline").text
    assert text.count('class="rating"') == 77
    for variant in knowledge.topic.variants.values():
        assert f'id="variant-{variant.number}"' in text
        for rating in variant.ratings.values():
            assert rating.locator.replace('"', "&#34;") in text
    for right in knowledge.topic.rights:
        assert right in text


def test_a_card_can_link_to_the_row_of_its_variant(client: FlaskClient) -> None:
    """The link made from a public address ends at an anchor that the guideline page has."""
    url = variant_link("https://cds.example.org/lbp/", 6).url
    assert url == "https://cds.example.org/lbp/guideline#variant-6"
    assert f'id="{url.partition("#")[2]}"' in client.get("/guideline").text


def test_a_code_is_looked_up(client: FlaskClient) -> None:
    """A code below a branch is found with its concept, what it does, and the resource that would carry it."""
    answer = client.get("/guideline/codes?q=c50.911").json
    (code,) = answer["codes"]
    assert (code["code"], code["does"], code["below"], code["resourceType"]) == ("C50", "decides", True, "Condition")
    assert code["concepts"][0] == {"id": "cancer", "label": "cancer or a history of cancer"}


@pytest.mark.parametrize(
    ("query", "resource", "members"),
    [
        ("8310-5", "Observation", {"valueQuantity"}),
        ("1988-5", "Observation", {"interpretation"}),
        ("97110", "Procedure", set()),
        ("308482002", "ServiceRequest", set()),
        ("22612", "Procedure", set()),
        ("8640", "MedicationRequest", set()),
    ],
)
def test_a_found_code_says_how_a_chart_would_hold_it(
    query: str, resource: str, members: set[str], client: FlaskClient
) -> None:
    """A measurement comes with the value at which it counts, a drug is a prescription, a therapy a procedure."""
    code = client.get(f"/guideline/codes?q={query}").json["codes"][0]
    assert (code["resourceType"], set(code["members"])) == (resource, members)


@pytest.mark.parametrize("query", ["q=x&limit=0", "q=x&limit=201", "q=x&limit=-1", "q=x&limit=²", f"q={'x' * 101}"])
def test_a_search_out_of_bounds_is_refused(query: str, client: FlaskClient) -> None:
    """A limit outside 1 to 200 and a query over 100 characters get a 400 that says so."""
    answer = client.get(f"/guideline/codes?{query}")
    assert (answer.status_code, answer.mimetype) == (400, "application/fhir+json")


def test_an_unknown_concept_is_refused(client: FlaskClient) -> None:
    """A concept that is not on the page is no filter that finds nothing, but an error."""
    assert client.get("/guideline/codes?concept=toothache").status_code == 400


@pytest.mark.parametrize("told", GALLERY, ids=[each["title"] for each in GALLERY])
def test_the_explanation_is_one_structure_in_two_forms(
    told: dict[str, Any], knowledge: Knowledge, make_app: Callable[..., Flask]
) -> None:
    """What the page gets as data is what the service answers, and stands in the text of the command."""
    request = request_for(told)
    judged = Judge(knowledge, Settings()).judge(parse_request(json.dumps(request).encode(), "order-select"), AS_OF)
    text = explain(knowledge.topic, judged)
    client = make_app().test_client()
    answer = client.post("/try/explain", json=request).json
    assert answer == json.loads(json.dumps(explained(knowledge.topic, judged).json()))
    (order,) = answer["orders"]
    for concept in order["concepts"]:
        assert f"{concept['concept']}: {concept['presence']}" in text
        for evidence in concept.get("evidence", []):
            assert evidence["reference"] in text
    said = client.post("/cds-services/lumbar-imaging-order-select", json=request).json
    (appraisal,) = said["extension"]["lumbar-imaging-cds.appraisals"]
    shown = {each["concept"]: each["presence"] for each in order["concepts"] if "note" not in each or not each["note"]}
    assert shown == {finding["concept"]: finding["presence"] for finding in appraisal["findings"]}
    assert order["verdict"]["verdict"] == appraisal["verdict"]
    for variant in order.get("variants", []):
        assert f"    {variant['variant']} {variant['standing']}" in text
    for cell in order.get("cells", []):
        assert cell["locator"] in text
    for gap in answer["chart"].get("gaps", []):
        assert f"not read {gap['reference']}: {gap['why']}" in text


def test_what_is_no_hook_request_is_not_explained(client: FlaskClient) -> None:
    """The explanation refuses what the service would refuse, with the place and what is asked there."""
    answer = client.post("/try/explain", json={"hook": "order-select"})
    assert answer.status_code == 400
    assert "hook, context are required" in answer.json["issue"][0]["diagnostics"]


def test_a_patient_that_does_not_exist_is_not_found(client: FlaskClient) -> None:
    """The request of an unknown patient is a 404, that of a known one names it."""
    assert client.get("/try/patients/nobody").status_code == 404
    assert client.get("/try/patients/fall").json["context"]["patientId"] == "fall"


def test_the_choices_name_every_patient_and_every_cell(client: FlaskClient, knowledge: Knowledge) -> None:
    """The page is offered all patients with what they expect, and the whole table."""
    choices = client.get("/try/choices").json
    assert [each["id"] for each in choices["patients"]] == list(patients())
    assert sum(len(variant["ratings"]) for variant in choices["variants"]) == 77
