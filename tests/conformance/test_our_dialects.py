"""Our service in each client's dialect, and with tokens, judged by the kit."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from cards.profiles import Profile
from cds_service.addresses import read_address
from cds_service.settings import Auth
from conformance import bodies, profiles
from conformance.bodies import Body
from conformance.check import Outcome
from conformance.kit import Trust
from conformance.session import ORIGIN
from conformance.tokens import Key, key_set
from tests.conformance.conftest import Judge, failed
from tests.conformance.peer import BASE, ISSUER
from tests.conftest import Clock

Maker = Callable[..., Flask]


def _example(name: str) -> Body:
    return Body(name, json.loads(files("cds_service").joinpath(f"examples/{name}").read_bytes()))


def _requests() -> tuple[Body, ...]:
    """A pain of ten days, a child's CT, and an order alone, which has facts to record."""
    alone = Body("alone.json", bodies.minimal(bodies.own("order-select")[0].value))
    return _example("acute-low-back-pain.json"), _example("child-ct.json"), alone, *bodies.own("order-sign")


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("system_actions", [False, True], ids=["cards alone", "ratings too"])
def test_every_dialect_meets_the_standard(
    make_app: Maker, judge: Judge, profile: Profile, system_actions: bool
) -> None:
    """No check fails in any profile, with or without ratings, and system actions are judged where there are some."""
    report = judge(make_app(profile=profile, system_actions=system_actions), requests=_requests())
    # The one place where the sandbox reads system actions bears a name that is not unique, against a SHOULD.
    sandbox = profile is Profile.SANDBOX and system_actions
    assert failed(report) == ({"cards.extension-names"} if sandbox else set())
    assert report.met()
    told = {each.check: each.outcome for each in report.results}
    assert (told["system-actions.pama-rating"] is Outcome.PASS) == system_actions


def test_the_crd_dialect_meets_every_row_that_is_in_role(make_app: Maker, judge: Judge) -> None:
    """With ratings on, no row of Inferno's CRD suite fails; those that are left out are a payer's or the tester's."""
    app = make_app(profile=Profile.CRD, system_actions=True)
    report = judge(app, requests=_requests(), profile=profiles.load("crd"))
    assert failed(report) == set()
    assert {row.outcome for row in report.rows} <= {Outcome.PASS, Outcome.OMIT}


def test_our_secured_service_meets_the_rules_of_tokens(
    make_app: Maker, judge: Judge, keys: tuple[Key, Key], tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With CDS_AUTH=required good tokens of both algorithms are let in, and every bad one is refused as it should."""
    monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC))
    known: dict[str, Any] = key_set(keys)
    clients = tmp_path / "clients.toml"
    table = f"[[clients]]\nissuer = '{ISSUER}'\norigins = ['{ORIGIN}']\njwks = '''{json.dumps(known)}'''\n"
    clients.write_text(table, encoding="utf-8")
    app = make_app(auth=Auth.REQUIRED, clients_file=clients, public_url=read_address(BASE))
    report = judge(app, trust=Trust(keys, ISSUER, None))
    assert failed(report) == set()
    told = {each.check: each.outcome for each in report.results if each.check.startswith("tokens.")}
    assert Outcome.PASS in told.values()
