"""Random UUIDs, drawn and written for many at once: one alone costs several times as much."""

from __future__ import annotations

import os

_SIZE = 16
_DRAWN = 64
_VARIANT = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}
_waiting: list[str] = []
# What a parent drew is not given out by each of its children.
os.register_at_fork(after_in_child=_waiting.clear)


def new_uuid() -> str:
    """A UUID of version 4 (RFC 9562), from the system's randomness."""
    try:
        return _waiting.pop()
    except IndexError:
        drawn = _draw()
        _waiting.extend(drawn[1:])
        return drawn[0]


def _draw() -> list[str]:
    drawn = os.urandom(_SIZE * _DRAWN).hex()
    return [_written(drawn[place : place + 2 * _SIZE]) for place in range(0, len(drawn), 2 * _SIZE)]


def _written(drawn: str) -> str:
    """Thirty-two digits as a UUID: the thirteenth tells the version, two bits of the seventeenth the variant."""
    return f"{drawn[:8]}-{drawn[8:12]}-4{drawn[13:16]}-{_VARIANT[drawn[16]]}{drawn[17:20]}-{drawn[20:]}"
