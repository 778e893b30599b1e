"""The report: its numbers against an independent count, its forms, what it withholds, and who may see it."""

from __future__ import annotations

import csv
import io
import json
import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator

from cards.override_reasons import OVERRIDE_REASONS
from cds_service.__main__ import main
from cds_service.operators import Access
from cds_service.report import build_report, period
from cds_service.report_choices import By
from cds_service.report_facts import Facts, Scope, gather
from cds_service.report_page import WRITERS
from cds_service.settings import Settings, SettingsError
from cds_service.suppression import Cell, suppress
from tests.cases_as_fhir import AS_OF, request_for
from tests.conftest import Clock

Json = dict[str, Any]

SELECT = "/cds-services/lumbar-imaging-order-select"
SIGN = "/cds-services/lumbar-imaging-order-sign"
APPRAISALS = "lumbar-imaging-cds.appraisals"
LBP = "ICD-10-CM M54.50"
TOKEN = "a-token-of-sixteen-characters"
CODES = ("72148", "72131", "72100", "72158", "72133")


def _request(code: str, days: int, *, pain: bool, cancer: bool, drop: str | None) -> Json:
    onset = (AS_OF - timedelta(days=days)).isoformat()
    conditions = [{"code": LBP, "onset": onset}] if pain else []
    conditions += [{"code": "ICD-10-CM C50.911", "onset": "2020-01-01"}] if cancer else []
    told = {
        "order": {"code": f"CPT {code}", "reasons": [LBP] if pain else []},
        "chart": {"birth_date": "1981-05-10", "conditions": conditions},
    }
    body: Json = json.loads(json.dumps(request_for(told)))
    if drop is not None:
        del body["prefetch"][drop]
    return body


@dataclass
class Ledger:
    """An account of what was sent and answered, kept by the test itself from the answers alone."""

    orders: int = 0
    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    procedures: Counter[str] = field(default_factory=Counter)
    days: Counter[str] = field(default_factory=Counter)
    shown: int = 0
    accepted: int = 0
    overridden: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    offered: int = 0
    missing: Counter[tuple[str, str]] = field(default_factory=Counter)
    concepts: Counter[str] = field(default_factory=Counter)

    def hear(self, day: date, answer: Json, dropped: str | None) -> None:
        (appraisal,) = answer["extension"][APPRAISALS]
        bounds = f"{appraisal.get('floor', 'none')} to {appraisal.get('ceiling')}"
        outcome = appraisal.get("category") or appraisal.get("reason") or bounds
        self.orders += 1
        self.verdicts[appraisal["verdict"], outcome] += 1
        self.procedures[" or ".join(appraisal["procedures"])] += 1
        self.days[day.isoformat()] += 1
        self.shown += len(answer["cards"])
        self.offered += sum(len(card.get("suggestions", ())) for card in answer["cards"])
        self.missing.update([(dropped, appraisal["verdict"])] if dropped else [])
        self.concepts.update(appraisal.get("missing", ()))


def _live(client: FlaskClient, clock: Clock, ledger: Ledger, calls: int = 60) -> None:
    """Weeks of orders, and what clinicians do with their cards."""
    dice = random.Random(20260302)
    for number in range(calls):
        clock.day = AS_OF + timedelta(days=number // 6)
        drop = dice.choice([None, None, "conditions", "observations"])
        body = _request(
            dice.choice(CODES), dice.choice([10, 60]), pain=dice.random() < 0.8, cancer=dice.random() < 0.3, drop=drop
        )
        path = dice.choice([SELECT, SIGN])
        body["hook"] = "order-select" if path == SELECT else "order-sign"
        answer = client.post(path, json=body).json
        assert answer is not None
        ledger.hear(clock.day, answer, drop)
        for card in answer["cards"]:
            _react(client, path, card, dice, ledger)


def _react(client: FlaskClient, path: str, card: Json, dice: random.Random, ledger: Ledger) -> None:
    item: Json = {"card": card["uuid"], "outcomeTimestamp": "2026-03-20T10:00:00Z"}
    mood = dice.random()
    if mood < 0.3 and card.get("suggestions"):
        item |= {"outcome": "accepted", "acceptedSuggestions": [{"id": dice.choice(card["suggestions"])["uuid"]}]}
        ledger.accepted += 1
    elif mood < 0.7:
        reason = dice.choice(OVERRIDE_REASONS).coding
        item |= {"outcome": "overridden", "overrideReason": {"reason": {"code": reason.code, "system": reason.system}}}
        ledger.overridden += 1
        ledger.reasons[f"{reason.system}|{reason.code}"] += 1
    else:
        return
    for _ in range(dice.randint(1, 2)):  # some clients repeat themselves
        assert client.post(f"{path}/feedback", json={"feedback": [item]}).status_code == 200


@pytest.fixture
def told(make_app: Callable[..., Flask], clock: Clock, store_url: str) -> tuple[Flask, Ledger]:
    """A service that has worked for ten days, and the account of it."""
    app, ledger = make_app(reports=Access.LOOPBACK, database_url=store_url), Ledger()
    _live(app.test_client(), clock, ledger)
    assert app.extensions["recorder"].flush()
    return app, ledger


def _tables(app: Flask, query: str = "") -> dict[str, list[Json]]:
    response = app.test_client().get(f"/reports?format=json{query}")
    assert response.status_code == 200, response.text
    report = json.loads(response.data)
    schema = json.loads(files("cds_service").joinpath("report.schema.json").read_text(encoding="utf-8"))
    assert [error.message for error in Draft202012Validator(schema).iter_errors(report)] == []
    tables: dict[str, list[Json]] = report["tables"]
    return tables


def test_the_numbers_are_those_of_an_independent_count(told: tuple[Flask, Ledger]) -> None:
    """Every table equals what the test counted itself from the answers it got and the feedback it sent."""
    app, ledger = told
    tables = _tables(app)
    (summary,) = tables["summary"]
    unanswered = ledger.shown - ledger.accepted - ledger.overridden
    assert [summary[name] for name in ("orders", "shown", "accepted", "overridden", "unanswered", "withheld")] == [
        ledger.orders, ledger.shown, ledger.accepted, ledger.overridden, unanswered, 0
    ]  # fmt: skip
    assert summary["accepted_of_shown"] == round(ledger.accepted / ledger.shown, 4)
    assert summary["accepted_of_answered"] == round(ledger.accepted / (ledger.accepted + ledger.overridden), 4)
    assert {(row["verdict"], row["outcome"]): row["orders"] for row in tables["verdicts"]} == ledger.verdicts
    assert {row["reason"]: row["overridden"] for row in tables["reasons"]} == ledger.reasons
    assert {row["period"]: row["orders"] for row in tables["periods"]} == ledger.days
    assert {row["concept"]: row["open_orders"] for row in tables["concepts"]} == ledger.concepts
    arrivals = {(row["key"], row["verdict"]): row["missing"] for row in tables["arrivals"] if row["missing"]}
    assert arrivals == ledger.missing
    procedures: Counter[str] = Counter()
    for row in tables["procedures"]:
        procedures[row["procedure"]] += row["orders"]
    assert procedures == ledger.procedures
    assert sum(row["offered"] for row in tables["suggestions"]) == ledger.offered
    assert sum(row["accepted"] for row in tables["suggestions"]) == ledger.accepted
    for name in ("procedures", "variants", "clients", "services", "periods"):
        for column in ("orders", "shown", "accepted", "overridden"):
            assert sum(row[column] for row in tables[name]) == summary[column], (name, column)


def test_a_report_covers_its_days_and_its_client(told: tuple[Flask, Ledger]) -> None:
    """From the first to the last day, both counted; of a client that never called there is nothing."""
    app, ledger = told
    day = AS_OF + timedelta(days=3)
    (summary,) = _tables(app, f"&since={day}&until={day}")["summary"]
    assert summary["orders"] == ledger.days[day.isoformat()] == 6
    assert _tables(app, "&client=nobody")["summary"][0]["orders"] == 0
    assert _tables(app, "&client=open")["summary"][0]["orders"] == ledger.orders


def test_feedback_that_comes_before_its_card_is_written_counts(make_app: Callable[..., Flask]) -> None:
    """Feedback and cards meet when the report is made, in whatever order they were stored."""
    app = make_app(reports=Access.LOOPBACK)
    client, recorder = app.test_client(), app.extensions["recorder"]
    kept: list[Any] = []
    written, recorder.put = recorder.put, kept.append
    answer = client.post(SELECT, json=_request("72148", 10, pain=True, cancer=False, drop=None)).json
    assert answer is not None
    item = {"card": answer["cards"][0]["uuid"], "outcome": "overridden", "outcomeTimestamp": "2026-03-02T10:00:00Z"}
    client.post(f"{SELECT}/feedback", json={"feedback": [item, {**item, "card": "of another service"}]})
    assert _tables(app)["summary"][0]["unknown_feedback"] == 2
    written(kept[0])
    assert recorder.flush()
    (summary,) = _tables(app)["summary"]
    assert (summary["overridden"], summary["unknown_feedback"]) == (1, 1)


def test_an_accepted_card_stays_accepted_and_a_reason_is_the_last_one(make_app: Callable[..., Flask]) -> None:
    """Several items about one card count as one card: accepted once is accepted; of two overrides the later speaks."""
    app = make_app(reports=Access.LOOPBACK)
    client = app.test_client()
    cards = []
    for _ in range(2):
        answer = client.post(SELECT, json=_request("72148", 10, pain=True, cancer=False, drop=None)).json
        assert answer is not None
        cards += answer["cards"]
    first, second = ({"card": card["uuid"], "outcome": "overridden"} for card in cards)
    taken = [{"id": cards[0]["suggestions"][0]["uuid"]}]
    items = [
        {**first, "outcomeTimestamp": "2026-03-02T10:02:00Z"},
        {**first, "outcome": "accepted", "acceptedSuggestions": taken, "outcomeTimestamp": "2026-03-02T10:01:00Z"},
        {**second, "outcomeTimestamp": "2026-03-02T10:02:00Z", "overrideReason": {"reason": {"code": "late"}}},
        {**second, "outcomeTimestamp": "2026-03-02T10:01:00Z", "overrideReason": {"reason": {"code": "early"}}},
    ]
    for item in items:
        assert client.post(f"{SELECT}/feedback", json={"feedback": [item]}).status_code == 200
    assert app.extensions["recorder"].flush()
    tables = _tables(app)
    assert [tables["summary"][0][name] for name in ("shown", "accepted", "overridden")] == [2, 1, 1]
    assert tables["reasons"] == [{"reason": "late", "overridden": 1}]


@pytest.mark.parametrize("below", [2, 5, 9])
def test_small_counts_are_withheld_and_cannot_be_worked_out(told: tuple[Flask, Ledger], below: int) -> None:
    """No count below the limit is told, and in no table is it what the told ones leave of a total that is told."""
    app, _ = told
    full, told_tables = _tables(app), _tables(app, f"&suppress-below={below}")
    withheld = f"<{below}"
    assert withheld in json.dumps(told_tables)
    totals = told_tables["summary"][0]
    for name, rows in told_tables.items():
        columns = {column for row in rows for column, value in row.items() if value == withheld or type(value) is int}
        for column in columns:
            values = [row[column] for row in rows]
            assert all(value in (withheld, 0) or value >= below for value in values), (name, column)
            hidden = [
                exact[column] for row, exact in zip(rows, full[name], strict=True) if row[column] == withheld
            ]  # fmt: skip
            splits = name in ("periods", "procedures", "variants", "clients", "services", "verdicts")
            if splits and hidden and type(totals.get(column)) is int:
                assert len(hidden) > 1, (name, column)
                assert sum(hidden) >= below, (name, column)
    shares = [row for rows in told_tables.values() for row in rows if row.get("accepted") == withheld]
    assert shares
    assert not any("accepted_of_shown" in row or "accepted_of_offered" in row for row in shares)


def test_the_remainder_of_a_sum_is_withheld_too() -> None:
    """One small part of a told whole takes the next smallest with it, and a whole that is withheld does not follow."""
    whole, parts = Cell("p"), [Cell("p", frozenset({("x", name)})) for name in "abc"]
    counts = dict(zip([whole, *parts], (100, 2, 40, 58), strict=True))
    assert suppress(counts, 5) == {parts[0], parts[1]}
    assert suppress(counts, 0) == frozenset()
    assert suppress(dict(zip([whole, *parts], (4, 2, 0, 2), strict=True)), 5) == {whole, parts[0], parts[2]}
    assert suppress(dict(zip([whole, *parts[:2]], (7, 7, 0), strict=True)), 5) == frozenset()
    finer = [Cell("p", frozenset({("x", "b"), ("y", name)})) for name in "de"]
    deep = suppress({**counts, finer[0]: 39, finer[1]: 1}, 5)
    assert {parts[0], finer[1], finer[0]} <= deep


def test_an_operators_limit_cannot_be_lowered_by_the_reader(make_app: Callable[..., Flask]) -> None:
    """CDS_SUPPRESS_BELOW holds for the page whatever its address asks."""
    app = make_app(reports=Access.LOOPBACK, suppress_below=5)
    app.test_client().post(SELECT, json=_request("72148", 10, pain=True, cancer=False, drop=None))
    assert app.extensions["recorder"].flush()
    assert _tables(app, "&suppress-below=0")["summary"][0]["orders"] == "<5"
    assert _tables(app, "&suppress-below=9")["summary"][0]["orders"] == "<9"


def test_csv_holds_every_count_once(told: tuple[Flask, Ledger]) -> None:
    """One line for each count of each row; the same numbers as the JSON form."""
    app, _ = told
    text = app.test_client().get("/reports?format=csv").text
    lines = list(csv.DictReader(io.StringIO(text)))
    tables = _tables(app)
    for name, rows in tables.items():
        numbers = sorted(value for row in rows for value in row.values() if type(value) is int)
        assert sorted(int(line["count"]) for line in lines if line["table"] == name) == numbers


class _Page(HTMLParser):
    """Every tag with its attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_page_stands_alone_and_tells_its_plots_in_words(told: tuple[Flask, Ledger]) -> None:
    """No script, nothing from another host, a policy that forbids both; each plot has a title and a description."""
    app, ledger = told
    response = app.test_client().get("/reports")
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
    page = _Page(response.text)
    assert not [tag for tag, _ in page.tags if tag in ("script", "link", "img", "iframe", "object", "foreignobject")]
    loads = {"src", "srcset", "href", "xlink:href", "data", "poster"}
    assert [attributes for _, attributes in page.tags if loads & attributes.keys()] == []
    assert [name for _, attributes in page.tags for name in attributes if name.startswith("on")] == []
    assert "url(" not in response.text
    drawings = [attributes for tag, attributes in page.tags if tag == "svg"]
    ids = {attributes.get("id") for _, attributes in page.tags}
    assert len(drawings) == 4
    for drawing in drawings:
        assert drawing["role"] == "img"
        assert set(str(drawing["aria-labelledby"]).split()) <= ids
    words = " ".join(page.words)
    assert f"Overridden {ledger.overridden}" in words
    assert str(OVERRIDE_REASONS[0].display) in words
    assert "MRI lumbar spine without IV contrast" in words


def test_what_clients_say_does_no_harm_in_any_form(make_app: Callable[..., Flask]) -> None:
    """A reason of markup, formulas and control characters is escaped, quoted, and printed harmlessly."""
    app = make_app(reports=Access.LOOPBACK)
    client = app.test_client()
    answer = client.post(SELECT, json=_request("72148", 10, pain=True, cancer=False, drop=None)).json
    assert answer is not None
    reason = {"code": "=HYPERLINK(1)<script>alert(1)</script>\x1b[2J"}
    item = {"card": answer["cards"][0]["uuid"], "outcome": "overridden", "outcomeTimestamp": "2026-03-02T10:00:00Z"}
    client.post(f"{SELECT}/feedback", json={"feedback": [{**item, "overrideReason": {"reason": reason}}]})
    assert app.extensions["recorder"].flush()
    html, text, lines = (client.get(f"/reports?format={name}").text for name in ("html", "text", "csv"))
    assert "<script" not in html
    assert "\x1b" not in html + text + lines
    assert [row[1][:2] for row in csv.reader(io.StringIO(lines)) if row[0] == "reasons"] == ["'="]


@pytest.mark.parametrize(
    "query",
    ["since=x", "until=2026-02-30", "since=2026-03-02&until=2026-03-01", "by=year", "format=pdf", "suppress-below=-1"],
)
def test_a_question_that_makes_no_sense_is_refused(make_app: Callable[..., Flask], query: str) -> None:
    """400 names what was asked wrongly."""
    response = make_app(reports=Access.LOOPBACK).test_client().get(f"/reports?{query}")
    assert response.status_code == 400
    assert query.partition("=")[0] in response.text


def _remote(address: str) -> dict[str, str]:
    return {"REMOTE_ADDR": address}


@pytest.mark.parametrize(
    ("access", "address", "headers", "status"),
    [
        (Access.OFF, "127.0.0.1", {}, 404),
        (Access.LOOPBACK, "127.0.0.1", {}, 200),
        (Access.LOOPBACK, "::1", {"Host": "[::1]:8080"}, 200),
        (Access.LOOPBACK, "192.0.2.7", {}, 403),
        (Access.LOOPBACK, "127.0.0.1", {"X-Forwarded-For": "192.0.2.7"}, 403),
        (Access.LOOPBACK, "127.0.0.1", {"Forwarded": "for=192.0.2.7"}, 403),
        (Access.LOOPBACK, "127.0.0.1", {"Host": "rebound.example"}, 403),
        (Access.LOOPBACK, "127.0.0.1", {"Origin": "https://elsewhere.example"}, 403),
        (Access.TOKEN, "127.0.0.1", {}, 401),
        (Access.TOKEN, "127.0.0.1", {"Authorization": "Bearer wrong-token-of-sixteen"}, 401),
        (Access.TOKEN, "127.0.0.1", {"Authorization": "Basic Og=="}, 401),
        (Access.TOKEN, "192.0.2.7", {"Authorization": f"Bearer {TOKEN}"}, 200),
    ],
)
def test_the_report_is_for_operators(
    make_app: Callable[..., Flask], access: Access, address: str, headers: dict[str, str], status: int
) -> None:
    """Off, it is not there; on loopback it is for no proxy, no other name and no other page; else for the token."""
    client = make_app(reports=access, reports_token=TOKEN).test_client()
    response = client.get("/reports", headers=headers, environ_overrides=_remote(address))
    assert response.status_code == status
    assert response.headers["Cache-Control"] == "no-store"
    assert ("WWW-Authenticate" in response.headers) == (status == 401)


def test_a_browser_may_give_the_token_as_a_password(make_app: Callable[..., Flask]) -> None:
    """Basic authentication under any name, with the token as its password."""
    client = make_app(reports=Access.TOKEN, reports_token=TOKEN).test_client()
    assert client.get("/reports", auth=("anyone", TOKEN)).status_code == 200
    assert client.get("/reports", auth=("anyone", "another-token-of-16")).status_code == 401


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"CDS_REPORTS": "token"}, "CDS_REPORTS_TOKEN: required with CDS_REPORTS=token"),
        ({"CDS_REPORTS_TOKEN": "short-secret"}, "CDS_REPORTS_TOKEN: what is set is not a token of at least 16"),
        ({"CDS_REPORTS": "open"}, "CDS_REPORTS: 'open' is not off, loopback or token"),
        ({"CDS_METRICS": "token"}, "CDS_METRICS_TOKEN: required with CDS_METRICS=token"),
        ({"CDS_RETENTION_DAYS": "0"}, "CDS_RETENTION_DAYS: '0' is not a number of days"),
        ({"CDS_SUPPRESS_BELOW": "-1"}, "CDS_SUPPRESS_BELOW: '-1' is not a number from 0"),
    ],
)
def test_settings_of_operators_are_checked_and_no_token_is_repeated(environment: dict[str, str], words: str) -> None:
    """A token mode without its token, a short token and numbers out of range are refused by name."""
    with pytest.raises(SettingsError, match=re.escape(words)) as raised:
        Settings.from_environment(environment)
    assert "short-secret" not in str(raised.value)


def test_the_command_writes_every_form(
    told: tuple[Flask, Ledger],
    store_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`cds-service report` tells what the page tells, to standard output or a file; a file that cannot be is told."""
    app, ledger = told
    monkeypatch.setenv("CDS_DATABASE_URL", store_url)
    for form in WRITERS:
        assert main(["report", "--format", form, "--since", "2026-03-01", "--by", "week"]) == 0
        out = capsys.readouterr().out
        if form == "json":
            assert json.loads(out)["tables"]["summary"] == _tables(app)["summary"]
        assert str(ledger.orders) in out
    assert main(["report", "--output", str(tmp_path / "report.txt"), "--suppress-below", "3"]) == 0
    assert "counts below 3 withheld" in (tmp_path / "report.txt").read_text(encoding="utf-8")
    assert main(["report", "--output", str(tmp_path / "none" / "report.txt")]) == 2
    capsys.readouterr()
    assert main(["report", "--since", "2026-03-02", "--until", "2026-03-01"]) == 2
    assert capsys.readouterr() == ("", "cds-service: --until is a day before --since\n")


def test_the_schema_describes_each_table_and_column() -> None:
    """report.schema.json names exactly the tables, keys, counts and shares that the code makes."""
    nothing = Facts((), (), (), (), (), {}, (), 0, 0)
    report = build_report(nothing, Scope(), None, 0, datetime(2026, 3, 2, tzinfo=UTC))
    schema = json.loads(files("cds_service").joinpath("report.schema.json").read_text(encoding="utf-8"))
    described = {
        name: list(table["items"]["properties"])
        for name, table in schema["properties"]["tables"]["properties"].items()
    }  # fmt: skip
    assert described == {
        table.id: [*table.keys, *(each.id for each in table.columns), *(each.id for each in table.shares)]
        for table in report.tables
    }


@pytest.mark.parametrize(
    ("by", "day", "named"),
    [
        (By.DAY, "2026-03-02", "2026-03-02"),
        (By.WEEK, "2026-03-02", "2026-W10"),
        (By.WEEK, "2027-01-01", "2026-W53"),
        (By.MONTH, "2026-03-31", "2026-03"),
    ],
)
def test_a_period_has_a_plain_name(by: By, day: str, named: str) -> None:
    """Days, ISO weeks with the year they belong to, and months."""
    assert period(date.fromisoformat(day), by) == named


def test_periods_without_orders_are_shown_as_nothing(make_app: Callable[..., Flask], clock: Clock) -> None:
    """A week in which nothing was judged stands between the others, with zeros."""
    app = make_app(reports=Access.LOOPBACK)
    for weeks in (0, 3):
        clock.day = AS_OF + timedelta(weeks=weeks)
        app.test_client().post(SELECT, json=_request("72148", 10, pain=True, cancer=False, drop=None))
    assert app.extensions["recorder"].flush()
    rows = _tables(app, "&by=week")["periods"]
    assert [row["orders"] for row in rows] == [1, 0, 0, 1]
    assert gather(app.extensions["store"], Scope()).guidelines == ("acr-low-back-pain@2021",)
