"""Feedback as clients really send it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql
from flask import Flask

from cds_service.database import reading
from cds_service.tables import FEEDBACK

Json = dict[str, Any]

URL = "/cds-services/lumbar-imaging-order-select/feedback"
WHEN = "2026-03-02T10:00:00Z"
OVERRIDDEN: Json = {"card": "c-1", "outcome": "overridden", "outcomeTimestamp": WHEN}
ACCEPTED: Json = {**OVERRIDDEN, "outcome": "accepted", "acceptedSuggestions": [{"id": "s-1"}]}
CODED = {"code": "risk-benefit-ratio", "system": "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"}
EPIC = "com.epic.cdshooks.feedback.overrideReason"


def _rows(app: Flask) -> list[Any]:
    with reading(app.extensions["store"].engine) as connection:
        return list(connection.execute(sql.select(FEEDBACK).order_by(FEEDBACK.c.id)))


def _send(app: Flask, *items: Any) -> tuple[int, Any]:
    response = app.test_client().post(URL, json={"feedback": list(items)})
    return response.status_code, json.loads(response.data)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, {"reason_code": None, "reason_system": None, "reason_title": None}),
        ({"overrideReason": {"reason": CODED}}, {"reason_code": CODED["code"], "reason_system": CODED["system"]}),
        ({"overrideReason": {"reason": {"code": "x"}}}, {"reason_code": "x", "reason_system": None}),
        ({"overrideReason": {"userComment": "no time"}}, {"reason_code": None, "comment": None}),
        ({"overrideReason": {"reason": "x"}}, {"reason_code": "x"}),
        ({"overrideReason": "x"}, {"reason_code": "x"}),
        ({"overrideReason": CODED}, {"reason_code": CODED["code"], "reason_system": CODED["system"]}),
        ({"overrideReason": None, "overrideReasons": {"reason": CODED}}, {"reason_code": CODED["code"]}),
        ({"overrideReasons": [{"reason": CODED}]}, {"reason_code": CODED["code"]}),
        (
            {
                "overrideReasons": {
                    "extension": {
                        f"{EPIC}.reasonCategory": "45",
                        f"{EPIC}.reasonDisplay": "Does not meet criteria",
                        f"{EPIC}.reasonTitle": "Not met",
                    },
                    "userComment": "free text",
                }
            },
            {"reason_code": None, "reason_category": "45", "reason_title": "Not met", "comment": None},
        ),
        (
            {"overrideReasons": {"extension": {f"{EPIC}.reasonDisplay": "Does not meet criteria"}}},
            {"reason_title": "Does not meet criteria", "reason_category": None},
        ),
    ],
)
def test_a_reason_is_read_in_every_form(make_app: Callable[..., Flask], change: Json, expected: Json) -> None:
    """The standard's reason, the sandbox's without a system, bare codes, and Epic's plural with its extension."""
    app = make_app()
    assert _send(app, {**OVERRIDDEN, **change}) == (200, {})
    (row,) = _rows(app)
    assert {name: getattr(row, name) for name in expected} == expected
    assert (row.card, row.client, row.service) == ("c-1", "open", "lumbar-imaging-order-select")


@pytest.mark.parametrize("taken", [[{"id": "s-1"}, {"id": "s-1"}], ["s-1"], [None, 7, {"id": 7}, {"id": "s-1"}]])
def test_accepted_suggestions_are_read_in_every_form(make_app: Callable[..., Flask], taken: Any) -> None:
    """Objects with an id, bare ids, and neither among others: what names a suggestion is kept, once."""
    app = make_app()
    assert _send(app, {**ACCEPTED, "acceptedSuggestions": taken}) == (200, {})
    assert [row.accepted_suggestions for row in _rows(app)] == [["s-1"]]


def test_one_moment_in_many_spellings_is_one_item(make_app: Callable[..., Flask]) -> None:
    """Z, offsets, fractions of nothing, small letters and no offset name one moment; another moment is another item."""
    app = make_app()
    spellings = ["2026-03-02T10:00:00Z", "2026-03-02T10:00:00+00:00", "2026-03-02T10:00:00.000Z"]
    spellings += ["2026-03-02T11:00:00+01:00", "2026-03-02T05:30:00-04:30", "2026-03-02t10:00:00z"]
    spellings += ["2026-03-02T10:00:00", "2026-03-02T09:59:60Z"]
    for spelling in spellings:
        assert _send(app, {**OVERRIDDEN, "outcomeTimestamp": spelling}) == (200, {})
    assert _send(app, {**OVERRIDDEN, "outcomeTimestamp": "2026-03-02T10:00:00.250Z"}) == (200, {})
    assert [row.outcome_timestamp for row in _rows(app)] == ["2026-03-02T10:00:00Z", "2026-03-02T10:00:00.25Z"]


@pytest.mark.parametrize(
    "stamp",
    [
        "",
        None,
        7,
        "yesterday",
        "2026-03-02",
        "2026-13-02T10:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "2026-W10-1T10:00:00Z",
    ],
)
def test_a_moment_that_is_none_is_named(make_app: Callable[..., Flask], stamp: Any) -> None:
    """An item without a usable timestamp cannot be told from its repetition: it is named, and the others are kept."""
    app = make_app()
    status, told = _send(app, ACCEPTED, {**OVERRIDDEN, "outcomeTimestamp": stamp})
    assert status == 200
    (issue,) = told["issue"]
    assert issue["diagnostics"].startswith("feedback[1]: outcomeTimestamp is ")
    assert len(_rows(app)) == 1


def test_an_item_that_stands_twice_in_a_batch_is_stored_once(make_app: Callable[..., Flask]) -> None:
    """Repetition within a batch, and of a part of it later, changes nothing."""
    app = make_app()
    assert _send(app, OVERRIDDEN, ACCEPTED, OVERRIDDEN) == (200, {})
    assert _send(app, OVERRIDDEN, {**ACCEPTED, "card": "c-2"}) == (200, {})
    assert [(row.card, row.outcome) for row in _rows(app)] == [
        ("c-1", "accepted"),
        ("c-1", "overridden"),
        ("c-2", "accepted"),
    ]


@pytest.mark.parametrize("card", ["123456", "x" * 256, "urn:uuid:0", "καρτα ✓ '; DROP TABLE feedback"])
def test_any_card_is_kept(make_app: Callable[..., Flask], card: str) -> None:
    """A card is whatever text the client calls it by, known to us or not."""
    app = make_app()
    assert _send(app, {**OVERRIDDEN, "card": card}) == (200, {})
    assert [row.card for row in _rows(app)] == [card]


def test_comments_are_kept_only_where_the_operator_asks(make_app: Callable[..., Flask], tmp_path: Path) -> None:
    """Off by default; on, a comment of either form is kept up to 4,000 characters."""
    said = {**OVERRIDDEN, "overrideReason": {"userComment": "x" * 5000}}
    app = make_app()
    _send(app, said)
    assert [row.comment for row in _rows(app)] == [None]
    app = make_app(keep_comments=True, database_url=f"sqlite:///{tmp_path / 'another.sqlite3'}")
    _send(app, said, {**OVERRIDDEN, "card": "c-2", "overrideReasons": {"userComment": "short"}})
    assert [row.comment for row in _rows(app)] == ["x" * 4000, "short"]


def test_errors_of_feedback_are_outcomes(make_app: Callable[..., Flask]) -> None:
    """400 is an OperationOutcome in FHIR's media type that names each item."""
    response = make_app().test_client().post(URL, json={"feedback": [7, {**OVERRIDDEN, "card": ""}]})
    assert (response.status_code, response.mimetype) == (400, "application/fhir+json")
    told = [issue["diagnostics"] for issue in json.loads(response.data)["issue"]]
    assert told == ["feedback[0]: not an object", "feedback[1]: card is missing"]


def test_nothing_of_the_feedback_is_in_the_log(
    make_app: Callable[..., Flask], caplog: pytest.LogCaptureFixture
) -> None:
    """The line counts the items and names neither card nor reason nor comment."""
    app = make_app(keep_comments=True)
    secret = {"reason": {"code": "secret-code"}, "userComment": "secret words"}
    with caplog.at_level(logging.INFO):
        _send(app, {**OVERRIDDEN, "card": "secret-card", "overrideReason": secret}, {"card": "secret-other"})
    (line,) = [json.loads(record.message) for record in caplog.records if record.name == "cds_service.request"]
    assert line["feedback"] == {"items": 1, "unusable": 1, "stored": 1}
    assert "secret" not in caplog.text
