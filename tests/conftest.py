"""What the tests share: the shipped knowledge, and the application with its clock and its store in hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from cds_service.application import close, create_app
from cds_service.settings import Settings
from knowledge.knowledge import Knowledge
from knowledge.loading import load_low_back_pain
from tests.cases_as_fhir import AS_OF

pytest_plugins = ["tests.postgres"]


class Clock:
    """A day that a test sets."""

    def __init__(self) -> None:
        self.day = AS_OF

    def __call__(self) -> date:
        return self.day

    def now(self) -> datetime:
        """Noon of that day."""
        return datetime.combine(self.day, time(12), UTC)


@pytest.fixture(scope="session")
def knowledge() -> Knowledge:
    return load_low_back_pain()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_app(tmp_path: Path, clock: Clock) -> Iterator[Callable[..., Flask]]:
    """Builds the application with these settings over a store of its own."""
    made: list[Flask] = []

    def make(**settings: Any) -> Flask:
        chosen = Settings(**{"database_url": f"sqlite:///{tmp_path / 'store.sqlite3'}", **settings})
        made.append(create_app(chosen, today=clock, now=clock.now))
        return made[-1]

    yield make
    for app in made:
        close(app)


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, of each kind that the store can be."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.sqlite3'}"
    url: str = request.getfixturevalue("postgres").new_database()
    return url


@pytest.fixture
def client(make_app: Callable[..., Flask]) -> FlaskClient:
    return make_app().test_client()
