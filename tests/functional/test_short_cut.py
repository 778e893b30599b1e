"""The way past Flask: what it takes, and that the same is answered, told and stored there."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, request

from cards.profiles import Profile
from cds_service import metrics
from cds_service.addresses import read_address
from cds_service.application import close, create_app
from cds_service.judging import Judge
from cds_service.rate_limit import Rate
from cds_service.settings import Auth, Settings
from cds_service.visit import GATHERED
from tests.cases_as_fhir import AS_OF, request_for
from tests.functional.test_service import FEEDBACK, PLAIN, SELECT, SIGN
from tests.minting import ISSUER, NOW, PUBLIC_URL, key_set, mint

Json = dict[str, Any]

CALL = json.dumps(request_for(PLAIN)).encode()
SIGNED = json.dumps(request_for(PLAIN, hook="order-sign")).encode()
GIVEN_ID = "6F1C2B9A-8D7E-4F60-9A51-3B2C1D0E9F88"


@dataclass(frozen=True)
class Way:
    """An application of its own, and how requests come to it."""

    app: Flask
    store: Path
    is_short: bool

    def send(self, body: bytes, path: str = SELECT, **headers: str) -> Json:
        """What the client sees of the answer."""
        named = {"Content-Type": "application/json", **{name.replace("_", "-"): each for name, each in headers.items()}}
        given = {GATHERED: body} if self.is_short else {}
        answer = self.app.test_client().post(path, data=body, headers=named, environ_overrides=given)
        return {"status": answer.status, "headers": sorted(answer.headers), "body": answer.data}

    def stored(self) -> Json:
        """Every row of what calls came to."""
        assert self.app.extensions["recorder"].flush()
        with closing(sqlite3.connect(self.store)) as connection:
            tables = ("appraisal", "card", "suggestion")
            return {table: sorted(connection.execute(f"SELECT * FROM {table}").fetchall()) for table in tables}


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Callable[..., tuple[Way, Way]]]:
    """Two applications with the same settings: one behind Flask, one that gets gathered bodies."""
    made: list[Flask] = []

    def make(**settings: Any) -> tuple[Way, Way]:
        ways = []
        for is_short in (False, True):
            store, numbers = tmp_path / f"{is_short}.sqlite3", count(1)
            app = create_app(
                Settings(**{"database_url": f"sqlite:///{store}", **settings}),
                today=lambda: AS_OF,
                new_uuid=lambda numbers=numbers: f"00000000-0000-4000-8000-{next(numbers):012}",  # type: ignore[misc]
                now=lambda: NOW,
            )
            made.append(app)
            ways.append(Way(app, store, is_short))
        return ways[0], ways[1]

    yield make
    for app in made:
        close(app)


def _told(caplog: pytest.LogCaptureFixture) -> list[Json]:
    """The lines of the log since the last look, and the kinds of faults; that it took no time at all is never told."""
    lines: list[Json] = []
    for record in caplog.records:
        line = json.loads(record.message) if record.name == "cds_service.request" else {"said": record.message}
        assert 0 <= line.get("ms", 0) < 60_000
        lines.append({name: each for name, each in line.items() if name != "ms"})
    caplog.clear()
    return lines


def _figures() -> dict[str, float]:
    return {
        key: float(value)
        for key, _, value in (line.rpartition(" ") for line in metrics.exposition().decode().splitlines())
        if not key.startswith("#") and "_seconds_sum" not in key and "_bucket" not in key and "_created" not in key
    }


def _counted(before: dict[str, float]) -> dict[str, float]:
    """What was counted since; records are written by a thread, in batches of their own time."""
    return {
        name: value - before.get(name, 0)
        for name, value in _figures().items()
        if value != before.get(name, 0) and "cds_records" not in name
    }


@dataclass(frozen=True)
class Sent:
    """A POST, and the status that it gets."""

    name: str
    status: int
    body: bytes = CALL
    path: str = SELECT
    headers: dict[str, str] = field(default_factory=dict)


SENT = [
    Sent("an order that gets a card", 200),
    Sent("an order that is signed", 200, SIGNED, SIGN),
    Sent("slashes that nobody needs", 200, path=f"{SELECT}//"),
    Sent("no media type", 200, headers={"Content_Type": ""}),
    Sent("FHIR's media type", 200, headers={"Content_Type": "Application/FHIR+JSON; charset=utf-8"}),
    Sent("an id of a proxy", 200, headers={"X_Request_Id": GIVEN_ID}),
    Sent("an id that could be anything", 200, headers={"X_Request_Id": "Jane Public, 1981"}),
    Sent("an encoding that is none", 200, headers={"Content_Encoding": "Identity"}),
    Sent("a browser's call", 200, headers={"Origin": "https://sandbox.example.org"}),
    Sent("a host of no use", 200, headers={"Host": "x" * 300}),
    Sent("members that are passed over", 200, json.dumps({**request_for(PLAIN), "hookInstance": 7}).encode()),
    Sent("an empty body", 400, b""),
    Sent("no JSON", 400, b'{"hook": '),
    Sent("a doubled key", 400, b'{"hook": "order-select", "hook": "order-select"}'),
    Sent("no object", 400, b"[]"),
    Sent("another hook", 400, SIGNED),
    Sent("a patient without a name", 400, CALL.replace(b'"patientId"', b'"patient"')),
    Sent("a form", 415, headers={"Content_Type": "application/x-www-form-urlencoded"}),
    Sent("a packed body", 415, headers={"Content_Encoding": "gzip"}),
    Sent("too many drafts", 413, CALL.replace(b'"entry": [', b'"entry": [' + b'{"resource": {}}, ' * 500, 1)),
]


@pytest.mark.parametrize("sent", SENT, ids=lambda sent: sent.name)
def test_the_same_is_answered_told_and_stored_on_both_ways(
    both: Callable[..., tuple[Way, Way]], caplog: pytest.LogCaptureFixture, sent: Sent
) -> None:
    """Status, every header, body, log line, figures and rows are those of the way through Flask."""
    caplog.set_level(logging.INFO)
    found = []
    for way in both():
        before = _figures()
        _told(caplog)
        seen = way.send(sent.body, sent.path, **sent.headers)
        found.append((seen, _told(caplog), _counted(before), way.stored()))
    assert found[0] == found[1]
    assert found[1][0]["status"].startswith(f"{sent.status} ")
    assert len(found[1][1]) == 1
    assert found[1][2]


@pytest.mark.parametrize(
    "settings",
    [{"shadow": True}, {"profile": Profile.CRD, "system_actions": True}, {"profile": Profile.SANDBOX}],
    ids=["shadow", "crd", "sandbox"],
)
def test_a_client_gets_its_own_shape_on_both_ways(both: Callable[..., tuple[Way, Way]], settings: Json) -> None:
    """What was agreed with a client holds on the short way too."""
    through, past = both(**settings)
    assert through.send(CALL) == past.send(CALL)
    assert through.stored() == past.stored()
    assert through.stored()["appraisal"]


def test_a_fault_is_told_alike_on_both_ways(
    both: Callable[..., tuple[Way, Way]], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault in the judgement is a 500 that says nothing of it, and the log has its kind and place alone."""

    def fail(*_: object) -> None:
        raise RuntimeError("Jane Public")

    monkeypatch.setattr(Judge, "judge", fail)
    caplog.set_level(logging.INFO)
    found = []
    for way in both():
        before = _figures()
        found.append((way.send(CALL), _told(caplog), _counted(before)))
    assert found[0] == found[1]
    seen, lines, counted = found[1]
    assert seen["status"] == "500 INTERNAL SERVER ERROR"
    assert json.loads(seen["body"])["issue"][0]["code"] == "exception"
    assert counted["cds_faults_total"] == 1
    assert lines[0]["said"].startswith("unexpected RuntimeError at ")
    assert "Jane" not in repr(found)


def test_calls_are_held_back_alike_on_both_ways(
    both: Callable[..., tuple[Way, Way]], caplog: pytest.LogCaptureFixture
) -> None:
    """Where a caller has used up its calls the next is refused, on whichever way it comes."""
    caplog.set_level(logging.INFO)
    found = []
    for way in both(rate_limit=Rate(1, 3600.0)):
        before = _figures()
        seen = [way.send(CALL) for _ in range(2)]
        found.append((seen, _told(caplog)))
        assert _counted(before)['cds_refusals_total{code="rate"}'] == 1
    assert found[0][1] == found[1][1]
    (_, first), (_, second) = found[0], found[1]
    assert first == second
    assert [each["status"] for each in found[1][0]] == ["200 OK", "429 TOO MANY REQUESTS"]
    assert [each["body"] for each in found[0][0]] == [each["body"] for each in found[1][0]]
    assert "Retry-After" in dict(found[1][0][1]["headers"])


def test_who_is_held_back_is_never_told_to_call_at_once(both: Callable[..., tuple[Way, Way]]) -> None:
    """A wait of half a second is told as one second: Retry-After has whole ones."""
    for way in both(rate_limit=Rate(1, 0.5)):
        answers = [way.send(CALL) for _ in range(2)]
        assert dict(answers[1]["headers"])["Retry-After"] == "1"


@pytest.mark.parametrize("given", [f"{GIVEN_ID} Jane Public", f"Jane Public {GIVEN_ID}"])
def test_an_id_with_more_beside_it_is_not_taken_up(
    both: Callable[..., tuple[Way, Way]], caplog: pytest.LogCaptureFixture, given: str
) -> None:
    """What stands before or after a UUID could be anything: neither header nor log has it."""
    caplog.set_level(logging.INFO)
    for way in both():
        assert "Jane" not in repr(way.send(CALL, X_Request_Id=given))
    assert "Jane" not in caplog.text


def test_an_answer_has_each_of_its_headers_once(both: Callable[..., tuple[Way, Way]]) -> None:
    """A page keeps its own policy and discovery its own caching; what a preflight asks is told to a preflight alone."""
    through, past = both()
    client = through.app.test_client()
    for seen in (client.get("/guideline"), client.get("/cds-services"), client.post(SELECT, data=b"{")):
        names = [name.lower() for name, _ in seen.headers]
        assert len(names) == len(set(names))
        assert "access-control-allow-methods" not in names
    for way in (through, past):
        assert "Access-Control-Allow-Methods" not in dict(way.send(CALL)["headers"])


def test_both_ways_ask_for_a_token(
    both: Callable[..., tuple[Way, Way]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """No way leads past the tokens: none, a stranger's, one for another address and a used one are refused on both."""
    clients = tmp_path / "clients.toml"
    origins = '["https://ehr.example.org"]'
    clients.write_text(
        f"[[clients]]\nissuer = {json.dumps(ISSUER)}\norigins = {origins}\njwks = {json.dumps(key_set('es'))}\n",
        encoding="utf-8",
    )
    tokens = [mint(SELECT), mint(SELECT, "stranger"), mint(SIGN)]
    tokens.append(tokens[0])
    caplog.set_level(logging.INFO)
    found = []
    for way in both(auth=Auth.REQUIRED, clients_file=clients, public_url=read_address(PUBLIC_URL)):
        before = _figures()
        browser = {"Origin": "https://ehr.example.org"}
        seen = [way.send(CALL), *(way.send(CALL, Authorization=f"Bearer {each}", **browser) for each in tokens)]
        found.append((seen, _told(caplog), _counted(before), way.stored()))
    assert found[0] == found[1]
    seen, lines, *_ = found[1]
    assert [each["status"][:3] for each in seen] == ["401", "200", "401", "401", "401"]
    assert [line.get("jwt") for line in lines] == ["missing", None, "signature", "audience", "replayed"]
    assert dict(seen[1]["headers"])["Access-Control-Allow-Origin"] == "https://ehr.example.org"


def test_only_a_gathered_call_of_a_service_goes_past_flask(
    both: Callable[..., tuple[Way, Way]],
) -> None:
    """Flask sees a body that was not gathered, and every other method and path; it never sees a gathered call."""
    through, past = both()
    seen: list[tuple[str, str]] = []

    def look() -> None:
        seen.append((request.method, request.path))

    for way in (through, past):
        way.app.before_request(look)
    through.send(CALL)
    assert seen == [("POST", SELECT)]
    seen.clear()
    past.send(CALL)
    past.send(b"", SIGN)
    assert seen == []
    past.send(b"{}", FEEDBACK)
    past.send(CALL, f"{SELECT}x")
    past.app.test_client().get(SELECT, environ_overrides={GATHERED: b""})
    past.app.test_client().options(SELECT, environ_overrides={GATHERED: b""})
    assert seen == [("POST", FEEDBACK), ("POST", f"{SELECT}x"), ("GET", SELECT), ("OPTIONS", SELECT)]
