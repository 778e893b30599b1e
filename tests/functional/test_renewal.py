"""Workers are replaced while calls go on, and no call is lost by it."""

from __future__ import annotations

import itertools
import json
import signal
import socket
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from cds_service.settings import Settings, SettingsError
from tests.benchmarks import bodies
from tests.benchmarks.client import ask_at_once, ask_in_turn, post
from tests.benchmarks.inside import SERVICE
from tests.loopback import send, serving
from tests.serving import Served, service

CALL = post(SERVICE, bodies.lean())


def all_are_gone(workers: set[str], it: Served) -> bool:
    """Whether none of them is left; the last of their connections may take a moment."""
    for _ in range(100):
        if not workers & set(it.workers):
            return True
        time.sleep(0.1)
    return False


def test_a_worker_is_replaced_after_so_many_requests_and_none_is_lost(tmp_path: Path) -> None:
    """With CDS_MAX_REQUESTS=40, six hundred calls over kept connections are answered, by many workers, and recorded."""
    with service(tmp_path, CDS_MAX_REQUESTS="40") as it:
        before = set(it.workers)
        assert len(ask_at_once(it.port, itertools.repeat(CALL, 600), 8)) == 600
        assert all_are_gone(before, it)
    with closing(sqlite3.connect(tmp_path / "lumbar-imaging-cds.sqlite3")) as store:
        assert store.execute("select count(*) from appraisal").fetchone() == (600,)


def test_workers_are_replaced_at_a_word_and_no_call_is_lost(tmp_path: Path) -> None:
    """SIGHUP, three times while calls go on over kept connections, replaces every worker and fails no call."""
    with service(tmp_path) as it, ThreadPoolExecutor(1) as threads:
        before = set(it.workers)
        going = [True]
        calls = itertools.takewhile(lambda _: going[0], itertools.repeat(CALL))
        answered = threads.submit(ask_at_once, it.port, calls, 8)
        for _ in range(3):
            time.sleep(1)
            it.process.send_signal(signal.SIGHUP)
        time.sleep(1)
        going[0] = False
        assert len(answered.result(timeout=30)) > 100
        assert all_are_gone(before, it)


def test_a_service_that_stops_finishes_what_runs_and_refuses_who_comes_later(tmp_path: Path) -> None:
    """After SIGTERM a call that waits for a FHIR server is answered, and no connection is taken to be lost."""
    released = threading.Event()

    def wait(it: BaseHTTPRequestHandler) -> None:
        if released.wait(30):
            send(it, b'{"resourceType":"Bundle","type":"searchset"}')

    with ThreadPoolExecutor(1) as threads, serving(wait) as fhir, service(tmp_path, CDS_FHIR_DEADLINE="20") as it:
        lent = {"access_token": "t", "token_type": "Bearer", "expires_in": 300, "scope": "patient/*.rs", "subject": "c"}
        call = {**json.loads(bodies.order_only()), "fhirServer": f"{fhir.url}/fhir", "fhirAuthorization": lent}
        waiting = threads.submit(ask_in_turn, it.port, [post(SERVICE, json.dumps(call).encode())])
        while not fhir.asked:
            time.sleep(0.01)
        it.process.send_signal(signal.SIGTERM)
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", it.port), timeout=10).close()
            except ConnectionRefusedError:
                break
            time.sleep(0.05)
        else:
            pytest.fail("it goes on taking connections")
        assert not waiting.done()
        released.set()
        assert len(waiting.result(timeout=30)) == 1


@pytest.mark.parametrize("written", ["-1", "many", "1e6"])
def test_a_number_of_requests_that_is_none_is_refused(written: str) -> None:
    """CDS_MAX_REQUESTS takes whole numbers from 0, and the refusal names it."""
    with pytest.raises(SettingsError, match="CDS_MAX_REQUESTS"):
        Settings.from_environment({"CDS_MAX_REQUESTS": written})
