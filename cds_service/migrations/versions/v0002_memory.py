"""What was judged and what was said; who sent feedback, Epic's reasons, and comments where they are kept."""

from __future__ import annotations

import sqlalchemy as sql
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "appraisal",
        sql.Column("id", sql.String(64), primary_key=True),
        sql.Column("at", sql.DateTime(timezone=True), nullable=False, index=True),
        sql.Column("service", sql.String(100), nullable=False),
        sql.Column("client", sql.Text, nullable=False),
        sql.Column("shadow", sql.Boolean, nullable=False),
        sql.Column("guideline", sql.String(200), nullable=False),
        sql.Column("verdict", sql.String(40), nullable=False),
        sql.Column("category", sql.String(40)),
        sql.Column("floor", sql.String(40)),
        sql.Column("ceiling", sql.String(40)),
        sql.Column("reason", sql.String(60)),
        sql.Column("procedures", sql.Text, nullable=False),
        sql.Column("established", sql.Text, nullable=False),
        sql.Column("possible", sql.Text, nullable=False),
        sql.Column("missing_concepts", sql.Text, nullable=False),
        sql.Column("keys_missing", sql.Text, nullable=False),
        sql.Column("keys_incomplete", sql.Text, nullable=False),
    )
    op.create_table(
        "card",
        sql.Column("uuid", sql.String(256), primary_key=True),
        sql.Column("appraisal", sql.String(64), index=True),
        sql.Column("at", sql.DateTime(timezone=True), nullable=False, index=True),
        sql.Column("client", sql.Text, nullable=False),
        sql.Column("shown", sql.Boolean, nullable=False),
        sql.Column("kind", sql.String(60), nullable=False),
        sql.Column("indicator", sql.String(20), nullable=False),
    )
    op.create_table(
        "suggestion",
        sql.Column("uuid", sql.String(256), primary_key=True),
        sql.Column("card", sql.String(256), nullable=False, index=True),
        sql.Column("kind", sql.String(60), nullable=False),
    )
    op.create_table(
        "token_id",
        sql.Column("issuer", sql.String(64), primary_key=True),
        sql.Column("jti", sql.String(64), primary_key=True),
        sql.Column("expires", sql.BigInteger, nullable=False, index=True),
    )
    op.create_table(
        "probe",
        sql.Column("id", sql.Integer, primary_key=True),
        sql.Column("at", sql.DateTime(timezone=True), nullable=False),
    )
    op.add_column("feedback", sql.Column("client", sql.Text))
    op.add_column("feedback", sql.Column("reason_category", sql.String(200)))
    op.add_column("feedback", sql.Column("reason_title", sql.String(200)))
    op.add_column("feedback", sql.Column("comment", sql.Text))
    op.create_index("ix_feedback_stored_at", "feedback", ["stored_at"])
