"""JSON on the way out: numbers of the client are repeated as they were written."""

from __future__ import annotations

from typing import Any

import orjson
from jiter import LosslessFloat

from cds_service.json_in import WrittenInt


def to_json(value: Any, *, indented: bool = False) -> bytes:
    """UTF-8 JSON; a number that came in a request keeps its spelling."""
    option = _INDENTED if indented else orjson.OPT_PASSTHROUGH_SUBCLASS
    try:
        return orjson.dumps(value, default=_as_written, option=option)
    except TypeError:
        # A whole number of more than 64 bits, which the writer does not take as it is.
        return orjson.dumps(_spelled(value), default=_as_written, option=option)


_INDENTED = orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_INDENT_2


def _as_written(value: Any) -> Any:
    if isinstance(value, LosslessFloat):
        return orjson.Fragment(bytes(value))
    if isinstance(value, WrittenInt):
        return orjson.Fragment(value.written.encode())
    raise TypeError(type(value).__name__)


def _spelled(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _spelled(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_spelled(each) for each in value]
    if isinstance(value, int) and value.bit_length() > _NATIVE_BITS:
        return orjson.Fragment(str(value).encode())
    return value


_NATIVE_BITS = 63
