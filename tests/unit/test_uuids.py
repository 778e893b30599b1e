"""The names that cards are given."""

from __future__ import annotations

import subprocess
import sys
import time
from uuid import UUID

import pytest

from cds_service.uuids import new_uuid

_FORKED = """
import os
from cds_service.uuids import new_uuid
new_uuid()
if child := os.fork():
    os.waitpid(child, 0)
print(*(new_uuid() for _ in range(100)), flush=True)
"""


def test_uuids_are_of_version_7_and_random_behind_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand of one millisecond differ; each bit that neither time nor version fixes is one as often as not."""
    monkeypatch.setattr(time, "time_ns", lambda: 1_772_452_800_123_456_789)
    drawn = [UUID(new_uuid()) for _ in range(1000)]
    assert len(set(drawn)) == 1000
    assert {(each.version, each.variant, each.int >> 80) for each in drawn} == {
        (7, "specified in RFC 4122", 1_772_452_800_123)
    }
    ones = [sum(each.int >> bit & 1 for each in drawn) for bit in range(80)]
    fixed = {bit: count for bit, count in enumerate(ones) if not 400 < count < 600}
    assert fixed == {63: 1000, 62: 0, 76: 1000, 77: 1000, 78: 1000, 79: 0}


def test_uuids_are_written_as_uuids_are_and_in_the_order_of_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """As text one sorts before that of a later millisecond: a database adds new ones behind all others."""
    moments = iter(range(1_772_452_800_000_000_000, 1_772_452_801_000_000_000, 10_000_000))
    monkeypatch.setattr(time, "time_ns", lambda: next(moments))
    drawn = [new_uuid() for _ in range(100)]
    assert drawn == sorted(drawn)
    assert all(str(UUID(each)) == each for each in drawn)


def test_forked_processes_give_out_none_twice() -> None:
    """A parent and its child, forked while UUIDs lay ready, give out different ones."""
    told = subprocess.run([sys.executable, "-c", _FORKED], check=True, capture_output=True, text=True).stdout.split()
    assert (len(told), len(set(told))) == (200, 200)
