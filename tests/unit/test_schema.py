"""The two engines that hold a schema: they agree, and the slow one names what is wrong."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from knowledge.loading import LOW_BACK_PAIN
from knowledge.schema import Schema
from knowledge.sources import SCHEMAS
from tests.benchmarks import bodies

ROOT = Path(__file__).parents[2]
ENVELOPE = json.loads((ROOT / "conformance/schemas/envelope.schema.json").read_text(encoding="utf-8"))
_ODD: tuple[Any, ...] = (None, True, 0, -1.5, "", "Bundle", [], [{}], {}, {"resourceType": "Bundle"}, {"entry": []})


def _mutations(value: Any, depth: int) -> Iterator[Any]:
    """The value with each member down to a depth left out, and with each odd value in its place."""
    yield from _ODD
    if depth and isinstance(value, (dict, list)) and value:
        names = list(value) if isinstance(value, dict) else range(min(len(value), 2))
        for name in names:
            without = copy.copy(value)
            del without[name]
            yield without
            for changed in _mutations(value[name], depth - 1):
                other = copy.copy(value)
                other[name] = changed
                yield other


def _requests() -> Iterator[Any]:
    for vectors in json.loads((ROOT / "conformance/vectors/request.json").read_text(encoding="utf-8")):
        yield from (each["data"] for each in vectors["tests"])
    yield json.loads(bodies.order_only())


def _agree(schema: dict[str, Any], values: Iterator[Any]) -> tuple[int, int]:
    """How many values meet the schema and how many do not, once both engines have said the same of each."""
    compiled, slow = Schema(schema), Draft202012Validator(schema)
    counted = [0, 0]
    for value in values:
        expected = slow.is_valid(value)
        assert compiled._compiled.is_valid(value) == expected, value
        counted[not expected] += 1
    return counted[0], counted[1]


def test_both_engines_agree_on_requests() -> None:
    """Of each request of the vectors, and of each with a member gone or odd, both say the same."""
    good, bad = _agree(ENVELOPE, (each for request in _requests() for each in (request, *_mutations(request, 3))))
    assert (good > 100, bad > 100) == (True, True)


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        ("topic", "topic.json"),
        ("orders", "orders.json"),
        ("valueset", "valuesets/body-temperature.json"),
        ("cases", "cases/orders.json"),
    ],
)
def test_both_engines_agree_on_the_data(schema: str, file: str) -> None:
    """Of the data that ship, and of the same with a member gone or odd, both say the same."""
    data = json.loads((LOW_BACK_PAIN / file).read_text(encoding="utf-8"))
    held = json.loads((SCHEMAS / f"{schema}.schema.json").read_text(encoding="utf-8"))
    good, bad = _agree(held, iter((data, *_mutations(data, 1))))
    assert (good > 0, bad > 10) == (True, True)


def test_the_compiled_engine_tells_the_same_first_fault() -> None:
    """Of each request with a member gone or odd, both name the same place and rule, and what the rule asks."""
    compiled, slow = Schema(ENVELOPE), Draft202012Validator(ENVELOPE)
    faults = 0
    for request in _requests():
        for value in (request, *_mutations(request, 3)):
            expected = sorted(slow.iter_errors(value), key=lambda found: [str(step) for step in found.absolute_path])
            fault = compiled.first_fault(value)
            told = (fault.place, fault.rule, fault.asked) if fault is not None else None
            assert told == next(((each.json_path, each.validator, each.validator_value) for each in expected), None)
            faults += fault is not None
    assert faults > 100


def test_to_say_what_is_wrong_takes_no_memory_for_what_is_not_looked_at() -> None:
    """A request without a hook, of half a million objects, is refused with hardly more memory than it takes to read."""
    code = (
        "import resource\nfrom cds_service.envelope import parse_request\nfrom cds_service.json_in import parse_json\n"
        "from cds_service.problems import Problem\n"
        "def peak():\n    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "body = b'{\"x\":[' + b'{\"a\":1},' * 500_000 + b'1]}'\n"
        "value = parse_json(body)\nbefore = peak()\ndel value\n"
        "try:\n    parse_request(body, 'order-select')\n"
        "except Problem as refused:\n    print(refused.message)\n"
        "print(peak() - before)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    refused, mib = told.splitlines()
    assert refused == "$: the members hook, context are required."
    assert float(mib) < 50


def test_a_request_that_is_refused_loads_no_other_engine() -> None:
    """What takes a second to load, a worker that answers in its loop does not load for whoever sends nonsense."""
    code = (
        "import sys\nfrom cds_service.envelope import parse_request\nfrom cds_service.problems import Problem\n"
        "for body in (b'{}', b'{\"hook\": 1.50}', b'{\"hook\": \"order-select\", \"context\": []}', b'[]', b'{'):\n"
        "    try:\n        parse_request(body, 'order-select')\n"
        "    except Problem as refused:\n        print(refused.message)\n"
        "print('jsonschema' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert told.splitlines()[-1] == "False"
    assert len(told.splitlines()) == 6
