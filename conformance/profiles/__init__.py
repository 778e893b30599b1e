"""Named sets of rows from other test suites, told in terms of this kit's checks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files

NAMES = ("crd",)


@dataclass(frozen=True, slots=True)
class Row:
    """A test of another suite: the checks that stand for it, or why none does here."""

    id: str
    section: str
    title: str
    kind: str
    checks: tuple[str, ...]
    omitted: str


@dataclass(frozen=True, slots=True)
class Profile:
    title: str
    source: str
    rows: tuple[Row, ...]


def load(name: str) -> Profile:
    """A profile by its name, one of ``NAMES``."""
    data = json.loads(files(__name__).joinpath(f"{name}.json").read_text(encoding="utf-8"))
    rows = tuple(
        Row(row["id"], row["section"], row["title"], row["kind"], tuple(row.get("checks", ())), row.get("omit", ""))
        for row in data["rows"]
    )
    return Profile(data["title"], data["source"], rows)
