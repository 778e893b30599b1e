"""The tables of the manuals that the code knows. ``python -m tests.operating`` writes them anew."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from cards.override_reasons import OVERRIDE_REASONS
from cds_service import metrics, request_log
from cds_service.report import build_report
from cds_service.report_facts import Facts, Scope

DOCUMENTS = Path(__file__).parent.parent / "cds_service"
Tables = dict[str, Callable[[], str]]


def render(text: str, tables: Tables) -> str:
    """A manual with each table between its marks as the code has it now."""
    for name, table in tables.items():
        begin, end = f"<!-- {name}: written by python -m tests.operating -->", f"<!-- end of {name} -->"
        assert text.count(begin) == text.count(end) == 1, name
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n{table()}\n{end}{rest.partition(end)[2]}"
    return text


def _report_tables() -> str:
    nothing = Facts((), (), (), (), (), {}, (), 0, 0)
    report = build_report(nothing, Scope(), None, 0, datetime(2026, 3, 2, tzinfo=UTC))
    rows = ["| table | one row for each | counts | shares |", "|---|---|---|---|"]
    for table in report.tables:
        cells = (table.keys, [each.id for each in table.columns], [each.id for each in table.shares])
        listed = [", ".join(f"`{each}`" for each in cell) or "–" for cell in cells]
        rows.append(f"| `{table.id}` | {' | '.join(listed)} |")
    return "\n".join(rows)


def _overrides() -> str:
    rows = [f"| `{each.coding.system}` | `{each.coding.code}` | {each.display} |" for each in OVERRIDE_REASONS]
    return "\n".join(["| system | code | display |", "|---|---|---|", *rows])


MANUALS: dict[str, Tables] = {
    "OPERATING.md": {"metrics": metrics.table, "log": request_log.table, "report": _report_tables},
    "INTEGRATING.md": {"overrides": _overrides},
}


if __name__ == "__main__":
    for manual, tables in MANUALS.items():
        file = DOCUMENTS / manual
        file.write_text(render(file.read_text(encoding="utf-8"), tables), encoding="utf-8")
