"""Which requests may hold up a loop: decided before they are read."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from dataclasses import replace

import pytest

from cds_service.addresses import read_address
from cds_service.clients import Client
from cds_service.services import HOOKS
from cds_service.settings import Auth, Settings
from cds_service.waiting import (
    LONGEST,
    MOST_OBJECTS,
    MOST_ORDERS,
    SHORT,
    MustWait,
    Waiting,
    before_waiting,
    must_not_wait,
    without_waiting,
)
from tests.cases_as_fhir import request_for

SELECT, SIGN = (f"/cds-services/{service}" for service in HOOKS)
CALL = json.dumps(request_for({"order": {"code": "CPT 72148"}, "chart": {"birth_date": "1981-05-10"}})).encode()
OPEN = Waiting.under(Settings(), [Settings().anyone])
LENT = b'{"fhirServer": "http://127.0.0.1/", "fhirAuthorization": {}}'


@pytest.mark.parametrize("path", [SELECT, SIGN])
def test_a_call_that_is_judged_from_its_body_waits_for_nothing(path: str) -> None:
    """A hook call with or without its chart needs no thread, nor does one with escapes that stand for other letters."""
    for body in (CALL, b"", b"no JSON", b" " * LONGEST, b'{"text": "M\\u00fcller \\u2014 \\n"}'):
        assert OPEN.may_wait("POST", path, body) is False


def test_who_asks_whether_the_loop_lives_is_told_by_the_loop() -> None:
    """However many threads wait for a store, a service that answers calls is not taken for dead."""
    for waiting in (OPEN, Waiting(for_tokens=True, for_charts=True)):
        assert waiting.may_wait("GET", "/health/live", b"") is False
    assert OPEN.may_wait("POST", "/health/live", b"") is True


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", SELECT, b""),
        ("OPTIONS", SELECT, b""),
        ("POST", f"{SELECT}/feedback", CALL),
        ("POST", f"{SELECT}/", CALL),
        ("POST", f"/{SELECT}", CALL),
        ("POST", "/cds-services/none", CALL),
        ("POST", "/try/explain", CALL),
        ("GET", "/health/ready", b""),
        ("GET", "/reports", b""),
        ("GET", "/metrics", b""),
        ("POST", SELECT, None),
        ("POST", SELECT, b" " * (LONGEST + 1)),
        ("POST", SELECT, b"{}" * (MOST_OBJECTS + 1) + b" " * SHORT),
        ("POST", SELECT, b'"ServiceRequest"' * (MOST_ORDERS + 1) + b" " * SHORT),
        ("POST", SELECT, b'"S\\u0065rviceRequest"' + b" " * SHORT),
        ("POST", SELECT, LENT),
        ("POST", SELECT, LENT.replace(b"A", b"\\u0041")),
        ("POST", SELECT, LENT.replace(b"z", b"\\u007A")),
    ],
)
def test_whatever_else_may_wait(method: str, path: str, body: bytes | None) -> None:
    """Other paths and methods, chunks, long or laborious bodies, and access that is lent, however it is written."""
    assert OPEN.may_wait(method, path, body) is True


@pytest.mark.parametrize(
    ("url", "waits"), [("sqlite:///store.sqlite3", False), ("postgresql+psycopg://db.example.org/cds", True)]
)
def test_where_callers_show_tokens_a_server_that_remembers_them_is_waited_for(url: str, waits: bool) -> None:
    """Used tokens are remembered before a call is judged: in a file that is at hand, or over a network."""
    secured = Settings(auth=Auth.REQUIRED, public_url=read_address("https://cds.example.org"), database_url=url)
    assert Waiting.under(secured, [Client("one")]).may_wait("POST", SELECT, CALL) is waits
    assert Waiting.under(replace(secured, auth=Auth.OPEN), []).may_wait("POST", SELECT, CALL) is False


@pytest.mark.parametrize(
    ("clients", "waits"),
    [
        ([Client("one")], False),
        ([], False),
        ([Client("one"), Client("two", fhir_servers=("https://fhir.example.org/r4",))], True),
        ([Client("one", fhir_on_loopback=True)], True),
        ([Settings().anyone], True),
    ],
)
def test_access_that_is_lent_matters_where_some_server_may_be_asked(clients: list[Client], waits: bool) -> None:
    """Where no client has a FHIR server, and none on this machine may be asked, nothing is fetched or waited for."""
    assert Waiting.under(Settings(), clients).may_wait("POST", SELECT, LENT) is waits


def test_who_must_not_wait_is_told_before_it_does() -> None:
    """The word reaches neither other threads nor what comes after, and goes past who answers for errors."""
    seen: list[bool] = []

    def work() -> None:
        other = threading.Thread(target=lambda: seen.append(must_not_wait()))
        other.start()
        other.join()
        seen.append(must_not_wait())
        with suppress(Exception):
            before_waiting()
        seen.append(False)

    with pytest.raises(MustWait):
        without_waiting(work)
    before_waiting()
    assert seen == [False, True]
    assert without_waiting(lambda: 7) == 7
