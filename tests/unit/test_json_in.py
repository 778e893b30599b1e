"""JSON on the way in: what the fast parser may answer, and what it must leave to the careful one."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from cds_service import json_in
from cds_service.json_in import DEEPEST, parse_json, parse_json_as_written
from cds_service.json_out import to_json
from cds_service.problems import Problem
from tests.benchmarks.bodies import ehr

# Texts between quotation marks, with each way to write a quotation mark, and what looks like one.
TEXTS = ["a", "b", "", r"\"", r"\"\"", r"\u0022", r"\\", r"\\\"", r"\\u0022", r"\u005c", "é", r"\u00e9", "[{", r"\n"]
OTHERS = ["0", "-0", "1.50", "-2e3", "12345678901234567890123", "true", "false", "null"]


class DoubledError(Exception):
    """An object has the same key twice."""


def _text(chance: random.Random, depth: int) -> str:
    """A JSON text, spaced as it comes; now and then a key comes twice."""
    space = chance.choice(["", "", " ", "\n", "\t"])
    kind = chance.random() if depth else 1.0
    if kind < 0.4:
        members = [f'"{chance.choice(TEXTS)}"{space}:{_text(chance, depth - 1)}' for _ in range(chance.randrange(5))]
        return f"{{{space}{','.join(members)}{space}}}"
    if kind < 0.6:
        return f"[{','.join(_text(chance, depth - 1) for _ in range(chance.randrange(4)))}{space}]"
    return f'{space}"{chance.choice(TEXTS)}"' if kind < 0.8 or chance.random() < 0.5 else chance.choice(OTHERS)


def _once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in members}) < len(members):
        raise DoubledError
    return dict(members)


def _long_numbers_as_floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _long_numbers_as_floats(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_long_numbers_as_floats(each) for each in value]
    return float(value) if isinstance(value, int) and value.bit_length() > 64 else value


def test_a_key_that_comes_twice_is_never_overlooked() -> None:
    """Of 20,000 texts just those are refused that have a doubled key, however quotation marks are written in them."""
    chance = random.Random(7)
    found = {"read": 0, "refused": 0}
    for _ in range(20_000):
        text = _text(chance, 4)
        try:
            expected = json.loads(text, object_pairs_hook=_once)
        except DoubledError:
            with pytest.raises(Problem, match="same key twice"):
                parse_json(text.encode())
            found["refused"] += 1
        else:
            assert _long_numbers_as_floats(parse_json(text.encode())) == _long_numbers_as_floats(expected), text
            found["read"] += 1
    assert min(found.values()) > 2_000


def _deep(levels: int, inside: str) -> bytes:
    """A value in so many objects and lists, whatever it is: it is a level of its own."""
    return (
        '{"a":' * (levels % 2) + '{"a": [' * (levels // 2) + inside + "]}" * (levels // 2) + "}" * (levels % 2)
    ).encode()


@pytest.mark.parametrize("inside", ["[]", "{}", "1", "1.50", r'"\u0022"', r'"\"["'])
def test_both_parsers_count_levels_alike(inside: str) -> None:
    """A value in 199 is read, and in 200 is refused, whether it is one that the fast parser is trusted with or not."""
    for parse in (parse_json, parse_json_as_written):
        assert parse(_deep(DEEPEST - 1, inside)) is not None
        with pytest.raises(Problem, match="200 levels"):
            parse(_deep(DEEPEST, inside))


def _careful(*_: object) -> None:
    raise AssertionError("the careful parser was asked")


@pytest.mark.parametrize(
    "body", [ehr(), _deep(DEEPEST - 1, "1"), b'{"a": "\\"\\u00e9\\\\"}', *map(str.encode, map(str, [1, 2.5]))]
)
def test_what_is_plainly_right_is_left_to_the_fast_parser(monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    """A chart, the deepest value, and escapes other than that of a quotation mark need no second look."""
    monkeypatch.setattr(json_in, "_parse_carefully", _careful)
    assert parse_json(body) == json.loads(body)


def test_numbers_keep_their_spelling_where_that_is_asked() -> None:
    """A fraction, an exponent, minus zero and a long whole number are written as they came."""
    for body in (b'{"a":[1.50,-0,0,1E2,-0.0,12345678901234567890123,7]}', b'{"a":[1.50,0,123456789012345678901234]}'):
        assert to_json(parse_json_as_written(body)) == body
    assert to_json(parse_json_as_written(b"[-0,1.50]", zeros=False)) == b"[0,1.50]"
