"""Keeping the store: what is purged, what is erased, a copy of it, and how it stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cds_service.driver import StoreError
from cds_service.opening import version
from cds_service.sqlite_database import Sqlite
from cds_service.store import Store

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
    with store.database.reading() as connection:

        def one(column: str, table: str) -> Any:
            return connection.execute(f"SELECT {column} FROM {table}").fetchone()[0]

        first = one("min(at)", "appraisal")
        return Contents(
            one("count(*)", "appraisal"),
            one("count(*)", "card"),
            one("count(*)", "feedback"),
            one("count(comment)", "feedback"),
            # SQLite tells moments as text.
            datetime.fromisoformat(first).replace(tzinfo=UTC) if isinstance(first, str) else first,
        )


def migration(store: Store) -> str:
    return version(store.database) or "none"


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
    moment = store.database.moment(before)
    of_old_cards = "card IN (SELECT uuid FROM card WHERE at < ?)"
    return (
        _delete(store, "feedback", "id", f"{of_old_cards} OR stored_at < ?", moment, moment)
        + _delete(store, "suggestion", "uuid", of_old_cards, moment)
        + _delete(store, "card", "uuid", "at < ?", moment)
        + _delete(store, "appraisal", "id", "at < ?", moment)
    )


def erase_card(store: Store, uuid: str) -> int:
    """Delete a card with its suggestions, its feedback, and the verdict it told; how many rows. Raises StoreError."""
    return (
        _delete(store, "feedback", "id", "card = ?", uuid)
        + _delete(store, "suggestion", "uuid", "card = ?", uuid)
        + _delete(store, "appraisal", "id", "id IN (SELECT appraisal FROM card WHERE uuid = ?)", uuid)
        + _delete(store, "card", "uuid", "uuid = ?", uuid)
    )


def erase_comments(store: Store, uuid: str | None = None) -> int:
    """Delete the comments of all feedback, or of that about one card; how many. Raises StoreError."""
    change, values = "UPDATE feedback SET comment = NULL WHERE comment IS NOT NULL", []
    if uuid is not None:
        change, values = f"{change} AND card = ?", [uuid]
    changed = _write(store, change, values)
    store.database.forget()
    return changed


def _delete(store: Store, table: str, key: str, which: str, *values: Any) -> int:
    deleted = 0
    some = f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE {which} LIMIT {_SLICE})"
    while True:
        found = _write(store, some, values)
        deleted += found
        if found < _SLICE:
            store.database.forget()
            return deleted


def _write(store: Store, statement: str, values: Sequence[Any]) -> int:
    with store.database.writing() as connection:
        return int(connection.execute(store.database.text(statement), values).rowcount)


def backup(store: Store, file: Path) -> None:
    """Copy a SQLite store as it is at one moment, while it is in use; raises StoreError."""
    database = store.database
    if not isinstance(database, Sqlite):
        raise StoreError("PostgreSQL is copied by its own pg_dump")
    if file.exists():
        raise StoreError("that file exists already")
    try:
        database.copy(file)
    except StoreError:
        file.unlink(missing_ok=True)
        raise
