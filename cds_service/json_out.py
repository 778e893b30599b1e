"""JSON on the way out: numbers of the client are repeated as they were written."""

from __future__ import annotations

from typing import Any

import orjson

from cds_service.envelope import WrittenFloat, WrittenInt


def to_json(value: Any) -> bytes:
    """UTF-8 JSON; a number that came in a request keeps its spelling."""
    return orjson.dumps(value, default=_as_written, option=orjson.OPT_PASSTHROUGH_SUBCLASS)


def _as_written(value: Any) -> Any:
    if isinstance(value, (WrittenFloat, WrittenInt)):
        return orjson.Fragment(value.written.encode())
    raise TypeError(type(value).__name__)
