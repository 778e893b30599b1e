"""Whatever a service answers, the kit judges it and does not break."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from conformance import bodies
from conformance.check import Check, Outcome
from conformance.checks import CRD, cards, discovery, errors, suggestions, system_actions, whole
from conformance.exchange import Exchange, Wire, _parsed
from conformance.kit import judge
from conformance.paths import Path, empties, json_path, walk
from conformance.session import Service, Session
from tests.conformance.peer import BASE, Answer, Call, Peer

ODD: tuple[Any, ...] = (
    None,
    7,
    True,
    "x",
    "",
    [],
    {},
    [None],
    [1],
    [[]],
    {"a": 1},
    [{"type": []}],
    {"resourceType": 7},
)
JUDGING = [check for group in (cards, suggestions, system_actions, whole) for check in group.GROUP.checks] + CRD.checks


def _answer(path: str, body: Any = None) -> Any:
    method = "GET" if body is None else "POST"
    sent = json.dumps(body).encode()
    return Peer().answer(Call(method, path, {}, sent, body)).body


SENT = bodies.fresh(bodies.own("order-select")[0].value)
GOOD = _answer("/cds-services/peer-select", SENT)
LISTED = _answer("/cds-services")


def _changed(whole_value: Any, path: Path, value: Any) -> Any:
    changed = copy.deepcopy(whole_value)
    if not path:
        return value
    at = changed
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return changed


def _variants(value: Any) -> Iterator[tuple[str, Any, Any]]:
    """Each place of a value with an odd value there; the odd values take turns."""
    for number, (path, _) in enumerate(walk(value)):
        for odd in (None, ODD[number % len(ODD)]):
            yield json_path(path), _changed(value, path, odd), odd


def _exchange(answer: Any, status: int = 200) -> Exchange:
    return Exchange("call", BASE, SENT, status, httpx.Headers(), json.dumps(answer).encode(), answer, 0.0)


def _silent(environ: Any, start_response: Any) -> Any:
    start_response("503 .", [])
    return [b""]


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire(BASE, transport=httpx.WSGITransport(_silent))
    yield wire
    wire.close()


def _judged(wire: Wire, answer: Any, listed: Any, checks: list[Check]) -> set[Outcome]:
    service = Service("peer-select", "order-select", {}, (bodies.Body("body", SENT),))
    session = Session(wire, "2.0.1", _exchange(listed), (service,))
    session._good = [_exchange(answer)]
    return {judge(check, session).outcome for check in checks}


def test_an_answer_that_is_odd_in_one_place_is_judged(wire: Wire) -> None:
    """At every place of an answer an odd value does not break a check, and a null is always told."""
    for place, answer, odd in _variants(GOOD):
        outcomes = _judged(wire, answer, LISTED, JUDGING)
        if odd is None and place not in ("$", "$.cards"):
            assert Outcome.FAIL in outcomes, place


def test_a_discovery_document_that_is_odd_in_one_place_is_judged(wire: Wire) -> None:
    """At every place of a discovery document an odd value does not break a check, and a null is always told."""
    checks = [check for check in (*discovery.GROUP.checks, *whole.GROUP.checks) if check.id != "discovery.stable"]
    for place, listed, odd in _variants(LISTED):
        if place != "$":
            outcomes = _judged(wire, {"cards": []}, listed, checks)
            assert odd is not None or Outcome.FAIL in outcomes, place


def test_an_outcome_that_is_odd_in_one_place_is_judged(wire: Wire) -> None:
    """At every place of an OperationOutcome an odd value does not break a check, and a null is always told."""
    good = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "invalid"}]}
    for place, answer, odd in _variants(good):
        session = Session(wire, "2.0.1", _exchange(LISTED), ())
        session.exchanges = [_exchange(answer, 400)]
        outcomes = {judge(check, session).outcome for check in errors.GROUP.checks}
        assert odd is not None or Outcome.FAIL in outcomes, place


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"cards": []}', {"cards": []}),
        (b"", None),
        (b'{"cards": [],}', None),
        (b'{"cards": NaN}', None),
        ('{"cards": "é"}'.encode("latin-1"), None),
        (b"[" * 199 + b"]" * 199, "nested"),
        (b"[" * 300 + b"]" * 300, None),
        (b"[" * 100_000 + b"]" * 100_000, None),
    ],
)
def test_what_is_not_json_is_no_answer(body: bytes, value: Any) -> None:
    """A body is JSON by RFC 8259, in UTF-8, and not nested without end; everything else counts as none."""
    found = _parsed(body)
    assert isinstance(found, list) if value == "nested" else found == value


def test_a_peer_is_what_these_tests_take_it_for() -> None:
    """The answer that is bent here has all kinds of parts: suggestions, links, reasons, actions, system actions."""
    places = {json_path(path) for path, _ in walk(GOOD)}
    assert {"$.cards[0].suggestions[1].actions[0].resourceId", "$.cards[2].links[0].appContext"} <= places
    assert isinstance(Answer(200, GOOD).body["systemActions"], list)


@pytest.mark.parametrize(
    ("value", "places"),
    [
        ({"given": [None, "Zoë"], "_given": [{"id": "a"}, None]}, []),
        ({"given": [None, "Zoë"]}, ["$.given[0]"]),
        ({"_given": [None]}, ["$._given[0]"]),
        ({"given": ["", None], "_given": [None, {}]}, ["$.given[0]", "$._given[1]"]),
        ([False, 0, 0.0], []),
        ({"a.b": [[]]}, ['$["a.b"][0]']),
    ],
)
def test_what_is_empty_is_named_by_its_place(value: Any, places: list[str]) -> None:
    """False and zero are values, and a null pairs a value with its extensions only where both lists are there."""
    assert [json_path(path) for path, _ in empties(value)] == places
