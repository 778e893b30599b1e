"""A request while it arrives: when it is whole, and when it will never be one that is served."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum

LONGEST_HEAD = 65_536
_LONGEST_CHUNK_LINE = 1_024
_MOST_CHUNKS = 100_000
# Names in lower case; a bare line feed begins a field too, so that none is overlooked that another reader would see.
_FRAMING = re.compile(rb"\n(content-length|transfer-encoding|expect)[ \t]*:([^\r\n]*)")
_CODING = re.compile(rb"^transfer-encoding[ \t]*:([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_OLD = re.compile(rb"\A[^\r\n]* http/1\.0\r", re.IGNORECASE)
_HEX = re.compile(rb"[0-9a-fA-F]{1,16}")


class State(Enum):
    """How far a request has come."""

    ARRIVING = "arriving"
    WHOLE = "whole"
    LONG_HEAD = "its head is longer than any that is read"
    LONG_BODY = "its body is longer than any that is read"
    MALFORMED = "its body is not framed as HTTP is"


@dataclass(slots=True)
class Arriving:
    """What came so far of one request, and of what follows it."""

    longest_body: int
    data: bytearray = field(default_factory=bytearray)
    asks_to_continue: bool = False
    """The client waits for a word before it sends the body."""
    _body_at: int = 0
    """Where the body begins; 0 while the head has not ended."""
    _chunk_at: int | None = None
    """Where the next chunk begins; None where the length is given."""
    _length: int = 0
    """The length of the body that is given, or that its chunks had so far."""
    _end: int = 0
    """Where a request that came whole in chunks ends, trailer included."""
    _chunks: int = 0

    @property
    def head_is_here(self) -> bool:
        return self._body_at > 0

    @property
    def head(self) -> bytes:
        """The request line and the fields, with the empty line after them."""
        return bytes(self.data[: self._body_at])

    @property
    def body(self) -> bytes | None:
        """The body of a whole request; None where it is in chunks that are still to be read."""
        if self._chunk_at is not None:
            return None
        with memoryview(self.data) as data:  # a slice of the data itself would be one more copy
            return bytes(data[self._body_at : self._body_at + self._length])

    @property
    def chunks(self) -> bytes:
        """The body of a whole request as it came in chunks, their framing included."""
        return bytes(self.data[self._body_at : self._end])

    @property
    def rest(self) -> bytes:
        """What follows a whole request."""
        return bytes(self.data[self._end or self._body_at + self._length :])

    def feed(self, data: bytes) -> State:
        """Take what came; ask no more once the state is another than ARRIVING."""
        seen = len(self.data)
        self.data += data
        if not self._body_at:
            end = self.data.find(b"\r\n\r\n", max(0, seen - 3))
            if max(end, len(self.data) if end < 0 else 0) > LONGEST_HEAD:
                return State.LONG_HEAD
            if end < 0:
                return State.ARRIVING
            self._body_at = end + 4
            state = self._read_head(bytes(self.data[: end + 2]))
            if state is not State.ARRIVING:
                return state
        if self._chunk_at is not None:
            return self._read_chunks()
        return State.WHOLE if len(self.data) >= self._body_at + self._length else State.ARRIVING

    def _read_head(self, head: bytes) -> State:
        found: dict[bytes, list[bytes]] = {}
        for name, value in _FRAMING.findall(head.lower()):
            found.setdefault(name, []).append(value.strip())
        # A client of HTTP/1.0 does not know the word that it would get (RFC 9110, section 10.1.1).
        self.asks_to_continue = b"100-continue" in found.get(b"expect", ()) and not _OLD.search(head)
        lengths, codings = found.get(b"content-length"), found.get(b"transfer-encoding")
        if codings:
            # A length as well is one of two ways to smuggle a second request past a proxy (RFC 9112, section 6.3).
            if codings != [b"chunked"] or lengths:
                return State.MALFORMED
            self._chunk_at = self._body_at
        elif lengths:
            if len(lengths) > 1 or not lengths[0].isdigit() or len(lengths[0]) > 18:
                return State.MALFORMED
            self._length = int(lengths[0])
            if self._length > self.longest_body:
                return State.LONG_BODY
        return State.ARRIVING

    def _read_chunks(self) -> State:
        while self._chunk_at is not None:
            end = self.data.find(b"\r\n", self._chunk_at)
            if end < 0:
                waits = len(self.data) - self._chunk_at <= _LONGEST_CHUNK_LINE
                return State.ARRIVING if waits else State.MALFORMED
            size = self.data[self._chunk_at : end].partition(b";")[0].strip()
            if not _HEX.fullmatch(size):
                return State.MALFORMED
            if int(size, 16) == 0:
                return self._read_trailer(end)
            self._length += int(size, 16)
            self._chunks += 1
            if self._length > self.longest_body or self._chunks > _MOST_CHUNKS:
                return State.LONG_BODY
            after = end + 2 + int(size, 16)
            if not b"\r\n".startswith(self.data[after : after + 2]):
                return State.MALFORMED
            self._chunk_at = after + 2
        return State.ARRIVING

    def _read_trailer(self, end: int) -> State:
        last = self.data.find(b"\r\n\r\n", end)
        if last >= 0:
            self._end = last + 4
            return State.WHOLE
        return State.ARRIVING if len(self.data) - end <= LONGEST_HEAD else State.LONG_HEAD

    def without_body(self) -> bytes:
        """The head alone, as of a body whose length is given and too long: so the application can refuse it."""
        return _CODING.sub(b"Content-Length: %d" % (self.longest_body + 1), self.head)
