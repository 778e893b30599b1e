"""The report: what was judged, what was shown, and what became of it, as tables of counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from cds_service.report_choices import By
from cds_service.report_facts import NONE, Fact, Facts, Scope
from cds_service.suppression import Cell, suppress
from knowledge.guideline import AppropriatenessCategory

Traits = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Column:
    """A count in each row: those of a population that have these traits beside the row's."""

    id: str
    title: str
    population: str
    traits: Traits = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Share:
    """A percentage in each row."""

    id: str
    title: str
    part: str
    """The id of a column."""
    whole: tuple[str, ...]
    """The ids of the columns that are added."""


@dataclass(frozen=True, slots=True)
class Row:
    keys: tuple[str, ...]
    counts: tuple[int | None, ...]
    """None: withheld, since it is small or would give a small one away."""
    shares: tuple[float | None, ...]
    """None: of nothing, or withheld."""


@dataclass(frozen=True, slots=True)
class Table:
    id: str
    title: str
    note: str
    keys: tuple[str, ...]
    columns: tuple[Column, ...]
    shares: tuple[Share, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Report:
    scope: Scope
    by: By
    suppress_below: int
    made_at: datetime
    guidelines: tuple[str, ...]
    tables: tuple[Table, ...]


ORDERS = Column("orders", "Orders", "orders")
SHOWN = Column("shown", "Cards shown", "cards", {"sent": "shown"})
ACCEPTED = Column("accepted", "Accepted", "cards", {"sent": "shown", "fate": "accepted"})
OVERRIDDEN = Column("overridden", "Overridden", "cards", {"sent": "shown", "fate": "overridden"})
UNANSWERED = Column("unanswered", "Unanswered", "cards", {"sent": "shown", "fate": "unanswered"})
WITHHELD = Column("withheld", "Held back (shadow)", "cards", {"sent": "withheld"})
CARDS = (SHOWN, ACCEPTED, OVERRIDDEN, UNANSWERED, WITHHELD)
VERDICTS = tuple(
    Column(verdict, title, "orders", {"verdict": verdict})
    for verdict, title in (
        ("rated", "Rated"),
        ("undetermined", "Undetermined"),
        ("no-criteria-apply", "No criteria apply"),
        ("not-judged", "Not judged"),
    )
)
_RATES = (
    Share("accepted_of_answered", "Accepted of answered", "accepted", ("accepted", "overridden")),
    Share("accepted_of_shown", "Accepted of shown", "accepted", ("shown",)),
)
_DENOMINATORS = (
    "Clients report no card that was ignored, and some report nothing at all: the share of answered cards is too high, "
    "that of shown cards too low."
)


@dataclass(frozen=True, slots=True)
class _Plan:
    """A table before its cells are counted."""

    id: str
    title: str
    note: str
    keys: tuple[str, ...]
    columns: tuple[Column, ...]
    shares: tuple[Share, ...]
    rows: tuple[tuple[tuple[str, ...], tuple[Cell, ...]], ...]


def build_report(facts: Facts, scope: Scope, by: By | None, suppress_below: int, made_at: datetime) -> Report:
    """The tables of a report. Without ``by`` the periods are days for a month, weeks for half a year, else months."""
    by = by or _by(facts, scope)
    tally = _Tally(
        {"orders": _dated(facts.orders, by), "cards": _dated(facts.cards, by), "suggestions": facts.suggestions}
    )
    plans = _plans(facts, by, tally)
    hidden = suppress(tally.counts, suppress_below)
    tables = tuple(_table(plan, tally.counts, hidden) for plan in plans)
    return Report(scope, by, suppress_below, made_at, facts.guidelines, tables)


def _dated(facts: Iterable[Fact], by: By) -> list[Fact]:
    return [
        Fact({**fact.traits, "period": period(date.fromisoformat(fact.traits["day"]), by)}, fact.count)
        for fact in facts
    ]


def _plans(facts: Facts, by: By, tally: _Tally) -> list[_Plan]:
    def plan(table: str, title: str, keys: tuple[str, ...], columns: tuple[Column, ...], note: str = "") -> _Plan:
        found = _keys(keys, [fact for column in columns for fact in tally.sources[column.population]])
        if keys == ("period",):
            found = [(each,) for each in _without_holes([key for (key,) in found], by)]
        rows = [
            (key, tuple(tally.count(column, dict(zip(keys, key, strict=True))) for column in columns)) for key in found
        ]
        return _Plan(table, title, note, keys, columns, _RATES if ACCEPTED in columns else (), tuple(rows))

    taken = Share("accepted_of_offered", "Accepted of offered", "accepted", ("offered",))
    suggestions = plan("suggestions", "Suggestions by kind", ("suggestion",), (_OFFERED, _TAKEN, _LEFT))
    return [
        _summary(facts, tally),
        plan("periods", "Over time", ("period",), (ORDERS, *VERDICTS, *CARDS)),
        plan("verdicts", "Verdicts, and why an order could not be rated", ("verdict", "outcome"), (ORDERS,), _VERDICTS),
        plan("procedures", "By procedure", ("procedure", "verdict", "outcome"), (ORDERS, *CARDS), _PROCEDURES),
        plan("variants", "By variant", ("variant", "verdict", "outcome"), (ORDERS, *CARDS), _VARIANTS),
        plan("cards", "Cards by kind", ("kind", "indicator"), CARDS, _KINDS),
        _split("reasons", "Why cards were overridden", "reason", facts.reasons, OVERRIDDEN, tally, _REASONS),
        replace(suggestions, shares=(taken,)),
        plan("clients", "By client", ("client",), (ORDERS, *VERDICTS, *CARDS)),
        plan("services", "By service", ("service",), (ORDERS, *VERDICTS, *CARDS)),
        _split("concepts", "What would settle undetermined orders", "concept", facts.concepts, _OPEN, tally, _CONCEPTS),
        _arrivals(facts, tally),
    ]


_VERDICTS = (
    "The outcome of a rated order is its category, of an undetermined one its floor and ceiling, of the others the "
    "reason."
)
_PROCEDURES = "An order with open contrast stands for several procedures; none: a study that is not rated or judged."
_VARIANTS = "The variants that were established; none: no variant was, or none was looked for."
_KINDS = "Cards that only link to the guideline are in the summary alone. Held back: what would have been shown."
_REASONS = "Each overridden card counts once, by the last reason that was given for it."
_CONCEPTS = "One order can be open for several concepts, so that these numbers do not add up."
_ARRIVALS = (
    "A part of the chart is missing when its prefetch key did not arrive, and incomplete when not all of it could be "
    "read; in both cases its red flags stay unknown."
)
_OPEN = Column("open_orders", "Undetermined orders", "open orders")
_OFFERED = Column("offered", "Offered", "suggestions")
_TAKEN = Column("accepted", "Accepted", "suggestions", {"taken": "yes"})
_LEFT = Column("not_accepted", "Not accepted", "suggestions", {"taken": "no"})
_STATES = tuple(Column(state, state.capitalize(), "orders") for state in ("complete", "incomplete", "missing"))


class _Tally:
    """Counts cells, each set of traits in one pass over the facts."""

    def __init__(self, sources: Mapping[str, Iterable[Fact]]) -> None:
        self.sources = {population: tuple(facts) for population, facts in sources.items()}
        self.counts: dict[Cell, int] = {}
        self._splits: dict[tuple[str, frozenset[str]], Counter[frozenset[tuple[str, str]]]] = {}

    def count(self, column: Column, key: Traits) -> Cell:
        cell = Cell(column.population, frozenset({**key, **column.traits}.items()))
        self.counts[cell] = self._split(cell.population, cell.names)[cell.traits]
        return cell

    def note(self, cell: Cell, number: int) -> Cell:
        self.counts[cell] = number
        return cell

    def _split(self, population: str, names: frozenset[str]) -> Counter[frozenset[tuple[str, str]]]:
        found = self._splits.get((population, names))
        if found is None:
            found = self._splits[population, names] = Counter()
            for fact in self.sources[population]:
                found[frozenset((name, fact.traits[name]) for name in names)] += fact.count
        return found


def _summary(facts: Facts, tally: _Tally) -> _Plan:
    columns = (ORDERS, *VERDICTS, *CARDS)
    cells = [tally.count(column, {}) for column in columns]
    links = Column("guideline_cards", "Cards that only link to the guideline", "guideline cards")
    unknown = Column("unknown_feedback", "Feedback about unknown cards", "unknown feedback")
    cells += [
        tally.note(Cell(links.population), facts.guideline_cards),
        tally.note(Cell(unknown.population), facts.unknown_feedback),
    ]
    return _Plan("summary", "Summary", _DENOMINATORS, (), (*columns, links, unknown), _RATES, (((), tuple(cells)),))


def _split(table: str, title: str, key: str, facts: Iterable[Fact], column: Column, tally: _Tally, note: str) -> _Plan:
    rows = []
    for fact in sorted(facts, key=lambda fact: fact.traits[key]):
        cell = Cell(column.population, frozenset({**column.traits, **fact.traits}.items()))
        rows.append(((fact.traits[key],), (tally.note(cell, fact.count),)))
    return _Plan(table, title, note, (key,), (column,), (), tuple(rows))


def _arrivals(facts: Facts, tally: _Tally) -> _Plan:
    rows = []
    for key, listed in facts.arrivals.items():
        name = f"arrival of {key}"
        for (verdict,) in _keys(("verdict",), listed):
            numbers = {fact.traits[name]: fact.count for fact in listed if fact.traits["verdict"] == verdict}
            cells = [
                tally.note(
                    Cell("orders", frozenset({("verdict", verdict), (name, column.id)})), numbers.get(column.id, 0)
                )
                for column in _STATES
            ]
            rows.append(((key.value, verdict), tuple(cells)))
    shares = (Share("complete_of_orders", "Complete", "complete", tuple(column.id for column in _STATES)),)
    return _Plan("arrivals", "How the chart arrived", _ARRIVALS, ("key", "verdict"), _STATES, shares, tuple(rows))


_CATEGORIES = [category.value for category in AppropriatenessCategory]
_FIRST = [column.id for column in VERDICTS]


def _keys(names: tuple[str, ...], facts: Iterable[Fact]) -> list[tuple[str, ...]]:
    """The rows of a table: verdicts and categories in their own order, all else by the alphabet, ``none`` last."""

    def rank(key: tuple[str, ...]) -> list[tuple[int, str]]:
        return [
            (
                _FIRST.index(value)
                if value in _FIRST
                else _CATEGORIES.index(value)
                if value in _CATEGORIES
                else 99 * (value == NONE),
                value,
            )
            for value in key
        ]

    return sorted({tuple(fact.traits[name] for name in names) for fact in facts}, key=rank)


def period(day: date, by: By) -> str:
    """``2026-03-02``, ``2026-W10`` or ``2026-03``."""
    match by:
        case By.DAY:
            return day.isoformat()
        case By.WEEK:
            year, week, _ = day.isocalendar()
            return f"{year}-W{week:02}"
        case By.MONTH:
            return f"{day:%Y-%m}"


def _by(facts: Facts, scope: Scope) -> By:
    days = [date.fromisoformat(fact.traits["day"]) for fact in facts.orders]
    ends = (scope.since or min(days, default=None), scope.until or max(days, default=None))
    span = (ends[1] - ends[0]).days if ends[0] and ends[1] else 0
    return By.DAY if span <= 31 else By.WEEK if span <= 183 else By.MONTH


def _without_holes(periods: list[str], by: By) -> list[str]:
    """The periods from the first to the last, those in which nothing was judged among them."""
    if not periods:
        return []
    day, found = _first_day(periods[0], by), [periods[0]]
    while found[-1] != periods[-1]:
        day += timedelta(days=1)
        if (named := period(day, by)) != found[-1]:
            found.append(named)
    return found


def _first_day(named: str, by: By) -> date:
    return date.fromisoformat(f"{named}-1" if by is By.WEEK else f"{named}-01" if by is By.MONTH else named)


def _table(plan: _Plan, counts: Mapping[Cell, int], hidden: frozenset[Cell]) -> Table:
    rows = []
    for key, cells in plan.rows:
        told = tuple(None if cell in hidden else counts[cell] for cell in cells)
        by_id = {column.id: number for column, number in zip(plan.columns, told, strict=True)}
        rows.append(Row(key, told, tuple(_share(share, by_id) for share in plan.shares)))
    return Table(plan.id, plan.title, plan.note, plan.keys, plan.columns, plan.shares, tuple(rows))


def _share(share: Share, counts: Mapping[str, int | None]) -> float | None:
    part, whole = counts[share.part], [counts[each] for each in share.whole]
    if part is None or None in whole:
        return None
    total = sum(each for each in whole if each is not None)
    return round(part / total, 4) if total else None
