"""The store in a file on a local disk, through sqlite3."""

from __future__ import annotations

import os
import sqlite3
import time
from collections import deque
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cds_service.database_url import DatabaseUrl
from cds_service.driver import Database, DriverConnection, StoreError

# Statements done at once after which another writer is to have its turn: of some three pages each, where SQLite writes
# its log of its own accord back after a thousand.
_LONGEST_LOG = 250


class _FileConnection(sqlite3.Connection):
    """Knows which file it was opened on."""

    file: tuple[int, int] | None = None


class Sqlite(Database):
    """A file on a local disk."""

    kind = "sqlite"
    # Writers take their lock at once: one that reads first and writes later fails without waiting.
    _begin_writing = "BEGIN IMMEDIATE"
    _begin_reading = "BEGIN"
    _is_signed = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"

    def __init__(self, url: DatabaseUrl, *, create: bool, durable: bool) -> None:
        if not url.database or ":memory:" in url.database or url.query.get("mode") == "memory":
            raise StoreError("a database in memory keeps nothing; name a file")
        super().__init__(sqlite3, url.patience)
        self.file = Path(url.database).absolute()
        # Never made anew behind the service's back: a file that has gone is a fault, not an empty store.
        self._address = f"file:{quote(str(self.file))}?mode=rw"
        # In WAL mode FULL is what makes a commit outlive a power cut.
        self._synchronous = "FULL" if durable else "NORMAL"
        self._at_once: deque[DriverConnection] = deque()
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

    def is_usable(self, connection: DriverConnection) -> bool:
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

    def has_tables(self, connection: DriverConnection) -> bool:
        named = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_'"
        return bool(connection.execute(named).fetchone()[0])

    def lock(self, connection: DriverConnection) -> None:
        """Whoever writes is alone already."""

    def forget(self) -> None:
        """What was deleted leaves the write-ahead log too, unless a reader holds it."""
        with self.lent() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def copy(self, file: Path) -> None:
        """Copy the database as it is at one moment, while it is in use."""
        with self.lent() as connection, closing(sqlite3.connect(file)) as copy:
            connection.backup(copy)
