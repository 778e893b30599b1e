"""What must not wait, for others wait for it, and how it learns that it would: to be asked before each wait."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_here = threading.local()


class MustWait(BaseException):
    """What is asked for has to wait, where nobody may: nothing has been done, and a thread is to begin anew.

    No Exception, so that nothing on the way answers for it.
    """


def without_waiting(work: Callable[[], T]) -> T:
    """Do something in a thread that must not wait; raises MustWait where it would."""
    _here.must_not_wait = True
    try:
        return work()
    finally:
        _here.must_not_wait = False


def must_not_wait() -> bool:
    """Whether this thread has others to serve."""
    return getattr(_here, "must_not_wait", False)


def before_waiting() -> None:
    """To be called by what waits for another process or machine, before it changes anything. Raises MustWait.

    Whoever is lent a connection of the store, or fetches, is asked there; who changes something first asks earlier.
    """
    if must_not_wait():
        raise MustWait
