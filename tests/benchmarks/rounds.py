"""Rounds: each case is asked again and again, in an order that is shuffled anew, so that all meet the same machine."""

from __future__ import annotations

import itertools
import random
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.benchmarks.client import Request, ask_at_once, ask_in_turn

_FEWEST = 4
_WARM_UP = 6


class Asked(Protocol):
    """Who is asked."""

    @property
    def port(self) -> int:
        """On the loopback address."""

    def cpu_seconds(self) -> float:
        """User and system time so far; 0 where it is not known."""


@dataclass(frozen=True, eq=False)
class Case:
    """One server asked in one way; ``base`` names the case of the same group that it is compared with."""

    group: str
    name: str
    server: Asked
    make: Callable[[int], Iterable[Request]]
    """So many requests, made before the round begins."""
    base: str = "constant"
    connections: int = 1


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of one case came to."""

    cpu_ms: float
    """User and system time of the server's processes, for one request."""
    per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    client_share: float
    """The CPU time of the client in that of both."""

    @property
    def p99_to_p50(self) -> float:
        return self.p99_ms / self.p50_ms


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of what the rounds gave, with the least and the most."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        found = list(values)
        return cls(statistics.median(found), min(found), max(found))

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.least:.3g}-{self.most:.3g})"


@dataclass
class Rounds:
    """All rounds of one case."""

    case: Case
    found: list[Round] = field(default_factory=list)

    def figures(self, base: Rounds) -> dict[str, Any]:
        """Each figure with its spread; ratios are to the base in the same round."""
        names = ("cpu_ms", "per_second", "p50_ms", "p95_ms", "p99_ms", "p99_to_p50", "client_share")
        spreads = {name: Spread.of(getattr(each, name) for each in self.found) for name in names}
        pairs = list(zip(self.found, base.found, strict=True))
        spreads["to_base_by_cpu"] = Spread.of(theirs.cpu_ms / ours.cpu_ms for ours, theirs in pairs)
        spreads["to_base_by_rate"] = Spread.of(ours.per_second / theirs.per_second for ours, theirs in pairs)
        return dict(spreads)


def repeated(request: Request) -> Callable[[int], Iterator[Request]]:
    """The same request, as often as is asked for."""
    return lambda number: itertools.repeat(request, number)


def fresh(make: Callable[[], Request]) -> Callable[[int], list[Request]]:
    """A request of its own each time."""
    return lambda number: [make() for _ in range(number)]


def run(cases: Sequence[Case], number: int, seconds: float, tell: Callable[[str], None]) -> list[Rounds]:
    """So many rounds of each case of about so many seconds, after one that warms up and sizes them."""
    sizes: dict[Case, int] = {}
    for case in cases:
        one_round(case, _FEWEST)
        warm = one_round(case, _WARM_UP)
        sizes[case] = max(_FEWEST, case.connections, round(warm.per_second * seconds))
    found = {case: Rounds(case) for case in cases}
    order = list(cases)
    for each in range(1, number + 1):
        random.Random(each).shuffle(order)
        for case in order:
            found[case].found.append(one_round(case, sizes[case]))
        tell(f"round {each} of {number}")
    return list(found.values())


def one_round(case: Case, number: int) -> Round:
    """Ask ``number`` requests, and say what it took."""
    requests = case.make(number)
    server = case.server
    cpu, ours, began = server.cpu_seconds(), time.process_time(), time.perf_counter()
    if case.connections == 1:
        taken = ask_in_turn(server.port, requests)
    else:
        taken = ask_at_once(server.port, iter(requests), case.connections)
    elapsed, ours, cpu = time.perf_counter() - began, time.process_time() - ours, server.cpu_seconds() - cpu
    centiles = statistics.quantiles(taken, n=100, method="inclusive")
    return Round(
        cpu_ms=cpu / number * 1000,
        per_second=number / elapsed,
        p50_ms=centiles[49] * 1000,
        p95_ms=centiles[94] * 1000,
        p99_ms=centiles[98] * 1000,
        client_share=ours / (ours + cpu) if ours + cpu else 0.0,
    )
