"""Feedback, stored once and durably before it is acknowledged."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sql
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

_METADATA = sql.MetaData()
_FEEDBACK = sql.Table(
    "feedback",
    _METADATA,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("service", sql.String(100), nullable=False),
    sql.Column("card", sql.String(256), nullable=False),
    sql.Column("outcome", sql.String(20), nullable=False),
    sql.Column("outcome_timestamp", sql.String(64), nullable=False),
    sql.Column("accepted_suggestions", sql.JSON, nullable=False),
    sql.Column("reason_system", sql.String(500)),
    sql.Column("reason_code", sql.String(200)),
    sql.Column("stored_at", sql.DateTime(timezone=True), server_default=sql.func.now(), nullable=False),
    sql.UniqueConstraint("card", "outcome", "outcome_timestamp"),
)


class StoreError(Exception):
    """The store cannot be used; the message says why, without its address."""


@dataclass(frozen=True, slots=True)
class FeedbackItem:
    """What became of one card. Comments are not kept: they may hold data of a patient."""

    service: str
    card: str
    outcome: str
    outcome_timestamp: str
    accepted_suggestions: tuple[str, ...] = ()
    reason_system: str | None = None
    reason_code: str | None = None


class FeedbackStore:
    """A table of feedback in any database that SQLAlchemy speaks to; made by itself where it does not exist."""

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(url)
            self._engine = sql.create_engine(parsed, pool_pre_ping=True)
            if parsed.get_backend_name() == "sqlite":
                sql.event.listen(self._engine, "connect", _durable_sqlite)
            _METADATA.create_all(self._engine)
        except (ArgumentError, ImportError) as error:
            raise StoreError(f"the database URL cannot be used: {type(error).__name__}") from None
        except SQLAlchemyError as error:
            raise StoreError(f"the database cannot be used: {_why(error)}") from None
        finally:
            if hasattr(self, "_engine"):
                self._engine.dispose()  # workers are forked after this: each opens its own connections

    @property
    def engine(self) -> sql.Engine:
        """The connections to the database, for what else is kept there."""
        return self._engine

    def add(self, items: list[FeedbackItem]) -> None:
        """Store the items that are not stored yet, all or none, durably; raises StoreError."""
        insert = _FEEDBACK.insert()
        try:
            with self._engine.begin() as connection:
                for item in items:
                    if not connection.execute(_same(item)).first():
                        connection.execute(insert, _row(item))
        except sql.exc.IntegrityError:
            self._add_singly(items)
        except SQLAlchemyError as error:
            raise StoreError(_why(error)) from None

    def _add_singly(self, items: list[FeedbackItem]) -> None:
        """Another writer stored one of them in between: store the others one by one."""
        for item in items:
            try:
                with self._engine.begin() as connection:
                    connection.execute(_FEEDBACK.insert(), _row(item))
            except sql.exc.IntegrityError:
                continue
            except SQLAlchemyError as error:
                raise StoreError(_why(error)) from None

    def count(self) -> int:
        with self._engine.connect() as connection:
            return int(connection.execute(sql.select(sql.func.count()).select_from(_FEEDBACK)).scalar_one())

    def check(self) -> None:
        """Raises StoreError when the store does not answer."""
        try:
            with self._engine.connect() as connection:
                connection.execute(sql.select(_FEEDBACK.c.id).limit(1))
        except SQLAlchemyError as error:
            raise StoreError(_why(error)) from None


def _same(item: FeedbackItem) -> sql.Select[tuple[int]]:
    columns = _FEEDBACK.c
    return sql.select(columns.id).where(
        columns.card == item.card,
        columns.outcome == item.outcome,
        columns.outcome_timestamp == item.outcome_timestamp,
    )


def _row(item: FeedbackItem) -> dict[str, object]:
    return {
        "service": item.service,
        "card": item.card,
        "outcome": item.outcome,
        "outcome_timestamp": item.outcome_timestamp,
        "accepted_suggestions": list(item.accepted_suggestions),
        "reason_system": item.reason_system,
        "reason_code": item.reason_code,
    }


def _durable_sqlite(connection: object, record: object) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA busy_timeout=5000")
    cursor.close()


def _why(error: SQLAlchemyError) -> str:
    """The database's own short word, without SQL and without parameters."""
    return str(getattr(error, "orig", None) or type(error).__name__)[:200]
