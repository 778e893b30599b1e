"""Used tokens: remembered across connections and threads, forgotten in time, and never in the clear."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from cds_service.must_wait import MustWait, without_waiting
from cds_service.opening import open_database
from cds_service.token_memory import TokenMemory, TokenMemoryError
from tests.functional.securing import Moment, call, codes
from tests.functional.test_service import SELECT
from tests.minting import ISSUER, NOW, mint
from tests.postgres import Postgres


def test_a_memory_that_fails_lets_nobody_in(
    secured: Callable[..., FlaskClient], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Without its table of used tokens the service answers 503 with Retry-After, and says so to the operator."""
    client = secured()
    with closing(sqlite3.connect(tmp_path / "store.sqlite3")) as database:
        database.execute("DROP TABLE token_id")
    with caplog.at_level(logging.INFO):
        response = call(client, mint(SELECT))
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert codes(caplog) == ["memory: no such table: token_id"]


def test_the_memory_forgets_what_has_expired(tmp_path: Path, moment: Moment) -> None:
    """Expired ids are purged now and then, and no id is kept in the clear."""
    file = tmp_path / "memory.sqlite3"
    memory = TokenMemory(open_database(f"sqlite:///{file}", create=True, durable=False), moment)
    assert memory.first_use(ISSUER, "secret-jti", NOW + timedelta(minutes=1))
    assert memory.first_use(ISSUER, "late", NOW + timedelta(hours=1))
    assert (b"secret-jti" in file.read_bytes(), ISSUER.encode() in file.read_bytes()) == (False, False)
    moment.now = NOW + timedelta(minutes=6)
    assert memory.first_use(ISSUER, "new", NOW + timedelta(hours=1))
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("SELECT count(*) FROM token_id").fetchone() == (2,)
    assert not memory.first_use(ISSUER, "late", NOW + timedelta(hours=1))
    memory.close()


def test_where_nobody_may_wait_the_memory_remembers_as_anywhere(tmp_path: Path, moment: Moment) -> None:
    """It sees what others have let in, and they what it has; while another writes it is to be asked elsewhere."""
    url = f"sqlite:///{tmp_path / 'memory.sqlite3'}"
    memory = TokenMemory(open_database(url, create=True, durable=False), moment)
    another = open_database(url, create=False)

    def ask(jti: str) -> bool:
        return memory.first_use(ISSUER, jti, NOW + timedelta(minutes=5))

    assert [ask("a"), without_waiting(partial(ask, "a"))] == [True, False]
    assert [without_waiting(partial(ask, "b")), ask("b")] == [True, False]
    with another.writing(), pytest.raises(MustWait):
        without_waiting(partial(ask, "c"))
    assert ask("c")
    moment.now += timedelta(minutes=6)
    with pytest.raises(MustWait):  # purging waits for the disk
        without_waiting(partial(ask, "d"))
    assert ask("d")
    assert not without_waiting(partial(ask, "d"))
    memory.close()
    another.close()


def test_of_many_writers_one_is_first(store_url: str, moment: Moment) -> None:
    """Twenty threads over pools of their own present one id: one of them is let in."""
    memories = [TokenMemory(open_database(store_url, create=True, durable=False), moment) for _ in range(4)]
    expires = NOW + timedelta(minutes=5)
    with ThreadPoolExecutor(20) as threads:
        first = list(threads.map(lambda number: memories[number % 4].first_use(ISSUER, "one", expires), range(20)))
    assert first.count(True) == 1
    for memory in memories:
        memory.close()


def test_a_memory_whose_server_hung_up_says_so_or_connects_anew(postgres: Postgres, moment: Moment) -> None:
    """Ids are told apart over a connection that the server closed, and a lost table is an outage, not a replay."""
    url = postgres.new_database()
    memory = TokenMemory(open_database(url, create=True, durable=False), moment)
    expires = NOW + timedelta(minutes=5)
    assert memory.first_use(ISSUER, "one", expires)
    with postgres.connect(url) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert not memory.first_use(ISSUER, "one", expires)
        assert memory.first_use(ISSUER, "two", expires)
        other.execute("ALTER TABLE token_id RENAME TO token_id_away")
        with pytest.raises(TokenMemoryError, match="does not exist"):
            memory.first_use(ISSUER, "three", expires)
        other.execute("ALTER TABLE token_id_away RENAME TO token_id")
        assert memory.first_use(ISSUER, "three", expires)
    memory.close()
