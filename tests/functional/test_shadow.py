"""Shadow mode: judged and remembered, and nothing sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from cds_service.operators import Access
from cds_service.passage import visit
from tests.cases_as_fhir import request_for

SELECT = "/cds-services/lumbar-imaging-order-select"
SIGN = "/cds-services/lumbar-imaging-order-sign"
LBP = "ICD-10-CM M54.50"
PLAIN = {
    "order": {"code": "CPT 72148", "reasons": [LBP]},
    "chart": {"birth_date": "1981-05-10", "conditions": [{"code": LBP, "onset": "2026-02-20"}]},
}


def _summary(app: Flask) -> dict[str, Any]:
    assert app.extensions["recorder"].flush()
    report = json.loads(app.test_client().get("/reports?format=json").data)
    found: dict[str, Any] = report["tables"]
    return found


@pytest.mark.parametrize("path", [SELECT, SIGN])
@pytest.mark.parametrize("profile", ["spec", "crd"])
def test_in_shadow_mode_nothing_is_sent_and_all_is_remembered(
    make_app: Callable[..., Flask], path: str, profile: str
) -> None:
    """The answer is an empty list and no more, even where system actions are on; the report says what was held back."""
    app = make_app(shadow=True, system_actions=True, reports=Access.LOOPBACK, profile=profile)
    hook = "order-select" if path == SELECT else "order-sign"
    response = app.test_client().post(path, json=request_for(PLAIN) | {"hook": hook})
    assert json.loads(response.data) == {"cards": []}
    tables = _summary(app)
    (summary,) = tables["summary"]
    assert [summary[name] for name in ("orders", "rated", "shown", "withheld")] == [1, 1, 0, 1]
    (card,) = tables["cards"]
    assert (card["kind"], card["indicator"], card["withheld"]) == ("off-guideline", "warning", 1)
    assert tables["suggestions"] == []


def test_one_client_is_in_shadow_mode_and_another_is_not(make_app: Callable[..., Flask]) -> None:
    """It is a client's own setting: the cards of the one are held back, those of the other are shown."""
    app = make_app(reports=Access.LOOPBACK)

    @app.before_request
    def as_client() -> None:
        here = visit()
        quiet = here.client.name == "open" and app.extensions.get("quiet", False)
        here.client = replace(here.client, name="quiet" if quiet else "loud", shadow=quiet)

    client = app.test_client()
    assert len(json.loads(client.post(SELECT, json=request_for(PLAIN)).data)["cards"]) == 1
    app.extensions["quiet"] = True
    assert json.loads(client.post(SELECT, json=request_for(PLAIN)).data) == {"cards": []}
    rows = {row["client"]: (row["shown"], row["withheld"]) for row in _summary(app)["clients"]}
    assert rows == {"loud": (1, 0), "quiet": (0, 1)}


def test_out_of_shadow_mode_the_same_order_gets_its_card(make_app: Callable[..., Flask]) -> None:
    """The setting decides alone: without it the card and the appraisal are sent."""
    answer = json.loads(make_app().test_client().post(SELECT, json=request_for(PLAIN)).data)
    assert [card["indicator"] for card in answer["cards"]] == ["warning"]
    assert "extension" in answer
