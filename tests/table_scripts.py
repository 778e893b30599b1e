"""The scripts that make the store's tables, from their declarations. ``python -m tests.table_scripts`` writes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sql
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from cds_service.opening import HEAD
from cds_service.tables import METADATA

FOLDER = Path(__file__).parent.parent / "cds_service" / "ddl"
DIALECTS = {"sqlite": sqlite.dialect, "postgresql": postgresql.dialect}


def render(kind: str) -> str:
    """The tables, then the mark that Alembic leaves; a semicolon at the end of a line ends a statement."""
    dialect = DIALECTS[kind]()
    made = [str(each.compile(dialect=dialect)).expandtabs(4) for each in _statements()]
    made.append(f"INSERT INTO alembic_version (version_num) VALUES ('{HEAD}')")
    return "".join("\n".join(line.rstrip() for line in each.strip().splitlines()) + ";\n" for each in made)


def _statements() -> Iterator[CreateTable | CreateIndex]:
    for table in METADATA.sorted_tables:
        yield CreateTable(table)
        yield from (CreateIndex(each) for each in sorted(table.indexes, key=lambda each: str(each.name)))
    yield CreateTable(
        sql.Table(
            "alembic_version",
            sql.MetaData(),
            sql.Column("version_num", sql.String(32), nullable=False),
            sql.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
        )
    )


if __name__ == "__main__":
    for name in DIALECTS:
        (FOLDER / f"{name}.sql").write_text(render(name), encoding="utf-8")
