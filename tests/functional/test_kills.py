"""The service and its database, killed and stopped while they work: what was acknowledged is there, once."""

from __future__ import annotations

import json
import random
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql

from cds_service.database import reading
from cds_service.store import Store
from cds_service.tables import APPRAISAL, CARD, FEEDBACK
from tests.cases_as_fhir import request_for
from tests.outages import FEEDBACK as FEEDBACK_URL
from tests.outages import SELECT, Served, kill
from tests.postgres import Postgres

LBP = "ICD-10-CM M54.50"
PLAIN = {
    "order": {"code": "CPT 72148", "reasons": [LBP]},
    "chart": {"birth_date": "1981-05-10", "conditions": [{"code": LBP, "onset": "2026-02-20"}]},
}
KILLS = 20
WRITERS = 4


def _item(card: str) -> dict[str, str]:
    return {"card": card, "outcome": "overridden", "outcomeTimestamp": "2026-03-02T10:00:00Z"}


class Writer:
    """Sends batches until it is told to end; each again until it is acknowledged, as a client does."""

    def __init__(self, service: Served, number: int, ended: threading.Event) -> None:
        self.service, self.number, self.ended = service, number, ended
        self.sent: set[str] = set()
        self.acknowledged: set[str] = set()
        self.failures = 0

    def run(self) -> None:
        dice = random.Random(self.number)
        while not self.ended.is_set():
            cards = [f"{self.number}-{len(self.sent) + each}" for each in range(dice.randint(1, 4))]
            self.sent |= set(cards)
            while not self._is_acknowledged(cards) and not self.ended.is_set():
                self.failures += 1
                time.sleep(0.02)

    def _is_acknowledged(self, cards: list[str]) -> bool:
        try:
            status, _ = self.service.post(FEEDBACK_URL, {"feedback": [_item(card) for card in cards]})
        except (OSError, HTTPException, ValueError):
            return False
        if status == 200:
            self.acknowledged |= set(cards)
        return status == 200


def _until(true: Callable[[], bool], patience: float = 30) -> None:
    deadline = time.monotonic() + patience
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _kill(service: Served, turn: int, dice: random.Random, postgres: Postgres | None) -> None:
    """A worker; now and then the whole service, or the database server under it."""
    if turn == 13:
        service.kill()
        service.start()
    elif postgres is not None and turn in (6, 16):
        postgres.stop()
        postgres.start()
    else:
        workers: list[int] = []

        def begun() -> bool:
            workers[:] = service.worker_ids()
            return bool(workers) or service.process.poll() is not None

        _until(begun, 90)
        assert service.process.poll() is None, service.read_log()
        kill(dice.choice(workers))


def test_twenty_kills_under_four_writers_lose_nothing_and_double_nothing(
    store_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Whatever dies at whatever moment, every acknowledged item is stored exactly once, and nothing unsent."""
    postgres = request.getfixturevalue("postgres") if store_url.startswith("postgresql") else None
    dice, ended = random.Random(), threading.Event()
    with Served(tmp_path, {"CDS_DATABASE_URL": store_url}, workers=2) as service:
        service.wait()
        writers = [Writer(service, number, ended) for number in range(WRITERS)]
        with ThreadPoolExecutor(WRITERS) as pool:
            running = [pool.submit(writer.run) for writer in writers]
            try:
                for turn in range(KILLS):
                    time.sleep(dice.uniform(0.02, 0.25))
                    _kill(service, turn, dice, postgres)
                service.wait()
                time.sleep(0.5)
            finally:
                ended.set()
            for each in running:
                each.result()
        assert service.stop() == 0
    store = Store(store_url)
    with reading(store.engine) as connection:
        stored = Counter(connection.execute(sql.select(FEEDBACK.c.card)).scalars())
    store.close()
    acknowledged: set[str] = set().union(*(writer.acknowledged for writer in writers))
    assert sum(writer.failures for writer in writers) > 0
    assert len(acknowledged) > KILLS
    assert acknowledged - stored.keys() == set()
    assert stored.keys() - set().union(*(writer.sent for writer in writers)) == set()
    assert set(stored.values()) == {1}


def _count(url: str, table: sql.Table) -> int:
    store = Store(url)
    with reading(store.engine) as connection:
        found = int(connection.execute(sql.select(sql.func.count()).select_from(table)).scalar_one())
    store.close()
    return found


def test_a_stop_finishes_what_runs_and_writes_what_waits(tmp_path: Path) -> None:
    """SIGTERM in the middle of a request: it is answered, the records of all calls are stored, and it ends with 0."""
    body = json.dumps(request_for(PLAIN)).encode()
    head = f"POST {SELECT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with Served(tmp_path, {"CDS_DATABASE_URL": "sqlite:///store.sqlite3"}) as service:
        service.wait()
        with socket.create_connection(("127.0.0.1", service.port), timeout=20) as slow:
            slow.sendall(head.encode() + body[:1000])
            for _ in range(5):
                assert service.post(SELECT, request_for(PLAIN))[0] == 200
            service.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            slow.sendall(body[1000:])
            answer = b""
            while chunk := slow.recv(65536):
                answer += chunk
        assert service.process.wait(timeout=40) == 0
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b'"indicator":"warning"' in answer or b'"indicator":"info"' in answer
    assert _count(f"sqlite:///{tmp_path / 'store.sqlite3'}", CARD) == 6


def test_two_services_on_one_postgresql_agree(tmp_path: Path, postgres: Postgres) -> None:
    """Started at once over one empty database, both serve; what one is told the other reports, each thing once."""
    settings = {"CDS_DATABASE_URL": postgres.new_database(), "CDS_REPORTS": "loopback"}
    with Served(tmp_path, settings) as one, Served(tmp_path, settings) as other:
        one.wait()
        other.wait()
        cards = [service.post(SELECT, request_for(PLAIN))[1]["cards"][0] for service in (one, other) for _ in range(3)]
        for service in (one, other):
            told = {"feedback": [_item(card["uuid"]) for card in cards[:4]]}
            assert service.post(FEEDBACK_URL, told) == (200, {})
        url = settings["CDS_DATABASE_URL"]
        _until(lambda: _count(url, APPRAISAL) == 6)
        reports: list[Any] = [json.loads(service.get("/reports?format=json")[1]) for service in (one, other)]
        assert reports[0]["tables"] == reports[1]["tables"]
        (summary,) = reports[0]["tables"]["summary"]
        assert (summary["orders"], summary["shown"], summary["overridden"], summary["unanswered"]) == (6, 6, 4, 2)
