"""The service's memory: feedback, stored once and durably; and what each call came to, stored in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import sqlalchemy as sql
from sqlalchemy.engine import Engine

from cds_service.database import StoreError, failing_in_few_words, open_engine, reading, writing
from cds_service.records import CallRecord
from cds_service.tables import APPRAISAL, CARD, FEEDBACK, PROBE, SUGGESTION

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
    """SQLite or PostgreSQL, opened and migrated; safe to use from many threads, and to fork before its first use."""

    def __init__(self, url: str, now: Callable[[], datetime] = _utc_now, *, create: bool = True) -> None:
        """Raises StoreError where it cannot be used; with ``create`` it must be writable."""
        self._now = now
        self.engine: Engine = open_engine(url, create=create)
        # Of the two dialects the one in use is loaded already.
        self._inserting = import_module(f"sqlalchemy.dialects.{self.engine.dialect.name}").insert
        try:
            if create:
                self.check()
        except StoreError:
            self.engine.dispose()
            raise
        self.engine.dispose()  # workers are forked after this: each opens its own connections

    def add_feedback(self, items: Iterable[FeedbackItem], client: str) -> int:
        """Store the items that are not stored yet, all or none, durably; their number. Raises StoreError."""
        stored_at = self._now()
        # In one order in every process, so that no two writers wait for each other in a circle.
        rows = sorted(
            (_feedback_row(item, client, stored_at) for item in items),
            key=lambda row: (row["card"], row["outcome"], row["outcome_timestamp"]),
        )
        with failing_in_few_words(), writing(self.engine) as connection:
            return len(connection.execute(self._insert(FEEDBACK).returning(FEEDBACK.c.id), rows).all()) if rows else 0

    def add_calls(self, calls: Iterable[CallRecord]) -> None:
        """Store what calls came to, all or none; what is stored already stays. Raises StoreError."""
        listed = tuple(calls)
        with failing_in_few_words(), writing(self.engine) as connection:
            for table, rows in (
                (APPRAISAL, [row for call in listed for row in call.appraisals]),
                (CARD, [row for call in listed for row in call.cards]),
                (SUGGESTION, [row for call in listed for row in call.suggestions]),
            ):
                if rows:
                    connection.execute(self._insert(table), rows)

    def check(self) -> None:
        """Write a mark; raises StoreError when the store cannot be written, or holds no feedback table."""
        with failing_in_few_words(), writing(self.engine) as connection:
            connection.execute(sql.select(FEEDBACK.c.id).limit(1))
            connection.execute(self._insert(PROBE), {"id": 1, "at": self._now()})
            connection.execute(PROBE.update().values(at=self._now()))

    def count_feedback(self) -> int:
        with failing_in_few_words(), reading(self.engine) as connection:
            return int(connection.execute(sql.select(sql.func.count()).select_from(FEEDBACK)).scalar_one())

    def close(self) -> None:
        self.engine.dispose()

    def _insert(self, table: sql.Table) -> Any:
        """Inserts the rows whose keys are not there yet."""
        return self._inserting(table).on_conflict_do_nothing()


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
