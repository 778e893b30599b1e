"""The OpenAPI document: complete, valid, and true of what the service answers."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from cds_service.answering import error_answer
from cds_service.openapi import OPERATIONS, public_paths
from cds_service.operators import Access
from cds_service.services import HOOKS
from cds_service.settings import Settings
from tests.applications import opened
from tests.minting import mint


@pytest.fixture
def document(make_app: Callable[..., Flask]) -> dict[str, Any]:
    found: dict[str, Any] = make_app().test_client().get("/openapi.json").json
    return found


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    """It is OpenAPI 3.1 by the validator's schema, with every reference resolved."""
    OpenAPIV31SpecValidator(document).validate()


def test_every_route_is_described_and_nothing_else(make_app: Callable[..., Flask]) -> None:
    """The routes of the whole application and the rows of the table are the same, methods included."""
    rules = list(make_app(pages=True).url_map.iter_rules())
    assert set(public_paths(rule.rule for rule in rules)) == set(OPERATIONS)
    for rule in rules:
        (path,) = public_paths([rule.rule])
        assert (rule.methods or set()) - {"HEAD", "OPTIONS"} == {OPERATIONS[path].method.upper()}


def test_what_is_turned_off_is_not_in_the_document(make_app: Callable[..., Flask]) -> None:
    """Without the pages to try, their routes are not described."""
    paths = make_app(pages=False).test_client().get("/openapi.json").json["paths"]
    assert "/cds-services/{service}" in paths
    assert not [path for path in paths if path == "/" or path.startswith("/try")]


# It asks no store and no memory of tokens: only a worker that is full refuses it so.
FULL = "/try/explain"


@pytest.mark.parametrize("path", [path for path, operation in OPERATIONS.items() if "503" in operation.answers])
def test_a_503_that_is_described_says_when_to_come_back(
    secured: Callable[..., FlaskClient], path: str, tmp_path: Path
) -> None:
    """While the store is out each route of which it is told answers 503, with Retry-After in whole seconds."""
    if path == FULL:
        assert b"\r\nRetry-After: 5\r\n" in error_answer(503, b"", lambda *_: [])
        return
    client = secured(reports=Access.OPEN)
    with closing(sqlite3.connect(tmp_path / "store.sqlite3")) as database:
        for name in ("appraisal", "feedback", "token_id"):
            database.execute(f"DROP TABLE {name}")
    called = path.replace("{service}", next(iter(HOOKS)))
    headers = {"Authorization": f"Bearer {mint(called)}"}
    response = client.open(called, method=OPERATIONS[path].method.upper(), json={}, headers=headers)
    assert (response.status_code, response.headers["Retry-After"].isdigit()) == (503, True)


CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
BOUNDS = settings(
    max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
)
VALID, INVALID = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
# Only what takes a body or a query can be called in an invalid way.
CASES = [(path, VALID) for path in OPERATIONS] + [
    (path, INVALID)
    for path, operation in OPERATIONS.items()
    if operation.body or any(parameter["in"] == "query" for parameter in operation.parameters)
]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    store = tmp_path_factory.mktemp("openapi") / "store.sqlite3"
    with opened(Settings(database_url=f"sqlite:///{store}")) as app:
        yield schemathesis.openapi.from_wsgi("/openapi.json", app)


@pytest.mark.parametrize(("path", "mode"), CASES, ids=[f"{path} {mode.value}" for path, mode in CASES])
def test_answers_are_as_described(path: str, mode: Any, api: Any) -> None:
    """Whatever is sent, valid or not, the answer has a described status, media type and shape, and is no 500."""
    operation = api[path][OPERATIONS[path].method]

    @BOUNDS
    @given(case=operation.as_strategy(generation_mode=mode))
    def holds(case: schemathesis.Case) -> None:
        case.call_and_validate(checks=CHECKS)

    holds()
