"""Random UUIDs, drawn and written for many at once: one alone costs several times as much."""

from __future__ import annotations

import os
from uuid import UUID

_SIZE = 16
_DRAWN = 64
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
    random = os.urandom(_SIZE * _DRAWN)
    return [str(UUID(bytes=random[place : place + _SIZE], version=4)) for place in range(0, len(random), _SIZE)]
