"""Run by Alembic: over a connection, and inside a transaction, that the caller holds."""

from __future__ import annotations

from alembic import context

from cds_service.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
context.run_migrations()
