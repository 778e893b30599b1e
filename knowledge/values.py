"""Dataclasses of what is made anew for each call: `frozen` is held by mypy, in all of the code, and costs nothing then.

A frozen dataclass sets each of its fields by a call: in what is made anew for each order, a twentieth of all its time.
What is made once, from the knowledge or the settings, or for a page, is a `dataclasses.dataclass`, frozen when it runs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(field_specifiers=(dataclasses.field,))
def hot_dataclass(
    *, frozen: bool = False, eq: bool = True, order: bool = False, slots: bool = False
) -> Callable[[type[T]], type[T]]:
    """`dataclasses.dataclass`, with the hash of a frozen one and without its guard against assignment."""
    return dataclasses.dataclass(eq=eq, order=order, slots=slots, unsafe_hash=frozen and eq)
