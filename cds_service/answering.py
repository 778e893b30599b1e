"""From a request that came whole to the bytes of its answer; the socket is the worker's."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from io import BytesIO
from typing import Any

from gunicorn.http.errors import (
    ExpectationFailed,
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
)
from gunicorn.http.message import Request as GunicornRequest
from gunicorn.http.unreader import Unreader
from gunicorn.http.wsgi import Response as GunicornResponse
from gunicorn.http.wsgi import create
from gunicorn.util import http_date

from cds_service.problems import SOON, outcome, retry_after
from cds_service.visit import ARRIVED, GATHERED
from cds_service.wsgi import Headers, Wsgi

log = logging.getLogger("cds_service.server")

_REASONS = {
    400: "Bad Request",
    408: "Request Timeout",
    414: "URI Too Long",
    417: "Expectation Failed",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


Escort = Callable[[Mapping[str, Any], int, Iterable[str]], Headers]
"""Counts and logs an answer that the application has not given, and tells the headers to add to those it has."""


class _Pieces(Unreader):  # type: ignore[misc]
    """What came, for Gunicorn to read: it never waits for a socket."""

    def __init__(self, *pieces: bytes) -> None:
        super().__init__()
        self.pieces = iter(pieces)

    def chunk(self, size_hint: int | None = None) -> bytes:
        return next(self.pieces, b"")


class Request(GunicornRequest):  # type: ignore[misc]
    """A head as Gunicorn reads it, strictly, and the body that came with it."""

    def __init__(self, cfg: Any, client: Any, head: bytes, body: bytes | None, chunks: bytes = b"") -> None:
        """``body`` is None where it is in ``chunks``. Raises ParseException where the head is not HTTP."""
        self.sent, self.head = body, head
        self.length = len(head) + len(body or chunks)
        super().__init__(cfg, _Pieces(head, chunks), client)
        if body is not None:
            self.body = BytesIO(body)
        for name, value in self.headers:
            # Gunicorn knows the word where it stands alone (RFC 9110, section 7.6.1: it may stand in a list).
            if name == "CONNECTION" and "," in value and "close" in map(str.strip, value.lower().split(",")):
                self.force_close()

    def _peer_is_trusted_proxy(self) -> bool:
        """Nobody's word about who calls is taken, so nobody's address is looked at."""
        return False

    def join_chunks(self) -> None:
        """Read the chunks, if there are some, so that nothing of them is left. Raises ParseException."""
        if self.sent is None:
            # What reads chunks knows the request: where it fails, they would be a circle, with all that was sent.
            chunks, self.body = self.body, BytesIO()
            self.sent = chunks.read()
            self.body = BytesIO(self.sent)
            if self.unreader.take_buffered():
                self.force_close()


class _Outgoing:
    """Stands for the socket where an answer is written: head and body are gathered, and leave together."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def sendall(self, data: bytes) -> None:
        self.pieces.append(data)

    def send(self, data: bytes) -> None:
        """The word to go on and send the body, which is here: nobody waits for it."""


class _Response(GunicornResponse):  # type: ignore[misc]
    """An answer as Gunicorn writes it, in a moment that is put into words once a second."""

    def default_headers(self) -> list[str]:
        return [
            f"HTTP/{self.req.version[0]}.{self.req.version[1]} {self.status}\r\n",
            f"Server: {self.version}\r\n",
            f"Date: {_date(int(time.time()))}\r\n",
            f"Connection: {'close' if self.should_close() else 'keep-alive'}\r\n",
            *(["Transfer-Encoding: chunked\r\n"] if self.chunked else []),
        ]


@lru_cache(1)
def _date(second: int) -> str:
    return str(http_date(second))


class Settled:
    """Gunicorn's configuration, with each value looked up once: a worker's does not change."""

    def __init__(self, cfg: Any) -> None:
        self._cfg = cfg

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._cfg, name)
        setattr(self, name, value)
        return value


def answer(
    application: Wsgi, request: Request, client: Any, server: Any, cfg: Any, arrived: float, escort: Escort
) -> tuple[bytes, bool]:
    """The bytes of the answer, and whether the connection may be used again; never raises.

    ``arrived``: when the request was whole, on the clock of `time.perf_counter`.
    """
    try:
        request.join_chunks()
        outgoing = _Outgoing()
        response, environ = create(request, outgoing, client, server, cfg, _Response)
        environ["wsgi.multithread"] = True
        environ[ARRIVED] = arrived
        if request.sent and environ.get("CONTENT_LENGTH") == str(len(request.sent)):
            environ[GATHERED] = request.sent
        body = application(environ, response.start_response)
        try:
            for piece in body:
                response.write(piece)
            response.close()
        finally:
            if hasattr(body, "close"):
                body.close()
        return b"".join(outgoing.pieces), not response.should_close()
    except Exception as error:
        return refusal(error, request.head, escort), False


def refusal(error: Exception, head: bytes, escort: Escort) -> bytes:
    """The answer to what cannot be read or answered. The log has the kind of the fault: its words may hold a token."""
    status = _status(error)
    if status == 500:
        log.error("a request was not answered", exc_info=error)
    else:
        log.warning("refused a request that is not HTTP as it is read here: %s", type(error).__name__)
    return error_answer(status, head, escort)


def _status(error: Exception) -> int:
    match error:
        case InvalidResponseHeader() | InvalidResponseHeaderName():
            return 500
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


def error_answer(status: int, head: bytes, escort: Escort) -> bytes:
    """An answer to what never became a request of the application; ``head`` is what came of it."""
    body = json.dumps(outcome(status, f"{_REASONS[status]}.")).encode()
    headers = [
        ("Date", _date(int(time.time()))),
        ("Connection", "close"),
        ("Content-Type", "application/fhir+json"),
        ("Content-Length", str(len(body))),
        *([retry_after(SOON)] if status == 503 else []),
    ]
    headers += escort(_as_far_as_read(head), status, [name for name, _ in headers])
    lines = [f"HTTP/1.1 {status} {_REASONS[status]}", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def _as_far_as_read(head: bytes) -> dict[str, str]:
    """What an escort asks of a request, from a head that may be none."""
    found = {"REQUEST_METHOD": head.partition(b" ")[0][:20].decode("latin-1")}
    for name, value in _ESCORTED.findall(head.partition(b"\r\n\r\n")[0]):
        found[f"HTTP_{name.decode().upper().replace('-', '_')}"] = value.strip().decode("latin-1")
    return found


_ESCORTED = re.compile(rb"^(origin|x-request-id)[ \t]*:([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
