"""A run as text: Markdown tables, which the terminal shows and the README holds."""

from __future__ import annotations

from typing import Any

from tests.benchmarks import scaling
from tests.benchmarks.targets import TARGETS

Json = dict[str, Any]

BEGIN = "<!-- results: written by python -m tests.benchmarks --write-results -->"
SHOWN = ("order only", "lean", "ehr", "5000 conditions", "feedback")
"""The groups of one connection that are shown; the rest serves the table of growing charts."""
END = "<!-- end of results -->"


def text(figures: Json) -> str:
    """The whole run."""
    parts = [told(figures), _targets(figures), _one_connection(figures), _at_once(figures), _conditions(figures)]
    return "\n\n".join([*parts, _in_process(figures), _starts(figures), _scaling(figures)])


def into(document: str, figures: Json) -> str:
    """A document with these results between its markers."""
    return between(document, BEGIN, text(figures), END)


def between(document: str, begin: str, words: str, end: str) -> str:
    """A document with these words between two markers."""
    before, _, rest = document.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n\n{words}\n\n{end}{after}"


def told(figures: Json) -> str:
    """When, on what, and in how many rounds."""
    machine = figures["machine"]
    libraries = ", ".join(f"{name} {number}" for name, number in machine["libraries"].items())
    quiet = "quiet" if machine["load_before"] < 0.5 else "shared with other work, which costs the figures"
    return (
        f"{machine['date']}: {machine['processor']}, {machine['cores']} cores, {machine['memory_gib']:g} GiB; "
        f"the load before was {machine['load_before']:g} ({quiet}). Python {machine['python']}; {libraries}. "
        f"{figures['rounds']} rounds of about {figures['seconds']:g} s. Each figure is the median of its rounds, "
        "with the least and the most."
    )


def table(head: list[str], rows: list[list[str]]) -> str:
    """Markdown, the first column of words and the others of figures."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)


def shown(spread: Json, digits: int = 3) -> str:
    """A median with the least and the most."""
    median, least, most = (number(spread[name], digits) for name in ("median", "least", "most"))
    return f"{median} ({least} – {most})"


def number(value: float, digits: int = 3) -> str:
    """A figure in so many digits that mean something."""
    return f"{value:,.0f}" if abs(value) >= 10 ** (digits - 1) else f"{value:.{digits}g}"


def _targets(figures: Json) -> str:
    rows = [
        [target.name, target.asked, number(target.value(figures)), "met" if target.is_met(figures) else "**not met**"]
        for target in TARGETS
    ]
    return "### Targets\n\n" + table(["target", "asked", "measured", ""], rows)


def _one_connection(figures: Json) -> str:
    head = ["body", "asked", "calls a second", "p50 ms", "p95 ms", "p99 ms", "p99 / p50", "CPU ms a call"]
    rows = [
        [
            group,
            name,
            shown(row["per_second"]),
            *(number(row[each]["median"]) for each in ("p50_ms", "p95_ms", "p99_ms", "p99_to_p50", "cpu_ms")),
            shown(row["to_base_by_rate"]),
            shown(row["to_base_by_cpu"]),
        ]
        for group, names in figures["groups"].items()
        if group in SHOWN
        for name, row in names.items()
    ]
    return "### One connection\n\n" + table([*head, "to constant by rate", "by CPU"], rows)


def _at_once(figures: Json) -> str:
    loaded = figures["groups"]["ehr, at once"]
    rows = [
        [
            name,
            *(shown(row[each]) for each in ("per_second", "p50_ms", "p99_ms", "cpu_ms", "to_base_by_rate")),
            f"{row['client_share']['median']:.0%}",
        ]
        for name, row in loaded.items()
    ]
    head = ["EHR-like body", "calls a second", "p50 ms", "p99 ms", "CPU ms a call", "to constant by rate", "client"]
    ratios = ", ".join(f"{name} {shown(ratio)}" for name, ratio in figures["two_workers_to_one"].items())
    memory = ", ".join(
        f"{name.removesuffix(', 2 workers')} {mib:.0f} MiB"
        for name, mib in figures["pss_mib"].items()
        if "2 workers" in name
    )
    return (
        "### Sixteen connections at once\n\n"
        + table(head, rows)
        + f"\n\nTwo workers to one, by calls a second: {ratios}. The client runs on the same cores; the last column is "
        "its share of the CPU time of both, which two workers lack.\n\n"
        f"Memory of two workers with their master after that (PSS): {memory}."
    )


def _conditions(figures: Json) -> str:
    marginal = figures["microseconds_a_condition"]
    head = ["Conditions that concern nothing", *(f"{name}, µs each" for name in marginal)]
    numbers = list(marginal["service"])
    rows = [[f"{int(number):,}", *(shown(each[number]) for each in marginal.values())] for number in numbers]
    return (
        "### Growing charts\n\nCPU time for each Condition more, of some 560 bytes, beside what the views take to read "
        "and to parse it.\n\n" + table(head, rows)
    )


def _in_process(figures: Json) -> str:
    head = ["body", "functions", "application", "constant view"]
    found = figures["in_process"]
    sizes = dict.fromkeys(name.rpartition(", ")[0] for name in found)
    rows = [[size, *(shown(found[f"{size}, {way}"], 4) for way in head[1:])] for size in sizes]
    return (
        "### Without HTTP\n\nCalls for each second of CPU time, from bytes to bytes: through the functions alone, and "
        "through the WSGI application with store, figures and log.\n\n" + table(head, rows)
    )


def _starts(figures: Json) -> str:
    rows = [[name, shown(spread, 4)] for name, spread in figures["starts_ms"].items()]
    return (
        "### Start\n\nFrom the command to the first 200 on a POST, two workers; a first start makes the store.\n\n"
        + table(["server", "ms"], rows)
    )


def _scaling(figures: Json) -> str:
    rows = [
        [f"{rate:,}", *(f"{number(cores, 2)} cores, {machines} machines" for cores, machines in costs)]
        for rate, costs in scaling.rows(figures)
    ]
    return (
        "### Scaling out\n\n"
        f"For the EHR-like body on cores like these, {scaling.BUSY:.0%} busy, machines of {scaling.CORES} cores, and "
        "one more that may be missing. An order is two calls at least: while it is chosen, and when it is signed.\n\n"
        + table(["calls a second", "open mode", "with ES384"], rows)
    )
