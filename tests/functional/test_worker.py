"""One worker, turn by turn: what is answered in its loop, what in a thread, in which order, and who waits for whom."""

from __future__ import annotations

import errno
import gc
import os
import select
import selectors
import signal
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import PollableMethodQueue, ThreadWorker

from cds_service import collecting, inbound, lingering
from cds_service import worker as module
from cds_service.answering import Request, answer, error_answer
from cds_service.inbound import Inbound
from cds_service.must_wait import before_waiting
from cds_service.visit import GATHERED
from cds_service.waiting import Lane
from cds_service.worker import THREADS, Worker

Environ = dict[str, Any]
Start = Callable[..., Any]
LARGE = b"x" * 20_000_000


class Application:
    """Answers with the path that was asked; what is under /slow or /perhaps waits until it is released."""

    longest_body = 1_000_000

    def __init__(self) -> None:
        self.released = threading.Event()
        self.threads: dict[str, str] = {}
        """Which thread answered which path."""
        self.escorted: list[tuple[Environ, int]] = []
        """What of a request was read that came to nothing, and the status it got."""
        self.gathered: dict[str, bytes | None] = {}
        """The body that lay ready, by path."""

    def wsgi(self) -> Application:
        return self

    def escort(self, environ: Environ, status: int, named: Iterable[str]) -> list[tuple[str, str]]:
        self.escorted.append((environ, status))
        return [("X-Escort", str(len(self.escorted)))]

    def lane(self, method: str, path: str, body: bytes | None) -> Lane | None:
        if path.startswith("/fetch"):
            return Lane.FETCHES
        return Lane.STORES if path.startswith("/slow") or body is None else None

    def __call__(self, environ: Environ, start_response: Start) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        self.threads[path] = threading.current_thread().name
        self.gathered[path] = environ.get(GATHERED)
        if path.startswith("/perhaps"):
            before_waiting()
        if path.startswith(("/slow", "/perhaps", "/fetch")):
            assert self.released.wait(10)
        if path == "/fault":
            raise ValueError("Jane Public")
        if path == "/header":
            start_response("200 OK", [("X-Name", "Jane\nPublic")])
        body = LARGE if path == "/large" else path.encode() + environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]


class Bench:
    """A worker whose loop the test turns by hand."""

    def __init__(self, stack: ExitStack) -> None:
        cfg = Config()
        for name, value in {"threads": 2, "keepalive": 5, "worker_connections": 700, "max_requests": 50}.items():
            cfg.set(name, value)
        self.stack = stack
        self.listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.listener.setblocking(False)
        self.application = Application()
        self.worker = Worker(1, os.getppid(), [self.listener], self.application, 30, cfg, Logger(cfg))
        self.worker.poller = stack.enter_context(selectors.DefaultSelector())
        self.worker.tpool = stack.enter_context(self.worker.get_thread_pool())
        self.worker.method_queue.init()
        self.worker.poller.register(
            self.worker.method_queue.fileno(), selectors.EVENT_READ, self.worker.method_queue.run_callbacks
        )
        self.worker.load_wsgi()
        self.worker.set_accept_enabled(True)

    def connect(self) -> socket.socket:
        """A connection that the worker knows."""
        sock = self.stack.enter_context(socket.create_connection(self.listener.getsockname(), timeout=10))
        self.worker.wait_for_and_dispatch_events(10)
        return sock

    def turn(self) -> None:
        """One turn of the loop, which waits for nothing."""
        self.worker.wait_for_and_dispatch_events(0)

    def turn_until(self, true: Callable[[], Any]) -> None:
        deadline = time.monotonic() + 10
        while not true():
            assert time.monotonic() < deadline
            self.worker.wait_for_and_dispatch_events(0.01)

    def close(self) -> None:
        """Finish what runs, and close every socket of the worker."""
        self.application.released.set()
        it = self.worker
        self.turn_until(lambda: it.nr_conns == len(it.arriving) + len(it.kept))
        for sock in (*(each.sock for each in (*it.arriving, *it.kept)), *it.lingering.until):
            sock.close()
        PollableMethodQueue.close(it.method_queue)
        it.tmp.close()


@pytest.fixture
def bench() -> Iterator[Bench]:
    with ExitStack() as stack:
        it = Bench(stack)
        yield it
        it.close()


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def come(sock: socket.socket) -> bytes:
    """What has come, without waiting."""
    readable, _, _ = select.select([sock], [], [], 0)
    return sock.recv(1_000_000) if readable else b""


def bodies(answers: bytes) -> list[bytes]:
    """The bodies of answers, in their order."""
    found = []
    while answers:
        head, _, rest = answers.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        found.append(rest[:length])
        answers = rest[length:]
    return found


def test_who_waits_in_one_lane_holds_up_nobody_in_another(bench: Bench) -> None:
    """More requests than there are threads wait for one thing, and one that waits for another is answered."""
    waiting = [bench.connect() for _ in range(THREADS[Lane.FETCHES] + 1)]
    for number, sock in enumerate(waiting):
        sock.sendall(get(f"/fetch/{number}"))
        bench.turn()
    bench.turn_until(lambda: len(bench.application.threads) == THREADS[Lane.FETCHES])
    other = bench.connect()
    other.sendall(get("/slow"))
    bench.turn_until(lambda: "/slow" in bench.application.threads)
    assert not any(come(sock) for sock in waiting)


def test_what_only_computes_is_answered_in_the_loop_and_what_may_wait_in_a_thread(bench: Bench) -> None:
    """The turn in which a request comes answers it, unless it may wait: then a thread does."""
    sock = bench.connect()
    sock.sendall(get("/here"))
    bench.turn()
    assert bodies(come(sock)) == [b"/here"]
    bench.application.released.set()
    sock.sendall(get("/slow"))
    bench.turn_until(lambda: "/slow" in bench.application.threads and bench.worker.kept)
    assert bodies(come(sock)) == [b"/slow"]
    assert bench.application.threads["/here"] == threading.current_thread().name
    assert bench.application.threads["/slow"] != threading.current_thread().name


def test_a_body_of_a_given_length_lies_ready(bench: Bench) -> None:
    """The application finds it whole in the environment; one that came in chunks it has to read."""
    sock = bench.connect()
    bench.application.released.set()
    for path, sent, ready in (
        ("/length", b"Content-Length: 4\r\n\r\nbody", b"body"),
        ("/chunks", b"Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", None),
        ("/none", b"\r\n", None),
    ):
        sock.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\n".encode() + sent)
        bench.turn_until(lambda path=path: path in bench.application.threads and bench.worker.kept)
        assert bench.application.gathered[path] == ready
    assert bodies(come(sock)) == [b"/lengthbody", b"/chunksbody", b"/none"]


def test_what_turns_out_to_wait_begins_anew_in_a_thread(bench: Bench) -> None:
    """A thread answers it, body and all, while the loop goes on, and nothing of the first attempt is left behind."""
    sock, other = bench.connect(), bench.connect()
    sock.sendall(b"POST /perhaps HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody")
    bench.turn_until(lambda: bench.worker.handed)
    other.sendall(get("/here"))
    bench.turn_until(lambda: "/here" in bench.application.threads)
    assert bodies(come(other)) == [b"/here"]
    assert come(sock) == b""
    bench.application.released.set()
    bench.turn_until(lambda: len(bench.worker.kept) == 2)
    assert bodies(come(sock)) == [b"/perhapsbody"]
    assert bench.application.threads["/perhaps"] != threading.current_thread().name
    assert bench.worker.handed == 0


def test_who_waits_in_threads_holds_up_nobody(bench: Bench) -> None:
    """While every thread waits, and more requests wait for a thread, what only computes is answered."""
    for number in range(6):
        bench.connect().sendall(get(f"/slow/{number}"))
        bench.turn()
    sock = bench.connect()
    for number in range(20):
        sock.sendall(get(f"/{number}"))
        bench.turn()
        assert bodies(come(sock)) == [f"/{number}".encode()]


def test_what_waits_for_threads_has_so_much_memory_and_no_more(bench: Bench) -> None:
    """Of requests of 400 kB that wait, two are held where a megabyte may be; the third is told to come again."""
    bench.worker.most_gathered = 1_000_000
    socks = []
    for _ in range(3):
        socks.append(sock := bench.connect())
        sock.sendall(b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 400000\r\n\r\n" + b"x" * 400_000)
        bench.turn_until(lambda: not bench.worker.arriving and not bench.worker.ready)
    assert come(socks[2]).startswith(b"HTTP/1.1 503 ")
    assert b"" == come(socks[0]) == come(socks[1])
    bench.application.released.set()
    bench.turn_until(lambda: len(bench.worker.kept) == 2)
    assert bench.worker.handed == 0
    socks[0].sendall(get("/slow/again"))
    bench.turn_until(lambda: "/slow/again" in bench.application.threads)


def test_what_has_arrived_is_counted_while_it_arrives(bench: Bench) -> None:
    """The bytes of unfinished requests are known at each turn: they come, become whole, or are refused or dropped."""

    def gathered() -> int:
        assert bench.worker.gathered == sum(len(each.arriving.data) for each in bench.worker.arriving)
        return bench.worker.gathered

    head = b"POST /here HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
    first, second, third, fourth = (bench.connect() for _ in range(4))
    for sock, sent, held in (
        (first, head, len(head)),
        (second, head[:20], len(head) + 20),
        (first, b"12345", len(head) + 25),
        (first, b"67890" + head[:7], 27),  # whole, and the beginning of the next
        (third, head[:30], 57),
        (fourth, b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 57),  # refused
    ):
        sock.sendall(sent)
        bench.turn()
        assert gathered() == held
    third.close()
    bench.turn()
    assert gathered() == 27
    bench.worker.most_gathered = 30
    second.sendall(head[20:30])  # the largest goes
    bench.turn()
    assert gathered() == 7
    first.sendall(head[7:] + b"1234567890")
    bench.turn()
    assert (gathered(), bodies(come(first))) == (0, [b"/here1234567890"] * 2)


def test_no_more_wait_in_a_lane_than_leave_room_for_others(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes beyond is told 503 at once; what was answered makes room again."""
    monkeypatch.setattr(module, "MOST_WAITING", 3)
    socks = [bench.connect() for _ in range(4)]
    for number, sock in enumerate(socks):
        sock.sendall(get(f"/slow/{number}"))
        bench.turn()
    assert come(socks[3]).startswith(b"HTTP/1.1 503 ")
    assert b"" == come(socks[0]) == come(socks[1]) == come(socks[2])
    other = bench.connect()
    other.sendall(get("/fetch"))
    bench.turn_until(lambda: "/fetch" in bench.application.threads)
    bench.application.released.set()
    bench.turn_until(lambda: len(bench.worker.kept) == 4)
    assert not any(bench.worker.waiting.values())


def test_whoever_connects_is_let_in_at_the_limit(bench: Bench) -> None:
    """One that waits for its next request goes, else one that has not sent all: never is nobody let in any more."""
    bench.worker.worker_connections = 3
    kept, half = bench.connect(), bench.connect()
    kept.sendall(get("/kept"))
    bench.turn()
    half.sendall(b"GET /half")
    bench.turn()
    third = bench.connect()
    assert bodies(come(kept)) == [b"/kept"]
    assert kept.recv(1) == b""  # it was closed
    third.sendall(b"GET /third")
    bench.turn()
    fourth = bench.connect()
    assert come(half).startswith(b"HTTP/1.1 503 ")
    fourth.sendall(get("/fourth"))
    bench.turn()
    assert bodies(come(fourth)) == [b"/fourth"]
    assert bench.worker.nr_conns < 3


def test_a_thread_that_is_done_after_the_loop_writes_into_no_file(bench: Bench, tmp_path: Path) -> None:
    """The pipe by which threads tell the loop is open as long as the process, whatever files are opened meanwhile."""
    queue = bench.worker.method_queue
    queue.close()
    opened = [(tmp_path / str(number)).open("wb") for number in range(20)]
    queue.defer(lambda: None)
    for file in opened:
        file.close()
    assert [each.stat().st_size for each in tmp_path.iterdir()] == [0] * 20


def test_what_no_thread_has_begun_is_not_begun_after_the_loop(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the worker ends, requests that still wait for a thread are let go, so that it ends in time."""
    socks = [bench.connect() for _ in range(4)]
    for number, sock in enumerate(socks):
        sock.sendall(get(f"/slow/{number}"))
        bench.turn()
    bench.turn_until(lambda: len(bench.application.threads) == 2)
    known = [key.fileobj for key in bench.worker.poller.get_map().values()]
    watched = [sock for sock in known if isinstance(sock, socket.socket) and sock is not bench.listener]
    monkeypatch.setattr(ThreadWorker, "run", lambda worker: None)
    bench.worker.run()
    bench.application.released.set()
    bench.turn_until(lambda: sum(bench.worker.waiting.values()) == 2)
    assert len(bench.application.threads) == 2
    let_go = [sock for sock in watched if sock not in {each.sock for each in bench.worker.kept}]
    for sock in let_go:
        sock.close()
    bench.worker.nr_conns -= len(let_go)
    assert len(let_go) == 2


def test_who_reads_ever_so_slowly_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that is taken piece by piece holds its thread for so long and no longer."""
    monkeypatch.setattr(inbound, "WHOLE_SECONDS", 0.2)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        connection = Inbound(ours, None, None, 1_000)
        done: list[bool] = []
        sending = threading.Thread(target=lambda: done.append(connection.send_whole(LARGE)))
        sending.start()
        while not done:
            theirs.recv(1_000)
            time.sleep(0.001)
        sending.join()
    assert done == [False]


def test_a_worker_that_stops_serves_who_has_connected_and_refuses_who_comes_later(bench: Bench) -> None:
    """None is left waiting at a door that nobody opens: those before it are let in, and then it is shut."""
    address = bench.listener.getsockname()
    early = [bench.stack.enter_context(socket.create_connection(address, timeout=10)) for _ in range(3)]
    bench.worker.alive = False
    bench.worker.set_accept_enabled(False)
    bench.worker._cap_keepalive(0.0)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=10)
    for number, sock in enumerate(early):
        sock.sendall(get(f"/here/{number}"))
    bench.turn_until(lambda: bench.worker.nr_conns == 0)
    assert [bodies(come(sock)) for sock in early] == [[b"/here/0"], [b"/here/1"], [b"/here/2"]]


@pytest.fixture
def sweeps() -> Iterator[list[str]]:
    """Each time that garbage was looked for, while nothing but the worker looks for it."""
    found: list[str] = []

    def tell(phase: str, _: object) -> None:
        if phase == "start":
            found.append(phase)

    gc.collect()
    gc.disable()
    gc.callbacks.append(tell)
    yield found
    gc.callbacks.remove(tell)
    gc.enable()


@pytest.mark.parametrize("path", ["/here", "/slow"])
def test_garbage_is_looked_for_when_so_much_was_answered(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, sweeps: list[str], path: str
) -> None:
    """Each third request of 400 bytes brings it about where 1,000 may wait, answered in the loop or in a thread."""
    monkeypatch.setattr(collecting, "MOST_UNSWEPT", 1_000)
    bench.application.released.set()
    sock = bench.connect()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: ".encode()
    rest = b"x" * (400 - len(head) - len(b"300\r\n\r\n"))
    for number in range(1, 8):
        sock.sendall(head + b"%d\r\n\r\n" % len(rest) + rest)
        bench.turn_until(lambda: bench.worker.kept and come(sock))
        assert len(sweeps) == number // 3


def test_garbage_is_looked_for_when_so_much_of_it_there_may_be(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, sweeps: list[str]
) -> None:
    """However short requests are: what could be garbage after one is looked at once it is more than may wait."""
    monkeypatch.setattr(collecting, "MOST_GARBAGE", 50_000)
    sock = bench.connect()
    for kept in (0, 100_000):
        objects: list[list[int]] = [[] for _ in range(kept)]
        sock.sendall(get("/here"))
        bench.turn()
        assert len(sweeps) == (len(objects) > 0)


@pytest.fixture
def signals() -> Iterator[None]:
    """What is done at each signal, as it was before."""
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)}
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


@pytest.mark.usefixtures("signals")
def test_a_word_to_stop_at_once_waits_for_no_lock(bench: Bench) -> None:
    """It comes while work is handed to a thread, twice: the worker ends at the first, and the second is not heard."""
    signal.signal(signal.SIGINT, bench.worker.handle_quit)
    signal.signal(signal.SIGQUIT, bench.worker.handle_quit)
    lock = bench.worker.tpool._shutdown_lock
    watch = threading.Timer(10, lambda: lock.locked() and lock.release())
    watch.start()
    with pytest.raises(SystemExit), lock:
        signal.raise_signal(signal.SIGINT)
    assert watch.is_alive()
    watch.cancel()
    signal.raise_signal(signal.SIGQUIT)
    assert not bench.worker.alive


@pytest.mark.usefixtures("signals")
def test_a_worker_looks_for_garbage_only_itself(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python looks for none in a worker: a long chart makes a million objects, and none of them is garbage."""
    found = []
    monkeypatch.setattr(ThreadWorker, "init_process", lambda _: found.append(gc.isenabled()))
    try:
        bench.worker.init_process()
    finally:
        gc.enable()
    assert found == [False]


def test_the_master_is_told_and_looked_for_now_and_then(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop says that it lives at first and again after half a second, and then an orphan sees that it is one."""
    told: list[int] = []
    monkeypatch.setattr(bench.worker.tmp, "notify", lambda: told.append(1))
    bench.worker.ppid = -1  # another process than the one it was forked from
    bench.worker.notify()
    assert (len(told), bench.worker.is_parent_alive()) == (1, False)
    bench.worker.notify()
    assert (len(told), bench.worker.is_parent_alive()) == (1, True)
    bench.worker.notified -= module._LOOK_SECONDS
    bench.worker.notify()
    assert (len(told), bench.worker.is_parent_alive()) == (2, False)


def test_where_no_file_can_be_opened_an_idle_connection_makes_room(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker at its limit of open files lets go of who waits for nothing, then of who has begun, and lives on."""
    kept, begun = bench.connect(), bench.connect()
    kept.sendall(get("/"))
    bench.turn()
    assert bodies(come(kept)) == [b"/"]

    class Full:
        def accept(self) -> None:
            raise OSError(errno.EMFILE, "Too many open files")

    listener: Any = Full()
    bench.worker.accept(listener)
    assert (kept.recv(10), come(begun), bench.worker.nr_conns) == (b"", b"", 1)
    bench.worker.accept(listener)
    bench.worker.accept(listener)
    assert begun.recv(100).startswith(b"HTTP/1.1 503 ")
    assert bench.worker.nr_conns == 0


def test_a_turn_answers_one_request_and_each_connection_has_its_turn(bench: Bench) -> None:
    """Of ten requests on one connection, the third waits until that of another, which came after the first, is done."""
    first, other = bench.connect(), bench.connect()
    first.sendall(b"".join(get(f"/{number}") for number in range(10)))
    bench.turn()
    other.sendall(get("/other"))
    assert bodies(come(first)) == [b"/0"]
    bench.turn()
    assert bodies(come(first)) == [b"/1"]
    bench.turn()
    assert (come(first), bodies(come(other))) == (b"", [b"/other"])
    bench.turn_until(lambda: not bench.worker.ready)
    assert bodies(come(first)) == [f"/{number}".encode() for number in range(2, 10)]


def test_requests_in_one_go_are_answered_in_their_order(bench: Bench) -> None:
    """In the loop or in a thread, with a body or in chunks: what was sent first is answered first."""
    sock = bench.connect()
    post = b"POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nGE"
    chunks = (
        b"POST /chunks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nGET\r\n0\r\nX-T: 1\r\n\r\n"
    )
    sock.sendall(get("/slow/1") + post + get("/1") + chunks + get("/slow/2") + get("/2"))
    for _ in range(3):
        bench.turn()
    assert come(sock) == b""
    bench.application.released.set()
    bench.turn_until(lambda: "/2" in bench.application.threads)
    assert bodies(come(sock)) == [b"/slow/1", b"/postGE", b"/1", b"/chunksGET", b"/slow/2", b"/2"]


def test_no_word_to_go_on_is_said_to_who_has_sent_all(bench: Bench) -> None:
    """Expect: 100-continue gets its 100 while the body is missing, once, and none when it came with the head."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    sock = bench.connect()
    sock.sendall(head)
    bench.turn()
    assert come(sock) == b"HTTP/1.1 100 Continue\r\n\r\n"
    for rest in (b"ab", head + b"cd"):
        sock.sendall(rest)
        bench.turn()
        assert bodies(come(sock)) == [b"/" + rest[-2:]]


def test_what_is_refused_is_known_by_its_head_alone() -> None:
    """A body that looks like a header names no origin and no request."""
    seen: list[Environ] = []
    head = b"POST / HTTP/1.1\r\nOrigin: https://a.example\r\n\r\n"
    error_answer(
        400, head + b"\nX-Request-Id: 1\nOrigin: https://b.example\r\n", lambda *told: seen.append(told[0]) or []
    )
    assert seen == [{"REQUEST_METHOD": "POST", "HTTP_ORIGIN": "https://a.example"}]


def test_no_word_to_go_on_is_said_to_who_would_not_understand_it(bench: Bench) -> None:
    """A client of HTTP/1.0 is answered when its body is here, and gets nothing before."""
    sock = bench.connect()
    sock.sendall(b"POST /here HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    bench.turn()
    assert come(sock) == b""
    sock.sendall(b"ab")
    bench.turn()
    assert come(sock).endswith(b"\r\n\r\n/hereab")


@pytest.mark.parametrize("options", ["close", "TE, close", "Close , te", "te,CLOSE"])
def test_a_connection_that_is_to_be_closed_is(bench: Bench, options: str) -> None:
    """Wherever ``close`` stands among the options, the answer says that it closes, and it does."""
    sock = bench.connect()
    sock.sendall(f"GET /here HTTP/1.1\r\nHost: x\r\nConnection: {options}\r\n\r\n".encode())
    bench.turn()
    assert b"\r\nConnection: close\r\n" in come(sock)
    assert bench.worker.nr_conns == 0


def test_a_connection_is_not_read_while_its_request_is_answered(bench: Bench) -> None:
    """What it sends meanwhile waits, costs the loop no further turn, and is answered after it."""
    sock = bench.connect()
    sock.sendall(get("/slow"))
    bench.turn()
    sock.sendall(get("/next"))
    bench.turn()
    assert bench.worker.poller.select(0) == []
    assert "/next" not in bench.application.threads
    bench.application.released.set()
    bench.turn_until(lambda: "/next" in bench.application.threads)
    assert bodies(come(sock)) == [b"/slow", b"/next"]


def test_who_hangs_up_before_the_answer_is_let_go_after_it(bench: Bench) -> None:
    """It costs the loop one turn and no more, and the worker counts it no longer once its request is done."""
    sock = bench.connect()
    sock.sendall(get("/slow"))
    bench.turn()
    sock.close()
    bench.turn()
    assert bench.worker.poller.select(0) == []
    assert bench.worker.nr_conns == 1
    bench.application.released.set()
    bench.turn_until(lambda: bench.worker.nr_conns == 0)


def test_who_does_not_read_its_answer_holds_up_nobody(bench: Bench) -> None:
    """An answer that the system does not take at once is sent by a thread, whole; others are served meanwhile."""
    slow, sock = bench.connect(), bench.connect()
    slow.sendall(get("/large") + get("/after"))
    bench.turn()
    sock.sendall(get("/other"))
    bench.turn()
    assert bodies(come(sock)) == [b"/other"]
    assert bench.application.threads["/large"] == threading.current_thread().name
    got = b""
    while not got.endswith(b"/after"):
        bench.turn()
        got += come(slow)
    assert bodies(got) == [LARGE, b"/after"]


def test_a_kept_connection_stays_with_the_poller(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """From one request to the next nothing is registered anew, in the loop or in a thread."""
    sock = bench.connect()
    registered: list[Any] = []
    monkeypatch.setattr(bench.worker.poller, "register", lambda *named: registered.append(named))
    bench.application.released.set()
    for path in ("/1", "/slow", "/2"):
        sock.sendall(get(path))
        bench.turn_until(lambda path=path: path in bench.application.threads and bench.worker.kept)
    assert registered == []
    assert bodies(come(sock)) == [b"/1", b"/slow", b"/2"]


def test_a_worker_that_has_answered_its_number_says_so_and_answers_what_is_on_its_way(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last request's answer closes its connection; a kept one has a moment for another, and is let go after it."""
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0)
    monkeypatch.setattr(module, "STOP_SECONDS", 0.2)
    kept, last, idle = bench.connect(), bench.connect(), bench.connect()
    for sock in (kept, idle):
        sock.sendall(get("/kept"))
        bench.turn()
        assert b"Connection: keep-alive" in come(sock)
    bench.worker.max_requests = 3
    last.sendall(get("/last"))
    bench.turn()
    assert b"Connection: close" in come(last)
    assert not bench.worker.alive
    bench.worker._cap_keepalive(time.monotonic())
    assert not bench.worker.kept
    bench.worker.murder_pending()
    kept.sendall(get("/one more"[:4]))
    bench.turn()
    answered = come(kept)
    assert b"Connection: close" in answered
    assert answered.endswith(b"/one")
    last.close()
    kept.close()

    def all_are_gone() -> bool:
        bench.worker.murder_pending()
        return bench.worker.nr_conns == 0

    bench.turn_until(all_are_gone)
    assert idle.recv(10) == b""


def test_a_kept_connection_is_closed_after_its_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle connection is closed after the keep-alive time, and not before."""
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0)
    sock = bench.connect()
    sock.sendall(get("/"))
    bench.turn()
    bodies(come(sock))
    bench.worker.murder_pending()
    assert len(bench.worker.kept) == 1
    next(iter(bench.worker.kept)).since -= 5
    bench.worker.murder_pending()
    assert (len(bench.worker.kept), bench.worker.nr_conns, sock.recv(10)) == (0, 0, b"")


@pytest.mark.parametrize("path", ["/fault", "/header"])
def test_a_fault_of_the_application_is_a_500_that_tells_nothing(
    bench: Bench, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    """What escapes the application gets an OperationOutcome and closes the connection; the log has kind and place."""
    sock = bench.connect()
    sock.sendall(get(path))
    bench.turn()
    answered = sock.recv(10_000)
    assert answered.startswith(b"HTTP/1.1 500 ")
    assert b"OperationOutcome" in answered
    assert b"Public" not in answered
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "Public" not in caplog.records[0].getMessage()


def test_who_is_refused_in_a_turn_is_not_read_in_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A third connection pushes out the first in the turn in which it speaks: nothing of it is served, others are."""
    monkeypatch.setattr(module, "MOST_ARRIVING", 2)
    first, second = bench.connect(), bench.connect()
    bench.stack.enter_context(socket.create_connection(bench.listener.getsockname(), timeout=10))
    first.sendall(get("/first"))
    second.sendall(get("/second"))
    bench.turn_until(lambda: bench.worker.kept)
    assert come(first).startswith(b"HTTP/1.1 503 ")
    assert bodies(come(second)) == [b"/second"]
    assert list(bench.application.threads) == ["/second"]
    assert bench.worker.nr_conns == 2


def test_of_too_many_that_do_not_hang_up_the_first_is_cut_off(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one may linger, a second takes its place, though the first hangs up in that turn; the loop goes on."""
    monkeypatch.setattr(lingering, "MOST_LINGERING", 1)
    first, second = bench.connect(), bench.connect()
    malformed = b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"
    first.sendall(malformed)
    bench.turn()
    (cut_off,) = bench.worker.lingering.until
    second.sendall(malformed)
    first.close()
    bench.turn()
    assert len(bench.worker.lingering.until) == 1
    assert (cut_off.fileno(), bench.worker.nr_conns) == (-1, 0)
    assert b"400 Bad Request" in come(second)


@pytest.mark.parametrize(
    "chunks", [b"2\r\nab\r\n0\r\nBad Name: x\r\n\r\n", b"2\r\nab\r\n0\r\n: x\r\n\r\n", b"2;\0\r\nab\r\n0\r\n\r\n"]
)
def test_chunks_that_cannot_be_read_leave_nothing_behind(chunks: bytes) -> None:
    """They are refused, and what came of them is gone with the answer, in no circle with what read them."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    gc.collect()
    request = Request(Config(), ("127.0.0.1", 1), head, None, chunks)
    answered, keep = answer(Application(), request, ("127.0.0.1", 1), ("127.0.0.1", 2), Config(), 0.0, lambda *_: [])
    assert (answered.split(b"\r\n")[0], keep) == (b"HTTP/1.1 400 Bad Request", False)
    reference = weakref.ref(request)
    gc.disable()
    try:
        del request
        assert reference() is None
    finally:
        gc.enable()


def test_what_is_left_behind_chunks_is_never_the_next_request() -> None:
    """Where Gunicorn's end of the chunks is not the end that was found, the connection is closed."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    for rest, closes in ((b"", False), (b"GET / HTTP/1.1\r\n\r\n", True)):
        request = Request(Config(), ("127.0.0.1", 1), head, None, b"2\r\nab\r\n0\r\n\r\n" + rest)
        request.join_chunks()
        assert (request.sent, request.should_close()) == (b"ab", closes)
