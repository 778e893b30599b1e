"""The OpenAPI document: complete, valid, and true of what the service answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, given, settings
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from cds_service.openapi import OPERATIONS, public_paths
from cds_service.settings import Settings
from tests.applications import opened


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
