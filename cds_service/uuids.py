"""UUIDs that begin with their time, so that a database adds them at one end; the rest is drawn for many at once."""

from __future__ import annotations

import os
import time

_DRAWN = 64
_SIZE = 10
_VARIANT = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}
_waiting: list[str] = []
# What a parent drew is not given out by each of its children.
os.register_at_fork(after_in_child=_waiting.clear)


def new_uuid() -> str:
    """A UUID of version 7 (RFC 9562, section 5.7): milliseconds, then 74 bits of the system's randomness.

    Keys that are random from their first digit on are spread over all pages of an index, and each batch writes most of
    them anew.
    """
    try:
        rest = _waiting.pop()
    except IndexError:
        drawn = _draw()
        _waiting.extend(drawn[1:])
        rest = drawn[0]
    now = f"{time.time_ns() // 1_000_000:012x}"
    return f"{now[:8]}-{now[8:]}-7{rest}"


def _draw() -> list[str]:
    drawn = os.urandom(_SIZE * _DRAWN).hex()
    return [_written(drawn[place : place + 2 * _SIZE]) for place in range(0, len(drawn), 2 * _SIZE)]


def _written(drawn: str) -> str:
    """Nineteen digits of twenty as the end of a UUID: two bits of the fourth tell the variant."""
    return f"{drawn[:3]}-{_VARIANT[drawn[3]]}{drawn[4:7]}-{drawn[7:19]}"
