"""What a start loads: what answers hooks, and nothing that only pages, reports, tokens or other commands need."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cds_service.__main__ import main

ROOT = Path(__file__).parent.parent.parent
# Started as a command, but for the arbiter: one call is answered where a worker would be forked.
_ONE_CALL = """
import gc, sys
from importlib.resources import files
from gunicorn.app.base import BaseApplication
from cds_service.__main__ import main

collections = []

def answer_one_call(served):
    client = served.load().test_client()
    found = len(collections), gc.isenabled(), gc.get_freeze_count() > 0
    body = files("cds_service").joinpath("examples/acute-low-back-pain.json").read_bytes()
    before = set(sys.modules)
    called = client.post("/cds-services/lumbar-imaging-order-select", data=body, content_type="application/json")
    print(called.status_code, len(called.json["cards"]))
    print(*found)
    print(served.cfg.http_parser)
    print(*sys.modules)
    print(*(set(sys.modules) - before))

BaseApplication.run = answer_one_call
gc.callbacks.append(lambda phase, about: collections.append(phase))
main(["serve", "--port", "8080"])
"""
_OTHERS_NEED = {
    *("alembic", "cryptography", "greenlet", "h11", "httpcore", "httpx", "jsonschema", "jwt", "psycopg", "pygal"),
    *("sqlalchemy", "cds_service.database", "cds_service.tables", "cds_service.upgrading"),
    *("cds_service.authentication", "cds_service.outbound", "cds_service.demo", "cds_service.explanation"),
    *("cds_service.guideline_page", "cds_service.openapi", "cds_service.patients", "cds_service.report"),
    *("cds_service.report_facts", "cds_service.report_page", "cds_service.store_commands", "cds_service.trying"),
    *("knowledge.checks", "knowledge.code_search", "knowledge.rendering"),
}


def _started(folder: Path, **environment: str) -> list[list[str]]:
    """The words of each line that a start printed."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CDS_")}
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", _ONE_CALL],
        env={**inherited, "PYTHONPATH": str(ROOT), **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    return [line.split() for line in found.stdout.splitlines()]


def test_a_hook_is_answered_without_what_pages_reports_tokens_and_other_commands_need(
    tmp_path: Path, store_url: str
) -> None:
    """Neither a start with a new store, nor one with a store that is there, nor a call loads any of it."""
    for _ in range(2):
        called, _, _, modules, _ = _started(tmp_path, CDS_DATABASE_URL=store_url)
        assert called == ["200", "1"]
        needed = {"psycopg"} if store_url.startswith("postgresql") else set()
        assert _OTHERS_NEED & set(modules) == needed


def test_what_fetches_is_loaded_before_workers_fork_where_charts_will_be_fetched(tmp_path: Path) -> None:
    """With a FHIR server in the settings httpcore is there at the start: no worker loads it, no call waits for it."""
    *_, modules, _ = _started(tmp_path, CDS_FHIR_SERVERS="https://fhir.example.org/r4")
    assert {"httpcore", "cds_service.outbound"} <= set(modules)


def test_the_first_call_finds_everything_loaded(tmp_path: Path) -> None:
    """No module is loaded by a call with the most usual chart: each worker would load it for itself."""
    *_, by_the_call = _started(tmp_path)
    assert by_the_call == []


def test_a_start_looks_for_no_garbage(tmp_path: Path) -> None:
    """`serve` loads without collecting; what it loaded is frozen before workers collect theirs."""
    _, found, *_ = _started(tmp_path)
    assert found == ["0", "False", "True"]


def test_heads_are_read_by_the_parser_that_the_tests_know(tmp_path: Path) -> None:
    """Gunicorn takes no other parser of HTTP than its own, whatever is installed beside it."""
    *_, parser, _, _ = _started(tmp_path)
    assert parser == ["python"]


def test_a_refused_start_leaves_the_collection_of_garbage_on(capsys: pytest.CaptureFixture[str]) -> None:
    """`serve` without a port to listen on says so, and Python collects as before."""
    assert main(["serve", "--port", "0"]) == 2
    assert "--port" in capsys.readouterr().err
    assert gc.isenabled()


def test_to_read_the_settings_no_model_of_fhir_is_loaded() -> None:
    """What looks at the environment alone, a command that refuses it for one, does not wait for models."""
    code = "import sys, cds_service.settings, cds_service.waiting\nprint(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert {"fhir", "pydantic", "cds_service.discovery"} & set(told.split()) == set()
