"""The database behind the store on its driver alone, sqlite3 or psycopg: what answering hooks needs of it.

A toolkit over the driver is much to load and to hold in memory; what is asked here is a few statements.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote
from weakref import WeakSet

from cds_service.database_url import DatabaseUrl, read_database_url
from cds_service.must_wait import before_waiting

Connection = Any
"""The driver's own, which commits each statement that stands outside of ``BEGIN`` and ``COMMIT``."""

# Statements done at once after which another writer is to have its turn: of some three pages each, where SQLite writes
# its log of its own accord back after a thousand.
_LONGEST_LOG = 250
_MOST_CONNECTIONS = 10
"""In one process: as many as have threads that use it at once."""


class StoreError(Exception):
    """The store cannot be used; the message says why, without its address and without data."""

    def __init__(self, why: str, *, lasting: bool = False) -> None:
        super().__init__(why)
        self.lasting = lasting
        """What was to be stored will never be: trying again does not help."""


class Database(ABC):
    """Lends connections, each to one user at a time; safe to use from many threads, and after a fork.

    What fails raises StoreError. Statements have ``?`` where a value belongs.
    """

    kind: ClassVar[str]
    _begin_writing: ClassVar[str]
    _begin_reading: ClassVar[str]

    def __init__(self, driver: Any, patience: float) -> None:
        self.driver, self.patience = driver, patience
        self._of_parents: list[deque[Connection]] = []
        self._begin()
        _DATABASES.add(self)

    def _begin(self) -> None:
        self._idle: deque[Connection] = deque()
        self._room = threading.BoundedSemaphore(_MOST_CONNECTIONS)

    def begin_in_child(self) -> None:
        """With connections of its own: closing here what the parent has opened would disturb it there."""
        self._of_parents.append(self._idle)
        self._begin()

    @abstractmethod
    def connect(self) -> Connection:
        """A new connection, which the caller closes; raises what the driver raises."""

    @abstractmethod
    def is_usable(self, connection: Connection) -> bool:
        """Whether a connection that was idle still reaches the database."""

    @abstractmethod
    def text(self, statement: str) -> str:
        """A statement as the driver reads it."""

    @abstractmethod
    def moment(self, moment: datetime) -> Any:
        """A moment as it is stored, in UTC."""

    @abstractmethod
    def has_tables(self, connection: Connection) -> bool: ...

    @abstractmethod
    def version(self, connection: Connection) -> str | None:
        """The migration the database stands at; None before the first."""

    @abstractmethod
    def lock(self, connection: Connection) -> None:
        """Until the end of the transaction, one that writes: nobody else makes or changes the tables."""

    @abstractmethod
    def forget(self) -> None:
        """What was deleted leaves the files of the database, as far as the service can bring that about."""

    @contextmanager
    def lent(self) -> Iterator[Connection]:
        """A connection; whatever is wrong after a failure, nobody else gets it.

        Raises MustWait where nobody may wait: for one that is free, for a lock, for the disk or for a server.
        """
        before_waiting()
        room = self._room
        if not room.acquire(timeout=max(0, self.patience)):
            raise StoreError("all connections are in use")
        connection = None
        try:
            connection = self._take()
            yield connection
        except BaseException as error:
            if connection is not None:
                self._let_go(connection)
            if isinstance(error, self.driver.Error):
                lasting = isinstance(error, (self.driver.DataError, self.driver.IntegrityError))
                raise StoreError(in_few_words(error), lasting=lasting) from None
            raise
        else:
            self._idle.append(connection)
        finally:
            room.release()

    def _let_go(self, connection: Connection) -> None:
        with suppress(self.driver.Error):
            connection.close()

    def _take(self) -> Connection:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return self.connect()
            if self.is_usable(connection):
                return connection
            self._let_go(connection)
            self.close()  # whatever has befallen this one has befallen all

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes: all or nothing, and durable when the block has ended without an error."""
        with self.lent() as connection:
            connection.execute(self._begin_writing)
            yield connection
            connection.execute("COMMIT")

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees the database as it is at one moment."""
        with self.lent() as connection:
            connection.execute(self._begin_reading)
            yield connection
            connection.execute("COMMIT")

    def run(self, statement: str, values: Sequence[Any] = ()) -> int:
        """One statement in a transaction of its own; how many rows it changed."""
        with self.lent() as connection:
            return int(connection.execute(self.text(statement), values).rowcount)

    def run_at_once(self, statement: str, values: Sequence[Any] = ()) -> int | None:
        """The same where nobody is waited for, from one thread at a time; None where it would be: nothing was done."""
        return None

    def run_many(self, connection: Connection, statement: str, rows: Iterable[Sequence[Any]]) -> int:
        """One statement for each of these rows, in the transaction of the connection; how many rows they changed."""
        with closing(connection.cursor()) as cursor:
            cursor.executemany(self.text(statement), rows)
            return int(cursor.rowcount)

    def close(self) -> None:
        """Close what is idle; whoever asks again gets a new connection."""
        with suppress(IndexError):
            while True:
                self._let_go(self._idle.pop())


_DATABASES: WeakSet[Database] = WeakSet()


def _forked() -> None:
    for database in tuple(_DATABASES):
        database.begin_in_child()


os.register_at_fork(after_in_child=_forked)


class _FileConnection(sqlite3.Connection):
    """Knows which file it was opened on."""

    file: tuple[int, int] | None = None


class Sqlite(Database):
    """A file on a local disk."""

    kind = "sqlite"
    # Writers take their lock at once: one that reads first and writes later fails without waiting.
    _begin_writing = "BEGIN IMMEDIATE"
    _begin_reading = "BEGIN"

    def __init__(self, url: DatabaseUrl, *, create: bool, durable: bool) -> None:
        if not url.database or ":memory:" in url.database or url.query.get("mode") == "memory":
            raise StoreError("a database in memory keeps nothing; name a file")
        super().__init__(sqlite3, url.patience)
        self.file = Path(url.database).absolute()
        # Never made anew behind the service's back: a file that has gone is a fault, not an empty store.
        self._address = f"file:{quote(str(self.file))}?mode=rw"
        # In WAL mode FULL is what makes a commit outlive a power cut.
        self._synchronous = "FULL" if durable else "NORMAL"
        self._at_once: deque[Connection] = deque()
        """The connection for what is not waited for, while nobody uses it."""
        self._at_once_done = 0
        if not create and not self.file.exists():
            raise StoreError("there is no such file")
        self._make()

    def begin_in_child(self) -> None:
        super().begin_in_child()
        self._of_parents.append(self._at_once)
        self._at_once = deque()

    def run_at_once(self, statement: str, values: Sequence[Any] = ()) -> int | None:
        """Neither for a lock nor, save when a new log is begun, for the disk; whatever fails is nothing done.

        Now and then nothing is done, so that who waits writes the log back into the file: it would grow for ever.
        """
        if self._at_once_done >= _LONGEST_LOG:
            self._at_once_done = 0
            return None
        connection = None
        try:
            connection = self._at_once.pop() if self._at_once else None
            if connection is not None and not self.is_usable(connection):
                self._let_go(connection)
                connection = None
            if connection is None:
                connection = self.connect(patience=0)
                connection.execute("PRAGMA wal_autocheckpoint=0")  # which waits for the disk: others do it
            changed = int(connection.execute(statement, values).rowcount)
        except (sqlite3.Error, IndexError) as error:
            if connection is not None and getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
                self._at_once.append(connection)
            elif connection is not None:
                self._let_go(connection)
            return None
        self._at_once.append(connection)
        self._at_once_done += 1
        return changed

    def close(self) -> None:
        super().close()
        with suppress(IndexError):
            self._let_go(self._at_once.pop())

    def _make(self) -> None:
        """Several processes may come at once: the change to WAL answers "locked" at once instead of waiting."""
        deadline = time.monotonic() + self.patience
        while True:
            try:
                with closing(sqlite3.connect(self.file, timeout=self.patience)) as connection:
                    connection.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.Error as error:
                if "readonly" in str(error):
                    return  # it can still be reported on
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise StoreError(str(error)) from None
                time.sleep(0.02)

    def connect(self, patience: float | None = None) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._address,
            uri=True,
            timeout=self.patience if patience is None else patience,
            check_same_thread=False,
            isolation_level=None,
            factory=_FileConnection,
        )
        try:
            connection.file = self._identity()
            connection.execute(f"PRAGMA synchronous={self._synchronous}")
            connection.execute("PRAGMA secure_delete=ON")  # what is erased is overwritten
        except BaseException:
            connection.close()
            raise
        return connection

    def is_usable(self, connection: Connection) -> bool:
        """A connection outlives its file; what it would write then is lost."""
        return connection.file is not None and connection.file == self._identity()

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self.file)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def text(self, statement: str) -> str:
        return statement

    def moment(self, moment: datetime) -> str:
        """As text that sorts, and that SQLite's functions of time read."""
        return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")

    def has_tables(self, connection: Connection) -> bool:
        named = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_'"
        return bool(connection.execute(named).fetchone()[0])

    def version(self, connection: Connection) -> str | None:
        signed = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
        return _version(connection) if connection.execute(signed).fetchone()[0] else None

    def lock(self, connection: Connection) -> None:
        """Whoever writes is alone already."""

    def forget(self) -> None:
        """What was deleted leaves the write-ahead log too, unless a reader holds it."""
        with self.lent() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def copy(self, file: Path) -> None:
        """Copy the database as it is at one moment, while it is in use."""
        with self.lent() as connection, closing(sqlite3.connect(file)) as copy:
            connection.backup(copy)


class Postgresql(Database):
    """A server, for several machines."""

    kind = "postgresql"
    _begin_writing = "BEGIN"
    _begin_reading = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
    # Any number, the same in every process.
    _LOCK = 7_264_881_203

    def __init__(self, url: DatabaseUrl, *, durable: bool) -> None:
        try:
            if url.driver not in ("", "psycopg"):
                raise ImportError(url.driver)
            import psycopg
        except ImportError:
            raise StoreError("the driver is missing: pip install 'lumbar-imaging-cds[postgresql]'") from None
        super().__init__(psycopg, url.patience)
        milliseconds = round(self.patience * 1000)
        wait = {"connect_timeout": max(2, round(self.patience)), "tcp_user_timeout": milliseconds}
        self._parameters: dict[str, Any] = {**wait, **url.libpq_parameters(), "autocommit": True}
        # An acknowledged item is on the disk, whatever the server's default is.
        commits = (
            "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
            if durable
            else "SET synchronous_commit = off"
        )
        self._settings = f"SET lock_timeout = {milliseconds}; SET TIME ZONE 'UTC'; {commits}"

    def connect(self) -> Connection:
        connection = self.driver.connect(**self._parameters)
        try:
            connection.execute(self._settings)
        except BaseException:
            connection.close()
            raise
        return connection

    def is_usable(self, connection: Connection) -> bool:
        try:
            connection.execute("")  # the shortest way to the server and back
        except self.driver.Error:
            return False
        return True

    def text(self, statement: str) -> str:
        return statement.replace("?", "%s")

    def moment(self, moment: datetime) -> datetime:
        return moment.astimezone(UTC)

    def has_tables(self, connection: Connection) -> bool:
        named = "SELECT count(*) FROM pg_catalog.pg_tables WHERE schemaname = current_schema()"
        return bool(connection.execute(named).fetchone()[0])

    def version(self, connection: Connection) -> str | None:
        signed = "SELECT to_regclass('alembic_version') IS NOT NULL"
        return _version(connection) if connection.execute(signed).fetchone()[0] else None

    def lock(self, connection: Connection) -> None:
        connection.execute(f"SELECT pg_advisory_xact_lock({self._LOCK})")

    def forget(self) -> None:
        """Its vacuum and its backups are its operator's."""


def database_at(url: str, *, create: bool, durable: bool = True) -> Database:
    """The database of a URL, whatever it holds; with ``create`` a SQLite file that is not there is made.

    What is written outlives the end of a process in any case, and with ``durable`` a power cut too. Raises StoreError.
    """
    try:
        parsed = read_database_url(url)
        match parsed.kind:
            case "sqlite":
                return Sqlite(parsed, create=create, durable=durable)
            case "postgresql":
                return Postgresql(parsed, durable=durable)
    except ValueError as error:
        raise StoreError(f"the URL cannot be used: {error}") from None
    raise StoreError(f"{parsed.kind} is not supported; use sqlite or postgresql")


def in_few_words(error: BaseException) -> str:
    """The database's own short word, without SQL, parameters, address and details, which may hold data."""
    said = getattr(getattr(error, "diag", None), "message_primary", None) or str(error)
    first = next(iter(said.strip().splitlines()), "")
    return first.rpartition(" failed: ")[2][:200] or type(error).__name__


def _version(connection: Connection) -> str | None:
    found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(found[0]) if found is not None else None
