"""The store on a server, through psycopg; loaded only where it is there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import psycopg

from cds_service.database_url import DatabaseUrl
from cds_service.driver import Database, DriverConnection


class Postgresql(Database):
    """A server, for several machines."""

    kind = "postgresql"
    _begin_writing = "BEGIN"
    _begin_reading = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
    _is_signed = "SELECT to_regclass('alembic_version') IS NOT NULL"
    # Any number, the same in every process.
    _LOCK = 7_264_881_203

    def __init__(self, url: DatabaseUrl, *, durable: bool) -> None:
        super().__init__(psycopg, url.patience)
        milliseconds = round(self.patience * 1000)
        wait = {"connect_timeout": max(2, round(self.patience)), "tcp_user_timeout": milliseconds}
        self._parameters: dict[str, Any] = {**wait, **url.libpq_parameters(), "autocommit": True}
        # An acknowledged item is on the disk, whatever the server's default is.
        commits = (
            "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
            if durable
            else "SET synchronous_commit = off"
        )
        self._settings = f"SET lock_timeout = {milliseconds}; SET TIME ZONE 'UTC'; {commits}"

    def connect(self) -> DriverConnection:
        connection = self.driver.connect(**self._parameters)
        try:
            connection.execute(self._settings)
        except BaseException:
            connection.close()
            raise
        return connection

    def is_usable(self, connection: DriverConnection) -> bool:
        try:
            connection.execute("")  # the shortest way to the server and back
        except self.driver.Error:
            return False
        return True

    def text(self, statement: str) -> str:
        return statement.replace("?", "%s")

    def moment(self, moment: datetime) -> datetime:
        return moment.astimezone(UTC)

    def has_tables(self, connection: DriverConnection) -> bool:
        named = "SELECT count(*) FROM pg_catalog.pg_tables WHERE schemaname = current_schema()"
        return bool(connection.execute(named).fetchone()[0])

    def lock(self, connection: DriverConnection) -> None:
        connection.execute(f"SELECT pg_advisory_xact_lock({self._LOCK})")

    def forget(self) -> None:
        """Its vacuum and its backups are its operator's."""
