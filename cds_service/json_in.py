"""JSON on the way in: strict, and read by the fastest parser that can be held to be so."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson
from jiter import from_json

from cds_service.problems import bad_request, too_large

DEEPEST = 200
# Commas and opening brackets: as many values as a body of plain FHIR of this size can hold, several times over.
_MOST_MARKS = 1_500_000

# orjson writes 254 levels of lists and objects, and reads more: wrapped in so many lists, what may be nested too deeply
# is not written. jiter, which then looks, takes what the innermost of them holds for a level too.
_SPARE_LEVELS = 255 - DEEPEST


class WrittenInt(int):
    """A whole number that remembers how it was written: ``-0``."""

    written: str

    def __new__(cls, written: str) -> WrittenInt:
        number = super().__new__(cls, written)
        number.written = written
        return number


def parse_json(body: bytes) -> Any:
    """The value in a JSON body; raises Problem (400, 413) where it is not the JSON we accept.

    UTF-8 without a byte-order mark, at most 200 levels, no duplicate keys, no NUL, no lone surrogates, no NaN.
    Whole numbers of more than 64 bits may come as floats.
    """
    refuse_at_sight(body)
    return Parser().parse(body)


class Parser:
    """Parses bodies, or pieces of one that are so many levels deep in it."""

    def __init__(self, depth: int = 0) -> None:
        self._depth = depth
        self._spare = _SPARE_LEVELS + depth
        self._innermost: list[Any] = [None]
        self._nested = self._innermost
        for _ in range(self._spare - 1):
            self._nested = [self._nested]

    def parse(self, text: bytes) -> Any:
        """The value; raises Problem (400)."""
        try:
            return self._quickly(text)
        except (ValueError, TypeError):
            return _parse_carefully(text, "float", self._depth)

    def _quickly(self, text: bytes) -> Any:
        """By a parser that takes the last of doubled keys, and a proof that there were none.

        The value is written again, and most texts look just like that. Where one is spaced or spelled in another way,
        quotation marks are counted: two for each string and one for each that is escaped within, on both sides, unless
        the text spells them by number. A key that came twice is missing with its marks, so equal numbers mean that none
        was. Raises ValueError or TypeError where that is not proven.
        """
        if b"\\" in text and (b"\\u0022" in text or b"\\u0000" in text):
            raise ValueError
        value = self._innermost[0] = orjson.loads(text)
        written = orjson.dumps(self._nested)
        is_the_same = len(written) == len(text) + 2 * self._spare and written.startswith(text, self._spare)
        if not is_the_same and written.count(b'"') != text.count(b'"'):
            raise ValueError
        return value


def parse_json_as_written(body: bytes, *, zeros: bool = True) -> Any:
    """The same, and each number remembers its spelling.

    With a fraction or an exponent it is a `jiter.LosslessFloat`, minus zero is a `WrittenInt`; all others are int.
    Without ``zeros``, which cost several times as much where the body holds ``-0``, that is 0 too.
    """
    refuse_at_sight(body)
    value = _parse_carefully(body, "lossless-float")
    if zeros and _NEGATIVE_ZERO.search(body):
        return json.loads(body, parse_float=_lossless, parse_int=_integer)
    return value


def refuse_at_sight(body: bytes) -> None:
    """Raises Problem (400, 413) for a byte-order mark, and for more values than are read."""
    if body.startswith(b"\xef\xbb\xbf"):
        raise bad_request("The body begins with a byte-order mark; send UTF-8 without one.")
    if len(body) > _MOST_MARKS and len(body) - len(body.translate(None, b",[{")) > _MOST_MARKS:
        raise too_large("The body holds more values than this service reads.")


def _parse_carefully(body: bytes, float_mode: Any, depth: int = 0) -> Any:
    """By a parser that looks for doubled keys itself, and whose words say where a fault is."""
    try:
        # The parser's limit is 201 levels; the brackets around the body are one of them.
        values = from_json(
            b"[" * (depth + 1) + body + b"]" * (depth + 1),
            allow_inf_nan=False,
            cache_mode="keys",
            catch_duplicate_keys=True,
            float_mode=float_mode,
        )
    except ValueError as error:
        raise bad_request(_refusal(str(error))) from None
    for _ in range(depth):
        (values,) = values
    if len(values) != 1:
        raise bad_request("The body is not JSON (it must hold one value).")
    if b"\\" in body and b"\\u0000" in body:
        _refuse_nul(values)
    return values[0]


_PLACE = re.compile(r" at line (\d+) column (\d+)\Z")


def _refusal(error: str) -> str:
    """What is wrong with a body, in our words: the parser's may quote it."""
    found = _PLACE.search(error)
    # The bracket before the body moved its first line by one column.
    place = f"line {found[1]}, column {int(found[2]) - (found[1] == '1')}" if found else "its end"
    if "duplicate key" in error:
        return f"An object of the body holds the same key twice ({place})."
    if "recursion limit" in error:
        return f"The body is nested more than {DEEPEST} levels deep."
    if "unicode" in error:
        return f"The body is not UTF-8 ({place})."
    if "escape" in error or "surrogate" in error:
        return f"A string of the body holds a broken escape or half of a surrogate pair ({place})."
    if "out of range" in error:
        return f"The body holds a number that is too long ({place})."
    return f"The body is not JSON ({place})."


def _refuse_nul(value: Any) -> None:
    """Refuse NUL, which JSON can only bring in as an escape."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            if "\0" in each:
                raise bad_request("A string of the body holds NUL.")
        elif isinstance(each, dict):
            waiting += each.keys()
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each


_NEGATIVE_ZERO = re.compile(rb"-0(?=[\s,\]}])")


def _lossless(written: str) -> Any:
    return from_json(written.encode(), float_mode="lossless-float")


def _integer(written: str) -> int:
    return WrittenInt(written) if written == "-0" else int(written)
