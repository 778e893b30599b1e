"""Plots of a report as inline SVG: no script, nothing from another host, the page's own colours in light and dark.

Every number in a plot stands in the table beside it; a count that is withheld has no bar.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from xml.etree import ElementTree

import pygal
from pygal.style import Style

from cds_service.report import Report, Table

_MOST_BARS = 60
_LONGEST_LABEL = 48
_FATES = ("accepted", "overridden", "unanswered", "withheld")
_VERDICTS = ("rated", "undetermined", "no-criteria-apply", "not-judged")


@dataclass(frozen=True, slots=True)
class Plot:
    title: str
    svg: str
    legend: tuple[str, ...] = ()
    """What the colours stand for, in their order."""


def plots(report: Report, label: Callable[[str, str], str]) -> dict[str, Plot]:
    """The plots by the id of their table; ``label`` words a key's value. None where there is nothing to see."""
    tables = {table.id: table for table in report.tables}
    periods, verdicts, reasons = tables["periods"], tables["verdicts"], tables["reasons"]
    drawn: dict[str, Plot | None] = {
        "periods": _stacked(periods, "Orders by verdict", _VERDICTS, f"by {report.by.value}"),
        "cards": _stacked(periods, "Cards by what became of them", _FATES, f"by {report.by.value}"),
        "verdicts": _bars(verdicts, "Orders by verdict and outcome", label),
        "reasons": _bars(reasons, "Overridden cards by reason", label),
    }
    return {name: plot for name, plot in drawn.items() if plot is not None}


def _style(colours: int) -> Style:
    return Style(
        background="transparent",
        plot_background="transparent",
        foreground="var(--ink)",
        foreground_strong="var(--ink)",
        foreground_subtle="var(--rule)",
        colors=tuple(f"var(--series-{number})" for number in range(colours)),
        value_colors=("var(--ink)",) * colours,
        font_family="inherit",
        label_font_size=13,
        major_label_font_size=13,
        legend_font_size=14,
        value_font_size=13,
        opacity="1",
        opacity_hover="1",
        transition="0s",
    )


def _stacked(table: Table, title: str, series: tuple[str, ...], by: str) -> Plot | None:
    rows = table.rows[-_MOST_BARS:]
    ids = [column.id for column in table.columns]
    counts = {name: [row.counts[ids.index(name)] for row in rows] for name in series}
    told = {name: values for name, values in counts.items() if any(values)}
    if not told:
        return None
    chart = pygal.StackedBar(style=_style(len(told)), height=340, width=900, **_COMMON)
    chart.x_labels = [row.keys[0] for row in rows]
    chart.truncate_label = -1
    chart.x_label_rotation = 0 if len(rows) <= 10 else 45
    titles = {column.id: column.title for column in table.columns}
    for name, values in told.items():
        chart.add(titles[name], values)
    summed = ", ".join(f"{titles[name]} {sum(value or 0 for value in values)}" for name, values in told.items())
    first, last = rows[0].keys[0], rows[-1].keys[0]
    words = f"{title} {by}, {first} to {last}. In all: {summed}. The table holds every number."
    svg = _svg(chart, f"{table.id}-{series[0]}", title, words)
    return Plot(title, svg, tuple(titles[name] for name in told))


def _bars(table: Table, title: str, label: Callable[[str, str], str]) -> Plot | None:
    rows = [row for row in table.rows if row.counts[0]][:_MOST_BARS]
    if not rows:
        return None
    named = [
        ": ".join(label(name, key) for name, key in zip(table.keys, row.keys, strict=True)) for row in rows
    ]  # fmt: skip
    chart = pygal.HorizontalBar(
        style=_style(1),
        height=70 + 34 * len(rows),
        width=900,
        print_values=True,
        print_values_position="top",
        **_COMMON,
    )
    chart.x_labels = [_short(each) for each in reversed(named)]
    chart.truncate_label = -1
    chart.add(table.columns[0].title, [row.counts[0] for row in reversed(rows)])
    summed = "; ".join(f"{name}, {row.counts[0]}" for name, row in zip(named, rows, strict=True))
    words = f"{title}. {summed}."
    return Plot(title, _svg(chart, table.id, title, words))


_COMMON = {
    "js": [],
    "margin": 8,
    "show_legend": False,
    "show_minor_x_labels": True,
    "order_min": 0,
    "print_zeroes": False,
    "value_formatter": lambda value: f"{value:.0f}",
    "min_scale": 2,
    "max_scale": 8,
}


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_LABEL else f"{text[: _LONGEST_LABEL - 1].rstrip()}…"


def _svg(chart: pygal.graph.graph.Graph, name: str, title: str, words: str) -> str:
    """The drawing alone, under a fixed id, with its title and description for who cannot see it."""
    chart.uuid = name
    root = chart.render_tree()
    for parent in list(root.iter()):
        for child in list(parent):
            if callable(child.tag) or child.tag == "script" or "tooltip-overlay" in child.get("class", ""):
                parent.remove(child)
    for old in root.findall("title"):
        root.remove(old)
    described = ElementTree.Element("desc", id=f"{name}-description")
    described.text = words
    titled = ElementTree.Element("title", id=f"{name}-title")
    titled.text = title
    root.insert(0, described)
    root.insert(0, titled)
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-description")
    return ElementTree.tostring(root, encoding="unicode")
