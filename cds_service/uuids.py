"""Random UUIDs, drawn for many at once: asking the system for randomness costs more than all the rest of a UUID."""

from __future__ import annotations

import os
from uuid import UUID

_SIZE = 16
_DRAWN = 64
_waiting: list[bytes] = []
# What a parent drew is not given out by each of its children.
os.register_at_fork(after_in_child=_waiting.clear)


def new_uuid() -> str:
    """A UUID of version 4 (RFC 9562), from the system's randomness."""
    try:
        drawn = _waiting.pop()
    except IndexError:
        random = os.urandom(_SIZE * _DRAWN)
        _waiting.extend(random[place : place + _SIZE] for place in range(_SIZE, len(random), _SIZE))
        drawn = random[:_SIZE]
    return str(UUID(bytes=drawn, version=4))
