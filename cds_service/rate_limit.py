"""How many calls a client may make: counted in each worker, evenly over time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

_PERIODS = {"second": 1.0, "minute": 60.0, "hour": 3600.0}
_MOST_CALLERS = 10_000


@dataclass(frozen=True, slots=True)
class Rate:
    """So many calls in so many seconds; all of them may come at once."""

    calls: int
    seconds: float


def read_rate(text: str) -> Rate | None:
    """``600/minute``, or None for ``off``; raises ValueError."""
    if text == "off":
        return None
    calls, _, period = text.partition("/")
    if not calls.isascii() or not calls.isdigit() or not 0 < int(calls) <= 1_000_000 or period not in _PERIODS:
        raise ValueError(text)
    return Rate(int(calls), _PERIODS[period])


class RateLimit:
    """The generic cell rate algorithm: one number for each caller, the moment until which its calls are used up."""

    def __init__(self, rate: Rate, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._clock = clock
        self._spent: dict[str, float] = {}
        self._lock = threading.Lock()

    def wait(self, caller: str) -> float:
        """Count a call; 0 when it may go on, else the seconds after which the next one may."""
        each = self._rate.seconds / self._rate.calls
        with self._lock:
            now = self._clock()
            if len(self._spent) >= _MOST_CALLERS:
                self._spent = {name: until for name, until in self._spent.items() if until > now}
            until = max(self._spent.get(caller, now), now)
            too_soon = until - now - (self._rate.seconds - each)
            # A rounding error is no call.
            if too_soon > each / 1000:
                return too_soon
            self._spent[caller] = until + each
            return 0.0
