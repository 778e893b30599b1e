"""A report as text, JSON and CSV; the JSON form has a schema, report.schema.json."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from cds_service.report import Report, Row, Table

FORMAT = "lumbar-imaging-cds-report/1"
# A spreadsheet would take a text that begins so for a formula.
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def to_text(report: Report) -> str:
    """Aligned tables, for a terminal."""
    parts = [heading(report)]
    for table in report.tables:
        lines = [table.title.upper()]
        lines += _summary(table, report) if not table.keys else _grid(table, report)
        lines += [f"({table.note})"] if table.note else []
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def heading(report: Report) -> str:
    """One sentence on what the report covers."""
    since, until = report.scope.since, report.scope.until
    days = f"from {since or 'the first call'} to {until or report.made_at.date()}"
    whose = f", client {report.scope.client}" if report.scope.client is not None else ""
    below = f", counts below {report.suppress_below} withheld" if report.suppress_below > 1 else ""
    rated_by = f" by {', '.join(report.guidelines)}" if report.guidelines else ""
    return f"Orders judged{rated_by} {days} (UTC){whose}{below}."


def count_text(count: int | None) -> str:
    """A dash-like mark where a count is withheld."""
    return "*" if count is None else str(count)


def share_text(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _summary(table: Table, report: Report) -> list[str]:
    (row,) = table.rows
    named = [(column.title, count_text(count)) for column, count in zip(table.columns, row.counts, strict=True)]
    named += [(share.title, share_text(part) or "-") for share, part in zip(table.shares, row.shares, strict=True)]
    width = max(len(title) for title, _ in named)
    return [f"  {title:<{width}}  {value:>8}" for title, value in named]


def _grid(table: Table, report: Report) -> list[str]:
    if not table.rows:
        return ["  nothing"]
    titles = [*table.keys, *(column.title for column in table.columns), *(share.title for share in table.shares)]
    lines = [titles, *(_cells(row) for row in table.rows)]
    widths = [max(len(line[number]) for line in lines) for number in range(len(titles))]
    keys = len(table.keys)
    return [
        "  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(line[:keys], widths[:keys], strict=True))
        + "  " + "  ".join(f"{cell:>{width}}" for cell, width in zip(line[keys:], widths[keys:], strict=True))
        for line in lines
    ]  # fmt: skip


def _cells(row: Row) -> list[str]:
    return [*map(printable, row.keys), *map(count_text, row.counts), *map(share_text, row.shares)]


def printable(text: str) -> str:
    """Without control characters, which a reason's code may hold."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def to_json(report: Report) -> str:
    return json.dumps(as_json(report), indent=2, ensure_ascii=False) + "\n"


def as_json(report: Report) -> dict[str, Any]:
    """What report.schema.json describes; a count that is withheld is the text ``<N``."""
    scope = report.scope
    covered = {
        "since": scope.since.isoformat() if scope.since else None,
        "until": scope.until.isoformat() if scope.until else None,
        "by": report.by.value,
    }
    shown: dict[str, Any] = {
        "format": FORMAT,
        "made_at": report.made_at.isoformat(timespec="seconds"),
        "period": {name: value for name, value in covered.items() if value is not None},
        "suppress_below": report.suppress_below,
        "guidelines": list(report.guidelines),
        "tables": {table.id: [_row_json(table, row, report) for row in table.rows] for table in report.tables},
    }
    if scope.client is not None:
        shown["client"] = scope.client
    return shown


def _row_json(table: Table, row: Row, report: Report) -> dict[str, Any]:
    withheld = f"<{report.suppress_below}"
    shown: dict[str, Any] = dict(zip(table.keys, row.keys, strict=True))
    for column, count in zip(table.columns, row.counts, strict=True):
        shown[column.id] = withheld if count is None else count
    for share, part in zip(table.shares, row.shares, strict=True):
        if part is not None:
            shown[share.id] = part
    return shown


def to_csv(report: Report) -> str:
    """One line for each count, with the table, up to three keys, the column, and the count; empty where withheld."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["table", "key_1", "key_2", "key_3", "column", "count"])
    for table in report.tables:
        for row in table.rows:
            writer.writerows(_lines(table, row))
    return file.getvalue()


def _lines(table: Table, row: Row) -> Iterator[list[str]]:
    keys = [f"'{key}" if key.startswith(_FORMULAS) else key for key in map(printable, row.keys)]
    keys += [""] * (3 - len(keys))
    for column, count in zip(table.columns, row.counts, strict=True):
        yield [table.id, *keys, column.id, "" if count is None else str(count)]
