"""The database behind the store, SQLite or PostgreSQL: opened durably, migrated under a lock, failing in few words."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sql
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, DisconnectionError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from cds_service.tables import HEAD, METADATA

_PATIENCE = 5.0
"""Seconds to wait for a lock, a connection, or a server that does not answer; `timeout` in the URL sets it."""
# Any number, the same in every process: who migrates, or makes the tables, does so alone.
_MIGRATION_LOCK = 7_264_881_203


class StoreError(Exception):
    """The store cannot be used; the message says why, without its address and without data."""

    def __init__(self, why: str, *, lasting: bool = False) -> None:
        super().__init__(why)
        self.lasting = lasting
        """What was to be stored will never be: trying again does not help."""


def open_engine(url: str, *, create: bool, durable: bool = True) -> Engine:
    """An engine over the store's database, which exists afterwards; raises StoreError.

    With ``create`` a SQLite file that is not there is made, and the tables are brought to the newest form. What is
    written outlives the end of a process in any case, and with ``durable`` a power cut too.
    """
    try:
        parsed = make_url(url)
        match parsed.get_backend_name():
            case "sqlite":
                engine = _sqlite(parsed, create=create, durable=durable)
            case "postgresql":
                engine = _postgresql(parsed, durable=durable)
            case other:
                raise StoreError(f"{other} is not supported; use sqlite or postgresql")
    except (ArgumentError, ValueError) as error:
        raise StoreError(f"the URL cannot be used: {type(error).__name__}") from None
    except ImportError:
        raise StoreError("the driver is missing: pip install 'lumbar-imaging-cds[postgresql]'") from None
    try:
        with failing_in_few_words():
            migrate(engine, change=create)
    except StoreError:
        engine.dispose()
        raise
    return engine


def _sqlite(url: URL, *, create: bool, durable: bool) -> Engine:
    if not url.database or ":memory:" in url.database or url.query.get("mode") == "memory":
        raise StoreError("a database in memory keeps nothing; name a file")
    file = Path(url.database).absolute()
    patience = float(str(url.query.get("timeout", _PATIENCE)))
    # Never made anew behind the service's back: a file that has gone is a fault, not an empty store.
    address = f"file:{quote(str(file))}?mode=rw"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(address, uri=True, timeout=patience, check_same_thread=False, isolation_level=None)

    if create or file.exists():
        _make_sqlite(file, patience)
    else:
        raise StoreError("there is no such file")
    engine = sql.create_engine("sqlite://", creator=connect, poolclass=sql.QueuePool, pool_timeout=patience)
    sql.event.listen(engine, "connect", lambda made, record: _sqlite_connected(made, record, file, durable=durable))
    sql.event.listen(engine, "checkout", lambda connection, record, proxy: _refuse_another_file(record, file))
    sql.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_sqlite(file: Path, patience: float) -> None:
    """Several processes may come at once: the change to WAL answers "locked" at once instead of waiting."""
    deadline = time.monotonic() + patience
    while True:
        try:
            connection = sqlite3.connect(file, timeout=patience)
        except sqlite3.Error as error:
            raise StoreError(str(error)) from None
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.Error as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                # A read-only file can still be reported on.
                if "readonly" in str(error):
                    return
                raise StoreError(str(error)) from None
            time.sleep(0.02)
        else:
            return
        finally:
            connection.close()


def _sqlite_connected(connection: sqlite3.Connection, record: Any, file: Path, *, durable: bool) -> None:
    record.info["file"] = _identity(file)
    # In WAL mode FULL is what makes a commit outlive a power cut.
    connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
    connection.execute("PRAGMA secure_delete=ON")  # what is erased is overwritten


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _refuse_another_file(record: Any, file: Path) -> None:
    """A connection outlives its file; what it would write then is lost."""
    if record.info.get("file") != _identity(file):
        raise DisconnectionError("another file, or none, stands in its place")


def _begin_sqlite(connection: Connection) -> None:
    # Writers take their lock at once: one that reads first and writes later fails without waiting.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgresql(url: URL, *, durable: bool) -> Engine:
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    patience = float(str(url.query.get("timeout", _PATIENCE)))
    url = url.difference_update_query(["timeout"])
    wait = {"connect_timeout": max(2, round(patience)), "tcp_user_timeout": round(patience * 1000)}
    engine = sql.create_engine(
        url,
        pool_pre_ping=True,
        pool_timeout=patience,
        connect_args={name: value for name, value in wait.items() if name not in url.query},
    )

    def connected(connection: Any, record: object) -> None:
        milliseconds = round(patience * 1000)
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = {milliseconds}")
            cursor.execute("SET TIME ZONE 'UTC'")
            # An acknowledged item is on the disk, whatever the server's default is.
            if durable:
                cursor.execute(
                    "SELECT set_config('synchronous_commit', 'on', false) "
                    "WHERE current_setting('synchronous_commit') = 'off'"
                )
            else:
                cursor.execute("SET synchronous_commit = off")
        connection.commit()

    sql.event.listen(engine, "connect", connected)
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes: all or nothing, and durable when the block has ended without an error."""
    with engine.connect() as connection:
        connection.execution_options(writes=True)
        with connection.begin():
            yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that sees the store as it is at one moment."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with connection.begin():
            yield connection


def row_writer(engine: Engine, table: sql.Table) -> Callable[[Mapping[str, Any]], None]:
    """What inserts one row in a transaction of its own, on the driver: for calls that each wait for one row.

    A transaction of SQLAlchemy's costs three times as much as such a row does. Raises StoreError.
    """
    statement = table.insert().compile(dialect=engine.dialect)
    text, names, driver = str(statement), statement.positiontup, engine.dialect.loaded_dbapi

    def write(row: Mapping[str, Any]) -> None:
        connection = None
        try:
            with failing_in_few_words():
                connection = engine.raw_connection()
                values = tuple([row[name] for name in names]) if names is not None else row
                connection.cursor().execute(text, values)
                connection.commit()
        except driver.Error as error:
            lasting = isinstance(error, (driver.DataError, driver.IntegrityError))
            if connection is not None and not lasting:
                connection.invalidate()  # whatever is wrong with it, nobody else gets it
            raise StoreError(_in_few_words(error), lasting=lasting) from None
        finally:
            if connection is not None:
                connection.close()

    return write


@contextmanager
def failing_in_few_words() -> Iterator[None]:
    """Turns what a database raises into a StoreError."""
    try:
        yield
    except (DBAPIError, DisconnectionError, PoolTimeout) as error:
        lasting = isinstance(error, (DataError, IntegrityError))
        raise StoreError(_in_few_words(getattr(error, "orig", None) or error), lasting=lasting) from None


def _in_few_words(error: BaseException) -> str:
    """The database's own short word, without SQL, parameters, address and details, which may hold data."""
    own = "" if isinstance(error, SQLAlchemyError) else str(error)
    said = getattr(getattr(error, "diag", None), "message_primary", None) or own
    first = next(iter(said.strip().splitlines()), "")
    return first.rpartition(" failed: ")[2][:200] or type(error).__name__


def version(connection: Connection) -> str | None:
    """The migration the database stands at; None before the first."""
    if not sql.inspect(connection).has_table("alembic_version"):
        return None
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return str(found) if found is not None else None


def migrate(engine: Engine, *, change: bool = True) -> None:
    """Bring the tables to the newest form, alone; without ``change`` refuse tables that are not."""
    with engine.connect() as connection, connection.begin():
        found = version(connection)
    if found == HEAD:
        return
    if found is not None and found > HEAD:
        raise StoreError(f"a newer version of the service made it (migration {found}, this one knows {HEAD})")
    if not change:
        raise StoreError("its tables are not of this version; `cds-service store migrate` brings them there")
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sql.select(sql.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
        if not sql.inspect(connection).get_table_names():
            _make_tables(connection)
        elif version(connection) != HEAD:
            _upgrade(connection)


def _make_tables(connection: Connection) -> None:
    """What the migrations lead to, made at once in an empty database, and signed as Alembic signs it."""
    METADATA.create_all(connection, checkfirst=False)
    signed = sql.Table(
        "alembic_version",
        sql.MetaData(),
        sql.Column("version_num", sql.String(32), nullable=False),
        sql.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
    )
    signed.create(connection)
    connection.execute(signed.insert(), {"version_num": HEAD})


def _upgrade(connection: Connection) -> None:
    # Alembic is loaded only where there is something to do; what it does is told by the caller.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "cds_service:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
