"""The store on its driver alone: its URL, its connections, and rows that reports read through SQLAlchemy afterwards."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql
from sqlalchemy.engine import make_url

from cds_service import driver, sqlite_database, upgrading
from cds_service.database import reading, writing
from cds_service.database_url import read_database_url
from cds_service.driver import StoreError
from cds_service.must_wait import MustWait, without_waiting
from cds_service.opening import HEAD, database_at, open_database, version
from cds_service.records import CallRecord
from cds_service.statements import SUGGESTIONS, insert
from cds_service.store import FeedbackItem, Store
from cds_service.tables import APPRAISAL, CARD, FEEDBACK, PROBE, SUGGESTION
from cds_service.upgrading import upgrade_within
from cds_service.upkeep import backup
from tests import table_scripts
from tests.postgres import Postgres

ROOT = Path(__file__).parent.parent.parent
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LATE = datetime(2026, 3, 2, 23, 30, 0, 250, tzinfo=timezone(timedelta(hours=-5)))
NAMED = {"service": "lumbar", "client": "Klinik Süd ‘1’", "guideline": "g@1", "verdict": "rated"}
OPEN = {"category": None, "floor": "may-be", "ceiling": None, "reason": None}
WORDS = {"procedures": ("mri", "mri-contrast"), "established": ("1",), "possible": (), "missing_concepts": ("a", "b")}
APPRAISED = {**NAMED, **OPEN, **WORDS, "at": NOON, "shadow": True, "keys_missing": (), "keys_incomplete": ("patient",)}
SHOWN = {"appraisal": None, "at": LATE, "client": "open", "shown": False, "kind": "k", "indicator": "info"}
ITEM = FeedbackItem(
    "lumbar", "c", "accepted", "2026-03-02T10:00:00Z", ('s-"1"', "s-é"), None, "code", comment="so: 100 %?"
)


def _feedback(item: FeedbackItem, card: str) -> dict[str, Any]:
    row = {name: getattr(item, name) for name in FeedbackItem.__slots__}
    return {**row, "card": card, "accepted_suggestions": list(item.accepted_suggestions), "client": "open"}


@pytest.mark.parametrize("moment", [NOON, LATE])
def test_the_service_writes_rows_as_the_tables_do(store_url: str, moment: datetime) -> None:
    """Written by its statements and through the tables, rows are the same to the last type, and are read the same."""
    store = Store(store_url, lambda: moment)
    store.add_calls(
        [
            CallRecord(
                ({**APPRAISED, "id": "a-1"},), ({**SHOWN, "uuid": "c-1"},), ({"uuid": "s-1", "card": "c", "kind": "k"},)
            )
        ]
    )
    assert store.add_feedback([ITEM], "open") == 1
    with writing(store.engine) as connection:
        connection.execute(APPRAISAL.insert(), {**APPRAISED, "id": "a-2"})
        connection.execute(CARD.insert(), {**SHOWN, "uuid": "c-2"})
        connection.execute(SUGGESTION.insert(), {"uuid": "s-2", "card": "c", "kind": "k"})
        connection.execute(FEEDBACK.insert(), {**_feedback(ITEM, "c-2"), "stored_at": moment})
        connection.execute(PROBE.insert(), {"id": 2, "at": moment})
    for table, own in (
        (APPRAISAL, {"id"}),
        (CARD, {"uuid"}),
        (SUGGESTION, {"uuid"}),
        (FEEDBACK, {"id", "card"}),
        (PROBE, {"id"}),
    ):
        names = [column.name for column in table.columns if column.name not in own]
        # JSON as its text, for its reader would hide how it is spelled.
        texts = [f"CAST({name} AS TEXT)" if name == "accepted_suggestions" else name for name in names]
        with store.database.reading() as raw:
            first, second = raw.execute(f"SELECT {', '.join(texts)} FROM {table.name}").fetchall()
        assert [(value, type(value)) for value in first] == [(value, type(value)) for value in second], table.name
        with reading(store.engine) as connection:
            one, other = connection.execute(sql.select(*[table.c[name] for name in names])).all()
        assert tuple(one) == tuple(other)
    store.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_scripts_make_the_tables_that_are_declared(kind: str) -> None:
    """The scripts of the package are what ``python -m tests.table_scripts`` writes."""
    assert (table_scripts.FOLDER / f"{kind}.sql").read_text(encoding="utf-8") == table_scripts.render(kind)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://",
        "postgresql:///cds",
        "postgresql://cds@database/cds",
        "postgresql+psycopg://cds:a%40b%2Fc@database:5433/cds%20one?sslmode=require&timeout=2",
        "postgresql://cds:p/w?x:y@[::1]:5433/cds",
        "postgresql://cds@/cds?host=/run/postgresql",
        "postgresql://cds@/cds?host=one:5433&host=two:5434",
        "postgresql://cds@/cds?host=one:5433",
        "postgresql://cds@/cds?host=one,two&port=5433,5434",
        "postgresql://cds@elsewhere/cds?host=one&connect_timeout=9",
    ],
)
def test_a_url_of_postgresql_is_read_as_sqlalchemy_reads_it(url: str) -> None:
    """psycopg is told the same of the server, of the user and of the database."""
    parsed = make_url(url.replace("postgresql:", "postgresql+psycopg:")).difference_update_query(["timeout"])
    _, told = parsed.get_dialect()().create_connect_args(parsed)
    expected = {name: str(value) for name, value in told.items() if name != "context"}
    found = read_database_url(url)
    assert found.libpq_parameters() == expected
    assert found.patience == (2 if "timeout=2" in url else 5)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///store.sqlite3",
        "sqlite:////var/lib/cds/store.sqlite3?timeout=2",
        "sqlite:///with%20space/a@b:c.sqlite3",
        "sqlite+pysqlite:///x",
    ],
)
def test_a_url_of_sqlite_is_read_as_sqlalchemy_reads_it(url: str) -> None:
    """The file is the same, relative or absolute."""
    parsed, found = make_url(url), read_database_url(url)
    assert (found.kind, found.database, dict(found.query)) == (
        parsed.get_backend_name(),
        parsed.database,
        dict(parsed.query),
    )


@pytest.mark.parametrize(("durable", "synchronous"), [(True, 2), (False, 1)])
def test_a_file_is_opened_durably_and_overwrites_what_is_deleted(
    tmp_path: Path, durable: bool, synchronous: int
) -> None:
    """WAL with synchronous FULL, or NORMAL for what a power cut may cost; secure_delete in any case."""
    database = open_database(f"sqlite:///{tmp_path / 's.sqlite3'}", create=True, durable=durable)
    with database.lent() as connection:
        told = [
            connection.execute(f"PRAGMA {each}").fetchone()[0]
            for each in ("journal_mode", "synchronous", "secure_delete")
        ]
    database.close()
    assert told == ["wal", synchronous, 1]


@pytest.mark.parametrize(("durable", "commit"), [(True, "on"), (False, "off")])
@pytest.mark.parametrize("default", ["on", "off"])
def test_a_server_is_told_how_to_commit_and_how_long_to_wait(
    postgres: Postgres, durable: bool, commit: str, default: str
) -> None:
    """Durably whatever its default is, or never so; no lock is waited for longer than the URL says; moments in UTC."""
    url = postgres.new_database()
    base = url.partition("@/")[2].partition("?")[0]
    for setting in (f"synchronous_commit = {default}", "timezone = 'America/New_York'"):
        postgres.execute(f"ALTER DATABASE {base} SET {setting}")
    database = open_database(f"{url}&timeout=3", create=True, durable=durable)
    with database.lent() as connection:
        told = [
            connection.execute(f"SHOW {each}").fetchone()[0]
            for each in ("synchronous_commit", "lock_timeout", "timezone")
        ]
    database.close()
    assert told == [commit, "3s", "UTC"]


def test_who_finds_no_connection_waits_and_is_told(store_url: str) -> None:
    """With all of them lent the next user fails after the time of the URL, and gets one when one is back."""
    database = open_database(f"{store_url}{'&' if '?' in store_url else '?'}timeout=0.2", create=True)
    with ExitStack() as users:
        for _ in range(driver._MOST_CONNECTIONS):
            users.enter_context(database.lent())
        with pytest.raises(StoreError, match="all connections are in use"):
            database.run("DELETE FROM probe")
    assert database.run("DELETE FROM probe") == 0
    assert len(database._idle) == driver._MOST_CONNECTIONS
    database.close()


REMEMBER = "INSERT INTO token_id (issuer, jti, expires) VALUES ('i', ?, 0) ON CONFLICT DO NOTHING"


def test_at_once_means_without_waiting_for_another_writer(tmp_path: Path) -> None:
    """While another writes nothing is done, and it is told at once; else it is done as in its turn."""
    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    database, another = open_database(url, create=True), open_database(url, create=True)
    assert database.run_at_once(REMEMBER, ["one"]) == 1
    with another.writing():
        began = time.monotonic()
        assert database.run_at_once(REMEMBER, ["two"]) is None
        assert time.monotonic() - began < database.patience / 2
    assert database.run_at_once(REMEMBER, ["one"]) == 0
    assert database.run_at_once(REMEMBER, ["two"]) == 1
    assert another.run(REMEMBER, ["two"]) == 0
    for each in (database, another):
        each.close()


def test_no_connection_is_lent_where_nobody_may_wait(store_url: str) -> None:
    """Whatever would be lent one raises MustWait and does nothing; what is done at once needs none."""
    database = open_database(store_url, create=True)

    def write() -> None:
        with database.writing():
            raise AssertionError

    def read() -> None:
        with database.reading():
            raise AssertionError

    for work in (write, read, partial(database.run, REMEMBER, ["one"])):
        with pytest.raises(MustWait):
            without_waiting(work)
    at_once = without_waiting(partial(database.run_at_once, REMEMBER, ["one"]))
    assert at_once == (1 if database.kind == "sqlite" else None)
    assert database.run(REMEMBER, ["one"]) == (0 if at_once else 1)
    database.close()


def test_what_fails_at_once_is_done_in_its_turn(tmp_path: Path) -> None:
    """A fault is not told at once, whether of the statement, of a lost file, or of a connection that was closed.

    What is left of the lost file is closed.
    """
    file = tmp_path / "store.sqlite3"
    database = open_database(f"sqlite:///{file}", create=True)
    assert database.run_at_once("INSERT INTO nothing VALUES (1)") is None
    assert database.run_at_once(REMEMBER, ["one"]) == 1
    database._at_once[0].close()  # type: ignore[attr-defined]
    assert database.run_at_once(REMEMBER, ["two"]) is None
    assert database.run_at_once(REMEMBER, ["two"]) == 1
    file.rename(tmp_path / "moved.sqlite3")
    lost = database._at_once[0]  # type: ignore[attr-defined]
    assert database.run_at_once(REMEMBER, ["three"]) is None
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        lost.execute("SELECT 1")
    anew = open_database(f"sqlite:///{file}", create=True)
    with anew.reading() as connection:
        assert connection.execute("SELECT count(*) FROM token_id").fetchone()[0] == 0
    anew.close()
    assert database.run_at_once(REMEMBER, ["one"]) == 1
    database.close()


def test_what_is_done_at_once_leaves_the_log_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing it back into the file waits for the disk, so however long the log grows it is not begun here."""
    monkeypatch.setattr(sqlite_database, "_LONGEST_LOG", 1_000)
    file = tmp_path / "store.sqlite3"
    database = open_database(f"sqlite:///{file}", create=True, durable=False)
    before = file.stat().st_size
    for number in range(1_000):
        assert database.run_at_once(REMEMBER, [f"{number}"]) == 1
    assert Path(f"{file}-wal").stat().st_size > 1_500 * 4_096
    assert file.stat().st_size == before
    database.run(REMEMBER, ["last"])
    assert file.stat().st_size > before
    database.close()


def test_the_log_of_what_is_done_at_once_does_not_grow_for_ever(tmp_path: Path) -> None:
    """Now and then nothing is done, so that one who waits writes it back: of 3,000 rows there are never 2,500 pages."""
    file = tmp_path / "store.sqlite3"
    database = open_database(f"sqlite:///{file}", create=True, durable=False)
    waited = 0
    for number in range(3_000):
        if database.run_at_once(REMEMBER, [f"{number}"]) is None:
            waited += database.run(REMEMBER, [f"{number}"])
        assert Path(f"{file}-wal").stat().st_size < 2_500 * 4_096
    assert 5 < waited < 20
    database.close()


def test_at_once_nobody_waits_for_a_connection_either(tmp_path: Path) -> None:
    """Where another has the file for itself, a new connection is not waited for."""
    file = tmp_path / "store.sqlite3"
    database = open_database(f"sqlite:///{file}", create=True)
    with closing(sqlite3.connect(file, isolation_level=None)) as another:
        another.execute("PRAGMA locking_mode=EXCLUSIVE")
        another.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        assert database.run_at_once(REMEMBER, ["one"]) is None
        assert time.monotonic() - began < database.patience / 2
    assert database.run_at_once(REMEMBER, ["one"]) == 1
    database.close()


def test_a_server_is_always_waited_for(postgres: Postgres) -> None:
    """At once nothing is done there."""
    database = open_database(postgres.new_database(), create=True)
    assert database.run_at_once(REMEMBER.replace("?", "'one'")) is None
    assert database.run(REMEMBER, ["one"]) == 1
    database.close()


def test_a_block_that_fails_leaves_nothing_behind(store_url: str) -> None:
    """What it wrote is not stored, its error comes through, and its connection is lent to nobody else."""
    database = open_database(store_url, create=True)

    def fail() -> None:
        with database.writing() as connection:
            connection.execute("DELETE FROM alembic_version")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert len(database._idle) == 0
    with database.lent() as connection:
        assert database.version(connection) is not None
    database.close()


def test_an_older_store_is_brought_up_whole_or_not_at_all(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration that ends with an error leaves the tables as they were; the next one goes on from there."""
    database = database_at(store_url, create=True)
    database.run("CREATE TABLE feedback (id INTEGER PRIMARY KEY, stored_at TIMESTAMP)")

    def break_off(connection: sql.Connection) -> None:
        upgrade_within(connection)
        raise StoreError("the power failed")

    with monkeypatch.context() as patched:
        patched.setattr(upgrading, "upgrade_within", break_off)
        with pytest.raises(StoreError, match="the power failed"):
            open_database(store_url, create=True)
    assert version(database) is None
    open_database(store_url, create=True).close()
    assert version(database) == HEAD
    database.close()


def test_connections_that_the_server_closed_are_replaced(postgres: Postgres) -> None:
    """After all idle connections were ended feedback is stored at once, and a report can be made."""
    url = postgres.new_database()
    with closing(Store(url, lambda: NOON)) as store:
        with store.database.lent(), store.database.lent():
            pass
        with reading(store.engine) as connection:
            connection.execute(sql.select(FEEDBACK.c.id))
        postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()",
            url,
        )
        assert store.add_feedback([ITEM], "open") == 1
        with reading(store.engine) as connection:
            assert len(connection.execute(sql.select(FEEDBACK.c.id)).all()) == 1


def test_a_report_reads_the_file_that_stands_there(tmp_path: Path) -> None:
    """An engine's connection outlives its file as well: it is not read from after the file was replaced."""
    file = tmp_path / "store.sqlite3"
    with closing(Store(f"sqlite:///{file}", lambda: NOON)) as store:
        backup(store, tmp_path / "copy.sqlite3")
        store.add_feedback([ITEM], "open")
        with reading(store.engine) as connection:
            assert len(connection.execute(sql.select(FEEDBACK.c.id)).all()) == 1
        for name in ("store.sqlite3", "store.sqlite3-wal", "store.sqlite3-shm"):
            (tmp_path / name).unlink(missing_ok=True)
        (tmp_path / "copy.sqlite3").rename(file)
        with reading(store.engine) as connection:
            assert connection.execute(sql.select(FEEDBACK.c.id)).all() == []


_FORKED = """
import os, sys
from cds_service.store import Store
from cds_service.upkeep import contents
store = Store(sys.argv[1])
store.check()
(of_parent,) = store.database._idle
if os.fork() == 0:
    store.check()
    assert of_parent not in store.database._idle
    store.close()
    os._exit(0)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
(again,) = store.database._idle
assert again is of_parent
store.check()
assert list(store.database._idle) == [of_parent]
print(contents(store).feedback)
store.close()
"""


def test_a_forked_process_leaves_the_connections_of_its_parent_alone(store_url: str) -> None:
    """It opens its own, and the parent goes on with the one it has."""
    command = [sys.executable, "-W", "error", "-c", _FORKED, store_url]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (found.stdout, found.stderr) == ("0\n", "")


def test_each_row_of_a_batch_is_made_in_its_turn(tmp_path: Path) -> None:
    """The first row is written before the second is made, so that a long batch never holds up who judges meanwhile."""
    happened: list[str] = []

    class Row(dict[str, str]):
        def __getitem__(self, name: str) -> str:
            if name == "uuid":
                happened.append("made")
            return super().__getitem__(name)

    store = Store(f"sqlite:///{tmp_path / 'store.sqlite3'}")
    with store.database.writing() as connection:
        connection.set_trace_callback(lambda statement: happened.append(statement.partition(" ")[0]))
        rows = [Row(uuid=str(number), card="c", kind="k") for number in range(2)]
        assert insert(store.database, connection, SUGGESTIONS, rows) == 2
    assert happened[:4] == ["made", "INSERT", "made", "INSERT"]
    store.close()
