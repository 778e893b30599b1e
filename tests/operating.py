"""The tables of the operator's manual that the code knows. ``python -m tests.operating`` writes them anew."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from cds_service import metrics, request_log
from cds_service.report import build_report
from cds_service.report_facts import Facts, Scope

MANUAL = Path(__file__).parent.parent / "cds_service" / "OPERATING.md"


def render(text: str) -> str:
    """The manual with each table between its marks as the code has it now."""
    for name, table in (("metrics", metrics.table()), ("log", request_log.table()), ("report", _report_tables())):
        begin, end = f"<!-- {name}: written by python -m tests.operating -->", f"<!-- end of {name} -->"
        assert text.count(begin) == text.count(end) == 1, name
        text = re.sub(
            f"{re.escape(begin)}.*?{re.escape(end)}", lambda _, t=f"{begin}\n{table}\n{end}": t, text, flags=re.DOTALL
        )
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


if __name__ == "__main__":
    MANUAL.write_text(render(MANUAL.read_text(encoding="utf-8")), encoding="utf-8")
