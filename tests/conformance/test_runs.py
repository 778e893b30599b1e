"""Runs of the kit against services that are silent, slow or elsewhere: what is told of them, and what is not."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import httpx

from conformance import profiles
from conformance import report as reports
from conformance.check import Outcome
from conformance.kit import Options, run
from tests.conformance.conftest import Judge, StoppedClock
from tests.conformance.peer import BASE, Answer, Call, Peer


class _Stubborn(httpx.BaseTransport):
    """Leaves one address without an answer."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.peer = httpx.WSGITransport(Peer())

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == self.path:
            raise httpx.ReadTimeout("")
        return self.peer.handle_request(request)


def test_a_call_without_an_answer_is_an_error_that_says_so() -> None:
    """Where no answer comes in time, the checks that need it end in error, and the service is not met."""
    transport = _Stubborn("/cds-services/peer-select/feedback")
    report = run(Options(BASE, services=("peer-select",)), transport=transport, clock=StoppedClock())
    errors = {each.check: each.reason for each in report.results if each.outcome is Outcome.ERROR}
    assert "feedback.accepted" in errors
    assert "no whole answer within 10 seconds" in errors["feedback.accepted"]
    assert not report.met()
    assert ElementTree.fromstring(reports.as_junit(report)).find(".//error") is not None


def test_an_answer_that_drips_is_cut_off_at_the_limit(judge: Judge) -> None:
    """The time limit holds for a whole call, however its bytes come."""
    clock = StoppedClock()

    def slow(call: Call, answer: Answer) -> None:
        if call.service and b"MedicationRequest" in call.body:
            clock.time += 11

    report = judge(Peer(slow), services=("peer-select",), clock=clock)
    errors = {each.check for each in report.results if each.outcome is Outcome.ERROR}
    assert "calls.good-answer" in errors


def test_a_service_without_guidance_is_not_praised_for_its_cards(judge: Judge) -> None:
    """Where every list of cards is empty, the checks of cards are skipped for that reason, and none is counted."""

    def silent(call: Call, answer: Answer) -> None:
        if call.service and answer.status == 200:
            answer.body = {"cards": []}

    report = judge(Peer(silent), services=("peer-select",), profile=profiles.load("crd"))
    told = {each.check: each for each in report.results}
    rows = {row.row.id: row.outcome for row in report.rows}
    assert rows["crd_service_response_validation"] is Outcome.SKIP
    assert rows["crd_discovery_endpoint_test"] is Outcome.PASS
    assert told["cards.summary-length"].outcome is Outcome.SKIP
    assert told["cards.summary-length"].reason.startswith("no card was seen")
    assert told["suggestions.label"].outcome is Outcome.SKIP
    assert report.cards == 0
    assert report.met()


def test_a_service_without_feedback_is_not_blamed(judge: Judge) -> None:
    """Feedback is optional: 404 there skips its checks."""

    def none(call: Call, answer: Answer) -> None:
        if call.is_feedback:
            answer.status = 404

    report = judge(Peer(none), services=("peer-select",))
    told = {each.check: each.outcome for each in report.results}
    assert {outcome for check, outcome in told.items() if check.startswith("feedback.")} == {Outcome.SKIP}
    assert told["cors.preflight-feedback"] is Outcome.SKIP


def test_a_hook_that_the_kit_has_no_request_for_is_noted(judge: Judge) -> None:
    """A service of another hook is not called, and the report says that it needs --request."""

    def other(call: Call, answer: Answer) -> None:
        if call.method == "GET" and call.path == "/cds-services":
            answer.body["services"] = [{**answer.body["services"][0], "hook": "order-dispatch"}]

    report = judge(Peer(other))
    assert report.notes == ("peer-select: no request for the hook order-dispatch; give one with --request",)
    told = {each.check: each for each in report.results}
    assert told["calls.good-answer"].outcome is Outcome.SKIP
    assert "give others with --request" in told["calls.good-answer"].reason


def test_a_redirect_of_discovery_is_followed_and_told(judge: Judge) -> None:
    """A service that answers discovery elsewhere is judged all the same, and fails on its path alone."""
    peer = Peer()

    def moved(environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/cds-services" and environ["REQUEST_METHOD"] == "GET":
            start_response("301 .", [("Location", "/cds-services/"), ("Access-Control-Allow-Origin", "*")])
            return [b""]
        environ["PATH_INFO"] = environ["PATH_INFO"].removesuffix("/")
        return peer(environ, start_response)

    told = {each.check: each for each in judge(moved, services=("peer-select",)).results}
    assert told["discovery.path"].outcome is Outcome.FAIL
    assert told["discovery.path"].faults[0].seen == "301"
    assert told["cards.summary-length"].outcome is Outcome.PASS
