"""What the service itself asks of the store, as SQL; a value belongs where ``?`` stands.

What is written here is read through ``tables``: a test holds that both write the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cds_service.driver import Database, DriverConnection


@dataclass(frozen=True, slots=True)
class Insertion:
    """Rows of one table, stored where their keys are not there yet."""

    table: str
    plain: tuple[str, ...]
    """Columns that take a value as it is."""
    moments: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    """Lists of ids as one text."""
    lists: tuple[str, ...] = ()
    """Lists as JSON."""

    @property
    def statement(self) -> str:
        names = (*self.plain, *self.moments, *self.words, *self.lists)
        places = ", ".join("?" * len(names))
        return f"INSERT INTO {self.table} ({', '.join(names)}) VALUES ({places}) ON CONFLICT DO NOTHING"

    def values(self, row: Mapping[str, Any], moment: Callable[[datetime], Any]) -> list[Any]:
        return [
            *[row[name] for name in self.plain],
            *[moment(row[name]) for name in self.moments],
            *[" ".join(row[name]) for name in self.words],
            *[json.dumps(row[name]) for name in self.lists],
        ]


APPRAISALS = Insertion(
    "appraisal",
    ("id", "service", "client", "shadow", "guideline", "verdict", "category", "floor", "ceiling", "reason"),
    moments=("at",),
    words=("procedures", "established", "possible", "missing_concepts", "keys_missing", "keys_incomplete"),
)
CARDS = Insertion("card", ("uuid", "appraisal", "client", "shown", "kind", "indicator"), moments=("at",))
SUGGESTIONS = Insertion("suggestion", ("uuid", "card", "kind"))
FEEDBACK = Insertion(
    "feedback",
    (
        *("service", "client", "card", "outcome", "outcome_timestamp"),
        *("reason_system", "reason_code", "reason_category", "reason_title", "comment"),
    ),
    moments=("stored_at",),
    lists=("accepted_suggestions",),
)
TOKEN_IDS = Insertion("token_id", ("issuer", "jti", "expires"))

FORGET_TOKENS = "DELETE FROM token_id WHERE expires < ?"
LOOK_AT_FEEDBACK = "SELECT id FROM feedback LIMIT 1"
MARK = "INSERT INTO probe (id, at) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET at = excluded.at"


def insert(database: Database, connection: DriverConnection, into: Insertion, rows: Sequence[Mapping[str, Any]]) -> int:
    """Store rows in the transaction of the connection; how many were not there yet."""
    if not rows:
        return 0
    # One after the other: to make the values of a batch in one go would hold up who judges meanwhile.
    return database.run_many(connection, into.statement, (into.values(row, database.moment) for row in rows))
