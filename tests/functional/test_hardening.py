"""What an attacker sends instead of a hook call: it is refused at once, nobody else waits, and no worker dies."""

from __future__ import annotations

import gzip
import json
import logging
import select
import signal
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from cds_service import judging, order_reasons
from cds_service.arriving import LONGEST_HEAD, Arriving, State
from cds_service.envelope import MOST_DRAFTS, MOST_ENTRIES
from cds_service.fhir_client import MOST_CALLS, MOST_WAITING
from cds_service.logs import JsonLines
from cds_service.rate_limit import Rate, RateLimit, read_rate
from cds_service.waiting import LONGEST
from tests.cases_as_fhir import request_for
from tests.functional.test_service import FEEDBACK, PLAIN, SELECT
from tests.loopback import send, serving
from tests.serving import Served, service

Json = dict[str, Any]
BODY = json.dumps(request_for(PLAIN)).encode()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One service for the whole table; its workers must be the same at the end."""
    with service(tmp_path_factory.mktemp("served"), CDS_RATE_LIMIT="off") as it:
        while len(workers := it.workers) < 2:
            time.sleep(0.05)
        yield it
        assert it.workers == workers
        assert it.stop() == 0


def _post(*headers: str, body: bytes = BODY, path: str = SELECT, length: bool = True) -> bytes:
    """A hook call as bytes, after which the connection is closed."""
    lines = [f"POST {path} HTTP/1.1", "Host: cds.example.org", "Connection: close", *headers]
    if not any(header.lower().startswith("content-type") for header in headers):
        lines.append("Content-Type: application/json")
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _chunked(body: bytes, size: int = 1000) -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def _in_chunks(body: bytes, *headers: str) -> bytes:
    return _post("Transfer-Encoding: chunked", *headers, body=body, length=False)


def _get(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", "Connection: close", *headers, "", ""]).encode("latin-1")


@dataclass(frozen=True)
class Attack:
    """Bytes, and the status they get."""

    name: str
    sent: bytes
    status: int


ATTACKS = [
    Attack("a body of fifty megabytes, declared", _post("Content-Length: 50000000", length=False), 413),
    Attack("eleven megabytes in chunks", _in_chunks(_chunked(b" " * 11_000_000, 100_000)), 413),
    Attack("a chunk of fifty megabytes, declared", _in_chunks(b"2faf080\r\n" + b" " * 11_000_000), 413),
    Attack("a million chunks of one byte", _in_chunks(_chunked(b" " * 1_000_000, 1)), 413),
    Attack("a length beyond all numbers", _post("Content-Length: " + "9" * 400, length=False), 400),
    Attack("a negative length", _post("Content-Length: -1", length=False), 400),
    Attack("two lengths", _post("Content-Length: 5"), 400),
    Attack("two lengths in one", _post("Content-Length: 5, 5", length=False), 400),
    Attack("a length and chunks", _post("Transfer-Encoding: chunked", body=_chunked(BODY)), 400),
    Attack("chunks inside a coding", _post("Transfer-Encoding: gzip, chunked", body=_chunked(BODY), length=False), 400),
    Attack("a coding that is not chunked", _post("Transfer-Encoding: gzip", body=_chunked(BODY), length=False), 400),
    Attack("a coding in disguise", _post("Transfer-Encoding: xchunked", body=_chunked(BODY), length=False), 400),
    Attack("a chunk that has no size", _in_chunks(b"zz\r\nabc\r\n0\r\n\r\n"), 400),
    Attack("a chunk with a sign", _in_chunks(b"+5\r\nabcde\r\n0\r\n\r\n"), 400),
    Attack("a chunk line without end", _in_chunks(b"5" * 5000), 400),
    Attack("a chunk that is longer than it says", _in_chunks(b"2\r\nabcdef\r\n0\r\n\r\n"), 400),
    Attack("a chunk size with a space behind it", _in_chunks(b"2 \r\nab\r\n0\r\n\r\n"), 400),
    Attack("a control character beside a chunk's size", _in_chunks(b"2;a\x01\r\nab\r\n0\r\n\r\n"), 400),
    Attack("a host behind the chunks", _in_chunks(b"2\r\nab\r\n0\r\nHost: evil.example\r\n\r\n"), 400),
    Attack("gzip", _post("Content-Encoding: gzip", body=gzip.compress(BODY)), 415),
    Attack("a gzip bomb", _post("Content-Encoding: gzip", body=gzip.compress(b" " * 20_000_000)), 415),
    Attack("deflate in upper case", _post("Content-Encoding: DEFLATE", body=b"x"), 415),
    Attack("a hundred thousand levels", _post(body=b"[" * 100_000), 400),
    Attack("a hundred thousand levels that close", _post(body=b'{"a":' * 100_000 + b"1" + b"}" * 100_000), 400),
    Attack("three million values", _post(body=b"[" + b"{}," * 3_000_000 + b"1]"), 413),
    Attack(
        "XML with an entity",
        _post("Content-Type: application/xml", body=b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///">]>'),
        415,
    ),
    Attack("a form", _post("Content-Type: multipart/form-data; boundary=x", body=b"--x--"), 415),
    Attack("a head of a hundred kilobytes", _post("X-Long: " + "x" * 100_000), 431),
    Attack("a field of nine kilobytes", _post("X-Long: " + "x" * 9_000), 431),
    Attack("a hundred fields", _post(*(f"X-{number}: x" for number in range(100))), 431),
    Attack("a path of five kilobytes", _get("/" + "x" * 5_000), 414),
    Attack("NUL in a header", _post("X-Odd: a\0b"), 400),
    Attack("a header folded over two lines", _post("X-Odd: a\r\n b"), 400),
    Attack("a header without a colon", _post("Authorization Bearer secret-in-a-bad-header"), 400),
    Attack("a header with a space before its colon", _post("X-Odd : a"), 400),
    Attack("two hosts", _post("Host: evil.example"), 400),
    Attack("two content types", _post("Content-Type: application/json", "Content-Type: text/plain"), 400),
    Attack("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
    Attack("HTTP of another age", b"GET /cds-services HTTP/9.9\r\n\r\n", 400),
    Attack("an expectation nobody knows", _post("Expect: a-miracle"), 417),
    Attack("a method nobody knows", b"BREW /cds-services HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405),
    Attack("TRACE", b"TRACE /cds-services HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405),
    Attack("a tunnel", b"CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
    Attack("dots in the path", _get("/cds-services/../../../../etc/passwd"), 404),
    Attack("dots in disguise", _get("/cds-services/..%2f..%2f..%2fetc%2fpasswd"), 404),
    Attack("dots in double disguise", _get("/cds-services/%252e%252e%252fetc"), 404),
    Attack("NUL in the path", _get("/cds-services%00.html"), 404),
    Attack("a backslash in the path", _get("/cds-services\\..\\x"), 404),
    Attack("a line break in the path", _get("/x%0d%0aX-Injected:%201"), 404),
    Attack("a line break in a service", _post(path="/cds-services/x%0d%0aX-Injected:%201"), 404),
    Attack("a script in the path", _get("/<script>alert(1)</script>"), 404),
    Attack("a prefix in a header", _get("/cds-services/health/live", "SCRIPT_NAME: /cds-services"), 404),
    Attack("a prefix by another name", _get("/nothing", "X-Original-URL: /cds-services", "X-Rewrite-URL: /"), 404),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_is_refused(served: Served, attack: Attack) -> None:
    """Each gets its status and an OperationOutcome that repeats nothing, and a good call is answered right after."""
    answer = served.exchange(attack.sent)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert int(head.split()[1]) == attack.status, head
    assert json.loads(body)["resourceType"] == "OperationOutcome"
    assert b"content-type: application/fhir+json" in head.lower()
    assert b"connection: close" in head.lower()
    for never in (b"X-Injected", b"passwd", b"evil.example", b"<script>", b"secret-in-a-bad-header", b"Traceback"):
        assert never not in answer
    assert served.exchange(_post()).startswith(b"HTTP/1.1 200 OK")


def test_a_body_that_was_not_read_is_not_the_next_request(served: Served) -> None:
    """After a body that is too long the connection is closed: what stands in it is answered by nobody."""
    smuggled = _get("/health/live")
    for sent in (
        _post("Content-Length: 50000000", body=smuggled, length=False),
        _in_chunks(b"2faf080\r\n" + smuggled),
    ):
        answer = served.exchange(sent.replace(b"Connection: close\r\n", b"", 1))
        assert answer.startswith(b"HTTP/1.1 413")
        assert b"\r\nconnection: close\r\n" in answer.lower()
        assert answer.count(b"HTTP/1.1") == 1


@dataclass(frozen=True)
class Odd:
    """Bytes that are unusual, and good."""

    name: str
    sent: bytes
    answers: int = 1


ODD = [
    Odd("chunks", _in_chunks(_chunked(BODY))),
    Odd("chunks of one byte", _in_chunks(_chunked(BODY, 1))),
    Odd(
        "chunks with extensions and a trailer",
        _in_chunks(_chunked(BODY).replace(b"3e8\r\n", b"3e8;a=b\r\n").replace(b"0\r\n\r\n", b"0\r\nX-T: 1\r\n\r\n")),
    ),
    Odd("HTTP/1.0", _post().replace(b"HTTP/1.1", b"HTTP/1.0")),
    Odd("two requests in one go", _post().replace(b"Connection: close\r\n", b"") + _post(), 2),
    Odd(
        "a preflight and its call in one go",
        b"OPTIONS / HTTP/1.1\r\nHost: x\r\nAccess-Control-Request-Method: GET\r\n\r\n" + _post(),
        1,
    ),
    Odd("an absolute target", _post().replace(b"POST /", b"POST http://evil.example/")),
    Odd("an identity coding", _post("Content-Encoding: identity")),
    Odd(
        "forwarded headers", _post("X-Forwarded-Proto: https", "X-Forwarded-Host: evil.example", "Forwarded: host=evil")
    ),
]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.name)
def test_what_is_unusual_and_good_is_answered(served: Served, odd: Odd) -> None:
    """Every framing that HTTP allows gets its card, and no header of the client decides an address in it."""
    answer = served.exchange(odd.sent)
    assert answer.count(b" 200 OK") == odd.answers
    assert answer.count(b'"cards":[{') == odd.answers
    assert b"evil" not in answer


def test_a_body_that_waits_for_a_word_gets_it(served: Served) -> None:
    """Expect: 100-continue is answered before the body is sent, and the card comes after it."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as sock:
        head, body = _post("Expect: 100-continue").split(b"\r\n\r\n", 1)
        sock.sendall(head + b"\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 100 Continue")
        sock.sendall(body)
        got = b""
        while data := sock.recv(65_536):
            got += data
    assert b"HTTP/1.1 200 OK" in got


SLOW = {
    "silent": b"",
    "in the head": _post()[:60],
    "in the body": _post()[:-100],
    "in a chunk": _in_chunks(b"5\r\nabc"),
    "in a trailer": _in_chunks(_chunked(BODY)[:-2] + b"X: "),
    "in a body that is too long": _post("Content-Length: 50000000", length=False),
    "in hanging up": _get("/health/live"),
}


@pytest.mark.parametrize("sent", SLOW.values(), ids=SLOW.keys())
def test_slow_senders_hold_up_nobody(served: Served, sent: bytes) -> None:
    """While two hundred connections hang, dripping a byte now and then, twenty good calls at once are answered."""
    over = threading.Event()
    with ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(("127.0.0.1", served.port))) for _ in range(200)]
        for sock in slow:
            sock.sendall(sent)

        def drip() -> None:
            while not over.wait(0.1):
                for sock in slow:
                    try:
                        sock.send(b"x")
                    except OSError:
                        continue

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            with ThreadPoolExecutor(5) as threads:
                answers = list(threads.map(lambda _: served.exchange(_post()), range(20)))
        finally:
            over.set()
            dripping.join()
    assert [answer[:15] for answer in answers] == [b"HTTP/1.1 200 OK"] * 20


NEVER_CAME_IN = {
    400: _post("Content-Length: -1", "Origin: https://app.example.org", length=False),
    414: _get("/" + "x" * 5_000, "Origin: https://app.example.org"),
    417: _post("Expect: a-miracle", "Origin: https://app.example.org"),
    431: _post("Origin: https://app.example.org", "X-Long: " + "x" * 9_000),
}


def test_what_never_comes_in_is_told_counted_and_logged_as_all_else(tmp_path: Path) -> None:
    """A browser may read why, an operator sees how often, and the answer has its date, its id and its restrictions."""
    with service(tmp_path, workers=1, CDS_METRICS="open") as it:
        named = []
        for status, sent in NEVER_CAME_IN.items():
            head = it.exchange(sent).partition(b"\r\n\r\n")[0].decode()
            lines = head.split("\r\n")
            assert lines[0].startswith(f"HTTP/1.1 {status} ")
            fields = dict(line.split(": ", 1) for line in lines[1:])
            assert fields["Access-Control-Allow-Origin"] == "*"
            assert fields["Content-Security-Policy"].startswith("default-src 'none'")
            assert parsedate_to_datetime(fields["Date"]).tzinfo is not None
            named.append(fields["X-Request-Id"])
        figures = it.exchange(_get("/metrics")).decode()
        for status in NEVER_CAME_IN:
            assert f'cds_answers_total{{endpoint="none",service="none",status="{status}"}} 1.0' in figures
    lines = [json.loads(line) for line in it.said.splitlines()]
    told = {line["request"]: line["status"] for line in lines if "request" in line}
    assert [told[request] for request in named] == list(NEVER_CAME_IN)


def test_a_slow_fhir_server_holds_up_its_own_calls_alone(tmp_path: Path) -> None:
    """While it answers nothing to ever so many calls, one worker answers all others; sixteen of them wait, no more."""
    released = threading.Event()

    def wait(it: BaseHTTPRequestHandler) -> None:
        if released.wait(30):
            send(it, b'{"resourceType":"Bundle","type":"searchset"}')

    with (
        ThreadPoolExecutor(40) as threads,
        serving(wait) as fhir,
        service(tmp_path, workers=1, CDS_FHIR_DEADLINE="20") as it,
    ):
        lent = {"access_token": "t", "token_type": "Bearer", "expires_in": 300, "scope": "patient/*.rs", "subject": "c"}
        call = {**request_for(PLAIN), "prefetch": {}, "fhirServer": f"{fhir.url}/fhir", "fhirAuthorization": lent}
        body = json.dumps(call).encode()
        calls = [body, body.replace(b"Authorization", b"\\u0041uthorization")] * 20
        lending = [threads.submit(it.exchange, _post(body=each)) for each in calls]
        while sum(each.done() for each in lending) < len(calls) - MOST_CALLS - MOST_WAITING:
            time.sleep(0.01)
        long = _post(body=json.dumps(request_for(PLAIN)).encode() + b" " * LONGEST)
        feedback = _post(path="/cds-services/lumbar-imaging-order-select/feedback", body=b"{}")
        for _ in range(20):
            assert it.exchange(_post()).startswith(b"HTTP/1.1 200 OK")
            assert it.exchange(long).startswith(b"HTTP/1.1 200 OK")
            assert it.exchange(feedback).startswith(b"HTTP/1.1 400 BAD REQUEST")
        assert sum(each.done() for each in lending) == len(calls) - MOST_CALLS - MOST_WAITING
        released.set()
        assert [each.result()[:15] for each in lending] == [b"HTTP/1.1 200 OK"] * len(calls)


def test_calls_that_fetch_at_once_wait_for_their_turn(tmp_path: Path) -> None:
    """More calls than may fetch at once get their charts one after the other, where the server answers in time."""

    def slowly(it: BaseHTTPRequestHandler) -> None:
        time.sleep(0.05)
        send(it, b'{"resourceType":"Bundle","type":"searchset"}')

    number = MOST_CALLS + MOST_WAITING
    with (
        ThreadPoolExecutor(number) as threads,
        serving(slowly) as fhir,
        service(tmp_path, workers=1, CDS_FHIR_DEADLINE="20") as it,
    ):
        lent = {"access_token": "t", "token_type": "Bearer", "expires_in": 300, "scope": "patient/*.rs", "subject": "c"}
        call = {**request_for(PLAIN), "prefetch": {}, "fhirServer": f"{fhir.url}/fhir", "fhirAuthorization": lent}
        sent = _post(body=json.dumps(call).encode())
        answers = list(threads.map(it.exchange, [sent] * number))
    assert all(answer.startswith(b"HTTP/1.1 200 OK") for answer in answers)
    assert "too many calls" not in it.said


def test_who_is_too_slow_is_told_and_closed(tmp_path: Path) -> None:
    """A head and a body that do not arrive in their time get 408, and a connection that says nothing is closed."""
    before = "import cds_service.inbound as inbound\ninbound.HEAD_SECONDS = inbound.REQUEST_SECONDS = 0.2"
    with service(tmp_path, before=before) as it:
        with ThreadPoolExecutor(4) as threads:
            sent = [SLOW["in the head"], SLOW["in the body"], SLOW["in a chunk"], b""]
            *told, nothing = threads.map(it.exchange, sent)
        assert [answer[:28] for answer in told] == [b"HTTP/1.1 408 Request Timeout"] * 3
        assert nothing == b""
        assert it.exchange(_post()).startswith(b"HTTP/1.1 200 OK")


def test_too_many_at_once_push_out_the_oldest_and_the_largest(tmp_path: Path) -> None:
    """Beyond their number the oldest of the unfinished requests is refused, beyond their memory the largest."""
    before = "import cds_service.worker as worker\nworker.MOST_ARRIVING = 5"
    # One worker: of two, one might get so few of the connections that it keeps them all.
    with service(tmp_path, before=before, workers=1, CDS_MAX_BODY="100000") as it, ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(("127.0.0.1", it.port), timeout=10)) for _ in range(40)]
        for sock in slow:
            sock.sendall(SLOW["in the head"])
        assert slow[0].recv(20).startswith(b"HTTP/1.1 503")
        assert it.exchange(_post()).startswith(b"HTTP/1.1 200 OK")
    folder = tmp_path / "memory"
    folder.mkdir()
    with service(folder, CDS_MAX_BODY="100000") as it, ExitStack() as stack:
        large = [stack.enter_context(socket.create_connection(("127.0.0.1", it.port), timeout=10)) for _ in range(30)]
        for sock in large:
            sock.sendall(_post("Content-Length: 99999", body=b" " * 99_000, length=False))
        refused, _, _ = select.select(large, [], [], 10)
        assert refused[0].recv(20).startswith(b"HTTP/1.1 503")
        assert len(select.select(large, [], [], 0)[0]) < 30
        assert it.exchange(_post()).startswith(b"HTTP/1.1 200 OK")


def test_a_stopping_service_waits_for_nobody_who_has_said_nothing(tmp_path: Path) -> None:
    """Connections without a byte do not hold up a stop, however long they might stay otherwise."""
    before = "import cds_service.inbound as inbound\ninbound.HEAD_SECONDS = 1000"
    # One worker: a second one may be just beginning, and a word that comes in between fork and that is lost.
    with service(tmp_path, before=before, workers=1) as it, ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(socket.create_connection(("127.0.0.1", it.port)))
        assert it.exchange(_post()).startswith(b"HTTP/1.1 200 OK")
        it.process.send_signal(signal.SIGTERM)
        assert it.process.wait(timeout=20) == 0


def test_a_worker_that_is_told_to_stop_before_it_has_begun_stops(tmp_path: Path) -> None:
    """A service is stopped while its second worker is still getting ready: that one stops too, and nobody waits."""
    before = (
        "import time\nfrom gunicorn.workers.base import Worker\nready = Worker.init_signals\n"
        "Worker.init_signals = lambda self: (time.sleep(2 * (self.age > 1)), ready(self))"
    )
    with service(tmp_path, before=before) as it:
        assert it.exchange(_post()).startswith(b"HTTP/1.1 200 OK")
        it.process.send_signal(signal.SIGTERM)
        assert it.process.wait(timeout=15) == 0


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("sent", [_post(), _in_chunks(_chunked(BODY)), _get("/x")], ids=["length", "chunks", "none"])
def test_a_request_is_whole_when_its_last_byte_is_here(sent: bytes, size: int) -> None:
    """However the bytes are cut, a request is whole with its last byte and not one before."""
    arriving = Arriving(10_000_000)
    pieces = [sent[start : start + size] for start in range(0, len(sent), size)]
    states = [arriving.feed(piece) for piece in pieces]
    assert states == [State.ARRIVING] * (len(pieces) - 1) + [State.WHOLE]
    assert bytes(arriving.data) == sent
    assert Arriving(10_000_000).feed(sent[:-1]) is State.ARRIVING


def test_a_head_without_end_is_given_up() -> None:
    """A head is read up to its limit, in whatever pieces it comes."""
    arriving = Arriving(1000)
    while (state := arriving.feed(b"x" * 1000)) is State.ARRIVING:
        pass
    assert state is State.LONG_HEAD
    assert LONGEST_HEAD < len(arriving.data) <= LONGEST_HEAD + 1000


def test_every_line_of_the_log_is_json(served: Served) -> None:
    """Whatever was sent, each line is one object of ours: no request has written a line of its own."""
    served.exchange(_get("/x%0a%7B%22level%22:%22forged%22%7D", 'User-Agent: {"level":"forged"}', "Referer: x"))
    served.exchange(b'GET /\r\n{"level":"forged"}\r\n\r\n')
    lines = [json.loads(line) for line in served.said.splitlines()]
    assert lines
    assert {line["logger"] for line in lines} <= {"cds_service.request", "cds_service.server", "gunicorn.error"}
    assert {line["level"] for line in lines} <= {"info", "warning"}
    assert "forged" not in served.said


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "\x1b[31m", "\u2028", "\x00", '"}\n{"level":"x'])
def test_no_text_can_begin_a_line_of_the_log(text: str) -> None:
    """Line breaks, escapes and quotes in a record stay inside its one JSON object."""
    record = logging.LogRecord("cds_service", logging.ERROR, "file", 1, "said %s", (text,), None)
    shown = JsonLines().format(record)
    assert len(shown.splitlines()) == 1
    assert shown.isprintable()
    assert json.loads(shown)["message"] == f"said {text}"


def test_a_fault_in_the_log_has_its_kind_and_place_alone() -> None:
    """A traceback is not written: the lines around it, and its message, may hold a patient."""
    try:
        raise ValueError("Jane Public")
    except ValueError as error:
        record = logging.LogRecord(
            "x", logging.ERROR, "file", 1, "failed", (), (ValueError, error, error.__traceback__)
        )
    shown = json.loads(JsonLines().format(record))
    assert (shown["fault"], "test_hardening.py" in shown["place"]) == ("ValueError", True)
    assert "Public" not in str(shown)


@pytest.mark.parametrize(
    ("path", "caching"),
    [("/cds-services", "max-age=3600"), ("/health/live", "no-store"), ("/nothing", "no-store"), (SELECT, "no-store")],
)
def test_answers_carry_their_security_headers(client: FlaskClient, path: str, caching: str) -> None:
    """Nothing is sniffed, loaded, framed, referred or kept, on any status."""
    for response in (client.get(path), client.post(path, json=request_for(PLAIN))):
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert response.headers["Cache-Control"] in (caching, "no-store")
    assert client.get(path).headers["Cache-Control"] == caching


def _crowded(drafts: int, entries: int) -> Json:
    body = request_for(PLAIN)
    order = body["context"]["draftOrders"]["entry"][0]
    body["context"]["draftOrders"]["entry"] = [order] + [{"resource": {"resourceType": "Basic"}}] * (drafts - 1)
    present = sum(len(value["entry"]) if "entry" in value else 1 for value in body["prefetch"].values())
    body["prefetch"]["imaging"]["entry"] += [{"resource": {"resourceType": "Basic"}}] * (entries - present)
    return body


@pytest.mark.parametrize(
    ("drafts", "entries", "status"),
    [(MOST_DRAFTS, MOST_ENTRIES, 200), (MOST_DRAFTS + 1, 100, 413), (1, MOST_ENTRIES + 1, 413)],
)
def test_a_call_holds_so_many_entries_and_no_more(client: FlaskClient, drafts: int, entries: int, status: int) -> None:
    """Up to the limits a call is answered; one more of either, and it gets 413."""
    assert client.post(SELECT, json=_crowded(drafts, entries)).status_code == status


@pytest.mark.parametrize(("drafts", "status"), [(40, 200), (41, 413)])
def test_what_orders_name_is_counted_for_each_of_them(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, drafts: int, status: int
) -> None:
    """A panel that lists nine parts counts nineteen times for each order that names it: 760 are read, and no more."""
    monkeypatch.setattr(order_reasons, "MOST_REASONS", 760)
    body = request_for(PLAIN)
    part = {"code": {"coding": [{"system": "http://loinc.org", "code": "8310-5"}]}}
    panel = {"resourceType": "Observation", "id": "o", "status": "final", "code": part["code"], "component": [part] * 9}
    body["prefetch"]["observations"]["entry"].append({"resource": panel})
    order = body["context"]["draftOrders"]["entry"][0]["resource"]
    orders = [{**order, "id": f"o{n}", "reasonReference": [{"reference": "Observation/o"}]} for n in range(drafts)]
    body["context"]["draftOrders"]["entry"] = [{"resource": each} for each in orders]
    body["context"]["selections"] = [f"ServiceRequest/{each['id']}" for each in orders]
    assert client.post(SELECT, json=body).status_code == status


@pytest.mark.parametrize(("entries", "status"), [(24, 200), (25, 413)])
def test_entries_that_matter_are_counted_for_each_order(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, entries: int, status: int
) -> None:
    """Two orders look at 25 entries with the pain, and at 26 no more; entries of no concern are not counted."""
    monkeypatch.setattr(judging, "MOST_LOOKS", 50)
    body = request_for(PLAIN)
    chart = body["prefetch"]["conditions"]["entry"]
    for code, number in (("G83.4", entries), ("I10", 60)):
        coding = {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": code}
        resource = {**chart[0]["resource"], "code": {"coding": [coding]}}
        chart += [{"resource": {**resource, "id": f"{code[0]}{each}"}} for each in range(number)]
    order = body["context"]["draftOrders"]["entry"][0]["resource"]
    body["context"]["draftOrders"]["entry"].append({"resource": {**order, "id": "other"}})
    body["context"]["selections"] = [f"ServiceRequest/{order['id']}", "ServiceRequest/other"]
    assert client.post(SELECT, json=body).status_code == status


def test_references_into_many_contained_resources_are_read_in_a_moment(client: FlaskClient) -> None:
    """Ten thousand references into ten thousand contained resources: looked up, not searched for one by one."""
    body = request_for(PLAIN)
    order = body["context"]["draftOrders"]["entry"][0]["resource"]
    order["contained"] = [{"resourceType": "Condition", "id": f"c{number}"} for number in range(10_000)]
    order["reasonReference"] = [{"reference": "#gone"}] * 10_000
    assert client.post(SELECT, json=body).status_code == 200


@pytest.mark.parametrize("place", ["display", "text", "id", "url"])
def test_a_string_of_megabytes_goes_in_and_not_out(client: FlaskClient, place: str) -> None:
    """Four megabytes of text anywhere in a chart are read past: the answer stays small, and holds no markup."""
    body = request_for(PLAIN)
    condition = body["prefetch"]["conditions"]["entry"][0]["resource"]
    long = "<img src=x onerror=alert(1)>" * 150_000
    match place:
        case "display":
            condition["code"]["coding"][0]["display"] = long
        case "text":
            condition["code"]["text"] = long
        case "id":
            condition["id"] = long
        case "url":
            condition["extension"] = [{"url": long, "valueString": long}]
    response = client.post(SELECT, json=body)
    assert response.status_code == 200
    assert len(response.data) < 200_000
    assert all("<img" not in card["detail"] for card in response.get_json()["cards"])


def test_calls_beyond_the_rate_are_told_when_to_come_back(make_app: Callable[..., Flask]) -> None:
    """The third of two calls an hour gets 429 with Retry-After; another address, discovery and health do not."""
    client = make_app(rate_limit=read_rate("2/hour")).test_client()
    body = request_for(PLAIN)
    assert [client.post(SELECT, json=body).status_code for _ in range(2)] == [200, 200]
    refused = client.post(SELECT, json=body)
    assert refused.status_code == 429
    assert 1790 <= int(refused.headers["Retry-After"]) <= 1800
    assert refused.get_json()["issue"][0]["code"] == "throttled"
    assert refused.headers["Access-Control-Allow-Origin"] == "*"
    assert client.post(FEEDBACK, json={}).status_code == 429
    assert client.get("/cds-services").status_code == 200
    assert client.get("/health/live").status_code == 200
    assert client.options(SELECT).status_code == 200
    elsewhere = client.post(SELECT, json=body, environ_overrides={"REMOTE_ADDR": "192.0.2.7"})
    assert elsewhere.status_code == 200
    spoofed = client.post(SELECT, json=body, headers={"X-Forwarded-For": "192.0.2.8"})
    assert spoofed.status_code == 429


def test_the_rate_is_even_over_time_and_forgets_who_has_gone() -> None:
    """All calls of a period may come at once, then one as each is earned; what is remembered of callers is bounded."""
    now = [0.0]
    limit = RateLimit(Rate(3, 60), lambda: now[0])
    assert [limit.wait("a") for _ in range(5)] == [0, 0, 0, 20, 20]
    assert limit.wait("b") == 0
    now[0] = 20
    assert [limit.wait("a"), limit.wait("a")] == [0, 20]
    now[0] = 80
    assert [limit.wait("a") for _ in range(4)] == [0, 0, 0, 20]
    for number in range(10_000):
        limit.wait(f"caller-{number}")
    now[0] = 1000
    limit.wait("a")
    assert len(limit._spent) == 1


def test_a_good_call_is_served_by_every_worker(served: Served) -> None:
    """After all that came before, fifty calls over kept connections are answered."""
    for _ in range(50):
        with urllib.request.urlopen(f"{served.base}/cds-services", timeout=10) as answer:
            assert answer.status == 200
