"""Connections that are done with, in the loop of a worker until their clients hang up."""

from __future__ import annotations

import selectors
import socket
import time
from functools import partial

from gunicorn import util

LINGER_SECONDS = 2.0
MOST_LINGERING = 200
_PIECE = 65_536


class Lingering:
    """Waits for so many clients, and for each so long: a reset could cut its answer short."""

    def __init__(self) -> None:
        self.until: dict[socket.socket, float] = {}
        """In the order in which they came."""

    def linger(self, sock: socket.socket, poller: selectors.BaseSelector) -> None:
        """Say goodbye, and close it when the client hangs up; the poller does not know it yet."""
        try:
            sock.shutdown(socket.SHUT_WR)
            poller.register(sock, selectors.EVENT_READ, partial(self._on_readable, poller))
        except (OSError, ValueError, KeyError):
            util.close(sock)
            return
        self.until[sock] = time.monotonic() + LINGER_SECONDS
        if len(self.until) > MOST_LINGERING:
            self._hang_up(poller, next(iter(self.until)))

    def hang_up_late(self, now: float, poller: selectors.BaseSelector) -> None:
        """Wait no longer for those whose time is over."""
        for sock in [sock for sock, until in self.until.items() if until <= now]:
            self._hang_up(poller, sock)

    def _on_readable(self, poller: selectors.BaseSelector, sock: socket.socket) -> None:
        if sock not in self.until:
            return  # another took its place in the same turn
        try:
            data = sock.recv(_PIECE, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._hang_up(poller, sock)

    def _hang_up(self, poller: selectors.BaseSelector, sock: socket.socket) -> None:
        del self.until[sock]
        poller.unregister(sock)
        util.close(sock)
