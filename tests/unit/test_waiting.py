"""Which requests may hold up a loop: decided before they are read."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from dataclasses import replace

import pytest

from cds_service.addresses import read_address
from cds_service.clients import Client
from cds_service.must_wait import MustWait, before_waiting, must_not_wait, without_waiting
from cds_service.services import HOOKS
from cds_service.settings import Auth, Settings
from cds_service.waiting import LONGEST, MOST_OBJECTS, MOST_ORDERS, SHORT, Lane, Waiting
from tests.cases_as_fhir import request_for

SELECT, SIGN = (f"/cds-services/{service}" for service in HOOKS)
CALL = json.dumps(request_for({"order": {"code": "CPT 72148"}, "chart": {"birth_date": "1981-05-10"}})).encode()
OPEN = Waiting.under(Settings(), [Settings().anyone])
LENT = b'{"fhirServer": "http://127.0.0.1/", "fhirAuthorization": {}}'


@pytest.mark.parametrize("path", [SELECT, SIGN])
def test_a_call_that_is_judged_from_its_body_waits_for_nothing(path: str) -> None:
    """A hook call with or without its chart needs no thread, nor does one with escapes that stand for other letters."""
    for body in (CALL, b"", b"no JSON", b" " * LONGEST, b'{"text": "M\\u00fcller \\u2014 \\n"}'):
        assert OPEN.lane("POST", path, body) is None


def test_who_asks_whether_the_loop_lives_is_told_by_the_loop() -> None:
    """However many threads wait for a store, a service that answers calls is not taken for dead."""
    for waiting in (OPEN, Waiting(for_tokens=True, for_charts=True)):
        assert waiting.lane("GET", "/health/live", b"") is None
    assert OPEN.lane("POST", "/health/live", b"") is Lane.STORES


LONG = b" " * (LONGEST + 1)
MANY_OBJECTS = b"{}" * (MOST_OBJECTS + 1) + b" " * SHORT
MANY_ORDERS = b'"ServiceRequest"' * (MOST_ORDERS + 1) + b" " * SHORT


@pytest.mark.parametrize(
    ("lane", "method", "path", "body"),
    [
        (Lane.STORES, "GET", SELECT, b""),
        (Lane.STORES, "OPTIONS", SELECT, b""),
        (Lane.STORES, "POST", f"{SELECT}/feedback", CALL),
        (Lane.STORES, "POST", f"{SELECT}/", CALL),
        (Lane.STORES, "POST", f"/{SELECT}", CALL),
        (Lane.STORES, "POST", "/cds-services/none", CALL),
        (Lane.STORES, "POST", "/try/explain", CALL),
        (Lane.STORES, "GET", "/health/ready", b""),
        (Lane.STORES, "GET", "/reports", b""),
        (Lane.STORES, "GET", "/metrics", b""),
        (Lane.CHARTS, "POST", SELECT, LONG),
        (Lane.CHARTS, "POST", SELECT, MANY_OBJECTS),
        (Lane.CHARTS, "POST", SELECT, MANY_ORDERS),
        (Lane.FETCHES, "POST", SELECT, b'"S\\u0065rviceRequest"' + b" " * SHORT),
        (Lane.FETCHES, "POST", SELECT, None),
        (Lane.FETCHES, "POST", SELECT, LENT),
        (Lane.FETCHES, "POST", SELECT, LENT + LONG),
        (Lane.FETCHES, "POST", SELECT, LENT.replace(b"A", b"\\u0041")),
        (Lane.FETCHES, "POST", SELECT, LENT.replace(b"z", b"\\u007A")),
    ],
)
def test_whatever_else_may_wait(lane: Lane, method: str, path: str, body: bytes | None) -> None:
    """Other paths, chunks, long or laborious bodies, and lent access, however it is written: each among its like."""
    assert OPEN.lane(method, path, body) is lane


@pytest.mark.parametrize("body", [None, LONG, LENT.replace(b"A", b"\\u0041")], ids=["chunks", "long", "spelled"])
def test_where_nothing_is_fetched_no_chart_stands_among_those_that_fetch(body: bytes | None) -> None:
    """Without a FHIR server that may be asked, what takes long is judged among its like."""
    assert Waiting.under(Settings(), []).lane("POST", SELECT, body) is Lane.CHARTS


@pytest.mark.parametrize(
    ("url", "lane"),
    [("sqlite:///store.sqlite3", None), ("postgresql+psycopg://db.example.org/cds", Lane.STORES)],
)
def test_where_callers_show_tokens_a_server_that_remembers_them_is_waited_for(url: str, lane: Lane | None) -> None:
    """Used tokens are remembered before a call is judged: in a file that is at hand, or over a network."""
    secured = Settings(auth=Auth.REQUIRED, public_url=read_address("https://cds.example.org"), database_url=url)
    assert Waiting.under(secured, [Client("one")]).lane("POST", SELECT, CALL) is lane
    assert Waiting.under(replace(secured, auth=Auth.OPEN), []).lane("POST", SELECT, CALL) is None


@pytest.mark.parametrize(
    ("clients", "lane"),
    [
        ([Client("one")], None),
        ([], None),
        ([Client("one"), Client("two", fhir_servers=("https://fhir.example.org/r4",))], Lane.FETCHES),
        ([Client("one", fhir_on_loopback=True)], Lane.FETCHES),
        ([Settings().anyone], Lane.FETCHES),
    ],
)
def test_access_that_is_lent_matters_where_some_server_may_be_asked(clients: list[Client], lane: Lane | None) -> None:
    """Where no client has a FHIR server, and none on this machine may be asked, nothing is fetched or waited for."""
    assert Waiting.under(Settings(), clients).lane("POST", SELECT, LENT) is lane


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
