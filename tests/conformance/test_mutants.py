"""The kit against services that are not ours: a good one, and a family of broken ones."""

from __future__ import annotations

import pytest

from conformance import profiles
from conformance.check import Outcome
from conformance.checks import all_checks
from tests.conformance.conftest import Judge, StoppedClock, failed
from tests.conformance.mutants import MUTANTS
from tests.conformance.mutations import Mutant
from tests.conformance.peer import BASE, Answer, Call, Peer


def test_a_good_service_passes_every_check(judge: Judge) -> None:
    """The peer passes every check of a run without tokens, with the rows of the CRD profile, and none is skipped."""
    report = judge(Peer(), profile=profiles.load("crd"))
    told = {result.check: result.outcome for result in report.results if not result.check.startswith("tokens.")}
    assert {check for check, outcome in told.items() if outcome is not Outcome.PASS} == set()
    assert {row.outcome for row in report.rows} == {Outcome.PASS, Outcome.OMIT}
    assert (report.cards, report.answers) == (8, 4)


def test_a_good_service_that_demands_tokens_passes_every_check(judge_secured: Judge) -> None:
    """The peer that demands tokens passes every check of tokens, and none is skipped."""
    report = judge_secured(Peer())
    assert {result.check for result in report.results if result.outcome is not Outcome.PASS} == set()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.expect}: {mutant.name}")
def test_a_broken_service_fails_its_own_check_and_no_other(mutant: Mutant, judge: Judge, judge_secured: Judge) -> None:
    """What is broken in one way is told by the one check whose matter it is."""
    clock = StoppedClock()

    def change(call: Call, answer: Answer) -> None:
        if mutant.change:
            mutant.change(call, answer)
        if call.service and answer.status == 200:
            clock.time += mutant.slow

    peer = Peer(change)
    if mutant.forgive:
        peer.forgive = mutant.forgive
    if mutant.fetches:
        peer.fetches = mutant.fetches
    # One of the two services is enough to see a fault, but for what is asked of order-sign, or of both together.
    services = () if mutant.expect.startswith("crd.") or mutant.expect == "cards.uuid-unique" else ("peer-select",)
    options = {"clock": clock, "url": mutant.base or BASE, "services": services}
    if mutant.demands_tokens:
        report = judge_secured(peer, mutant.signs_last, **options)
    else:
        profile = profiles.load("crd") if mutant.expect.startswith("crd.") else None
        report = judge(peer, profile=profile, **options)
    assert failed(report) == {mutant.expect}
    (result,) = [result for result in report.results if result.check == mutant.expect]
    assert result.outcome is Outcome.FAIL
    assert all(fault.call and fault.where and fault.seen for fault in result.faults)
    assert result.requirements


def test_every_check_is_failed_by_some_broken_service() -> None:
    """There is no check that no service can fail."""
    assert {mutant.expect for mutant in MUTANTS} == set(all_checks())
