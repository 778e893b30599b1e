"""Our own service on a real port, judged by nothing but its URL."""

from __future__ import annotations

import json

from cds_service.demo import example_request
from conformance import bodies, profiles
from conformance.bodies import Body
from conformance.check import Outcome
from conformance.kit import Options, run
from tests.conformance.conftest import StoppedClock, failed

SIZE = 200_000
SELECT = "lumbar-imaging-order-select"
# What our service has none of without settings, or not in answer to the kit's orders, which need no update.
SKIPPED = {
    "discovery.version",
    "discovery.hook-version",
    "suggestions.update-of-a-draft",
    "suggestions.update-is-whole",
    "system-actions.type",
    "system-actions.description",
    "system-actions.resource",
    "system-actions.annotates-only",
    "system-actions.pama-rating",
}


def test_our_service_meets_the_standard(our_service: str) -> None:
    """Every check passes, warnings included; what is skipped is what we do not send; cards were seen."""
    report = run(Options(our_service, large=SIZE), clock=StoppedClock())
    assert {each.check: each.faults for each in report.results if each.unmet} == {}
    assert {each.check for each in report.results if each.outcome is Outcome.SKIP} == SKIPPED
    assert report.cards >= 2
    assert report.met(strict=True)


def test_our_service_meets_3_0_too(our_service: str) -> None:
    """Judged by 3.0, with its schemas and its stronger words, no check fails either."""
    assert failed(run(Options(our_service, version="3.0", large=SIZE), clock=StoppedClock())) == set()


def test_a_testers_own_request_is_sent_instead_of_the_kits(our_service: str) -> None:
    """With requests of the tester's, the services of their hook are judged by their answers to them, updates too."""
    acute = Body("acute.json", json.loads(example_request()))
    alone = Body("alone.json", bodies.minimal(bodies.own("order-select")[0].value))
    report = run(Options(our_service, requests=(acute, alone), large=SIZE), clock=StoppedClock())
    sent = {hook: names for _, hook, names in report.services}
    assert sent["order-select"] == ("acute.json", "alone.json")
    assert sent["order-sign"] == ("the kit's imaging order", "the kit's medication order")
    assert failed(report) == set()
    told = {each.check: each.outcome for each in report.results}
    assert told["suggestions.update-is-whole"] is Outcome.PASS
    assert report.cards == 5


def test_a_row_of_a_profile_passes_on_what_there_was_to_judge(our_service: str) -> None:
    """Under the CRD profile a row passes where cards were seen, and names what there was nothing of."""
    report = run(
        Options(our_service, services=(SELECT,), profile=profiles.load("crd"), large=SIZE), clock=StoppedClock()
    )
    rows = {row.row.id: row for row in report.rows if row.row.section == "3 Hooks"}
    row = rows["crd_service_response_validation"]
    assert row.outcome is Outcome.PASS
    assert row.reason.startswith("nothing to judge for crd.system-actions-present")
