"""A lean client: requests are bytes that were made before, sent on raw sockets and timed.

It shares the machine with what it measures, so it does next to nothing: it finds the end of each answer, and checks
that it is a 200.
"""

from __future__ import annotations

import re
import selectors
import socket
import time
from collections.abc import Iterable, Iterator

Request = tuple[bytes, bytes]
"""A head and a body."""

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
_PIECE = 262_144


class NotAnswered(Exception):
    """An answer that is none, or not a 200; the message has its beginning."""


def post(path: str, body: bytes, token: str | None = None) -> Request:
    """A POST of JSON on a connection that is kept."""
    authorization = f"Authorization: Bearer {token}\r\n" if token is not None else ""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"{authorization}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode(), body


class Connection:
    """One connection, kept as long as the server keeps it."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.is_over = False
        """The server said that it closes it."""
        self._came = b""

    def send(self, request: Request) -> None:
        sent = self.sock.sendmsg(request)
        if sent < len(request[0]) + len(request[1]):
            self.sock.sendall(b"".join(request)[sent:])

    def receive(self) -> bool:
        """Take what came; whether the answer is whole. Raises NotAnswered."""
        data = self.sock.recv(_PIECE)
        self._came = self._came + data if self._came else data
        end = self._came.find(b"\r\n\r\n")
        head = self._came[: end + 2]
        if not data or (end >= 0 and not head.startswith(b"HTTP/1.1 200")):
            raise NotAnswered(repr(self._came[:300]))
        if end < 0:
            return False
        length = _LENGTH.search(head)
        if length is None:
            raise NotAnswered(f"without a length: {head!r}")
        if len(self._came) < end + 4 + int(length[1]):
            return False
        self._came = b""
        self.is_over = _CLOSES.search(head) is not None
        return True


def ask_in_turn(port: int, requests: Iterable[Request]) -> list[float]:
    """Ask and wait, on one connection; the seconds that each answer took, a new connection included."""
    connection: Connection | None = None
    taken = []
    try:
        for request in requests:
            began = time.perf_counter()
            if connection is None:
                connection = Connection(port)
            connection.send(request)
            while not connection.receive():
                pass
            taken.append(time.perf_counter() - began)
            if connection.is_over:
                connection.sock.close()
                connection = None
    finally:
        if connection is not None:
            connection.sock.close()
    return taken


def ask_at_once(port: int, requests: Iterator[Request], connections: int) -> list[float]:
    """Keep this many connections asking, from one thread; the seconds that each answer took."""
    taken: list[float] = []
    began: dict[Connection, float] = {}
    with selectors.DefaultSelector() as selector:

        def ask(connection: Connection | None) -> None:
            """The next request, on this connection or on a new one."""
            request = next(requests, None)
            if request is None:
                if connection is not None:
                    selector.unregister(connection.sock)
                    connection.sock.close()
                return
            since = time.perf_counter()
            if connection is None:
                connection = Connection(port)
                selector.register(connection.sock, selectors.EVENT_READ, connection)
            began[connection] = since
            connection.send(request)

        try:
            for _ in range(connections):
                ask(None)
            while selector.get_map():
                for key, _ in selector.select():
                    connection: Connection = key.data
                    if not connection.receive():
                        continue
                    taken.append(time.perf_counter() - began.pop(connection))
                    if connection.is_over:
                        selector.unregister(connection.sock)
                        connection.sock.close()
                        ask(None)
                    else:
                        ask(connection)
        finally:
            for key in list(selector.get_map().values()):
                key.data.sock.close()
    return taken
