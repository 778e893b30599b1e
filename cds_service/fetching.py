"""GET requests to servers that others named: one deadline, checked addresses, no redirects, a size limit."""

from __future__ import annotations

import concurrent.futures
import socket
import ssl
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from cds_service.addresses import Address
from cds_service.must_wait import before_waiting

if TYPE_CHECKING:
    from cds_service.outbound import Outbound

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

MOST_CONNECTIONS = 256


class Why(StrEnum):
    """Why nothing was fetched, in words for an operator and a clinician alike."""

    LATE = "did not answer in time"
    UNREACHABLE = "could not be reached"
    FORBIDDEN = "has a network address that must not be asked"
    BROKEN = "broke off or answered what is not HTTP"
    TOO_LONG = "answered more than is read"


class FetchFailed(Exception):
    """Nothing was fetched. Neither the address nor anything of the answer is in it."""

    def __init__(self, why: Why) -> None:
        super().__init__(why.value)
        self.why = why


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered."""

    status: int
    media_type: str
    """Lower case, without parameters; empty where there is none."""
    body: bytes


class Deadline:
    """A moment after which nothing of a call goes on."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends = clock() + seconds

    def rest(self) -> float:
        """Seconds until then, or none."""
        return max(0.0, self._ends - self._clock())

    def left(self) -> float:
        """Seconds until then; raises FetchFailed when there are none."""
        left = self.rest()
        if not left:
            raise FetchFailed(Why.LATE)
        return left


class Budget:
    """How much the answers to one call may hold together; threads share it."""

    def __init__(self, size: int) -> None:
        self._left = size
        self._lock = threading.Lock()

    def spend(self, size: int) -> None:
        """Take this much; raises FetchFailed, and takes nothing, where less is left."""
        with self._lock:
            if size > self._left:
                raise FetchFailed(Why.TOO_LONG)
            self._left -= size


def resolve(host: str, port: int) -> list[str]:
    """The network addresses of a name; raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@cache
def _system_tls() -> ssl.SSLContext:
    """TLS as this machine trusts: its certificate authorities, read once."""
    return ssl.create_default_context()


class Fetcher:
    """Fetches over one pool of connections, at most 256 at a time.

    Made before workers fork: it opens no connection, starts no thread, reads no certificate and loads no client of HTTP
    before it is first used.
    """

    def __init__(
        self,
        resolve: Callable[[str, int], list[str]] = resolve,
        tls: Callable[[], ssl.SSLContext] = _system_tls,
    ) -> None:
        self._resolve = resolve
        self._tls = tls
        self._making = threading.Lock()
        self._made: Outbound | None = None
        self._threads = concurrent.futures.ThreadPoolExecutor(MOST_CONNECTIONS, thread_name_prefix="fetch")

    @property
    def _outbound(self) -> Outbound:
        from cds_service.outbound import Outbound

        with self._making:
            if self._made is None:
                self._made = Outbound(self._resolve, self._tls())
            return self._made

    def get(self, address: Address, headers: Mapping[str, str], deadline: Deadline, budget: Budget) -> Answer:
        """One GET, in this thread; raises FetchFailed. Only a name that resolves slowly can overrun the deadline.

        Raises MustWait where nobody may wait.
        """
        before_waiting()
        return self._outbound.get(address, headers, deadline, budget)

    def together(self, tasks: Mapping[Key, Callable[[], Value]], deadline: Deadline) -> dict[Key, Value | FetchFailed]:
        """Run the tasks side by side, each in a thread of its own; what is not done by the deadline has failed.

        Raises MustWait where nobody may wait.
        """
        before_waiting()
        futures = {key: self._threads.submit(task) for key, task in tasks.items()}
        concurrent.futures.wait(futures.values(), timeout=deadline.rest())
        done: dict[Key, Value | FetchFailed] = {}
        for key, future in futures.items():
            if future.cancel() or not future.done():
                done[key] = FetchFailed(Why.LATE)
                continue
            try:
                done[key] = future.result()
            except FetchFailed as failed:
                done[key] = failed
        return done

    def close(self) -> None:
        """Close every connection and let the threads end."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._made is not None:
            self._made.close()
