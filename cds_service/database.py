"""The store's database through SQLAlchemy, for what is seldom done: reports, and migrations of an older store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sql
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DataError, DBAPIError, DisconnectionError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from cds_service.driver import Database, StoreError, in_few_words

__all__ = ["StoreError", "engine_over", "failing_in_few_words", "reading", "writing"]


def engine_over(database: Database) -> Engine:
    """An engine with connections of its own, opened as the service opens them."""

    def connect() -> Any:
        connection = database.connect()
        if database.kind == "postgresql":
            connection.autocommit = False  # SQLAlchemy begins and ends transactions by the driver's own means
        return connection

    if database.kind == "postgresql":
        return sql.create_engine(
            "postgresql+psycopg://", creator=connect, pool_pre_ping=True, pool_timeout=database.patience
        )

    def refuse_another_file(connection: Any, record: object, proxy: object) -> None:
        if not database.is_usable(connection):
            raise DisconnectionError("another file, or none, stands in its place")

    engine = sql.create_engine("sqlite://", creator=connect, poolclass=sql.QueuePool, pool_timeout=database.patience)
    sql.event.listen(engine, "checkout", refuse_another_file)
    sql.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _begin_sqlite(connection: Connection) -> None:
    # Writers take their lock at once: one that reads first and writes later fails without waiting.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


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


@contextmanager
def failing_in_few_words() -> Iterator[None]:
    """Turns what a database raises into a StoreError."""
    try:
        yield
    except DBAPIError as error:
        lasting = isinstance(error, (DataError, IntegrityError))
        raise StoreError(in_few_words(error.orig or error), lasting=lasting) from None
    except (DisconnectionError, PoolTimeout) as error:
        raise StoreError(type(error).__name__) from None
