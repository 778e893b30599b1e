"""A long body read piece by piece: entries of its prefetched Bundles are parsed while they are looked at, and let go.

A chart of thousands of entries is six times larger when it is parsed, and memory that is new to the process costs as
much as parsing does.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from cds_service.json_in import Parser, parse_json, refuse_at_sight
from cds_service.problems import Problem

LONG = 131_072
"""Bytes of a body above which it is read so."""
_FEWEST = 100
_AT_ONCE = 64
_ABOVE = 3
"""Levels above a list of entries: the request, its prefetch, the Bundle."""
_CUT = b"0"
_LOOKED_FOR = 200
_MOST_LOOKS = 20

Pieces = list[Any]
"""Texts that lie in the body, as `msgspec.Raw`."""


@cache
def _decoder() -> Any:
    """Finds the entries under prefetch; loaded where the first long body comes, for most callers send none."""
    import msgspec

    bundle = msgspec.defstruct("Bundle", [("entry", list[msgspec.Raw] | None, None)])
    by_key = dict[str, bundle | None]  # type: ignore[valid-type]
    return msgspec.json.Decoder(msgspec.defstruct("Request", [("prefetch", by_key)]))


class Entries:
    """The entries of a Bundle, parsed anew whenever they are asked for; raises Problem where they are not JSON."""

    def __init__(self, body: bytes, pieces: Pieces) -> None:
        self._body, self._pieces = body, pieces
        self._parser = Parser(_ABOVE)

    def __len__(self) -> int:
        return len(self._pieces)

    def __iter__(self) -> Iterator[Any]:
        for at in range(0, len(self._pieces), _AT_ONCE):
            yield from self._parsed(self._pieces[at : at + _AT_ONCE])

    def __getitem__(self, number: int) -> Any:
        return self._parsed([self._pieces[number]])[0]

    def _parsed(self, pieces: Pieces) -> list[Any]:
        try:
            values: list[Any] = self._parser.parse(b"[%b]" % b",".join(pieces))
        except Problem:
            parse_json(self._body)  # its words say where in the body the fault is
            raise
        return values


def parse_long(body: bytes) -> tuple[Any, bytes]:
    """What `parse_json` tells of a body, and a body of all that is not left for later; raises Problem (400, 413).

    The entries of a Bundle under prefetch are `Entries` where they are many and follow each other without more than a
    blank: what would be refused of them is refused when they are looked at. All else is proven by what is left of the
    body when they are cut out, which has no key twice, and a hole just where they were found.
    """
    refuse_at_sight(body)
    lists = _lists(body)
    if not lists:
        return parse_json(body), body
    at, rest = 0, []
    for start, end, _ in sorted(lists.values(), key=lambda each: each[0]):
        rest += [body[at:start], _CUT]
        at = end
    text = b"".join([*rest, body[at:]])
    try:
        value = parse_json(text)
        for name, (_, _, pieces) in lists.items():
            bundle = value["prefetch"][name]
            is_bundle = bundle.get("resourceType", "Bundle") == "Bundle" and "resource" not in bundle
            if bundle["entry"] != [0] or not is_bundle:
                return parse_json(body), body
            bundle["entry"] = Entries(body, pieces)
    except (Problem, KeyError, TypeError, AttributeError):
        return parse_json(body), body
    return value, text


def _lists(body: bytes) -> dict[str, tuple[int, int, Pieces]]:
    """By key of prefetch where entries begin and end in a body, and each of them: as it looks, not yet as it is."""
    try:
        prefetch = _decoder().decode(body).prefetch
    except (ValueError, RecursionError):
        return {}
    found, end = {}, 0
    for name, bundle in prefetch.items():  # in the order of the body
        pieces = bundle.entry if bundle is not None else None
        if pieces is not None and len(pieces) >= _FEWEST:
            place = _place(body, pieces, end)
            if place is None:
                break  # it is spaced otherwise, as the others will be
            found[name] = *place, pieces
            end = place[1]
    return found


def _place(body: bytes, pieces: Pieces, after: int) -> tuple[int, int] | None:
    """Where they stand in the body, one after the other."""
    for between in (b",", b", "):
        written, start = between.join(pieces), after - 1
        for _ in range(_MOST_LOOKS):
            start = body.find(written[:_LOOKED_FOR], start + 1)  # all of it is not found as fast as it is compared
            if start < 0:
                break
            if body.startswith(written, start):
                return start, start + len(written)
    return None
