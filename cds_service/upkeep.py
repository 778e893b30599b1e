"""Keeping the store: what is purged, what is erased, a copy of it, and how it stands."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from cds_service.database import StoreError, failing_in_few_words, reading, version, writing
from cds_service.store import Store
from cds_service.tables import APPRAISAL, CARD, FEEDBACK, SUGGESTION

_SLICE = 2_000
"""Rows that are deleted in one transaction, so that feedback never waits long for the lock."""


@dataclass(frozen=True, slots=True)
class Contents:
    """How many rows the store holds, and the day of the first."""

    appraisals: int
    cards: int
    feedback: int
    comments: int
    since: datetime | None


def contents(store: Store) -> Contents:
    """Raises StoreError."""

    def count(connection: Connection, column: sql.ColumnElement[object]) -> int:
        return int(connection.execute(sql.select(sql.func.count(column))).scalar_one())

    with failing_in_few_words(), reading(store.engine) as connection:
        since = connection.execute(sql.select(sql.func.min(APPRAISAL.c.at, type_=APPRAISAL.c.at.type))).scalar_one()
        return Contents(
            count(connection, APPRAISAL.c.id),
            count(connection, CARD.c.uuid),
            count(connection, FEEDBACK.c.id),
            count(connection, FEEDBACK.c.comment),
            since,
        )


def migration(store: Store) -> str:
    with failing_in_few_words(), reading(store.engine) as connection:
        return version(connection) or "none"


def purge_after(store: Store, days: int | None, now: Callable[[], datetime]) -> Callable[[], None] | None:
    """What the service does daily where its operator set a retention."""
    if days is None:
        return None
    retention = timedelta(days=days)

    def purge_old() -> None:
        purge(store, now() - retention)

    return purge_old


def purge(store: Store, before: datetime) -> int:
    """Delete what was judged, said and sent before a moment, and all feedback about it; how many rows. StoreError."""
    old_cards = sql.select(CARD.c.uuid).where(CARD.c.at < before)
    return (
        _delete(store, FEEDBACK.c.id, FEEDBACK.c.card.in_(old_cards) | (FEEDBACK.c.stored_at < before))
        + _delete(store, SUGGESTION.c.uuid, SUGGESTION.c.card.in_(old_cards))
        + _delete(store, CARD.c.uuid, CARD.c.at < before)
        + _delete(store, APPRAISAL.c.id, APPRAISAL.c.at < before)
    )


def erase_card(store: Store, uuid: str) -> int:
    """Delete a card with its suggestions, its feedback, and the verdict it told; how many rows. Raises StoreError."""
    verdict = sql.select(CARD.c.appraisal).where(CARD.c.uuid == uuid)
    return (
        _delete(store, FEEDBACK.c.id, FEEDBACK.c.card == uuid)
        + _delete(store, SUGGESTION.c.uuid, SUGGESTION.c.card == uuid)
        + _delete(store, APPRAISAL.c.id, APPRAISAL.c.id.in_(verdict))
        + _delete(store, CARD.c.uuid, CARD.c.uuid == uuid)
    )


def erase_comments(store: Store, uuid: str | None = None) -> int:
    """Delete the comments of all feedback, or of that about one card; how many. Raises StoreError."""
    change = FEEDBACK.update().where(FEEDBACK.c.comment.is_not(None)).values(comment=None)
    if uuid is not None:
        change = change.where(FEEDBACK.c.card == uuid)
    with failing_in_few_words(), writing(store.engine) as connection:
        changed = connection.execute(change).rowcount
    _forget(store)
    return changed


def _delete(store: Store, key: sql.Column[object], which: sql.ColumnElement[bool]) -> int:
    deleted = 0
    some = sql.select(key).where(which).limit(_SLICE)
    while True:
        with failing_in_few_words(), writing(store.engine) as connection:
            found = connection.execute(sql.delete(key.table).where(key.in_(some))).rowcount
        deleted += found
        if found < _SLICE:
            _forget(store)
            return deleted


def _forget(store: Store) -> None:
    """What SQLite has deleted also leaves its write-ahead log; PostgreSQL's vacuum and backups are its operator's."""
    if store.engine.dialect.name == "sqlite":
        with failing_in_few_words(), store.engine.connect() as connection:
            connection.exec_driver_sql("COMMIT")  # a checkpoint stands outside of transactions
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def backup(store: Store, file: Path) -> None:
    """Copy a SQLite store as it is at one moment, while it is in use; raises StoreError."""
    if store.engine.dialect.name != "sqlite":
        raise StoreError("PostgreSQL is copied by its own pg_dump")
    if file.exists():
        raise StoreError("that file exists already")
    try:
        with store.engine.connect() as connection, closing(sqlite3.connect(file)) as copy:
            source = connection.connection.driver_connection
            assert isinstance(source, sqlite3.Connection)
            source.backup(copy)
    except sqlite3.Error as error:
        file.unlink(missing_ok=True)
        raise StoreError(str(error)) from None
