"""What a check is, and the five ways it can end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conformance.session import Session


class Outcome(StrEnum):
    """How a check ended."""

    PASS = "pass"
    FAIL = "fail"
    SKIP = "skip"
    """There was nothing to judge, though there might have been."""
    OMIT = "omit"
    """It was not asked for, or is out of this run's reach."""
    ERROR = "error"
    """The kit got no answer where it needs one."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One place where a service does not do what is asked: in which call, where in the answer, what was seen."""

    call: str
    where: str
    seen: str


class Skip(Exception):
    """Nothing to judge; the message says why."""


class Omit(Exception):
    """Not part of this run; the message says why."""


class NoAnswer(Exception):
    """A call brought no HTTP answer in time; the message names the call."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that is asked of a service; ``asks`` says it in a sentence, ``judge`` yields what is amiss."""

    id: str
    asks: str
    judge: Callable[[Session], Iterator[Fault]]

    @property
    def group(self) -> str:
        return self.id.partition(".")[0]


class Group:
    """The checks of one part of the standard, in the order in which they run."""

    def __init__(self, name: str, title: str) -> None:
        self.name = name
        self.title = title
        self.checks: list[Check] = []

    def check(
        self, name: str
    ) -> Callable[[Callable[[Session], Iterator[Fault]]], Callable[[Session], Iterator[Fault]]]:
        """Registers a function as a check; the first line of its docstring is what it asks."""

        def register(judge: Callable[[Session], Iterator[Fault]]) -> Callable[[Session], Iterator[Fault]]:
            asks = " ".join((judge.__doc__ or "").split("\n\n", maxsplit=1)[0].split())
            self.checks.append(Check(f"{self.name}.{name}", asks, judge))
            return judge

        return register
