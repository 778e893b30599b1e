"""Brings the tables of an older store to the newest form; loaded only where there is one."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from sqlalchemy.engine import Connection

from cds_service.database import engine_over, failing_in_few_words, writing
from cds_service.driver import Database
from cds_service.opening import HEAD


def upgrade(database: Database) -> None:
    """Bring the tables of an older store to the newest form, alone; raises StoreError."""
    engine = engine_over(database)
    try:
        with failing_in_few_words(), writing(engine) as connection:
            standing = connection.connection.driver_connection
            database.lock(standing)
            if database.version(standing) != HEAD:
                upgrade_within(connection)
    finally:
        engine.dispose()


def upgrade_within(connection: Connection) -> None:
    """Run the migrations that are not done yet in this transaction."""
    config = Config()
    config.set_main_option("script_location", "cds_service:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
