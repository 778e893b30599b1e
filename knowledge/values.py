"""Dataclasses whose `frozen` is held by mypy, in all of the code, and costs nothing when it runs.

A frozen dataclass sets each of its fields by a call: in what is made anew for each order, a twentieth of all its time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    import dataclasses

    def dataclass(*, frozen: bool = False, eq: bool = True, **named: Any) -> Any:
        """`dataclasses.dataclass`, with the hash of a frozen one."""
        return dataclasses.dataclass(eq=eq, unsafe_hash=frozen and eq, **named)
