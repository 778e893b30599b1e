"""The connections of `Fetcher`, each to an address that was checked. The only module that knows httpcore."""

from __future__ import annotations

import ipaddress
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import httpcore

from cds_service.addresses import Address
from cds_service.fetching import MOST_CONNECTIONS, Answer, Budget, Deadline, FetchFailed, Why

# Idle connections are kept this long, in seconds: for the calls of one session, not for the day.
_IDLE = 10.0


class Outbound:
    """One pool of connections, which threads share."""

    def __init__(self, resolve: Callable[[str, int], list[str]], tls: ssl.SSLContext) -> None:
        self._current = threading.local()
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls,
            max_connections=MOST_CONNECTIONS,
            keepalive_expiry=_IDLE,
            network_backend=_CheckedNetwork(resolve, self._current),
        )

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

    def close(self) -> None:
        self._pool.close()


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
