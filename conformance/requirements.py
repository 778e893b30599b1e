"""What the standard asks, row by row, and which checks hold a service to it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from conformance.schemas import VERSIONS, Version

Strength = Literal["shall", "should"]

README = Path(__file__).parent / "README.md"
_BEGIN, _END = "<!-- coverage: begin -->\n", "<!-- coverage: end -->\n"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing that is asked, in our words; ``url`` is where the words that count stand."""

    id: str
    actor: str
    strength: dict[str, str]
    """shall, should, may, advice or consequence, by version; a version that does not ask it is left out."""
    text: str
    url: str
    checks: tuple[str, ...]
    why_none: str | None


def document() -> Any:
    """``requirements.json`` as it stands."""
    return json.loads(files("conformance").joinpath("requirements.json").read_text(encoding="utf-8"))


@cache
def requirements() -> tuple[Requirement, ...]:
    return tuple(
        Requirement(
            row["id"],
            row["actor"],
            row["strength"],
            row["text"],
            row["url"],
            tuple(row.get("checks", ())),
            row.get("why_none"),
        )
        for row in document()["requirements"]
    )


def verified_by(check: str) -> tuple[Requirement, ...]:
    """The requirements that a check verifies."""
    return tuple(row for row in requirements() if check in row.checks)


def strength(check: str, version: Version) -> Strength:
    """Shall, where the version says shall to services in one of the requirements; everything else is a should."""
    asked = {row.strength.get(version) for row in verified_by(check) if row.actor == "service"}
    return "shall" if "shall" in asked else "should"


def coverage() -> str:
    """The table of requirements and checks, as the README shows it."""
    sections = document()["sections"]
    lines = [
        f"{len(requirements())} requirements; {sum(not row.checks for row in requirements())} of them no check can "
        "hold, with the reason.",
        "",
        "| id | asks | of the | 2.0.1 | 3.0 | checks, or why none |",
        "|---|---|---|---|---|---|",
    ]
    for letter, title in sections.items():
        lines.append(f"| **{letter}** | **{title}** | | | | |")
        for row in requirements():
            if row.id[0] == letter:
                held = ", ".join(f"`{check}`" for check in row.checks) or f"*{row.why_none}*"
                by = " | ".join(row.strength.get(version, "") for version in VERSIONS)
                lines.append(f"| [{row.id}]({row.url}) | {row.text} | {row.actor} | {by} | {held} |")
    return "\n".join(lines) + "\n"


def with_coverage(readme: str) -> str:
    """A README with the table between its two marks renewed."""
    head, _, rest = readme.partition(_BEGIN)
    _, _, tail = rest.partition(_END)
    return f"{head}{_BEGIN}{coverage()}{_END}{tail}"
