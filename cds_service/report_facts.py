"""What the store remembers of a period, as counted facts: so many orders or cards that have these traits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from cds_service.database import failing_in_few_words, reading
from cds_service.store import Store
from cds_service.tables import APPRAISAL, CARD, FEEDBACK, SUGGESTION
from knowledge.findings import PrefetchKey

NONE = "none"

Traits = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Scope:
    """Which calls a report is about. Feedback counts with its card, whenever it came."""

    since: date | None = None
    until: date | None = None
    """The last day, which counts. Days are those of UTC."""
    client: str | None = None

    @property
    def is_reversed(self) -> bool:
        """The last day lies before the first, so that no call can be meant."""
        return self.since is not None and self.until is not None and self.until < self.since

    def of(self, moment: sql.ColumnElement[datetime], client: sql.ColumnElement[Any]) -> sql.ColumnElement[bool]:
        told: list[sql.ColumnElement[bool]] = [sql.true()]
        if self.since is not None:
            told.append(moment >= _start(self.since))
        if self.until is not None:
            told.append(moment < _start(self.until + timedelta(days=1)))
        if self.client is not None:
            told.append(client == self.client)
        return sql.and_(*told)


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


@dataclass(frozen=True, slots=True)
class Fact:
    """So many have these traits."""

    traits: Mapping[str, str]
    count: int


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything a report counts, and what it names. The counts of each list add up to its whole."""

    orders: tuple[Fact, ...]
    cards: tuple[Fact, ...]
    reasons: tuple[Fact, ...]
    """The overridden cards."""
    suggestions: tuple[Fact, ...]
    concepts: tuple[Fact, ...]
    """Not a split: one order can be open for several concepts."""
    arrivals: Mapping[PrefetchKey, tuple[Fact, ...]]
    """For each key all orders, by their verdict and by how it arrived."""
    guidelines: tuple[str, ...]
    guideline_cards: int
    """Cards that only link to the guideline: they are about no order and cannot be accepted."""
    unknown_feedback: int
    """Items about cards that the store does not know; they are in no other number."""


def gather(store: Store, scope: Scope) -> Facts:
    """Raises StoreError."""
    with failing_in_few_words(), reading(store.engine) as connection:
        if store.engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL statement_timeout = '120s'")
        named = sql.select(APPRAISAL.c.guideline).where(scope.of(APPRAISAL.c.at, APPRAISAL.c.client)).distinct()
        return Facts(
            orders=tuple(_orders(connection, scope)),
            cards=tuple(_cards(connection, scope)),
            reasons=tuple(_reasons(connection, scope)),
            suggestions=tuple(_suggestions(connection, scope)),
            concepts=tuple(_concepts(connection, scope)),
            arrivals=_arrivals(connection, scope),
            guidelines=tuple(sorted(connection.execute(named).scalars())),
            guideline_cards=_guideline_cards(connection, scope),
            unknown_feedback=_unknown_feedback(connection, scope),
        )


_TRAITS = (
    APPRAISAL.c.service,
    APPRAISAL.c.client,
    APPRAISAL.c.verdict,
    APPRAISAL.c.category,
    APPRAISAL.c.floor,
    APPRAISAL.c.ceiling,
    APPRAISAL.c.reason,
    APPRAISAL.c.procedures,
    APPRAISAL.c.established,
)


def _traits(row: Any) -> dict[str, str]:
    """The traits of an order, by name; every order has a value for each."""
    if row.verdict == "undetermined":
        outcome = f"{row.floor or NONE} to {row.ceiling}"
    else:
        outcome = row.category or row.reason or NONE
    return {
        "day": str(row.day),
        "service": row.service,
        "client": row.client,
        "verdict": row.verdict,
        "outcome": outcome,
        "procedure": " or ".join(row.procedures) or NONE,
        "variant": " and ".join(row.established) or NONE,
    }


def _orders(connection: Connection, scope: Scope) -> Iterator[Fact]:
    day = sql.func.date(APPRAISAL.c.at).label("day")
    query = (
        sql.select(day, *_TRAITS, sql.func.count().label("number"))
        .where(scope.of(APPRAISAL.c.at, APPRAISAL.c.client))
        .group_by(day, *_TRAITS)
    )
    for row in connection.execute(query):
        yield Fact(_traits(row), row.number)


def _heard(outcome: str) -> sql.ColumnElement[bool]:
    said = FEEDBACK.alias()
    return sql.exists().where(said.c.card == CARD.c.uuid, said.c.outcome == outcome)


def _fate() -> sql.ColumnElement[str]:
    """What became of a card. A card that was accepted once is accepted, whatever else was said."""
    return sql.case(
        (CARD.c.shown.is_(False), "withheld"),
        (_heard("accepted"), "accepted"),
        (_heard("overridden"), "overridden"),
        else_="unanswered",
    )


def _cards(connection: Connection, scope: Scope) -> Iterator[Fact]:
    day, fate = sql.func.date(CARD.c.at).label("day"), _fate().label("fate")
    columns = (day, fate, CARD.c.kind, CARD.c.indicator, *_TRAITS)
    query = (
        sql.select(*columns, sql.func.count().label("number"))
        .join(APPRAISAL, APPRAISAL.c.id == CARD.c.appraisal)
        .where(scope.of(CARD.c.at, CARD.c.client))
        .group_by(*columns)
    )
    for row in connection.execute(query):
        traits = {"fate": row.fate, "sent": "withheld" if row.fate == "withheld" else "shown"}
        yield Fact({**_traits(row), **traits, "kind": row.kind, "indicator": row.indicator}, row.number)


def _reasons(connection: Connection, scope: Scope) -> Iterator[Fact]:
    """The reason of each overridden card: that of its last word."""
    said = FEEDBACK.c
    query = (
        sql.select(CARD.c.uuid, said.reason_system, said.reason_code, said.reason_category, said.reason_title)
        .join(CARD, CARD.c.uuid == said.card)
        .join(APPRAISAL, APPRAISAL.c.id == CARD.c.appraisal)
        .where(scope.of(CARD.c.at, CARD.c.client), said.outcome == "overridden", CARD.c.shown, ~_heard("accepted"))
        .order_by(CARD.c.uuid, said.outcome_timestamp, said.id)
    )
    last = {row.uuid: _reason(row) for row in connection.execute(query)}
    for reason, number in Counter(last.values()).items():
        yield Fact({"sent": "shown", "fate": "overridden", "reason": reason}, number)


def _reason(row: Any) -> str:
    """``system|code``; for Epic's own reasons the title or category its administrator gave them."""
    if row.reason_code:
        return f"{row.reason_system}|{row.reason_code}" if row.reason_system else str(row.reason_code)
    if row.reason_title and row.reason_category:
        return f"{row.reason_category}: {row.reason_title}"
    return row.reason_title or row.reason_category or NONE


def _suggestions(connection: Connection, scope: Scope) -> Iterator[Fact]:
    among = (scope.of(CARD.c.at, CARD.c.client), CARD.c.shown)
    offered = (
        sql.select(SUGGESTION.c.kind, sql.func.count().label("number"))
        .join(CARD, CARD.c.uuid == SUGGESTION.c.card)
        .where(*among)
        .group_by(SUGGESTION.c.kind)
    )
    accepted = _accepted_suggestions(connection, among)
    for row in connection.execute(offered):
        taken = accepted[row.kind]
        yield Fact({"suggestion": row.kind, "taken": "yes"}, taken)
        yield Fact({"suggestion": row.kind, "taken": "no"}, row.number - taken)


def _accepted_suggestions(connection: Connection, among: tuple[sql.ColumnElement[bool], ...]) -> Counter[str]:
    """How many suggestions of each kind were accepted, each once."""
    said = (
        sql.select(FEEDBACK.c.card, FEEDBACK.c.accepted_suggestions)
        .join(CARD, CARD.c.uuid == FEEDBACK.c.card)
        .where(*among, FEEDBACK.c.outcome == "accepted")
    )
    named = {(row.card, uuid) for row in connection.execute(said) for uuid in row.accepted_suggestions}
    kinds = (
        sql.select(SUGGESTION.c.card, SUGGESTION.c.uuid, SUGGESTION.c.kind)
        .join(CARD, CARD.c.uuid == SUGGESTION.c.card)
        .where(*among, _heard("accepted"))
    )
    return Counter(row.kind for row in connection.execute(kinds) if (row.card, row.uuid) in named)


def _concepts(connection: Connection, scope: Scope) -> Iterator[Fact]:
    missing = APPRAISAL.c.missing_concepts
    query = (
        sql.select(missing, sql.func.count().label("number"))
        .where(scope.of(APPRAISAL.c.at, APPRAISAL.c.client), APPRAISAL.c.verdict == "undetermined")
        .group_by(missing)
    )
    found: Counter[str] = Counter()
    for row in connection.execute(query):
        for concept in row.missing_concepts:
            found[concept] += row.number
    for concept, number in found.items():
        yield Fact({"concept": concept}, number)


def _arrivals(connection: Connection, scope: Scope) -> dict[PrefetchKey, tuple[Fact, ...]]:
    columns = (APPRAISAL.c.verdict, APPRAISAL.c.keys_missing, APPRAISAL.c.keys_incomplete)
    query = (
        sql.select(*columns, sql.func.count().label("number"))
        .where(scope.of(APPRAISAL.c.at, APPRAISAL.c.client))
        .group_by(*columns)
    )
    found: dict[PrefetchKey, Counter[tuple[str, str]]] = {key: Counter() for key in PrefetchKey}
    for row in connection.execute(query):
        for key in PrefetchKey:
            incomplete = "incomplete" if key in row.keys_incomplete else "complete"
            found[key][row.verdict, "missing" if key in row.keys_missing else incomplete] += row.number
    return {
        key: tuple(
            Fact({"verdict": verdict, f"arrival of {key}": state}, number)
            for (verdict, state), number in states.items()
        )
        for key, states in found.items()
    }


def _guideline_cards(connection: Connection, scope: Scope) -> int:
    query = (
        sql.select(sql.func.count())
        .select_from(CARD)
        .where(scope.of(CARD.c.at, CARD.c.client), CARD.c.shown, CARD.c.appraisal.is_(None))
    )
    return int(connection.execute(query).scalar_one())


def _unknown_feedback(connection: Connection, scope: Scope) -> int:
    known = sql.exists().where(CARD.c.uuid == FEEDBACK.c.card)
    query = (
        sql.select(sql.func.count())
        .select_from(FEEDBACK)
        .where(scope.of(FEEDBACK.c.stored_at, FEEDBACK.c.client), ~known)
    )
    return int(connection.execute(query).scalar_one())
