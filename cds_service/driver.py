"""The database behind the store on its driver alone: what answering hooks needs of it, whichever database it is.

A toolkit over the driver is much to load and to hold in memory; what is asked here is a few statements.
"""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from typing import Any, ClassVar
from weakref import WeakSet

from cds_service.must_wait import before_waiting

DriverConnection = Any
"""The driver's own, which commits each statement that stands outside of ``BEGIN`` and ``COMMIT``."""

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
    _is_signed: ClassVar[str]
    """Whether the table is there in which Alembic keeps the migration."""

    def __init__(self, driver: Any, patience: float) -> None:
        self.driver, self.patience = driver, patience
        self._of_parents: list[deque[DriverConnection]] = []
        self._begin()
        _DATABASES.add(self)

    def _begin(self) -> None:
        self._idle: deque[DriverConnection] = deque()
        self._room = threading.BoundedSemaphore(_MOST_CONNECTIONS)

    def begin_in_child(self) -> None:
        """With connections of its own: closing here what the parent has opened would disturb it there."""
        self._of_parents.append(self._idle)
        self._begin()

    @abstractmethod
    def connect(self) -> DriverConnection:
        """A new connection, which the caller closes; raises what the driver raises."""

    @abstractmethod
    def is_usable(self, connection: DriverConnection) -> bool:
        """Whether a connection that was idle still reaches the database."""

    @abstractmethod
    def text(self, statement: str) -> str:
        """A statement as the driver reads it."""

    @abstractmethod
    def moment(self, moment: datetime) -> Any:
        """A moment as it is stored, in UTC."""

    @abstractmethod
    def has_tables(self, connection: DriverConnection) -> bool: ...

    def version(self, connection: DriverConnection) -> str | None:
        """The migration the database stands at; None before the first."""
        if not connection.execute(self._is_signed).fetchone()[0]:
            return None
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(found[0]) if found is not None else None

    @abstractmethod
    def lock(self, connection: DriverConnection) -> None:
        """Until the end of the transaction, one that writes: nobody else makes or changes the tables."""

    @abstractmethod
    def forget(self) -> None:
        """What was deleted leaves the files of the database, as far as the service can bring that about."""

    @contextmanager
    def lent(self) -> Iterator[DriverConnection]:
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

    def _let_go(self, connection: DriverConnection) -> None:
        with suppress(self.driver.Error):
            connection.close()

    def _take(self) -> DriverConnection:
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
    def writing(self) -> Iterator[DriverConnection]:
        """A transaction that writes: all or nothing, and durable when the block has ended without an error."""
        with self.lent() as connection:
            connection.execute(self._begin_writing)
            yield connection
            connection.execute("COMMIT")

    @contextmanager
    def reading(self) -> Iterator[DriverConnection]:
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
        """The same where nobody is waited for, from one thread at a time; None where it would be: nothing was done.

        A database that can never answer at once, as one over a network cannot, always says None: whoever asked goes on
        where it may wait, and there calls ``run``.
        """
        return None

    def run_many(self, connection: DriverConnection, statement: str, rows: Iterable[Sequence[Any]]) -> int:
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


def in_few_words(error: BaseException) -> str:
    """The database's own short word, without SQL, parameters, address and details, which may hold data."""
    said = getattr(getattr(error, "diag", None), "message_primary", None) or str(error)
    first = next(iter(said.strip().splitlines()), "")
    return first.rpartition(" failed: ")[2][:200] or type(error).__name__
