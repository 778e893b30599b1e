"""The service's memory: feedback, stored once and durably; and what each call came to, stored in batches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cds_service.driver import StoreError
from cds_service.opening import open_database
from cds_service.records import CallRecord
from cds_service.statements import (
    APPRAISALS,
    CARDS,
    FEEDBACK,
    LOOK_AT_FEEDBACK,
    MARK,
    SUGGESTIONS,
    insert,
)

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

__all__ = ["FeedbackItem", "Store", "StoreError"]


@dataclass(frozen=True, slots=True)
class FeedbackItem:
    """What became of one card."""

    service: str
    card: str
    outcome: str
    outcome_timestamp: str
    """In UTC and in one spelling, so that one moment is one text."""
    accepted_suggestions: tuple[str, ...] = ()
    reason_system: str | None = None
    reason_code: str | None = None
    reason_category: str | None = None
    reason_title: str | None = None
    comment: str | None = None


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Store:
    """SQLite or PostgreSQL, opened and migrated; safe to use from many threads, and in each process after a fork."""

    def __init__(self, url: str, now: Callable[[], datetime] = _utc_now, *, create: bool = True) -> None:
        """Raises StoreError where it cannot be used; with ``create`` it must be writable."""
        self._now = now
        self._engine: Engine | None = None
        self._making = threading.Lock()
        self.database = open_database(url, create=create)
        try:
            if create:
                self.check()
        finally:
            self.database.close()

    @property
    def engine(self) -> Engine:
        """SQLAlchemy's, for reports; loaded and made for whoever asks first."""
        with self._making:
            if self._engine is None:
                from cds_service.database import engine_over

                self._engine = engine_over(self.database)
            return self._engine

    def add_feedback(self, items: Iterable[FeedbackItem], client: str) -> int:
        """Store the items that are not stored yet, all or none, durably; their number. Raises StoreError."""
        stored_at = self._now()
        # In one order in every process, so that no two writers wait for each other in a circle.
        rows = sorted(
            (_feedback_row(item, client, stored_at) for item in items),
            key=lambda row: (row["card"], row["outcome"], row["outcome_timestamp"]),
        )
        with self.database.writing() as connection:
            return insert(self.database, connection, FEEDBACK, rows)

    def add_calls(self, calls: Iterable[CallRecord]) -> None:
        """Store what calls came to, all or none; what is stored already stays. Raises StoreError."""
        listed = tuple(calls)
        with self.database.writing() as connection:
            for into, rows in (
                (APPRAISALS, [row for call in listed for row in call.appraisals]),
                (CARDS, [row for call in listed for row in call.cards]),
                (SUGGESTIONS, [row for call in listed for row in call.suggestions]),
            ):
                insert(self.database, connection, into, rows)

    def check(self) -> None:
        """Write a mark; raises StoreError when the store cannot be written, or holds no feedback table."""
        with self.database.writing() as connection:
            connection.execute(LOOK_AT_FEEDBACK)
            connection.execute(self.database.text(MARK), [self.database.moment(self._now())])

    def close(self) -> None:
        """Close what is open; whoever asks again opens it anew."""
        self.database.close()
        if self._engine is not None:
            self._engine.dispose()


def _feedback_row(item: FeedbackItem, client: str, stored_at: datetime) -> dict[str, Any]:
    return {
        "service": item.service,
        "client": client,
        "card": item.card,
        "outcome": item.outcome,
        "outcome_timestamp": item.outcome_timestamp,
        "accepted_suggestions": list(item.accepted_suggestions),
        "reason_system": item.reason_system,
        "reason_code": item.reason_code,
        "reason_category": item.reason_category,
        "reason_title": item.reason_title,
        "comment": item.comment,
        "stored_at": stored_at,
    }
