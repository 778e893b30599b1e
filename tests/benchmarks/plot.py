"""A run as one picture: how far each target is reached, throughput to the constant view, and times to answer."""

from __future__ import annotations

import re
from typing import Any

import pygal
from pygal.style import Style

from tests.benchmarks.results import number
from tests.benchmarks.targets import TARGETS

Json = dict[str, Any]

_WIDTH = 960
_MOST = 3.0
_INK = "#1f2933"
_COLOURS = ("#cbd2d9", "#7fb2e5", "#f0a868", "#b9a5e8")


def draw(figures: Json) -> str:
    """SVG without a script, on white."""
    panels = [_targets(figures), _ratios(figures), _times(figures)]
    pieces, top = [], 0
    for place, chart in enumerate(panels):
        pieces.append(f'<g transform="translate(0 {top})">{_panel(chart, place)}</g>')
        top += chart.config.height
    title = "Benchmark: targets, throughput to the constant view, and times to answer"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="{_WIDTH}" '
        f'height="{top}" viewBox="0 0 {_WIDTH} {top}" role="img"><title>{title}</title>'
        f'<rect width="{_WIDTH}" height="{top}" fill="#ffffff"/>{"".join(pieces)}</svg>\n'
    )


def _style(*colours: str) -> Style:
    return Style(
        background="transparent",
        plot_background="transparent",
        foreground=_INK,
        foreground_strong=_INK,
        foreground_subtle="#cbd2d9",
        guide_stroke_color="#e4e7eb",
        major_guide_stroke_color="#c53030",
        major_guide_stroke_dasharray="6,3",
        colors=colours,
        value_colors=(_INK,) * len(colours),
        opacity="1",
        opacity_hover="1",
        transition="0s",
        font_family="sans-serif",
        title_font_size=17,
        label_font_size=13,
        major_label_font_size=13,
        legend_font_size=13,
        value_font_size=12,
    )


_COMMON = {
    "js": [],
    "width": _WIDTH,
    "print_values": True,
    "print_values_position": "top",
    "truncate_label": -1,
    "truncate_legend": -1,
    "margin": 14,
}


def _targets(figures: Json) -> Any:
    chart = pygal.HorizontalBar(
        style=_style(_COLOURS[1]),
        height=90 + 34 * len(TARGETS),
        title="How far each target is reached (right of the line: met)",
        show_legend=False,
        range=(0, _MOST),
        **_COMMON,
    )
    chart.y_labels = [0, {"value": 1, "label": "target"}, 2, {"value": _MOST, "label": f"{_MOST:g} and up"}]
    chart.y_labels_major = [1]
    shown = list(reversed(TARGETS))
    chart.x_labels = [f"{each.name}: {each.asked}" for each in shown]
    chart.add("reached", [_bar(each.share(figures), f"{number(each.value(figures))}{each.unit}") for each in shown])
    return chart


def _bar(share: float, words: str) -> Json:
    return {"value": min(share, _MOST), "formatter": lambda _: words}


def _ratios(figures: Json) -> Any:
    names = ("parsed", "service", "service, ES384", "service, RS384")
    groups = ("order only", "lean", "ehr", "5000 conditions")
    chart = pygal.Bar(
        style=_style(*_COLOURS),
        height=360,
        title="Throughput to the constant view, one connection, by CPU",
        legend_at_bottom=True,
        legend_at_bottom_columns=4,
        range=(0, 1),
        **_COMMON,
    )
    held = {0.2: "0.20 EHR-like, ES384", 0.35: "0.35 EHR-like", 0.5: "0.50 lean"}
    chart.y_labels = [0, *({"value": value, "label": f"target {words}"} for value, words in held.items()), 1]
    chart.y_labels_major = list(held)
    chart.x_labels = groups
    chart.value_formatter = lambda value: "" if value is None else f"{value:.2f}"
    for name in names:
        rows = [figures["groups"][group].get(name) for group in groups]
        chart.add(name, [row["to_base_by_cpu"]["median"] if row else None for row in rows])
    return chart


def _times(figures: Json) -> Any:
    rows = {name: figures["groups"]["ehr"][name] for name in ("constant", "parsed", "service", "service, ES384")}
    chart = pygal.Bar(
        style=_style("#cfe3f7", "#7fb2e5", "#f0a868"),
        height=340,
        title="Milliseconds to answer the EHR-like body on one connection",
        legend_at_bottom=True,
        legend_at_bottom_columns=3,
        min_scale=3,
        max_scale=6,
        **_COMMON,
    )
    chart.x_labels = list(rows)
    chart.value_formatter = lambda value: f"{value:.2f}"
    for name in ("p50", "p95", "p99"):
        chart.add(name, [row[f"{name}_ms"]["median"] for row in rows.values()])
    return chart


def _panel(chart: Any, place: int) -> str:
    """The drawing alone, with its styles, of a fixed size."""
    chart.uuid = f"panel-{place}"
    drawn = chart.render(is_unicode=True)
    drawn = re.sub(r"<\?xml[^>]*\?>|<!--.*?-->|<script.*?</script>|<title>[^<]*</title>", "", drawn, flags=re.DOTALL)
    return drawn.replace("<svg ", f'<svg width="{_WIDTH}" height="{chart.config.height}" ', 1)
