"""What each stage of a call costs: ``python -m pytest tests/benchmarks/bench_stages.py``.

The name keeps it out of the suite, which holds no timed test.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.benchmarks import bodies
from tests.benchmarks.inside import SERVICE, Stage, Wsgi, application, stages, through

BODIES = {name: getattr(bodies, name)() for name in ("lean", "ehr")}


@pytest.mark.parametrize(
    "stage", [pytest.param(stage, id=f"{name}, {stage.name}") for name in BODIES for stage in stages(BODIES[name])]
)
def test_stage(benchmark: Any, stage: Stage) -> None:
    """One stage, on what the stages before it made."""
    assert benchmark(stage.run) is not None


@pytest.fixture(scope="module")
def app() -> Iterator[Wsgi]:
    with application() as made:
        yield made


@pytest.mark.parametrize("body", BODIES)
def test_whole_application(benchmark: Any, app: Wsgi, body: str) -> None:
    """Bytes in to bytes out through the WSGI application: with Flask, store, figures and log, without HTTP."""
    assert benchmark(through, app, SERVICE, BODIES[body]).startswith(b'{"cards":[{')
