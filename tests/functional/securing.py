"""What the tests of a secured service share: a clients file, a clock, and calls with tokens."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.cases_as_fhir import request_for
from tests.functional.test_service import PLAIN, SELECT
from tests.minting import ISSUER, NOW, key_set


class Moment:
    """A time that a test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def table(issuer: str = ISSUER, **fields: Any) -> str:
    """One client's table; its keys are the three good ones unless the test says where they are."""
    if not {"jku", "jwks", "jwks_file"} & fields.keys():
        fields["jwks"] = key_set("es", "rs", "p256")
    lines = [f"{name} = {json.dumps(value)}" for name, value in {"issuer": issuer, **fields}.items()]
    return "\n".join(["[[clients]]", *lines, ""])


def call(client: FlaskClient, token: str | None, path: str = SELECT, **sent: Any) -> TestResponse:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return client.post(path, json=request_for(PLAIN), headers=headers, **sent)


def codes(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Why calls were refused, from the log."""
    lines = [json.loads(record.message) for record in caplog.records if record.name == "cds_service.request"]
    return [line["jwt"] for line in lines if "jwt" in line]
