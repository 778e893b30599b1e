"""The tables of the store, as the newest migration leaves them: what was judged, what was said, what became of it.

Nothing of a patient, no order id and no free text stands in them, but the comments an operator asked to keep. They are
declared for reports and migrations; the service itself writes them by its ``statements``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sql


class UtcTime(sql.TypeDecorator[datetime]):
    """A moment, in UTC whatever the database makes of time zones."""

    impl = sql.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sql.Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sql.Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Words(sql.TypeDecorator[tuple[str, ...]]):
    """A list of ids as one text, so that every database can group by it."""

    impl = sql.Text
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: sql.Dialect) -> str:
        return " ".join(value or ())

    def process_result_value(self, value: Any | None, dialect: sql.Dialect) -> tuple[str, ...]:
        return tuple(str(value or "").split())


METADATA = sql.MetaData()

APPRAISAL = sql.Table(
    "appraisal",
    METADATA,
    sql.Column("id", sql.String(64), primary_key=True),
    sql.Column("at", UtcTime, nullable=False, index=True),
    sql.Column("service", sql.String(100), nullable=False),
    sql.Column("client", sql.Text, nullable=False),
    sql.Column("shadow", sql.Boolean, nullable=False),
    sql.Column("guideline", sql.String(200), nullable=False),
    sql.Column("verdict", sql.String(40), nullable=False),
    sql.Column("category", sql.String(40)),
    sql.Column("floor", sql.String(40)),
    sql.Column("ceiling", sql.String(40)),
    sql.Column("reason", sql.String(60)),
    sql.Column("procedures", Words, nullable=False),
    sql.Column("established", Words, nullable=False),
    sql.Column("possible", Words, nullable=False),
    sql.Column("missing_concepts", Words, nullable=False),
    sql.Column("keys_missing", Words, nullable=False),
    sql.Column("keys_incomplete", Words, nullable=False),
)
"""One row for each order that was judged."""

CARD = sql.Table(
    "card",
    METADATA,
    sql.Column("uuid", sql.String(256), primary_key=True),
    sql.Column("appraisal", sql.String(64), index=True),
    sql.Column("at", UtcTime, nullable=False, index=True),
    sql.Column("client", sql.Text, nullable=False),
    sql.Column("shown", sql.Boolean, nullable=False),
    sql.Column("kind", sql.String(60), nullable=False),
    sql.Column("indicator", sql.String(20), nullable=False),
)
"""One row for each card; without an appraisal where it is about no order. Not shown: held back in shadow mode."""

SUGGESTION = sql.Table(
    "suggestion",
    METADATA,
    sql.Column("uuid", sql.String(256), primary_key=True),
    sql.Column("card", sql.String(256), nullable=False, index=True),
    sql.Column("kind", sql.String(60), nullable=False),
)

FEEDBACK = sql.Table(
    "feedback",
    METADATA,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("service", sql.String(100), nullable=False),
    sql.Column("card", sql.String(256), nullable=False),
    sql.Column("outcome", sql.String(20), nullable=False),
    sql.Column("outcome_timestamp", sql.String(64), nullable=False),
    sql.Column("accepted_suggestions", sql.JSON, nullable=False),
    sql.Column("reason_system", sql.String(500)),
    sql.Column("reason_code", sql.String(200)),
    sql.Column("stored_at", UtcTime, server_default=sql.func.now(), nullable=False),
    sql.Column("client", sql.Text),
    sql.Column("reason_category", sql.String(200)),
    sql.Column("reason_title", sql.String(200)),
    sql.Column("comment", sql.Text),
    sql.UniqueConstraint("card", "outcome", "outcome_timestamp"),
    sql.Index("ix_feedback_stored_at", "stored_at"),
)
"""One row for each item of feedback, whether its card is known or not."""

TOKEN_ID = sql.Table(
    "token_id",
    METADATA,
    sql.Column("issuer", sql.String(64), primary_key=True),
    sql.Column("jti", sql.String(64), primary_key=True),
    sql.Column("expires", sql.BigInteger, nullable=False, index=True),
)
"""One row for each token that was used: hashes, and the second of the epoch after which it is refused anyway."""

PROBE = sql.Table(
    "probe",
    METADATA,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("at", UtcTime, nullable=False),
)
"""One row that is written to see whether the store can be written."""
