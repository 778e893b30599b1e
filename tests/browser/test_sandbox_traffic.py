"""The public sandbox's traffic, played in its order from another origin: preflights, prefetch, feedback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page

from cards.profiles import Profile
from cds_service.demo_fhir import create_demo_fhir
from cds_service.services import PREFETCH
from cds_service.settings import Settings
from tests.applications import opened
from tests.browser.conftest import served

TRAFFIC = json.loads((Path(__file__).parents[1] / "data/sandbox-traffic.json").read_text(encoding="utf-8"))

# Not a token anyone could use: it makes the browser ask for leave first, as the sandbox's own does.
_FETCH = """async ([address, method, headers, body]) => {
  const answer = await fetch(address, { method, headers, body: body ?? undefined });
  const text = await answer.text();
  return [answer.status, text ? JSON.parse(text) : null];
}"""
_HEADERS = {"Authorization": "Bearer a.b.c", "Content-Type": "application/json", "Accept": "application/json"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    store = tmp_path_factory.mktemp("sandbox") / "store.sqlite3"
    settings = Settings(database_url=f"sqlite:///{store}", profile=Profile.SANDBOX, system_actions=True)
    with opened(settings) as app, served(app) as url:
        yield url


@pytest.fixture(scope="module")
def fhir() -> Iterator[str]:
    with served(create_demo_fhir()) as url:
        yield f"{url}/fhir"


@pytest.fixture
def elsewhere(browser: Browser, fhir: str) -> Iterator[tuple[Page, list[str]]]:
    """A page of another origin than the service, and what its console complained of."""
    context = browser.new_context()
    page = context.new_page()
    complaints: list[str] = []
    page.goto(f"{fhir}/metadata")

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.location["url"].endswith("/favicon.ico"):
            complaints.append(message.text)

    page.on("console", listen)
    yield page, complaints
    context.close()


def prefetched(page: Page, fhir: str, patient: str, keys: set[str]) -> dict[str, Any]:
    """The prefetch as the sandbox gets it: a read by GET, each search by POST, under the older media type."""
    found = {}
    for key in keys:
        path, _, form = PREFETCH[key].replace("{{context.patientId}}", patient).partition("?")
        headers = {"Accept": "application/json+fhir"}
        if form:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        call = [f"{fhir}/{path}{'/_search' if form else ''}", "POST" if form else "GET", headers, form or None]
        status, found[key] = page.evaluate(_FETCH, call)
        assert status == 200
    return found


def hook_call(step: dict[str, Any], patient: str, fhir: str) -> dict[str, Any]:
    """A call of the imaging tab: a Bundle without a type, an entry without an address, an empty coding at first."""
    study = step["study"]
    display = TRAFFIC["studies"].get(study)
    coding = {"code": study, "display": display, "system": "http://www.ama-assn.org/go/cpt"} if study else {}
    reasons = [
        {"coding": [{"code": code, "display": TRAFFIC["reasons"][code], "system": "http://snomed.info/sct"}]}
        for code in step["reasons"]
    ]
    order = {
        "resourceType": "ServiceRequest",
        "id": "example-request-id",
        "status": "draft",
        "intent": "plan",
        "code": {"coding": [coding], "text": display} if study else {"coding": [coding]},
        "subject": {"reference": f"Patient/{patient}"},
        "reasonCode": [{**reason, "text": reason["coding"][0]["display"]} for reason in reasons],
    }
    return {
        "hookInstance": str(uuid4()),
        "hook": "order-select",
        "fhirServer": fhir,
        "context": {
            "patientId": patient,
            "userId": "Practitioner/COREPRACTITIONER1",
            "selections": ["ServiceRequest/example-request-id"],
            "draftOrders": {"resourceType": "Bundle", "entry": [{"resource": order}]},
        },
    }


def test_the_imaging_tab_is_answered_from_its_first_call_to_its_last(
    elsewhere: tuple[Page, list[str]], service: str, fhir: str
) -> None:
    """Every call of the session is answered with 200 across origins, with the cards that the story promises."""
    page, complaints = elsewhere
    status, discovery = page.evaluate(_FETCH, [f"{service}/cds-services", "GET", _HEADERS, None])
    assert (status, len(discovery["services"])) == (200, 2)
    for step in TRAFFIC["steps"]:
        call = hook_call(step, TRAFFIC["patient"], fhir)
        address = f"{service}/cds-services//lumbar-imaging-order-select"
        status, answer = page.evaluate(_FETCH, [address, "POST", _HEADERS, json.dumps(call)])
        assert (status, [card["indicator"] for card in answer["cards"]]) == (200, step["cards"]), step["does"]
        for card in answer["cards"]:
            assert card["uuid"]
            assert all(each["uuid"] and each["label"] for each in card.get("suggestions", []))
    assert complaints == []


def test_the_chart_of_the_demonstration_server_reaches_the_card(
    elsewhere: tuple[Page, list[str]], service: str, fhir: str
) -> None:
    """With prefetch from our FHIR server the cancer of the chart silences what is a warning without red flags."""
    page, complaints = elsewhere
    step = {"study": "72148", "reasons": ["279039007"]}
    for patient, cards in (("acute", ["warning"]), ("cancer", [])):
        call = hook_call(step, patient, fhir)
        call["prefetch"] = prefetched(page, fhir, patient, set(PREFETCH))
        address = f"{service}/cds-services/lumbar-imaging-order-select"
        status, answer = page.evaluate(_FETCH, [address, "POST", _HEADERS, json.dumps(call)])
        assert (status, [card["indicator"] for card in answer["cards"]]) == (200, cards)
    assert complaints == []


@pytest.mark.parametrize("outcome", ["accepted", "overridden"])
def test_its_feedback_is_taken(outcome: str, elsewhere: tuple[Page, list[str]], service: str, fhir: str) -> None:
    """One item a call, to the millisecond, without a display: an acceptance and an override are both stored."""
    page, complaints = elsewhere
    call = hook_call({"study": "72133", "reasons": ["279039007"]}, TRAFFIC["patient"], fhir)
    address = f"{service}/cds-services/lumbar-imaging-order-select"
    _, answer = page.evaluate(_FETCH, [address, "POST", _HEADERS, json.dumps(call)])
    (card,) = answer["cards"]
    reason = {"reason": {name: card["overrideReasons"][0][name] for name in ("code", "system")}}
    item: dict[str, Any] = {"card": card["uuid"], "outcome": outcome, "outcomeTimestamp": "2026-03-02T17:04:45.427Z"}
    item |= {"overrideReason": reason} if outcome == "overridden" else {"acceptedSuggestions": [{"id": str(uuid4())}]}
    body = json.dumps({"feedback": [item]})
    status, told = page.evaluate(_FETCH, [f"{address}/feedback", "POST", _HEADERS, body])
    assert (status, told) == (200, {})
    assert complaints == []
