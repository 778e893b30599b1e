"""A copy of the topic that a test may damage, and a judge with the topic as it ships."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from cds_service.judging import Judge
from cds_service.settings import Settings
from knowledge import coverage, sources
from knowledge.knowledge import Knowledge
from knowledge.loading import LOW_BACK_PAIN

_read: Callable[[Path, str], Any] = sources.read_checked


@pytest.fixture(scope="session")
def judge(knowledge: Knowledge) -> Judge:
    """Under the settings that are usual."""
    return Judge(knowledge, Settings())


@cache
def _as_shipped(file: Path, schema: str) -> Any:
    return _read(file, schema)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the topic; files that stayed as they ship are not held against their schemas again, to save time."""
    copy = tmp_path / "topic"
    shutil.copytree(LOW_BACK_PAIN, copy)

    def read(file: Path, schema: str) -> Any:
        shipped = LOW_BACK_PAIN / file.relative_to(copy)
        same = file.is_file() and shipped.is_file() and file.read_bytes() == shipped.read_bytes()
        return _as_shipped(shipped, schema) if same else _read(file, schema)

    monkeypatch.setattr(sources, "read_checked", read)
    monkeypatch.setattr(coverage, "read_checked", read)
    return copy
