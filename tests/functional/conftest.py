"""A service in required mode, and the clock that its tokens are held against."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from cds_service.addresses import read_address
from cds_service.application import close, create_app
from cds_service.settings import Auth, Settings
from tests.functional.securing import Moment, table
from tests.minting import PUBLIC_URL


@pytest.fixture
def moment() -> Moment:
    return Moment()


@pytest.fixture
def secured(tmp_path: Path, moment: Moment) -> Iterator[Callable[..., FlaskClient]]:
    """Builds the application in required mode over a clients file with these tables."""
    made: list[Flask] = []

    def make(*tables: str, **settings: Any) -> FlaskClient:
        file = tmp_path / "clients.toml"
        file.write_text("\n".join(tables or [table()]), encoding="utf-8")
        base = {"database_url": f"sqlite:///{tmp_path / 'store.sqlite3'}", "public_url": read_address(PUBLIC_URL)}
        app = create_app(Settings(**{**base, "auth": Auth.REQUIRED, "clients_file": file, **settings}), now=moment)
        made.append(app)
        return app.test_client()

    yield make
    for app in made:
        close(app)
