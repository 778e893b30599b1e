"""GET requests to servers that others named: one deadline, checked addresses, no redirects, a size limit."""

from __future__ import annotations

import concurrent.futures
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar

import httpcore

from cds_service.addresses import Address

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

_MOST_CONNECTIONS = 32
# Idle connections are kept this long, in seconds: for the calls of one session, not for the day.
_IDLE = 10.0


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
    """Fetches over one pool of connections, at most 32 at a time.

    Made before workers fork: it opens no connection, starts no thread and reads no certificate before it is first used.
    """

    def __init__(
        self,
        resolve: Callable[[str, int], list[str]] = resolve,
        tls: Callable[[], ssl.SSLContext] = _system_tls,
    ) -> None:
        self._current = threading.local()
        self._network = _CheckedNetwork(resolve, self._current)
        self._tls = tls
        self._making = threading.Lock()
        self._made: httpcore.ConnectionPool | None = None
        self._threads = concurrent.futures.ThreadPoolExecutor(_MOST_CONNECTIONS, thread_name_prefix="fetch")

    @property
    def _pool(self) -> httpcore.ConnectionPool:
        with self._making:
            if self._made is None:
                self._made = httpcore.ConnectionPool(
                    ssl_context=self._tls(),
                    max_connections=_MOST_CONNECTIONS,
                    keepalive_expiry=_IDLE,
                    network_backend=self._network,
                )
            return self._made

    def get(self, address: Address, headers: Mapping[str, str], deadline: Deadline, budget: Budget) -> Answer:
        """One GET, in this thread; raises FetchFailed. Only a name that resolves slowly can overrun the deadline."""
        self._current.deadline = deadline
        target = address.written_path if address.query is None else f"{address.written_path}?{address.query}"
        # No cookies, no credentials but what the caller gives, and nothing compressed: an answer is as long as it is.
        sent = {"Host": address.authority, "Accept-Encoding": "identity", **headers}
        url = httpcore.URL(
            scheme=address.scheme.encode(), host=address.host.encode(), port=address.port, target=target.encode()
        )
        try:
            extensions = {"timeout": {"pool": deadline.left()}}
            with self._pool.stream("GET", url, headers=list(sent.items()), extensions=extensions) as response:
                return Answer(response.status, _media_type(response.headers), _read(response.iter_stream(), budget))
        except httpcore.TimeoutException:
            raise FetchFailed(Why.LATE) from None
        except httpcore.ConnectError:
            raise FetchFailed(Why.UNREACHABLE) from None
        except (httpcore.NetworkError, httpcore.ProtocolError, UnicodeError):
            raise FetchFailed(Why.BROKEN) from None

    def together(self, tasks: Mapping[Key, Callable[[], Value]], deadline: Deadline) -> dict[Key, Value | FetchFailed]:
        """Run the tasks side by side, each in a thread of its own; what is not done by the deadline has failed."""
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


def _media_type(headers: Iterable[tuple[bytes, bytes]]) -> str:
    kinds = [value for name, value in headers if name.lower() == b"content-type"]
    return kinds[0].decode("latin-1").partition(";")[0].strip().lower() if len(kinds) == 1 else ""


def _read(chunks: Iterable[bytes], budget: Budget) -> bytes:
    body = bytearray()
    for chunk in chunks:
        try:
            budget.spend(len(chunk))
        except FetchFailed:
            # What is thrown away leaves its room to the others.
            budget.spend(-len(body))
            raise
        body += chunk
    return bytes(body)


class _CheckedNetwork(httpcore.NetworkBackend):
    """Connects to the very address it has checked: no second look-up can lead elsewhere."""

    def __init__(self, resolve: Callable[[str, int], list[str]], current: threading.local) -> None:
        self._resolve = resolve
        self._current = current
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        deadline: Deadline = self._current.deadline
        try:
            found = self._resolve(host, port)
        except (OSError, UnicodeError):
            raise FetchFailed(Why.UNREACHABLE) from None
        if not found or not all(_may_be_asked(host, address) for address in found):
            raise FetchFailed(Why.FORBIDDEN)
        for number, address in enumerate(found):
            share = deadline.left() / (len(found) - number)
            try:
                stream = self._sockets.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
            return _Timed(stream, self._current)
        raise FetchFailed(Why.UNREACHABLE)


class _Timed(httpcore.NetworkStream):
    """A connection whose every step ends with the deadline of the call that uses it, however slowly it drips."""

    def __init__(self, stream: httpcore.NetworkStream, current: threading.local) -> None:
        self._stream = stream
        self._current = current

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._current.deadline.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._current.deadline.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        # Python holds the whole handshake to this time, not each of its steps.
        secured = self._stream.start_tls(ssl_context, server_hostname, self._current.deadline.left())
        return _Timed(secured, self._current)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _may_be_asked(host: str, resolved: str) -> bool:
    """Whether a listed host may be reached at that address.

    A host that is listed by its address is the operator's word. A name may lead into a private network, as hospitals'
    do, but not to this machine, nor to what serves secrets on link-local addresses, as cloud providers do.
    """
    try:
        address = ipaddress.ip_address(resolved.partition("%")[0])
    except ValueError:
        return False
    if host == "localhost":
        return address.is_loopback
    try:
        return ipaddress.ip_address(host) == address
    except ValueError:
        return not (
            address.is_loopback
            or address.is_link_local
            or address.is_multicast
            or address.is_unspecified
            or address.is_reserved
        )
