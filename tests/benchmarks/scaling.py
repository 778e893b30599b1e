"""How many machines for how many calls: arithmetic on the CPU time of a call under load."""

from __future__ import annotations

import math
from typing import Any

Json = dict[str, Any]

RATES = (10, 100, 1_000, 5_000)
CORES = 4
BUSY = 0.5
"""The share of its cores that a machine may use, so that peaks and the loss of one machine are borne."""


def cores_for(rate: float, cpu_ms: float) -> float:
    """The cores that so many calls a second keep busy for the share that is planned with."""
    return rate * cpu_ms / 1000 / BUSY


def machines_for(rate: float, cpu_ms: float) -> int:
    """The machines that carry it, and one more that may be missing."""
    return math.ceil(cores_for(rate, cpu_ms) / CORES) + 1


def rows(figures: Json) -> list[tuple[int, list[tuple[float, int]]]]:
    """For each rate: cores and machines in open mode, and with ES384."""
    loaded = figures["groups"]["ehr, at once"]
    costs = [loaded[f"{kind}, 2 workers"]["cpu_ms"]["median"] for kind in ("service", "service with tokens")]
    return [(rate, [(cores_for(rate, cost), machines_for(rate, cost)) for cost in costs]) for rate in RATES]
