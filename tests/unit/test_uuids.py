"""The names that cards are given."""

from __future__ import annotations

import subprocess
import sys
from uuid import UUID

from cds_service.uuids import new_uuid

_FORKED = """
import os
from cds_service.uuids import new_uuid
new_uuid()
if child := os.fork():
    os.waitpid(child, 0)
print(*(new_uuid() for _ in range(100)), flush=True)
"""


def test_uuids_are_random_and_of_version_4() -> None:
    """A thousand of them differ and say of themselves that they are random."""
    drawn = [new_uuid() for _ in range(1000)]
    assert len(set(drawn)) == 1000
    assert {(UUID(each).version, UUID(each).variant, str(UUID(each)) == each) for each in drawn} == {
        (4, "specified in RFC 4122", True)
    }


def test_forked_processes_give_out_none_twice() -> None:
    """A parent and its child, forked while UUIDs lay ready, give out different ones."""
    told = subprocess.run([sys.executable, "-c", _FORKED], check=True, capture_output=True, text=True).stdout.split()
    assert (len(told), len(set(told))) == (200, 200)
