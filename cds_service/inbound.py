"""One connection that a client has opened, as a worker holds it."""

from __future__ import annotations

import socket
import struct
import time
from typing import Any

from cds_service.arriving import Arriving, State

# In seconds. Behind a proxy that gathers requests itself, all of them are far away.
HEAD_SECONDS = 10.0
REQUEST_SECONDS = 30.0
SEND_SECONDS = 10
WHOLE_SECONDS = 30.0
"""For an answer that is read slowly, however steadily."""
_PIECE = 65_536


class Inbound:
    """What the client has sent of its next request, and how its connection stands with the loop."""

    __slots__ = ("arrived", "arriving", "client", "is_watched", "rest", "server", "since", "sock", "state")

    def __init__(self, sock: socket.socket, client: Any, server: Any, longest_body: int) -> None:
        self.sock, self.client, self.server = sock, client, server
        self.arriving = Arriving(longest_body)
        self.since = 0.0
        """When it began to send, or, between two requests, when the last answer was sent."""
        self.arrived = 0.0
        """When its request was whole, on the clock of `time.perf_counter`."""
        self.state = State.ARRIVING
        """Of its request; while one that is whole is answered, nothing more is read."""
        self.rest = b""
        """What came after the request that is answered."""
        self.is_watched = False
        """The poller tells when there is something to read."""
        # A client that does not read what it asked for holds a thread no longer than this.
        sock.setblocking(True)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_SECONDS, 0))

    def is_late(self, now: float) -> bool:
        return now - self.since > (REQUEST_SECONDS if self.arriving.head_is_here else HEAD_SECONDS)

    def send_at_once(self, data: bytes) -> None:
        """As much as goes at once: nobody waits for a client that is refused."""
        try:
            self.sock.send(data, socket.MSG_DONTWAIT)
        except OSError:
            return

    def send_whole(self, data: bytes) -> bool:
        """Send all of it, in a thread; whether the client took it in its time."""
        until = time.monotonic() + WHOLE_SECONDS
        rest = memoryview(data)
        try:
            while rest:
                if time.monotonic() > until:
                    return False
                rest = rest[self.sock.send(rest[:_PIECE]) :]
        except OSError:
            return False
        return True
