"""Gunicorn's threaded worker, made patient: a request gets a thread once it has arrived whole, and not before.

Its own worker gives a thread to every connection: as many slow senders as there are threads, and nobody is served.
Here the loop that accepts connections also gathers what they send, which takes no thread however slowly it comes.
"""

from __future__ import annotations

import errno
import json
import logging
import selectors
import socket
import struct
import time
from functools import partial
from typing import Any

from gunicorn import util
from gunicorn.http.errors import ExpectationFailed, LimitRequestHeaders, LimitRequestLine, ParseException
from gunicorn.http.unreader import Unreader
from gunicorn.workers.gthread import TConn, ThreadWorker

from cds_service.arriving import Arriving, State
from cds_service.problems import outcome

log = logging.getLogger("cds_service.server")

# In seconds. Behind a proxy that gathers requests itself, all of them are far away.
HEAD_SECONDS = 10.0
REQUEST_SECONDS = 30.0
SEND_SECONDS = 10
LINGER_SECONDS = 2.0
STOP_SECONDS = 2.0

MOST_ARRIVING = 500
MOST_LINGERING = 200
_PIECE = 65_536
_REASONS = {
    400: "Bad Request",
    408: "Request Timeout",
    414: "URI Too Long",
    417: "Expectation Failed",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class Received(Unreader):  # type: ignore[misc]
    """What arrived, for the threads to read: they never wait for a socket."""

    def __init__(self, data: bytes, *, whole: bool) -> None:
        super().__init__()
        self.buf.write(data)
        self.whole = whole

    def chunk(self, size_hint: int | None = None) -> bytes:
        return b""


class Connection(TConn):  # type: ignore[misc]
    """One connection, which is closed without waiting for the other side."""

    def __init__(self, worker: Worker, sock: socket.socket, client: Any, server: Any) -> None:
        super().__init__(worker.cfg, sock, client, server)
        self.worker = worker
        self.arriving = Arriving(worker.longest_body)
        self.since = 0.0
        # A client that does not read what it asked for holds a thread no longer than this.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_SECONDS, 0))

    def close(self, graceful: bool = False) -> None:
        if graceful:
            self.worker.linger(self.sock)
        else:
            util.close(self.sock)

    def is_late(self, now: float) -> bool:
        return now - self.since > (REQUEST_SECONDS if self.arriving.head_is_here else HEAD_SECONDS)


class Worker(ThreadWorker):  # type: ignore[misc]
    """Gathers requests in its loop, and gives those that are whole to its threads."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.longest_body: int = self.app.longest_body
        self.most_gathered = 10 * self.longest_body
        self.arriving: dict[Connection, None] = {}
        """In the order in which they began."""
        self.lingering: dict[socket.socket, float] = {}

    def accept(self, listener: socket.socket) -> None:
        try:
            sock, client = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE) and self.arriving:
                self._refuse(next(iter(self.arriving)), 503)
            elif error.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK):
                raise
            return
        self.nr_conns += 1
        self.enqueue_req(Connection(self, sock, client, listener.getsockname()))

    def enqueue_req(self, connection: Connection) -> None:
        """A connection is ready for its first request, or for its next."""
        waiting = b"" if connection.parser is None else connection.parser.unreader.take_buffered()
        connection.arriving = Arriving(self.longest_body)
        connection.since = time.monotonic()
        connection.sock.setblocking(False)
        self.arriving[connection] = None
        self.poller.register(connection.sock, selectors.EVENT_READ, partial(self._on_arriving, connection))
        if waiting:
            self._take(connection, waiting)
        if len(self.arriving) > MOST_ARRIVING:
            self._refuse(next(iter(self.arriving)), 503)

    def _on_arriving(self, connection: Connection, _: Any) -> None:
        try:
            data = connection.sock.recv(_PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._take(connection, data)
        else:
            self._drop(connection)

    def _take(self, connection: Connection, data: bytes) -> None:
        arriving = connection.arriving
        began = arriving.head_is_here
        match arriving.feed(data):
            case State.ARRIVING:
                if arriving.asks_to_continue and not began:
                    _send(connection.sock, b"HTTP/1.1 100 Continue\r\n\r\n")
                self._make_room()
            case State.WHOLE:
                self._hand_over(connection, Received(bytes(arriving.data), whole=True))
            case State.LONG_BODY:
                self._hand_over(connection, Received(arriving.without_body(), whole=False))
            case State.LONG_HEAD:
                self._refuse(connection, 431)
            case State.MALFORMED:
                self._refuse(connection, 400)

    def _hand_over(self, connection: Connection, received: Received) -> None:
        self._forget(connection)
        connection.init()
        connection.parser.unreader = received
        connection.data_ready = True
        super().enqueue_req(connection)

    def _make_room(self) -> None:
        """When half-sent requests fill the memory that they may have, the largest of them goes."""
        if sum(len(each.arriving.data) for each in self.arriving) > self.most_gathered:
            self._refuse(max(self.arriving, key=lambda each: len(each.arriving.data)), 503)

    def murder_pending(self) -> None:
        """Every second: who has sent too little for too long, and who does not hang up."""
        super().murder_pending()
        now = time.monotonic()
        for connection in [each for each in self.arriving if each.is_late(now) or self._may_go(each, now)]:
            if connection.arriving.data:
                self._refuse(connection, 408)
            else:
                self._drop(connection)
        for sock in [sock for sock, until in self.lingering.items() if until <= now]:
            self._hang_up(sock)

    def _may_go(self, connection: Connection, now: float) -> bool:
        """A worker that stops waits for what has begun to arrive, and a moment for what may be on its way.

        A kept connection that has just become readable has a request in it that was not read yet.
        """
        return not self.alive and not connection.arriving.data and now - connection.since > STOP_SECONDS

    def _refuse(self, connection: Connection, status: int) -> None:
        log.warning("refused a request before it was whole: %s", status)
        self._forget(connection)
        self.nr_conns -= 1
        _send(connection.sock, error_answer(status))
        connection.close(graceful=True)

    def _drop(self, connection: Connection) -> None:
        self._forget(connection)
        self.nr_conns -= 1
        connection.close()

    def _forget(self, connection: Connection) -> None:
        del self.arriving[connection]
        self.poller.unregister(connection.sock)

    def linger(self, sock: socket.socket) -> None:
        """Say goodbye and wait, in the loop, until the client hangs up: a reset could cut the answer short."""
        try:
            sock.setblocking(False)
            sock.shutdown(socket.SHUT_WR)
            self.poller.register(sock, selectors.EVENT_READ, self._on_lingering)
        except (OSError, ValueError, KeyError):
            util.close(sock)
            return
        self.lingering[sock] = time.monotonic() + LINGER_SECONDS
        if len(self.lingering) > MOST_LINGERING:
            self._hang_up(next(iter(self.lingering)))

    def _on_lingering(self, sock: socket.socket) -> None:
        try:
            data = sock.recv(_PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._hang_up(sock)

    def _hang_up(self, sock: socket.socket) -> None:
        del self.lingering[sock]
        self.poller.unregister(sock)
        util.close(sock)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Answers what Gunicorn cannot read. The log has the kind of the fault: its words may hold a token."""
        log.warning("refused a request that is not HTTP as it is read here: %s", type(exc).__name__)
        _send(client, error_answer(_status(exc)))


def cut_short(worker: Worker, request: Any) -> None:
    """Gunicorn's hook before each request: after one whose body was not read, the connection is of no more use."""
    if not request.unreader.whole:
        request.force_close()


def _status(error: BaseException) -> int:
    match error:
        case LimitRequestLine():
            return 414
        case LimitRequestHeaders():
            return 431
        case ExpectationFailed():
            return 417
        case ParseException():
            return 400
        case _:
            return 500


def error_answer(status: int) -> bytes:
    """An answer to what never became a request of the application."""
    body = json.dumps(outcome(status, f"{_REASONS[status]}.")).encode()
    head = [
        f"HTTP/1.1 {status} {_REASONS[status]}",
        "Connection: close",
        "Content-Type: application/fhir+json",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        f"Content-Length: {len(body)}",
        *(["Retry-After: 5"] if status == 503 else []),
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


def _send(sock: socket.socket, data: bytes) -> None:
    """As much as goes at once: nobody waits for a client that is refused."""
    try:
        sock.send(data, socket.MSG_DONTWAIT)
    except OSError:
        return
