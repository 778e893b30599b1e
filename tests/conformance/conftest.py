"""Runs of the kit against applications in this process, and keys that are made once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from conformance.kit import Options, Report, Trust, run
from conformance.tokens import Key, es384_key, rs384_key
from tests.conformance.peer import BASE, ISSUER, Peer


@dataclass
class StoppedClock:
    """A clock that only a test moves."""

    time: float = 0.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture(scope="session")
def keys() -> tuple[Key, Key]:
    return es384_key(), rs384_key()


Judge = Callable[..., Report]


@pytest.fixture
def judge() -> Judge:
    """Runs the kit against a WSGI application, on a clock that stands."""

    def judge(application: Any, **options: Any) -> Report:
        clock = options.pop("clock", StoppedClock())
        chosen = Options(**{"url": BASE, "large": 150_000, **options})
        transport = httpx.WSGITransport(application, raise_app_exceptions=True)
        return run(chosen, transport=transport, clock=clock)

    return judge


@pytest.fixture
def judge_secured(judge: Judge, keys: tuple[Key, Key]) -> Judge:
    """Runs the kit with tokens; the peer knows the key set, and the address under which the kit publishes it."""

    def judge_secured(peer: Peer, signs_last: str = "RS384", **options: Any) -> Report:
        ordered = tuple(sorted(keys, key=lambda key: key.algorithm == signs_last))
        peer.keys, peer.jku = ordered, "https://ehr.example.org/jwks.json"
        return judge(peer, trust=Trust(ordered, ISSUER, peer.jku), **options)

    return judge_secured


def failed(report: Report) -> set[str]:
    """The checks that a service does not meet."""
    return {result.check for result in report.results if result.unmet}
