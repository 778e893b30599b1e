"""Runs of the kit against applications in this process, and keys that are made once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from werkzeug.serving import WSGIRequestHandler, make_server

from cds_service.settings import Settings
from conformance.kit import Options, Report, Trust, run
from conformance.tokens import Key, es384_key, rs384_key
from tests.applications import opened
from tests.conformance.peer import BASE, ISSUER, Answer, Call, Peer

SMALL = ["--large-body", "50000"]
"""A run that sends no body of megabytes."""


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


class _Silent(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:
        """A test needs no access log."""


@contextmanager
def serving(application: Any) -> Iterator[str]:
    """Serves a WSGI application on a free loopback port; gives its base URL."""
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=_Silent)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def untitled(call: Call, answer: Answer) -> None:
    """A service that only a SHOULD is against."""
    if call.method == "GET" and call.path == "/cds-services":
        del answer.body["services"][0]["title"]


def long_summary(call: Call, answer: Answer) -> None:
    if call.service and answer.status == 200 and answer.body["cards"]:
        answer.body["cards"][0]["summary"] = "x" * 140


@pytest.fixture(scope="module")
def good() -> Iterator[str]:
    with serving(Peer()) as base:
        yield base


@pytest.fixture(scope="module")
def broken() -> Iterator[str]:
    with serving(Peer(long_summary)) as base:
        yield base


@pytest.fixture(scope="session")
def our_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Our own service as it is without settings, on a real port."""
    store: Path = tmp_path_factory.mktemp("store") / "store.sqlite3"
    with opened(Settings(database_url=f"sqlite:///{store}")) as app, serving(app) as base:
        yield base


def failed(report: Report) -> set[str]:
    """The checks that a service does not meet."""
    return {result.check for result in report.results if result.unmet}
