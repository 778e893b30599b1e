"""What the service is held to, and how the figures of a run compare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """One figure of a run and its limit; where two ways to measure it are given, the worse one counts."""

    name: str
    limit: float
    unit: str
    at_least: bool
    read: Callable[[Json], list[Json]]

    def value(self, figures: Json) -> float:
        found = [spread["median"] for spread in self.read(figures)]
        return float(min(found) if self.at_least else max(found))

    def share(self, figures: Json) -> float:
        """How far it is reached: 1 is the limit, and more is better."""
        value = self.value(figures)
        return value / self.limit if self.at_least else self.limit / value

    def is_met(self, figures: Json) -> bool:
        return self.share(figures) >= 1

    @property
    def asked(self) -> str:
        return f"{'at least' if self.at_least else 'at most'} {self.limit:g}{self.unit}"


def _to_base(group: str, name: str) -> Callable[[Json], list[Json]]:
    """By CPU and by rate on one connection."""
    return lambda figures: [figures["groups"][group][name][f"to_base_by_{way}"] for way in ("cpu", "rate")]


def _conditions(number: str) -> Callable[[Json], list[Json]]:
    return lambda figures: [figures["microseconds_a_condition"]["service"][number]]


def _memory(figures: Json) -> list[Json]:
    return [{"median": figures["pss_mib"]["service, 2 workers"]}]


TARGETS = (
    Target("EHR-like body, to the constant view", 0.35, "", True, _to_base("ehr", "service")),
    Target("EHR-like body with ES384, to the constant view", 0.20, "", True, _to_base("ehr", "service, ES384")),
    Target("lean body, to the constant view", 0.50, "", True, _to_base("lean", "service")),
    Target("p99 to p50 on one connection", 3, "", False, lambda all: [all["groups"]["ehr"]["service"]["p99_to_p50"]]),
    Target("two workers to one", 1.6, "", True, lambda all: [all["two_workers_to_one"]["service"]]),
    Target("memory of two workers (PSS)", 100, " MiB", False, _memory),
    Target("start to the first 200", 600, " ms", False, lambda all: [all["starts_ms"]["service"]]),
    Target("judgements a second in process", 1000, "", True, lambda all: [all["in_process"]["ehr, functions"]]),
    *(
        Target(f"each Condition more, of {number:,}", 8, " µs", False, _conditions(str(number)))
        for number in (1_000, 5_000, 20_000)
    ),
)
