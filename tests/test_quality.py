"""Lint and types, as part of the suite."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from knowledge.findings import ConceptId, Finding, Presence

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    "command", [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]], ids=["lint", "format", "types"]
)
def test_the_code_is_clean(command: list[str]) -> None:
    """ruff finds nothing to say, and mypy --strict finds the four packages sound."""
    result = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_what_is_not_frozen_when_it_runs_is_frozen_where_mypy_looks(tmp_path: Path) -> None:
    """Whoever assigned to a field of a finding would not pass the lint; equal ones are equal, and one key."""
    assert len({Finding(ConceptId("fever"), Presence.PRESENT), Finding(ConceptId("fever"), Presence.PRESENT)}) == 1
    (tmp_path / "assigning.py").write_text(
        "from knowledge.findings import Finding\ndef change(finding: Finding) -> None:\n    finding.assumed = True\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", str(tmp_path / "assigning.py")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert 'Property "assumed" defined in "Finding" is read-only' in result.stdout
