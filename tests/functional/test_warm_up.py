"""The judgement that is made before anybody asks."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import date

import pytest
from flask import Flask

from cds_service import answer, metrics


def test_warming_up_leaves_no_trace(make_app: Callable[..., Flask], caplog: pytest.LogCaptureFixture) -> None:
    """It judges an example and tells nobody: no figure changes, nothing is logged, nothing waits to be stored."""
    app = make_app()
    before = metrics.exposition()
    with caplog.at_level(logging.DEBUG):
        answer.warm_up(app.extensions["judge"], date(2026, 3, 2))
    assert (metrics.exposition(), caplog.records) == (before, [])
    assert app.extensions["recorder"].flush(0.1)


def test_warming_up_reads_a_whole_example(make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch) -> None:
    """The example has an order to rate and gets a card, so that all that a card needs is made."""
    composed = []
    compose = answer.compose
    monkeypatch.setattr(answer, "compose", lambda *given: composed.append(compose(*given)) or composed[-1])
    answer.warm_up(make_app().extensions["judge"], date(2026, 3, 2))
    (composition,) = composed
    assert [card.card.indicator.value for card in composition.cards] == ["warning"]
