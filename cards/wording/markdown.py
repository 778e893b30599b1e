"""What a chart wrote, as Markdown that does nothing."""

from __future__ import annotations

import re

# What can begin formatting, a link or an automatic link in the middle of a line.
_SPECIAL = re.compile(r"[\\`*_\[\]|~@$&<>]|:(?=/)|(?<=www)\.")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_LONGEST_QUOTE = 80


def escaped(text: str) -> str:
    """Chart text as inert Markdown: no HTML, no links, no formatting, one line, at most 80 characters."""
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else " " for letter in text)
    flat = " ".join(text.split())
    if len(flat) > _LONGEST_QUOTE:
        flat = flat[: _LONGEST_QUOTE - 1].rstrip() + "…"
    return _SPECIAL.sub(_inert, flat)


def _inert(special: re.Match[str]) -> str:
    return _ENTITIES.get(special[0], f"\\{special[0]}")
