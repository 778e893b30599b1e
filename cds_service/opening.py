"""The store's database opened: made where it is empty, brought to the form of this version where it is older."""

from __future__ import annotations

from importlib.resources import files

from cds_service.database_url import DatabaseUrl, read_database_url
from cds_service.driver import Database, StoreError
from cds_service.sqlite_database import Sqlite

HEAD = "0002"
"""The newest migration; a test holds it against the migrations themselves."""


def database_at(url: str, *, create: bool, durable: bool = True) -> Database:
    """The database of a URL, whatever it holds; with ``create`` a SQLite file that is not there is made.

    What is written outlives the end of a process in any case, and with ``durable`` a power cut too. Raises StoreError.
    """
    try:
        parsed = read_database_url(url)
        match parsed.kind:
            case "sqlite":
                return Sqlite(parsed, create=create, durable=durable)
            case "postgresql":
                return _on_a_server(parsed, durable=durable)
    except ValueError as error:
        raise StoreError(f"the URL cannot be used: {error}") from None
    raise StoreError(f"{parsed.kind} is not supported; use sqlite or postgresql")


def _on_a_server(url: DatabaseUrl, *, durable: bool) -> Database:
    try:
        if url.driver not in ("", "psycopg"):
            raise ImportError(url.driver)
        # psycopg is loaded only for a store in PostgreSQL, and need not be installed for another.
        from cds_service.postgresql_database import Postgresql
    except ImportError:
        raise StoreError("the driver is missing: pip install 'lumbar-imaging-cds[postgresql]'") from None
    return Postgresql(url, durable=durable)


def open_database(url: str, *, create: bool, durable: bool = True) -> Database:
    """The store's database, whose tables are those of this version; raises StoreError.

    With ``create`` a SQLite file that is not there is made, and the tables are brought to the newest form. What is
    written outlives the end of a process in any case, and with ``durable`` a power cut too.
    """
    database = database_at(url, create=create, durable=durable)
    try:
        _bring_to_head(database, change=create)
    finally:
        database.close()  # workers are forked after this: each opens its own connections
    return database


def version(database: Database) -> str | None:
    """The migration it stands at; None before the first. Raises StoreError."""
    with database.lent() as connection:
        return database.version(connection)


def _bring_to_head(database: Database, *, change: bool) -> None:
    found = version(database)
    if found == HEAD:
        return
    if found is not None and found > HEAD:
        raise StoreError(f"a newer version of the service made it (migration {found}, this one knows {HEAD})")
    if not change:
        raise StoreError("its tables are not of this version; `cds-service store migrate` brings them there")
    with database.writing() as connection:
        database.lock(connection)
        if not database.has_tables(connection):
            # What the migrations lead to, made at once, and signed as Alembic signs it.
            for statement in script(database.kind).removesuffix(";\n").split(";\n"):
                connection.execute(statement)
        found = database.version(connection)
    if found != HEAD:
        # Alembic is loaded only where there is something to do.
        from cds_service.upgrading import upgrade

        upgrade(database)


def script(kind: str) -> str:
    """What makes the tables in an empty database of this kind; ``python -m tests.table_scripts`` writes it."""
    return files("cds_service").joinpath(f"ddl/{kind}.sql").read_text(encoding="utf-8")
