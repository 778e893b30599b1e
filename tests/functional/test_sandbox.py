"""Trying out with the public sandbox: the FHIR server, the link, and the command."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from flask import Flask
from flask.testing import FlaskClient

from cards.profiles import Profile
from cds_service.__main__ import main
from cds_service.demo_fhir import create_demo_fhir
from cds_service.fhir_search import TYPES, fetch
from cds_service.patients import patients, resources
from cds_service.sandbox import deep_link, for_sandbox
from cds_service.services import PREFETCH
from cds_service.settings import Settings
from cds_service.trying import first_request, studies
from knowledge.knowledge import Knowledge
from knowledge.vocabulary import CPT, SNOMED_CT
from tests.conftest import Clock

DAY = date(2026, 3, 2)


@pytest.fixture
def fhir() -> FlaskClient:
    return create_demo_fhir(today=lambda: DAY).test_client()


def test_the_capability_statement_is_valid_and_names_every_type(fhir: FlaskClient) -> None:
    """/metadata is a valid R4 CapabilityStatement of what can be read and searched."""
    answer = fhir.get("/fhir/metadata")
    assert answer.mimetype == "application/fhir+json"
    statement = CapabilityStatement.model_validate(answer.json)
    assert [resource.type for resource in statement.rest[0].resource] == list(TYPES)


def test_a_client_gets_the_prefetch_we_ask_for(fhir: FlaskClient, knowledge: Knowledge) -> None:
    """Each of our prefetch queries, sent as POST _search or read, brings the resources of the story and no others."""
    for patient in patients().values():
        wanted = first_request(patient, studies(knowledge)[patient.study], DAY, "x")["prefetch"]
        for key in wanted:
            query = PREFETCH[key].replace("{{context.patientId}}", patient.id)
            path, _, form = query.partition("?")
            answer = fhir.post(f"/fhir/{path}/_search", data=dict(_pairs(form))) if form else fhir.get(f"/fhir/{path}")
            assert answer.status_code == 200
            assert _ids(answer.json) == _ids(wanted[key])


def _pairs(form: str) -> Iterator[list[str]]:
    return (pair.split("=") for pair in form.split("&"))


def _ids(value: dict[str, Any]) -> list[str]:
    return [value["id"]] if "id" in value else [entry["resource"]["id"] for entry in value.get("entry", [])]


def test_next_links_lead_through_all_pages(fhir: FlaskClient) -> None:
    """A paged search brings every Condition once; the last page has no next link."""
    total = fhir.get("/fhir/Condition").json["total"]
    address: str | None = "/fhir/Condition?_count=5&_sort=-recorded-date"
    seen: list[str] = []
    while address:
        page = fhir.get(address).json
        assert len(page["entry"]) <= 5
        seen += _ids(page)
        links = {link["relation"]: link["url"] for link in page["link"]}
        address = links.get("next")
    assert (len(seen), len(set(seen))) == (total, total)


@pytest.mark.parametrize(
    ("method", "path", "status", "says"),
    [
        ("GET", "/fhir/Patient/nobody", 404, "no Patient with this id"),
        ("GET", "/fhir/Encounter/x", 404, "This server holds Patient"),
        ("GET", "/fhir/Condition?onset-age=5", 400, "onset-age is not supported on Condition"),
        ("GET", "/fhir/Condition?_count=x", 400, "_count is not a whole number"),
        ("DELETE", "/fhir/Patient/acute", 405, "read and search only"),
        ("GET", "/", 404, "served under /fhir"),
    ],
)
def test_an_error_is_an_operation_outcome(method: str, path: str, status: int, says: str, fhir: FlaskClient) -> None:
    """What cannot be answered gets an OperationOutcome that says why, readable from any origin."""
    answer = fhir.open(path, method=method)
    assert answer.status_code == status
    assert answer.json["resourceType"] == "OperationOutcome"
    assert says in answer.json["issue"][0]["diagnostics"]
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_the_older_name_of_fhir_json_is_answered_in_kind(fhir: FlaskClient) -> None:
    """The sandbox asks for application/json+fhir and gets it, and doubled slashes are one."""
    answer = fhir.get("/fhir//Patient/acute", headers={"Accept": "application/json+fhir"})
    assert (answer.status_code, answer.mimetype) == (200, "application/json+fhir")


def test_every_patient_can_be_shown_by_the_sandbox(fhir: FlaskClient) -> None:
    """The sandbox fails on a server with a single patient whose name has no given part."""
    for entry in fhir.get("/fhir/Patient").json["entry"]:
        assert entry["resource"]["name"][0]["given"]


def test_the_deep_link_names_screen_hook_service_server_and_patient() -> None:
    """Without both screen and hook the sandbox shows no card; the addresses come without a trailing slash."""
    link = deep_link("http://127.0.0.1:8080/", "http://127.0.0.1:8090/fhir/", "fall")
    assert link.startswith("https://sandbox.cds-hooks.org/?")
    assert parse_qs(urlsplit(link).query) == {
        "screen": ["pama"],
        "hook": ["order-select"],
        "serviceDiscoveryURL": ["http://127.0.0.1:8080/cds-services"],
        "fhirServiceUrl": ["http://127.0.0.1:8090/fhir"],
        "patientId": ["fall"],
    }


def test_the_sandbox_gets_its_profile_and_ratings() -> None:
    """--sandbox chooses the profile and turns the ratings on; everything else stays as set."""
    settings = for_sandbox(Settings(optional_cards=True))
    assert (settings.profile, settings.system_actions, settings.optional_cards) == (Profile.SANDBOX, True, True)


def test_the_sandbox_mode_is_for_loopback(capsys: pytest.CaptureFixture[str]) -> None:
    """On an address of a network, --sandbox is refused even with the other flag."""
    openly = ["serve", "--sandbox", "--host", "0.0.0.0", "--without-authentication-on-a-network"]
    assert main(openly) == 2
    assert "loopback only" in capsys.readouterr().err


def test_the_sandbox_mode_asks_for_no_tokens(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that is set to ask for tokens is refused in it, rather than started to answer the sandbox with 401."""
    monkeypatch.setenv("CDS_CLIENTS", "clients.toml")
    monkeypatch.setenv("CDS_PUBLIC_URL", "https://cds.example.org")
    assert main(["serve", "--sandbox"]) == 2
    assert "unset CDS_CLIENTS" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (
            ["serve", "--sandbox"],
            r"  https://sandbox\.cds-hooks\.org/\?screen=pama&hook=order-select&.*127\.0\.0\.1%3A{port}",
        ),
        (["demo-fhir"], r"FHIR R4 with synthetic patients: http://127\.0\.0\.1:{port}/fhir"),
    ],
    ids=["sandbox", "demo-fhir"],
)
def test_the_commands_print_where_to_go(command: list[str], line: str, tmp_path: Path) -> None:
    """`serve --sandbox` prints the link that opens the sandbox with it, `demo-fhir` its base; both stop when told."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    with subprocess.Popen(
        [sys.executable, "-m", "cds_service", *command, "--port", port],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=tmp_path,
    ) as process:
        assert process.stdout is not None
        try:
            found = next(each for each in process.stdout if re.match(line.format(port=port), each))
        finally:
            process.terminate()
    assert found


GUIDE = (Path(__file__).parents[2] / "cds_service/SANDBOX.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `([\w-]+)` \| `(\d+)` \| `(\d+)` \| (no card|a warning|a note|critical)", GUIDE, re.MULTILINE)
SEEN = {"no card": [], "a warning": ["warning"], "a note": ["info"], "critical": ["critical"]}


def test_the_guide_shows_the_link_that_the_command_prints() -> None:
    """The link in the guide is the one for the default ports and the first patient."""
    assert deep_link("http://127.0.0.1:8080", "http://127.0.0.1:8090/fhir", "acute") in GUIDE
    assert len(ROWS) == 6


@pytest.mark.parametrize(("patient", "study", "reason", "seen"), ROWS)
def test_the_guide_promises_what_is_seen(
    patient: str, study: str, reason: str, seen: str, make_app: Callable[..., Flask], clock: Clock
) -> None:
    """Each row of the guide, sent as the sandbox sends it with our chart, gets the card that the row says."""
    clock.day = DAY
    chart = resources(patients()[patient], DAY)
    order = {
        "resourceType": "ServiceRequest",
        "id": "example-request-id",
        "status": "draft",
        "intent": "plan",
        "code": {"coding": [{"system": CPT, "code": study, "display": "study"}]},
        "subject": {"reference": f"Patient/{patient}"},
        "reasonCode": [{"coding": [{"system": SNOMED_CT, "code": reason, "display": "reason"}]}],
    }
    request = {
        "hook": "order-select",
        "context": {"patientId": patient, "draftOrders": {"resourceType": "Bundle", "entry": [{"resource": order}]}},
        "prefetch": {
            key: fetch(chart, query.replace("{{context.patientId}}", patient)) for key, query in PREFETCH.items()
        },
    }
    app = make_app(profile=Profile.SANDBOX, system_actions=True)
    answer = app.test_client().post("/cds-services/lumbar-imaging-order-select", json=request)
    assert [card["indicator"] for card in answer.json["cards"]] == SEEN[seen]
