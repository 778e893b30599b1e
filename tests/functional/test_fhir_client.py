"""Fetching what prefetch did not bring: from the right server alone, in time, and honest about what failed."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask

from cds_service.addresses import BadAddress, read_address
from cds_service.clients import Client
from cds_service.envelope import MOST_ENTRIES
from cds_service.fetching import Budget, Deadline, Fetcher, FetchFailed, Why
from cds_service.fhir_access import FhirAccess, Secret, read_access
from cds_service.fhir_client import MOST_PAGES, listed_base
from cds_service.judging import Judge
from cds_service.must_wait import MustWait, without_waiting
from cds_service.services import PREFETCH
from cds_service.visit import ARRIVED
from tests.cases_as_fhir import request_for
from tests.functional.test_service import APPRAISALS, PLAIN, SELECT
from tests.loopback import send, serving

Json = dict[str, Any]
Handler = BaseHTTPRequestHandler
Reply = Callable[[Handler], None]

TOKEN = "secret-access-token"
LENT = {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 300, "scope": "patient/*.rs", "subject": "cds"}
KEY_OF_PATH = {
    "Patient": "patient",
    "Condition": "conditions",
    "MedicationRequest": "medications",
    "Procedure": "procedures",
    "ServiceRequest": "referrals",
    "DiagnosticReport": "imaging",
}


def _key(path: str) -> str:
    """The prefetch key that a request asks for."""
    parts = urlsplit(path)
    kind = parts.path.removeprefix("/fhir/").split("/")[0]
    if kind == "Observation":
        return "observations" if "category" in parse_qs(parts.query) else "bone-density"
    return KEY_OF_PATH[kind]


def _chart(values: Json, **special: Reply) -> Reply:
    """A FHIR server that has these values under our keys, and special answers for some."""

    def answer(it: Handler) -> None:
        key = _key(it.path)
        if key in special:
            special[key](it)
        else:
            send(it, json.dumps(values[key]).encode())

    return answer


@dataclass
class Outcome:
    """What came of one call."""

    verdict: str
    cards: list[str]
    passed_over: list[str] = field(default_factory=list)
    delivered: list[str] = field(default_factory=list)
    detail: str = ""


@pytest.fixture
def ask(make_app: Callable[..., Flask], caplog: pytest.LogCaptureFixture) -> Callable[..., Outcome]:
    """Posts a call that lends access to a server, and tells what came of it."""

    def asked(
        server: str,
        prefetch: Json | None = None,
        lent: Any = LENT,
        change: Any = None,
        waited: float = 0.0,
        **settings: Any,
    ) -> Outcome:
        client = make_app(**{"fhir_deadline": 5.0, **settings}).test_client()
        body = {**request_for(PLAIN), "prefetch": prefetch or {}, "fhirServer": server, "fhirAuthorization": lent}
        if change is not None:
            change(body)
        with caplog.at_level(logging.DEBUG):
            environ = {ARRIVED: time.perf_counter() - waited}
            response = client.post(SELECT, json=body, environ_overrides=environ)
        assert response.status_code == 200, response.text
        answer = response.get_json()
        line = json.loads([each.message for each in caplog.records if each.name == "cds_service.request"][-1])
        appraisals = answer.get("extension", {}).get(APPRAISALS, [{"verdict": "none"}])
        assert TOKEN not in response.text
        assert TOKEN not in caplog.text
        return Outcome(
            appraisals[0]["verdict"],
            [card["indicator"] for card in answer["cards"]],
            line.get("passed_over", []),
            line.get("delivered", []),
            "".join(card["detail"] for card in answer["cards"]),
        )

    return asked


@pytest.fixture
def chart() -> Json:
    """The values of our eight keys for a patient whose MRI is usually not appropriate."""
    prefetch: Json = request_for(PLAIN)["prefetch"]
    return prefetch


def test_a_chart_is_the_same_however_it_comes(ask: Callable[..., Outcome], chart: Json) -> None:
    """Fetched whole, prefetched whole, or half and half: one rating, and only what is missing is fetched."""
    with serving(_chart(chart)) as server:
        for missing in (set(PREFETCH), {"conditions", "bone-density"}, {"patient"}, set()):
            server.asked.clear()
            prefetch = {key: value for key, value in chart.items() if key not in missing}
            outcome = ask(f"{server.url}/fhir", prefetch)
            assert (outcome.verdict, outcome.cards, outcome.passed_over) == ("rated", ["warning"], [])
            assert len(outcome.delivered) == 8
            assert {_key(asked.path) for asked in server.asked} == missing


def test_a_call_that_waited_for_its_turn_has_that_much_less_time(ask: Callable[..., Outcome], chart: Json) -> None:
    """The deadline counts from its arrival: in what is left it fetches, and when nothing is left it asks nobody."""
    with serving(_chart(chart)) as server:
        assert len(ask(f"{server.url}/fhir", waited=2.0).delivered) == 8
        server.asked.clear()
        late = ask(f"{server.url}/fhir", waited=6.0)
        assert (late.delivered, server.asked) == ([], [])
        assert late.passed_over == [f"{key}: too many calls waited for FHIR servers" for key in PREFETCH]


def test_a_chart_is_sorted_again_only_when_something_came(
    ask: Callable[..., Outcome], chart: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever read the orders of a call that lacks nothing reads its chart too; what was fetched is read anew."""
    readers: list[Any] = []
    made = Judge.reader
    monkeypatch.setattr(Judge, "reader", lambda *given: readers.append(made(*given)) or readers[-1])
    with serving(_chart(chart)) as server:
        assert ask(f"{server.url}/fhir", chart).verdict == "rated"
        assert len(readers) == 1
        assert ask(f"{server.url}/fhir", {key: chart[key] for key in chart if key != "conditions"}).verdict == "rated"
        assert len(readers) == 3


def test_what_a_client_asked_for_in_part_is_fetched_whole(ask: Callable[..., Outcome], chart: Json) -> None:
    """Encounter diagnoses under a key of its own keep nobody from the problem list."""
    theirs = copy.deepcopy(chart.pop("conditions"))
    for entry in theirs["entry"]:
        entry["resource"]["category"] = [{"coding": [{"code": "encounter-diagnosis"}]}]
    whole = request_for(PLAIN)["prefetch"]
    with serving(_chart(whole)) as server:
        outcome = ask(f"{server.url}/fhir", {**chart, "encounterDx": theirs})
        assert {_key(asked.path) for asked in server.asked} == {"conditions"}
        assert (outcome.verdict, len(outcome.delivered)) == ("rated", 8)


def test_a_fetch_asks_as_the_template_says(ask: Callable[..., Outcome], chart: Json) -> None:
    """The published templates are asked, as FHIR JSON, uncompressed, with the lent token and nothing else of ours."""
    with serving(_chart(chart)) as server:
        ask(f"{server.url}/fhir/")
        asked = {_key(each.path): each for each in server.asked}
    for key, template in PREFETCH.items():
        assert unquote(asked[key].path) == "/fhir/" + template.replace("{{context.patientId}}", "p1")
    assert asked["patient"].headers == {
        "host": server.url.removeprefix("http://"),
        "accept": "application/fhir+json",
        "accept-encoding": "identity",
        "authorization": f"Bearer {TOKEN}",
    }


@pytest.mark.parametrize(
    ("identity", "path", "searched"),
    [
        ("a.b-c", "/fhir/Patient/a.b-c", "a.b-c"),
        ("a b&c=d", "/fhir/Patient/a%20b%26c%3Dd", "a b&c=d"),
        ("a,b|c$d", "/fhir/Patient/a%2Cb%7Cc%24d", "a\\,b\\|c\\$d"),
        ("é\r\nX: y", "/fhir/Patient/%C3%A9%0D%0AX%3A%20y", "é\r\nX: y"),
    ],
)
def test_an_id_is_one_value_in_an_address(
    ask: Callable[..., Outcome], chart: Json, identity: str, path: str, searched: str
) -> None:
    """Whatever a patient's id holds is percent-encoded and escaped: it adds no parameter, no value and no header."""

    def named(body: Json) -> None:
        body["context"]["patientId"] = identity
        body["context"]["draftOrders"]["entry"][0]["resource"]["subject"]["reference"] = f"Patient/{identity}"

    with serving(_chart(chart)) as server:
        ask(f"{server.url}/fhir", change=named)
        paths = [asked.path for asked in server.asked]
    assert path in paths
    queries = [parse_qs(urlsplit(each).query)["patient"] for each in paths if "?" in each]
    assert queries == [[searched]] * 7


@pytest.mark.parametrize("identity", ["..", "."])
def test_an_id_that_leads_out_of_the_base_is_not_asked_for(
    ask: Callable[..., Outcome], chart: Json, identity: str
) -> None:
    """Dots that walk up a path never reach the server as a path."""

    def named(body: Json) -> None:
        body["context"]["patientId"] = identity
        body["context"]["draftOrders"]["entry"][0]["resource"]["subject"]["reference"] = f"Patient/{identity}"

    with serving(_chart(chart)) as server:
        outcome = ask(f"{server.url}/fhir", change=named)
        assert not [asked.path for asked in server.asked if "Patient/" in asked.path]
    assert "patient: the patient's id cannot stand in an address" in outcome.passed_over


def _drip(it: Handler) -> None:
    """An answer that comes byte by byte for as long as anyone listens."""
    it.send_response(200)
    it.send_header("Content-Type", "application/fhir+json")
    it.send_header("Content-Length", "100000")
    it.end_headers()
    for _ in range(200):
        it.wfile.write(b" ")
        it.wfile.flush()
        if _OVER.wait(0.02):
            return


def _drip_headers(it: Handler) -> None:
    """Headers that come byte by byte."""
    it.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    for _ in range(200):
        it.wfile.write(b"x")
        it.wfile.flush()
        if _OVER.wait(0.02):
            return


def _cut_short(it: Handler) -> None:
    _raw(it, b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{")
    it.connection.shutdown(socket.SHUT_RDWR)


def _raw(it: Handler, data: bytes) -> None:
    it.wfile.write(data)
    it.wfile.flush()
    it.close_connection = True


_CROWD = json.dumps({"resourceType": "Bundle", "entry": [{}] * (MOST_ENTRIES + 1)}).encode()


def _silent(it: Handler) -> None:
    _OVER.wait(5)


_OVER = threading.Event()


@pytest.fixture
def patience() -> Iterator[None]:
    """Lets slow servers end with their test."""
    _OVER.clear()
    yield
    _OVER.set()


@dataclass(frozen=True)
class Broken:
    """A server's way to fail for one key, and the words for it."""

    name: str
    reply: Reply
    why: str
    deadline: float = 5.0
    alone: bool = True
    """Nothing else is lost; else other keys may be, since they share one limit."""


BROKEN = [
    *(
        Broken(f"status {status}", lambda it, s=status: send(it, b"{}", s), f"answered {status}")
        for status in (401, 403)
    ),
    Broken("404 with a page for people", lambda it: send(it, b"<html>", 404, "text/html"), "answered 404"),
    Broken("500", lambda it: send(it, b"x" * 1000, 500), "answered 500"),
    Broken("204", lambda it: send(it, b"", 204), "answered 204"),
    Broken("HTML with status 200", lambda it: send(it, b"<html>", kind="text/html"), "did not answer with JSON"),
    Broken("JSON called HTML", lambda it: send(it, b'{"resourceType":"Bundle"}', kind="text/html"), "with JSON"),
    Broken("XML", lambda it: send(it, b"<Bundle/>", kind="application/fhir+xml"), "did not answer with JSON"),
    Broken("HTML called JSON", lambda it: send(it, b"<html>"), "JSON that can be read"),
    Broken("duplicate keys", lambda it: send(it, b'{"resourceType":"Bundle","resourceType":"X"}'), "that can be read"),
    Broken("a hundred thousand levels", lambda it: send(it, b'{"a":' * 50_000), "that can be read"),
    Broken("a list", lambda it: send(it, b"[]"), "did not answer with a resource"),
    Broken("no resource", lambda it: send(it, b"{}"), "did not answer with a resource"),
    Broken("a type that is no text", lambda it: send(it, b'{"resourceType":7}'), "did not answer with a resource"),
    Broken("a body cut short", _cut_short, "broke off"),
    Broken("no HTTP", lambda it: _raw(it, b"SSH-2.0-x\r\n\r\n"), "broke off"),
    Broken("headers without end", lambda it: _raw(it, b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000), "broke off"),
    Broken(
        "a body larger than is read", lambda it: send(it, b" " * 600_000), "answered more than is read", alone=False
    ),
    Broken("a Bundle with too many entries", lambda it: send(it, _CROWD), "answered more than is read"),
    Broken("silence", _silent, "did not answer in time", 1.0),
    Broken("a body that drips", _drip, "did not answer in time", 1.0),
    Broken("headers that drip", _drip_headers, "did not answer in time", 1.0),
]


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
def test_a_key_that_cannot_be_fetched_is_not_delivered(
    ask: Callable[..., Outcome], chart: Json, broken: Broken
) -> None:
    """Each way to fail leaves its key unknown with its reason, in the log and on the card, and the others read."""
    # Where the deadline is short, a busy machine must not make the other keys late.
    prefetch = {key: value for key, value in chart.items() if key != "medications" and broken.deadline < 5}
    with serving(_chart(chart, medications=broken.reply)) as server:
        outcome = ask(f"{server.url}/fhir", prefetch, fhir_deadline=broken.deadline, max_body=500_000)
        _OVER.set()
    why = {key: why for key, _, why in (each.partition(": ") for each in outcome.passed_over)}
    assert broken.why in why["medications"]
    assert set(outcome.delivered) == set(PREFETCH) - why.keys()
    assert len(why) == 1 or not broken.alone
    assert outcome.verdict == "undetermined"
    assert broken.why in outcome.detail


def test_a_redirect_is_not_followed(ask: Callable[..., Outcome], chart: Json) -> None:
    """Neither to another host nor to the same: the token would go with it."""
    with serving(_chart(chart)) as canary:
        for to in (f"{canary.url}/fhir/MedicationRequest", "/fhir/MedicationRequest?again"):
            reply: Reply = lambda it, to=to: send(it, b"", 307, headers={"Location": to})  # noqa: E731
            with serving(_chart(chart, medications=reply)) as server:
                assert ask(f"{server.url}/fhir").passed_over == ["medications: the FHIR server answered 307"]
                assert len(server.asked) == 8
        assert canary.asked == []


def test_a_compressed_answer_is_not_unpacked(ask: Callable[..., Outcome], chart: Json) -> None:
    """A server that compresses although it was asked not to is not read: no bomb goes off."""
    reply: Reply = lambda it: send(it, b"\x1f\x8b\x08\x00", headers={"Content-Encoding": "gzip"})  # noqa: E731
    with serving(_chart(chart, medications=reply)) as server:
        (why,) = ask(f"{server.url}/fhir").passed_over
    assert "JSON that can be read" in why


def test_an_outcome_from_the_server_is_read_as_one_from_prefetch(ask: Callable[..., Outcome], chart: Json) -> None:
    """An OperationOutcome that the server answers with 200 leaves its key undelivered, as in prefetch."""
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "forbidden"}]}
    with serving(_chart({**chart, "medications": outcome})) as server:
        assert "medications" not in ask(f"{server.url}/fhir").delivered


def test_a_key_that_the_client_failed_on_is_not_fetched_again(ask: Callable[..., Outcome], chart: Json) -> None:
    """An OperationOutcome, null, or rubbish under a key is the client's word: nothing is asked for it."""
    failed = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}
    with serving(_chart(chart)) as server:
        outcome = ask(f"{server.url}/fhir", {**chart, "medications": failed, "imaging": None, "referrals": "x"})
        assert server.asked == []
    assert set(PREFETCH) - set(outcome.delivered) == {"medications", "referrals"}


def test_the_chart_of_another_patient_is_not_believed(ask: Callable[..., Outcome], chart: Json) -> None:
    """What a server answers is filtered as prefetch is: another patient's conditions rate nothing."""
    strange = copy.deepcopy(chart)
    for entry in strange["conditions"]["entry"]:
        entry["resource"]["subject"]["reference"] = "Patient/other"
    with serving(_chart(strange)) as server:
        assert ask(f"{server.url}/fhir").verdict != "rated"


def _pages(values: Json, link: Callable[[str], Any], count: int = 1) -> Reply:
    """A server whose conditions come in further pages: a cancer stands on the last one."""
    cancer = {**values["conditions"]["entry"][0]["resource"], "id": "on-a-later-page"}
    cancer["code"] = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "C61"}]}

    def answer(it: Handler) -> None:
        key = _key(it.path)
        value = values[key]
        number = int(parse_qs(urlsplit(it.path).query).get("page", ["0"])[0])
        if key == "conditions" and number < count:
            host = f"http://{it.headers['Host']}"
            value = {**value, "link": [{"relation": "self"}, {"relation": "next", "url": link(host)}]}
            value["link"][1]["url"] = str(value["link"][1]["url"]).replace("PAGE", str(number + 1))
        elif key == "conditions" and number:
            value = {"resourceType": "Bundle", "entry": [{"resource": cancer}]}
        send(it, json.dumps(value).encode())

    return answer


@pytest.mark.parametrize(
    "link",
    [
        lambda host: f"{host}/fhir/Condition?page=PAGE",
        lambda _: "Condition?page=PAGE",
        lambda _: "?page=PAGE",
        lambda _: "/fhir/Condition?page=PAGE",
    ],
    ids=["absolute", "relative", "query", "path"],
)
def test_further_pages_are_read(ask: Callable[..., Outcome], chart: Json, link: Callable[[str], str]) -> None:
    """A red flag on the third page counts, wherever the first page came from."""
    with serving(_pages(chart, link, 2)) as server:
        assert ask(f"{server.url}/fhir").cards == []
        first = {**chart, "conditions": {**chart["conditions"]}}
        url = link(server.url).replace("PAGE", "1")
        url = f"Condition{url}" if url.startswith("?") else url
        first["conditions"]["link"] = [{"relation": "next", "url": url}]
        assert ask(f"{server.url}/fhir", first).cards == []
        foreign = {**first, "theirs": first["conditions"]}
        del foreign["conditions"]
        assert ask(f"{server.url}/fhir", foreign).cards == []


@pytest.mark.parametrize(
    "link",
    [
        "{canary}/fhir/Condition?page=1",
        "//{canary_host}/fhir/Condition?page=1",
        "http://{host}@{canary_host}/fhir/Condition?page=1",
        "http://{canary_host}\\@{host}/fhir/Condition?page=1",
        "http://{host}/other/Condition?page=1",
        "http://{host}/fhir/../admin?page=1",
        "http://{host}/fhir/%2e%2e/admin?page=1",
        "http://{host}/fhir/..%2Fadmin?page=1",
        "http://{host}/fhirx/Condition?page=1",
        "http://localhost:{port}/fhir/Condition?page=1",
        "https://{host}/fhir/Condition?page=1",
        "http://{host}/fhir/Condition?page=1#x",
        "http://{host}/fhir/Condition?page=1\r\nX-Injected: 1",
        "file:///etc/passwd",
        "gopher://{canary_host}/",
        "",
    ],
)
def test_a_next_link_is_followed_under_the_base_alone(ask: Callable[..., Outcome], chart: Json, link: str) -> None:
    """A next page elsewhere is not asked for; what came before it counts, and the key is incomplete."""
    with serving(_chart(chart)) as canary:
        where = canary.url.removeprefix("http://")
        following: Callable[[str], str] = lambda host: link.format(  # noqa: E731
            canary=canary.url, canary_host=where, host=host.removeprefix("http://"), port=host.rpartition(":")[2]
        )
        with serving(_pages(chart, following)) as server:
            outcome = ask(f"{server.url}/fhir")
            assert len(server.asked) == 8
        assert canary.asked == []
    assert [each.partition(": ")[0] for each in outcome.passed_over] == ["conditions"]
    assert "next page" in outcome.passed_over[0]
    assert outcome.verdict == "undetermined"
    assert "conditions" not in outcome.delivered


def test_the_names_of_a_clients_own_keys_are_not_logged(ask: Callable[..., Outcome], chart: Json) -> None:
    """A key that is not ours could be named after a patient: the log calls it another key."""
    chart["of-mrs-public"] = {**chart.pop("conditions"), "link": [{"relation": "next", "url": "https://elsewhere/"}]}
    with serving(_chart({**chart, "conditions": {"resourceType": "Bundle"}})) as server:
        (why,) = ask(f"{server.url}/fhir", chart).passed_over
    assert why.startswith("another key: more follows that was not fetched")


@pytest.mark.parametrize("url", [{}, ["x"], 7, True, None])
def test_a_link_that_is_no_text_is_not_followed(ask: Callable[..., Outcome], chart: Json, url: Any) -> None:
    """A next link that is no address leaves its key incomplete."""
    value = {**chart["conditions"], "link": [{"relation": "next", "url": url}]}
    with serving(_chart({**chart, "conditions": value})) as server:
        assert "conditions" not in ask(f"{server.url}/fhir").delivered
        assert len(server.asked) == 8


def test_pages_without_end_are_left(ask: Callable[..., Outcome], chart: Json) -> None:
    """A server whose pages lead on for ever, or in a circle, is asked for twenty-one and no more."""
    with serving(_pages(chart, lambda host: f"{host}/fhir/Condition?page=0", 10**9)) as server:
        (why,) = ask(f"{server.url}/fhir").passed_over
        assert len([each for each in server.asked if "Condition" in each.path]) == MOST_PAGES + 1
    assert "more than 20 pages" in why


@pytest.mark.usefixtures("patience")
def test_what_came_before_the_deadline_counts(ask: Callable[..., Outcome], chart: Json) -> None:
    """When the second page is late, the red flag on the first still silences the card."""
    flagged = copy.deepcopy(chart["conditions"])
    flagged["entry"][0]["resource"]["code"]["coding"].append(
        {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "C61"}
    )

    def conditions(it: Handler) -> None:
        if "page" in it.path:
            _silent(it)
        flagged["link"] = [{"relation": "next", "url": "Condition?page=1"}]
        send(it, json.dumps(flagged).encode())

    prefetch = {key: value for key, value in chart.items() if key != "conditions"}
    with serving(_chart(chart, conditions=conditions)) as server:
        outcome = ask(f"{server.url}/fhir", prefetch, fhir_deadline=1.2)
        _OVER.set()
    assert outcome.cards == []
    assert "did not answer in time" in outcome.passed_over[0]


@dataclass(frozen=True)
class Server:
    """A `fhirServer` as a client might send it, and whether it may be asked."""

    sent: str
    listed: tuple[str, ...] = ("https://ehr.example.org/fhir",)
    loopback: bool = False
    asked: bool = False


SERVERS = [
    Server("https://ehr.example.org/fhir", asked=True),
    Server("https://ehr.example.org/fhir/", asked=True),
    Server("https://EHR.example.org:443//fhir", asked=True),
    Server("https://ehr.example.org/fhir/tenant"),
    Server("https://ehr.example.org"),
    Server("https://ehr.example.org/fhir/.."),
    Server("https://ehr.example.org/fhir?x=1"),
    Server("https://ehr.example.org/fhir#x"),
    Server("https://ehr.example.org:8443/fhir"),
    Server("http://ehr.example.org/fhir"),
    Server("https://ehr.example.org.evil.example/fhir"),
    Server("https://evil.example/https://ehr.example.org/fhir"),
    Server("https://ehr.example.org@evil.example/fhir"),
    Server("https://evil.example\\@ehr.example.org/fhir"),
    Server("https://user:password@ehr.example.org/fhir"),
    Server("https://ehr.example.org\r\n/fhir"),
    Server("https://ehr.еxample.org/fhir"),
    Server("ftp://ehr.example.org/fhir"),
    Server("file:///etc/passwd"),
    Server("//ehr.example.org/fhir"),
    Server("ehr.example.org/fhir"),
    Server(""),
    Server("https://"),
    Server("https://[::1/fhir"),
    Server("https://ehr.example.org:99999/fhir"),
    Server("http://127.0.0.1:9200", ()),
    Server("http://127.0.0.1:9200", (), loopback=True, asked=True),
    Server("http://localhost:9200", (), loopback=True, asked=True),
    Server("http://localhost:9200?x=", (), loopback=True),
    Server("http://[::1]:9200/fhir", (), loopback=True, asked=True),
    Server("http://[::ffff:127.0.0.1]/", (), loopback=True),
    Server("http://127.1/", (), loopback=True),
    Server("http://2130706433/", (), loopback=True),
    Server("http://0x7f000001/", (), loopback=True),
    Server("http://0.0.0.0/", (), loopback=True),
    Server("http://169.254.169.254/latest/meta-data", (), loopback=True),
    Server("http://10.0.0.1/fhir", (), loopback=True),
    Server("http://localhost.evil.example/", (), loopback=True),
    Server("https://evil.example/fhir", (), loopback=True),
]


@pytest.mark.parametrize(
    "server", SERVERS, ids=lambda server: f"{server.sent!r} {'loopback' if server.loopback else ''}"
)
def test_only_a_listed_server_is_asked(server: Server) -> None:
    """A server is asked when its whole base is listed, in any spelling of it, or on this machine in open mode."""
    client = Client("x", fhir_servers=server.listed, fhir_on_loopback=server.loopback)
    assert (listed_base(FhirAccess(server.sent, Secret(TOKEN)), client) is not None) is server.asked


def test_a_server_that_is_not_listed_is_never_reached(ask: Callable[..., Outcome], chart: Json) -> None:
    """Where loopback is not open, a canary on it gets no request, and the log says that it is not listed."""
    with serving(_chart(chart)) as canary:
        outcome = ask(f"{canary.url}/fhir", fhir_on_loopback=False)
        assert canary.asked == []
        assert outcome.passed_over == ["fhirServer is not listed for this client"]
        listed = (f"{canary.url}/fhir",)
        assert ask(f"{canary.url}/fhir", fhir_on_loopback=False, fhir_servers=listed).verdict == "rated"


@pytest.mark.parametrize(
    "lent",
    [
        None,
        "null",
        [],
        {},
        {**LENT, "access_token": None},
        {**LENT, "access_token": ""},
        {**LENT, "access_token": "null"},
        {**LENT, "access_token": "a b"},
        {**LENT, "access_token": "a\r\nX: y"},
        {**LENT, "access_token": "é"},
        {**LENT, "token_type": "mac"},
        {**LENT, "expires_in": 0},
        {**LENT, "expires_in": "300"},
        {**LENT, "expires_in": True},
        {name: value for name, value in LENT.items() if name != "scope"},
        {name: value for name, value in LENT.items() if name != "subject"},
    ],
)
def test_incomplete_access_is_no_access(ask: Callable[..., Outcome], chart: Json, lent: Any) -> None:
    """Without all of fhirAuthorization nothing is asked, and the call is answered on what came."""
    with serving(_chart(chart)) as server:
        assert ask(f"{server.url}/fhir", lent=lent).verdict == "undetermined"
        assert server.asked == []


@pytest.mark.parametrize("scope", ["", "patient/Condition.read", "Condition.Read (Problems) (R4)"])
def test_scopes_are_not_read(scope: str) -> None:
    """SMART v1, v2, a vendor's own scopes and none lend access alike."""
    assert read_access("https://x", {**LENT, "scope": scope}) is not None


def test_nothing_is_fetched_without_an_order_to_judge(ask: Callable[..., Outcome], chart: Json) -> None:
    """A head MRI, a medication, or another patient's order is no reason to open a chart."""

    def head(body: Json) -> None:
        body["context"]["draftOrders"]["entry"][0]["resource"]["code"]["coding"][0]["code"] = "70551"

    def other(body: Json) -> None:
        body["context"]["draftOrders"]["entry"][0]["resource"]["subject"]["reference"] = "Patient/other"

    with serving(_chart(chart)) as server:
        for change in (head, other):
            ask(f"{server.url}/fhir", change=change)
        assert server.asked == []


def test_nothing_is_fetched_where_nobody_may_wait() -> None:
    """One request or several at once: MustWait is raised before anything is asked or begun."""
    fetcher, begun = Fetcher(), []
    with serving(lambda it: send(it, b"{}")) as server:
        address, deadline = read_address(server.url), Deadline(2)
        for work in (
            lambda: fetcher.get(address, {}, deadline, Budget(10)),
            lambda: fetcher.together({"one": lambda: begun.append(1)}, deadline),
        ):
            with pytest.raises(MustWait):
                without_waiting(work)
        assert (server.asked, begun) == ([], [])
        assert fetcher.get(address, {}, deadline, Budget(10)).status == 200
    fetcher.close()


@pytest.mark.usefixtures("patience")
def test_threads_do_not_pile_up() -> None:
    """However many calls wait for servers that are silent, a worker has at most 256 threads that fetch."""
    before = set(threading.enumerate())
    fetcher = Fetcher()
    for _ in range(40):
        late = fetcher.together({number: lambda: _OVER.wait(5) for number in range(8)}, Deadline(0.02))
        assert all(isinstance(each, FetchFailed) and each.why is Why.LATE for each in late.values())
    assert len(set(threading.enumerate()) - before) == 256
    _OVER.set()
    fetcher.close()


def _get(fetcher: Fetcher, url: str, seconds: float = 5.0) -> int:
    return fetcher.get(read_address(url), {}, Deadline(seconds), Budget(1_000_000)).status


@pytest.mark.parametrize(
    "found",
    [
        ["127.0.0.1"],
        ["::1"],
        ["169.254.169.254"],
        ["fe80::1%eth0"],
        ["224.0.0.1"],
        ["0.0.0.0"],
        ["240.0.0.1"],
        ["::ffff:127.0.0.1"],
        ["::ffff:169.254.169.254"],
        ["203.0.113.7", "127.0.0.1"],
        ["rubbish"],
        [],
    ],
)
def test_a_listed_name_that_leads_to_a_forbidden_address_is_not_followed(found: list[str]) -> None:
    """A name that is made to resolve to this machine or to link-local addresses connects to nothing."""
    with serving(lambda it: send(it, b"{}")) as canary:
        port = canary.url.rpartition(":")[2]
        fetcher = Fetcher(resolve=lambda host, port: found)
        for scheme in ("http", "https"):
            with pytest.raises(FetchFailed) as failed:
                _get(fetcher, f"{scheme}://ehr.example.org:{port}/fhir")
            assert failed.value.why is Why.FORBIDDEN
        assert canary.asked == []
    fetcher.close()


def test_the_address_that_was_checked_is_the_one_that_is_asked() -> None:
    """A name is resolved once for each connection, so a second answer of its server can lead nowhere."""
    answers = [["127.0.0.1"], ["169.254.169.254"]]
    with serving(lambda it: send(it, b"{}")) as server:
        port = server.url.rpartition(":")[2]
        fetcher = Fetcher(resolve=lambda host, port: answers.pop(0))
        assert _get(fetcher, f"http://localhost:{port}/fhir") == 200
        assert len(answers) == 1
        assert server.asked[0].headers["host"] == f"localhost:{port}"
        assert _get(fetcher, f"http://localhost:{port}/fhir") == 200  # over the same connection
        assert len(answers) == 1
    fetcher.close()


def test_a_name_that_cannot_be_resolved_or_reached_has_failed() -> None:
    """No such name, and nobody listening, are told apart from a server that fails."""

    def unknown(host: str, port: int) -> list[str]:
        raise OSError

    for resolve in (unknown, lambda host, port: ["127.0.0.1"]):
        fetcher = Fetcher(resolve=resolve)
        with pytest.raises(FetchFailed) as failed:
            _get(fetcher, "http://localhost:1/fhir")
        assert failed.value.why is Why.UNREACHABLE
        fetcher.close()


@pytest.mark.usefixtures("patience")
def test_a_name_that_resolves_slowly_does_not_hold_the_call() -> None:
    """The deadline covers the look-up of names, which nothing else can interrupt."""

    def slow(host: str, port: int) -> list[str]:
        _OVER.wait(5)
        return []

    fetcher, deadline = Fetcher(resolve=slow), Deadline(0.1)
    task = lambda: fetcher.get(read_address("http://localhost/"), {}, deadline, Budget(1))  # noqa: E731
    (done,) = fetcher.together({"x": task}, deadline).values()
    _OVER.set()
    assert isinstance(done, FetchFailed)
    assert done.why is Why.LATE
    fetcher.close()


def test_an_answer_that_is_too_long_leaves_its_room_to_the_others() -> None:
    """What was read of an answer that is given up does not count against the other answers of the call."""
    size, fetcher = Budget(150_000), Fetcher()
    with serving(lambda it: send(it, b" " * (200_000 if "long" in it.path else 100_000))) as server:
        with pytest.raises(FetchFailed) as failed:
            fetcher.get(read_address(f"{server.url}/long"), {}, Deadline(5), size)
        assert failed.value.why is Why.TOO_LONG
        assert len(fetcher.get(read_address(server.url), {}, Deadline(5), size).body) == 100_000
        with pytest.raises(FetchFailed):
            fetcher.get(read_address(server.url), {}, Deadline(5), size)
    fetcher.close()


def test_a_deadline_that_has_passed_fails_what_is_not_done() -> None:
    """Tasks that a busy machine starts too late have failed, and nothing else breaks."""
    fetcher, over = Fetcher(), threading.Event()
    late = fetcher.together({number: lambda: over.wait(5) for number in range(3)}, Deadline(0))
    over.set()
    assert all(isinstance(each, FetchFailed) for each in late.values())
    fetcher.close()


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY and its like would see the token: they are not looked at."""
    with serving(lambda it: send(it, b"{}")) as canary, serving(lambda it: send(it, b"{}", 201)) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, canary.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        fetcher = Fetcher()
        assert _get(fetcher, f"{server.url}/fhir") == 201
        assert canary.asked == []
        fetcher.close()


def _certificate(folder: Path, name: str) -> ssl.SSLContext:
    """A server's TLS context with a certificate for this name, which is written beside it as its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    day = timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - day)
        .not_valid_after(datetime.now(UTC) + day)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context


@pytest.mark.parametrize(("name", "trusted", "reached"), [("localhost", True, True), ("ehr.example.org", True, False), ("localhost", False, False)])  # fmt: skip  # noqa: E501
def test_a_certificate_is_checked_for_the_name_that_was_listed(
    tmp_path: Path, name: str, trusted: bool, reached: bool
) -> None:
    """TLS is spoken with the listed name although its address is dialled; a wrong or unknown certificate ends it."""
    context = _certificate(tmp_path, name)
    authority = tmp_path / "certificate.pem" if trusted else None
    fetcher = Fetcher(tls=lambda: ssl.create_default_context(cafile=authority))
    with serving(lambda it: send(it, b"{}"), context) as server:
        url = server.url.replace("http://127.0.0.1", "https://localhost")
        if reached:
            assert _get(fetcher, url) == 200
        else:
            with pytest.raises(FetchFailed) as failed:
                _get(fetcher, url)
            assert failed.value.why is Why.UNREACHABLE
        assert len(server.asked) == reached
    fetcher.close()


def test_a_token_shows_itself_nowhere_by_accident() -> None:
    """Neither printing, formatting nor pickling a call's access shows its token."""
    access = read_access("https://ehr.example.org/fhir", LENT)
    assert access is not None
    assert access.token.tell() == TOKEN
    assert TOKEN not in f"{access} {access!r} {access.token} {[access]}"
    with pytest.raises(TypeError):
        pickle.dumps(access.token)


@pytest.mark.parametrize("text", [None, 7, "", "https://x y", "x" * 3000, "https://-x/", "https://x:/", "https://x:0/"])
def test_what_is_no_address_is_refused(text: Any) -> None:
    """Addresses of the wrong type, shape or length raise a BadAddress, and nothing else does."""
    with pytest.raises(BadAddress):
        read_address(text)
