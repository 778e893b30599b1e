"""The store's database opened: made where it is empty, brought to the form of this version where it is older."""

from __future__ import annotations

from importlib.resources import files

from cds_service.driver import Database, StoreError, database_at

HEAD = "0002"
"""The newest migration; a test holds it against the migrations themselves."""


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
