"""Feedback, in a table as the first versions of the service made it without migrations."""

from __future__ import annotations

import sqlalchemy as sql
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Where the table stands already, its feedback stays."""
    op.create_table(
        "feedback",
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
        if_not_exists=True,
    )
