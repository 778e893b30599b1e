"""The store, on SQLite and on PostgreSQL: opened, migrated, failing and recovering, purged and erased."""

from __future__ import annotations

import json
import os
import resource
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask

from cds_service import metrics
from cds_service.__main__ import main
from cds_service.database import StoreError, reading, writing
from cds_service.opening import HEAD, open_database, version
from cds_service.recorder import Recorder
from cds_service.records import CallRecord
from cds_service.store import FeedbackItem, Store
from cds_service.tables import APPRAISAL, CARD, FEEDBACK, METADATA, SUGGESTION
from cds_service.upgrading import upgrade_within
from cds_service.upkeep import backup, contents, erase_card, erase_comments, purge, purge_after
from tests.cases_as_fhir import request_for
from tests.outages import FEEDBACK as FEEDBACK_URL
from tests.outages import SELECT, Served
from tests.postgres import Postgres

LBP = "ICD-10-CM M54.50"
PLAIN = {
    "order": {"code": "CPT 72148", "reasons": [LBP]},
    "chart": {"birth_date": "1981-05-10", "conditions": [{"code": LBP, "onset": "2026-02-20"}]},
}
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
WHEN = "2026-03-02T10:00:00Z"
OVERRIDDEN = {"card": "c-1", "outcome": "overridden", "outcomeTimestamp": WHEN}


@contextmanager
def _store(url: str) -> Iterator[Store]:
    store = Store(url, lambda: NOON)
    try:
        yield store
    finally:
        store.close()


def _item(card: str = "c-1", **more: Any) -> FeedbackItem:
    return FeedbackItem("lumbar-imaging-order-select", card, "overridden", WHEN, **more)


def _record(name: str, at: datetime = NOON) -> CallRecord:
    words: dict[str, Any] = {"procedures": ("mri",), "established": ("1",), "possible": (), "missing_concepts": ()}
    appraisal = {
        **{"id": f"a-{name}", "at": at, "service": "s", "client": "open", "shadow": False, "guideline": "g@1"},
        **{"verdict": "rated", "category": "x", "floor": "x", "ceiling": "x", "reason": None},
        **words,
        "keys_missing": (),
        "keys_incomplete": (),
    }
    card = {"uuid": f"c-{name}", "appraisal": f"a-{name}", "at": at, "client": "open"}
    card |= {"shown": True, "kind": "off-guideline", "indicator": "warning"}
    return CallRecord((appraisal,), (card,), ({"uuid": f"s-{name}", "card": f"c-{name}", "kind": "remove-order"},))


def _count(store: Store, table: sql.Table) -> int:
    with reading(store.engine) as connection:
        return int(connection.execute(sql.select(sql.func.count()).select_from(table)).scalar_one())


@pytest.mark.parametrize("by_migrations", [False, True])
def test_a_fresh_store_is_what_the_tables_say(store_url: str, by_migrations: bool) -> None:
    """Made at once or by the migrations, the tables are exactly those of the code, at the newest migration."""
    engine = sql.create_engine(store_url.replace("postgresql://", "postgresql+psycopg://"))
    if by_migrations:
        with engine.begin() as connection:
            upgrade_within(connection)
    else:
        Store(store_url).close()
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == HEAD
        signed = sql.inspect(connection)
        assert signed.get_pk_constraint("alembic_version")["constrained_columns"] == ["version_num"]
    engine.dispose()
    config = Config()
    config.set_main_option("script_location", "cds_service:migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_a_store_of_the_first_version_keeps_its_feedback(store_url: str) -> None:
    """Feedback that was stored before there were migrations is there afterwards, and is not stored twice."""
    url = store_url.replace("postgresql://", "postgresql+psycopg://")
    engine = sql.create_engine(url)
    old = sql.Table(
        "feedback",
        sql.MetaData(),
        *[FEEDBACK.c[name]._copy() for name in FEEDBACK.c.keys()[:9]],
        sql.UniqueConstraint("card", "outcome", "outcome_timestamp"),
    )
    with engine.begin() as connection:
        old.create(connection)
        row = {"service": "s", "card": "c-1", "outcome": "overridden", "outcome_timestamp": WHEN}
        connection.execute(old.insert(), {**row, "accepted_suggestions": []})
    engine.dispose()
    with _store(store_url) as store:
        assert store.add_feedback([_item(), _item("c-2")], "open") == 1
        assert contents(store).feedback == 2


def test_many_that_start_at_once_make_one_store(store_url: str) -> None:
    """Eight openings of an empty database at the same moment all succeed, and it is migrated once."""
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda _: open_database(store_url, create=True), range(8)))
    assert version(opened[0]) == HEAD
    for each in opened:
        each.close()


def test_a_store_of_a_newer_version_is_refused(store_url: str) -> None:
    """A store that a newer version has migrated is left alone, and the sentence says why."""
    with _store(store_url) as store, writing(store.engine) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match=r"a newer version of the service made it \(migration 9999"):
        Store(store_url)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite://", "in memory keeps nothing"),
        ("sqlite:///:memory:", "in memory keeps nothing"),
        ("sqlite:////nowhere/at/all.sqlite3", "unable to open database file"),
        ("sqlite:///.", "unable to open database file"),
        ("mysql://u:secret@h/d", "mysql is not supported"),
        ("nosuch://u:secret@h/d", "nosuch is not supported"),
        ("postgresql://u:secret@/d?host=/nowhere", "No such file or directory"),
        ("postgresql+psycopg2://u:secret@h/d", "the driver is missing"),
        ("postgresql://u:secret@127.0.0.1:x/d", "the URL cannot be used: its port is no number"),
        ("no-name://u:secret@h/d", "the URL cannot be used: it is no URL"),
        ("postgresql://u:secret@h/d?timeout=secret", "the URL cannot be used: its timeout is no number of seconds"),
    ],
)
def test_a_store_that_cannot_be_used_is_refused_at_the_start(
    url: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`serve` ends in one line that names the setting and the reason, and never the password."""
    monkeypatch.setenv("CDS_DATABASE_URL", url)
    assert main(["serve"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("cds-service: CDS_DATABASE_URL: ")
    assert words in line
    assert "secret" not in line


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """Another file under the store's name is not touched."""
    file = tmp_path / "notes.txt"
    file.write_text("not a database, but notes of some length that fill a page\n" * 100, encoding="utf-8")
    with pytest.raises(StoreError, match="file is not a database"):
        Store(f"sqlite:///{file}")
    assert file.read_text(encoding="utf-8").startswith("not a database")


def test_writers_of_the_same_items_store_each_once(store_url: str) -> None:
    """Four writers that send the same fifty items in different orders and batches leave each of them once."""
    items = [_item(f"c-{number}") for number in range(50)]
    with _store(store_url) as store:

        def send(turn: int) -> int:
            ordered = items[turn * 10 :] + items[: turn * 10]
            return sum(store.add_feedback(ordered[at : at + 7], "open") for at in range(0, 50, 7))

        with ThreadPoolExecutor(4) as pool:
            assert sum(pool.map(send, range(4))) == 50
        assert contents(store).feedback == 50


def test_a_moment_comes_back_as_it_went_in(store_url: str) -> None:
    """Moments are kept in UTC on both databases, and days are counted there."""
    late = datetime(2026, 3, 2, 23, 30, tzinfo=UTC).astimezone()
    with _store(store_url) as store:
        store.add_calls([_record("1", late)])
        with reading(store.engine) as connection:
            at, day = connection.execute(sql.select(CARD.c.at, sql.func.date(CARD.c.at))).one()
    assert (at, str(day)) == (late, "2026-03-02")


@contextmanager
def _locked(url: str, postgres: Callable[[], Postgres]) -> Iterator[None]:
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url[10:].partition("?")[0], isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            yield
            other.execute("ROLLBACK")
    else:
        with postgres().connect(url.replace("timeout=1", "")) as other, other.transaction():
            other.execute("LOCK TABLE feedback, probe IN ACCESS EXCLUSIVE MODE")
            yield


@contextmanager
def _gone(url: str, postgres: Callable[[], Postgres]) -> Iterator[None]:
    """The file is moved away, the server is stopped."""
    if url.startswith("sqlite"):
        file = Path(url[10:].partition("?")[0])
        file.rename(file.with_suffix(".away"))
        yield
        file.with_suffix(".away").rename(file)
    else:
        postgres().stop()
        yield
        postgres().start()


@contextmanager
def _readonly(url: str, postgres: Callable[[], Postgres]) -> Iterator[None]:
    if url.startswith("sqlite"):
        file = Path(url[10:].partition("?")[0])
        with _unprivileged(file.parent):
            for each in (file, file.parent):
                each.chmod(each.stat().st_mode & ~0o222)
            yield
            for each in (file.parent, file):
                each.chmod(each.stat().st_mode | 0o200)
    else:
        name = url.partition("/db")[2].partition("?")[0]
        postgres().execute(f"ALTER DATABASE db{name} SET default_transaction_read_only = on")
        yield
        postgres().execute(f"ALTER DATABASE db{name} RESET default_transaction_read_only")


@contextmanager
def _unprivileged(folder: Path) -> Iterator[None]:
    """Permissions say nothing to root: as another user, who owns the folder and may reach it."""
    if os.geteuid() != 0:
        yield
        return
    for each in (folder, *folder.iterdir()):
        os.chown(each, 65534, 65534)
    for above in folder.parents[:3]:
        if above.stat().st_uid == 0 and above != Path("/tmp"):
            above.chmod(above.stat().st_mode | 0o011)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize(
    ("fault", "reasons"),
    [
        (_locked, ("database is locked", "canceling statement due to lock timeout")),
        (_gone, ("unable to open database file", "No such file or directory", "Connection refused")),
        (_readonly, ("attempt to write a readonly database", "cannot execute INSERT in a read-only transaction")),
    ],
)
def test_a_store_that_fails_costs_no_card_and_recovers(
    fault: Callable[..., Any],
    reasons: tuple[str, ...],
    store_url: str,
    make_app: Callable[..., Flask],
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Feedback gets 503, readiness says why by code, hooks answer cards, the log has the reason, and all comes back."""
    url = f"{store_url}{'&' if '?' in store_url else '?'}timeout=1"
    app = make_app(database_url=url)
    client, store = app.test_client(), app.extensions["store"]
    assert client.post(SELECT, json=request_for(PLAIN)).status_code == 200
    assert app.extensions["recorder"].flush()
    with fault(url, lambda: request.getfixturevalue("postgres")):
        if fault is _readonly:
            store.close()  # what a file or a database allows is asked when a connection is made
        response = client.post(FEEDBACK_URL, json={"feedback": [OVERRIDDEN]})
        assert (response.status_code, response.headers["Retry-After"]) == (503, "30")
        assert response.mimetype == "application/fhir+json"
        told = client.get("/health/ready")
        assert (told.status_code, told.json["reason"]) == (503, "store-unusable")
        assert len(client.post(SELECT, json=request_for(PLAIN)).json["cards"]) == 1
    (line,) = [record.message for record in caplog.records if record.message.startswith("feedback was not stored")]
    assert line.removeprefix("feedback was not stored: ") in reasons
    store.close() if fault is _readonly else None
    assert client.post(FEEDBACK_URL, json={"feedback": [OVERRIDDEN]}).status_code == 200
    assert client.get("/health/ready").status_code == 200
    assert app.extensions["recorder"].flush(30)
    assert (_count(store, FEEDBACK), _count(store, CARD)) == (1, 2)


def test_a_file_that_was_replaced_is_not_written_behind_its_back(tmp_path: Path) -> None:
    """A connection outlives its file: feedback is stored in the file that stands there, never in one that has gone."""
    file = tmp_path / "store.sqlite3"
    with _store(f"sqlite:///{file}") as store:
        store.add_feedback([_item("c-1")], "open")
        backup(store, tmp_path / "copy.sqlite3")
        for name in ("store.sqlite3", "store.sqlite3-wal", "store.sqlite3-shm"):
            (tmp_path / name).unlink(missing_ok=True)
        with pytest.raises(StoreError, match="unable to open database file"):
            store.add_feedback([_item("c-2")], "open")
        (tmp_path / "copy.sqlite3").rename(file)
        store.add_feedback([_item("c-2")], "open")
    with _store(f"sqlite:///{file}") as store:
        assert contents(store).feedback == 2


def test_a_full_disk_costs_no_card_and_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """When files can no longer grow feedback gets 503 while cards are answered; with room again all goes on."""
    items = [{**OVERRIDDEN, "card": f"c-{number}"} for number in range(400)]
    with Served(tmp_path, {"CDS_DATABASE_URL": "sqlite:///store.sqlite3"}) as service:
        service.wait()
        assert service.post(FEEDBACK_URL, {"feedback": items[:1]})[0] == 200
        assert service.post(SELECT, request_for(PLAIN))[0] == 200
        (worker,) = service.worker_ids()
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        assert service.post(FEEDBACK_URL, {"feedback": items})[0] == 503
        assert service.get("/health/ready")[0] == 503
        status, answer = service.post(SELECT, request_for(PLAIN))
        assert (status, len(answer["cards"])) == (200, 1)
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert service.post(FEEDBACK_URL, {"feedback": items}) == (200, {})
        assert service.get("/health/ready")[0] == 200
        assert service.stop() == 0
    assert any(words in service.log for words in ("disk I/O error", "database or disk is full"))
    with _store(f"sqlite:///{tmp_path / 'store.sqlite3'}") as store:
        assert (contents(store).feedback, _count(store, CARD)) == (400, 2)


def test_records_wait_for_a_store_that_fails_up_to_a_bound(
    store_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it cannot be written, what waits is counted; what comes beyond the bound is dropped, the rest kept."""
    waiting: list[int] = []
    monkeypatch.setattr(metrics, "records_waiting", waiting.append)
    with _store(store_url) as store:
        failing = [True]
        writes = store.add_calls

        def add_calls(calls: Any) -> None:
            if failing:
                raise StoreError("out of order")
            writes(calls)

        store.add_calls = add_calls  # type: ignore[method-assign]
        recorder = Recorder(store, capacity=3)
        for number in range(5):
            recorder.put(_record(str(number)))
        assert not recorder.flush(0.5)
        assert waiting[-1] == 3
        failing.clear()
        assert recorder.flush(20)
        recorder.close()
        assert waiting[-1] == 0
        assert _count(store, APPRAISAL) == 3
    assert "1 records of calls were dropped since the start: the queue is full" in caplog.text
    assert "what calls came to is not stored for now: out of order" in caplog.text


def test_one_record_that_cannot_be_stored_costs_no_other(store_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """What the database will never take is dropped and told; its batch is stored."""
    with _store(store_url) as store:
        bad = _record("bad")
        bad.cards[0]["kind"] = None
        recorder = Recorder(store)
        for record in (_record("1"), bad, _record("2")):
            recorder.put(record)
        assert recorder.flush(20)
        recorder.close()
        assert _count(store, CARD) == 2
    assert "1 records of calls were dropped" in caplog.text


def test_a_record_that_is_written_again_adds_nothing(store_url: str) -> None:
    """A batch that may have been stored, as when a connection broke, is stored once."""
    with _store(store_url) as store:
        for _ in range(2):
            store.add_calls([_record("1"), _record("2")])
        assert [_count(store, table) for table in (APPRAISAL, CARD, SUGGESTION)] == [2, 2, 2]


def test_closing_writes_what_waits_and_a_later_call_is_kept_too(store_url: str) -> None:
    """The end of a worker loses nothing that it can still write, and the recorder can be used anew."""
    with _store(store_url) as store:
        recorder = Recorder(store)
        for turn in range(2):
            recorder.put(_record(str(turn)))
            recorder.close()
            assert _count(store, CARD) == turn + 1


def test_closing_gives_up_on_a_store_that_fails(store_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """A worker ends in its time even where the store does not come back, and tells what was lost."""
    with _store(store_url) as store:

        def add_calls(calls: Any) -> None:
            raise StoreError("out of order")

        store.add_calls = add_calls  # type: ignore[method-assign]
        recorder = Recorder(store)
        recorder.put(_record("1"))
        recorder.close(0.5)
    assert "the service stopped before the store could be written" in caplog.text


def test_no_patient_and_no_order_reach_the_store(make_app: Callable[..., Flask], store_url: str) -> None:
    """What is stored of a call holds no id, date, code or word of the request."""
    app = make_app(database_url=store_url)
    body = request_for(PLAIN)
    body["context"]["patientId"] = "secret-patient"
    order = body["context"]["draftOrders"]["entry"][0]["resource"]
    order |= {"id": "secret-order", "subject": {"reference": "Patient/secret-patient"}, "note": [{"text": "secret"}]}
    body["context"]["selections"] = ["ServiceRequest/secret-order"]
    body["prefetch"]["patient"]["id"] = "secret-patient"
    for entry in body["prefetch"]["conditions"]["entry"]:
        entry["resource"]["subject"]["reference"] = "Patient/secret-patient"
    assert len(app.test_client().post(SELECT, json=body).json["cards"]) == 1
    assert app.extensions["recorder"].flush()
    with reading(app.extensions["store"].engine) as connection:
        rows = [row for table in METADATA.sorted_tables for row in connection.execute(sql.select(table)).mappings()]
    text = json.dumps([dict(row) for row in rows], default=str)
    assert [row["verdict"] for row in rows if "verdict" in row] == ["rated"]
    assert [word for word in ("secret", "M5450", "M54.50", "1981", "2026-02-20", "72148") if word in text] == []


def test_purging_deletes_what_is_old_and_what_was_said_about_it(store_url: str) -> None:
    """Verdicts, cards, suggestions and feedback of before go, feedback about old cards too, and the rest stays."""
    with _store(store_url) as store:
        store.add_calls([_record("old", NOON - timedelta(days=40)), _record("new")])
        store.add_feedback([_item("c-old"), _item("c-new")], "open")
        assert purge(store, NOON - timedelta(days=30)) == 4
        assert [_count(store, table) for table in (APPRAISAL, CARD, SUGGESTION, FEEDBACK)] == [1, 1, 1, 1]
        assert contents(store).since == NOON


def test_a_retention_is_kept_by_the_service_itself(store_url: str) -> None:
    """With a retention the recorder's thread purges when it starts; without one nothing is ever deleted."""
    with _store(store_url) as store:
        store.add_calls([_record("old", NOON - timedelta(days=40)), _record("new")])
        assert purge_after(store, None, lambda: NOON) is None
        recorder = Recorder(store, housekeeping=purge_after(store, 30, lambda: NOON))
        recorder.start()
        recorder.close()
        assert _count(store, CARD) == 1


def test_a_card_is_erased_with_all_about_it(store_url: str) -> None:
    """The card, its verdict, suggestions and feedback go, and no other's."""
    with _store(store_url) as store:
        store.add_calls([_record("1"), _record("2")])
        store.add_feedback([_item("c-1"), _item("c-2")], "open")
        assert erase_card(store, "c-1") == 4
        assert erase_card(store, "c-1") == 0
        assert [_count(store, table) for table in (APPRAISAL, CARD, SUGGESTION, FEEDBACK)] == [1, 1, 1, 1]


def test_comments_are_erased_alone(store_url: str) -> None:
    """Of one card or of all: the feedback stays without them."""
    with _store(store_url) as store:
        store.add_feedback([_item(f"c-{number}", comment="words") for number in range(3)], "open")
        assert erase_comments(store, "c-1") == 1
        assert contents(store).comments == 2
        assert erase_comments(store) == 2
        assert (contents(store).feedback, contents(store).comments) == (3, 0)


def test_what_is_erased_is_gone_from_the_files(tmp_path: Path) -> None:
    """On SQLite neither the file nor its write-ahead log holds an erased comment."""
    with _store(f"sqlite:///{tmp_path / 'store.sqlite3'}") as store:
        store.add_feedback([_item(comment="these secret words")], "open")
        assert _grep(tmp_path, b"these secret words")
        erase_comments(store)
        assert not _grep(tmp_path, b"these secret words")


def _grep(folder: Path, words: bytes) -> list[Path]:
    return [file for file in folder.iterdir() if words in file.read_bytes()]


def test_the_store_commands_say_what_they_did(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """migrate, check, erase, purge and backup work on the store that the settings name."""
    monkeypatch.setenv("CDS_DATABASE_URL", store_url)
    kind = store_url.partition(":")[0]
    assert main(["store", "migrate"]) == 0
    with _store(store_url) as store:
        store.add_calls([_record("1"), _record("2")])
        store.add_feedback([_item("c-1", comment="words")], "open")
    copied = 0 if kind == "sqlite" else 2
    for arguments, code in (
        (["check"], 0),
        (["erase"], 2),
        (["erase", "--card", "nobody"], 1),
        (["erase", "--comments"], 0),
        (["erase", "--card", "c-1"], 0),
        (["backup", str(tmp_path / "copy.sqlite3")], copied),
        (["purge", "--older-than", "1"], 0),
        (["backup", str(tmp_path / "copy.sqlite3")], 2),
    ):
        assert main(["store", *arguments]) == code, arguments
    out, err = capsys.readouterr()
    assert out.splitlines()[:3] == [
        f"the store is at migration {HEAD}",
        f"{kind}, migration {HEAD}: 2 verdicts since 2026-03-02, 2 cards, 1 items of feedback, 1 with a comment",
        "it can be written",
    ]
    assert "0 rows erased" in out
    assert "1 comments erased" in out
    assert "4 rows erased" in out
    assert "3 rows deleted" in out
    assert ("that file exists already" if kind == "sqlite" else "PostgreSQL is copied by its own pg_dump") in err
    if kind == "sqlite":
        with _store(f"sqlite:///{tmp_path / 'copy.sqlite3'}") as copy:
            assert _count(copy, CARD) == 1


def test_commands_make_no_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong path is told, not made into an empty store; a store of an older version is not changed by looking."""
    file = tmp_path / "none.sqlite3"
    monkeypatch.setenv("CDS_DATABASE_URL", f"sqlite:///{file}")
    assert main(["report"]) == 2
    assert "there is no such file" in capsys.readouterr().err
    assert not file.exists()
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE other (x)")
    assert main(["store", "check"]) == 2
    assert "`cds-service store migrate` brings them there" in capsys.readouterr().err
