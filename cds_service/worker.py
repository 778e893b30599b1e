"""Gunicorn's threaded worker, made patient: a request is answered once it has arrived whole, and not before.

Its own worker gives a thread to every connection: as many slow senders as there are threads, and nobody is served.
Here the loop that accepts connections also gathers what they send, which takes no thread however slowly it comes.
What only computes is answered in the loop, one request at a time and each connection in its turn: handing it to a
thread and back would cost as much as a quarter of a judgement. What may wait for something is answered in a thread, and
so is what turns out to, from its beginning.
"""

from __future__ import annotations

import errno
import logging
import selectors
import signal
import socket
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from gunicorn import util
from gunicorn.workers.gthread import PollableMethodQueue, ThreadWorker

from cds_service.answering import Escort, Request, Settled, answer, error_answer, refusal
from cds_service.arriving import LONGEST_HEAD, Arriving, State
from cds_service.collecting import Collecting
from cds_service.inbound import Inbound
from cds_service.lingering import Lingering
from cds_service.must_wait import MustWait, without_waiting
from cds_service.waiting import Lane

log = logging.getLogger("cds_service.server")

T = TypeVar("T")

THREADS = {Lane.CHARTS: 2, Lane.FETCHES: 64, Lane.SENDS: 8}
"""Of each lane beside the stores', which has Gunicorn's own; none is started before it is needed."""
MOST_WAITING = 150
"""Requests of one lane that wait or are answered: all lanes together leave room for connections that need none."""
STOP_SECONDS = 2.0
MOST_ARRIVING = 500
_PIECE = 65_536
_LOOK_SECONDS = 0.5


class Callbacks(PollableMethodQueue):  # type: ignore[misc]
    """What threads have done, for the loop to go on with."""

    def close(self) -> None:
        """Not before the process ends.

        A thread that is done after the loop tells so by the number of a pipe. Were that closed, the number would be
        that of the next file which is opened: the store's, and what is told a NUL at the beginning of its log.
        """


class Worker(ThreadWorker):  # type: ignore[misc]
    """Gathers requests in its loop, answers there what only computes, and gives the rest to its threads."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.cfg: Any = Settled(self.cfg)
        self.longest_body: int = self.app.longest_body
        self.lane: Callable[[str, str, bytes | None], Lane | None] = self.app.lane
        self.escort: Escort = self.app.escort
        self.method_queue = Callbacks()
        self.waiting: Counter[Lane] = Counter()
        """Requests that threads answer, or shall answer."""
        self.lanes = {lane: ThreadPoolExecutor(threads, lane.name.lower()) for lane, threads in THREADS.items()}
        self.most_gathered = 10 * self.longest_body
        self.arriving: dict[Inbound, None] = {}
        """In the order in which they began."""
        self.ready: deque[Inbound] = deque()
        """Their requests are whole, in the order in which they became so."""
        self.kept: dict[Inbound, None] = {}
        """Between two requests, in the order in which they were answered."""
        self.lingering = Lingering()
        self.collecting = Collecting()
        self.gathered = 0
        """Bytes of the requests that arrive."""
        self.handed = 0
        """Bytes of the requests that threads answer, or shall answer."""
        self.looked = self.notified = 0.0
        self.asks_after_parent = True

    # Down to `_cap_keepalive` stands what Gunicorn calls, in the place of its own: at the start, at a word to stop, in
    # each turn of its loop (`run`), and once when that has ended. What it keeps of connections itself stays empty;
    # `nr_conns`, `nr`, `alive`, `poller`, `tpool` and `method_queue` are its, and mean what they mean there.

    def init_process(self) -> None:
        # Until Gunicorn's own handlers are in place a word to stop would go to the master's, which the fork brought.
        signal.signal(signal.SIGTERM, self._stop_before_it_begins)
        self.collecting.begin()
        super().init_process()

    def _stop_before_it_begins(self, *_: object) -> None:
        self.alive = False

    def handle_quit(self, sig: int, frame: Any) -> None:
        """Stop at once, at the first word: Ctrl-C comes from the terminal and from the master too.

        Gunicorn's own asks the pool of threads to end, which waits for a lock: for ever, where a word came in between.
        """
        for each in (signal.SIGINT, signal.SIGQUIT):
            signal.signal(each, signal.SIG_IGN)
        super(ThreadWorker, self).handle_quit(sig, frame)

    def run(self) -> None:
        try:
            super().run()
        finally:
            for threads in (*self.lanes.values(), self.tpool):
                threads.shutdown(wait=False, cancel_futures=True)

    def notify(self) -> None:
        """Tell the master that the loop lives, and look for the master: now and then, for both ask the system."""
        now = time.monotonic()
        self.asks_after_parent = now - self.notified >= _LOOK_SECONDS
        if self.asks_after_parent:
            self.notified = now
            super().notify()

    def is_parent_alive(self) -> bool:
        return not self.asks_after_parent or bool(super().is_parent_alive())

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """One turn of the loop: all that happened, and then one request, so that none holds up more than its time."""
        super().wait_for_and_dispatch_events(0 if self.ready else timeout)
        if self.ready:
            self._begin(self.ready.popleft())

    def accept(self, listener: socket.socket) -> bool:
        """Take one that wants to connect, if there is one; whether there was."""
        try:
            sock, client = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._make_room_for_one()
            elif error.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK):
                raise
            return False
        self.nr_conns += 1
        if self.nr_conns >= self.worker_connections:
            # At the limit nobody would be let in any more, so one that waits for nothing makes room.
            self._make_room_for_one()
        self._await_request(Inbound(sock, client, listener.getsockname(), self.longest_body))
        self._make_room()
        return True

    def murder_pending(self) -> None:
        """Now and then: who has sent too little for too long, who is idle, and who does not hang up."""
        now = time.monotonic()
        if now - self.looked < _LOOK_SECONDS:
            return
        self.looked = now
        for connection in [each for each in self.arriving if each.is_late(now) or self._may_go(each, now)]:
            if connection.arriving.data:
                self._refuse(connection, 408)
            else:
                self._drop(connection)
        for connection in [each for each in self.kept if now - each.since > self.cfg.keepalive]:
            self._drop(connection)
        self.lingering.hang_up_late(now, self.poller)

    def _cap_keepalive(self, deadline: float) -> None:
        """The worker stops: a request that is on its way on a kept connection has a moment, as on a new one.

        Who has connected already is served. Whoever comes later finds another worker, or, where all of them stop,
        is refused at once and can go elsewhere, instead of waiting for an answer that never comes.
        """
        for listener in self.sockets:
            while self.nr_conns < self.worker_connections and self.accept(listener):
                pass
            listener.close()
        for connection in self.kept:
            self._await_request(connection)
        self.kept.clear()

    # And from here on stands the way of a connection.

    def _await_request(self, connection: Inbound) -> None:
        """It may send its first request, or its next; what it has sent of that already is taken at once."""
        connection.since = time.monotonic()
        if not connection.is_watched:
            self.poller.register(connection.sock, selectors.EVENT_READ, partial(self._on_readable, connection))
            connection.is_watched = True
        self.arriving[connection] = None

    def _on_readable(self, connection: Inbound, _: Any) -> None:
        if not connection.is_watched:
            return  # it was refused in the same turn
        if connection.state is not State.ARRIVING:
            # It hangs up, or sends its next request before it has an answer: that is looked at afterwards.
            self._unwatch(connection)
            return
        try:
            data = connection.sock.recv(_PIECE, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(connection)
            return
        if connection in self.kept:
            del self.kept[connection]
            connection.since = time.monotonic()
            self.arriving[connection] = None
        self._take(connection, data)

    def _take(self, connection: Inbound, data: bytes) -> None:
        arriving = connection.arriving
        began = arriving.head_is_here
        connection.state = arriving.feed(data)
        self.gathered += len(data)
        match connection.state:
            case State.WHOLE | State.LONG_BODY:
                del self.arriving[connection]
                self.gathered -= len(arriving.data)
                connection.arrived = time.perf_counter()
                self.ready.append(connection)
            case State.ARRIVING:
                if arriving.asks_to_continue and not began:
                    connection.send_at_once(b"HTTP/1.1 100 Continue\r\n\r\n")
                self._make_room()
            case State.LONG_HEAD:
                self._refuse(connection, 431)
            case State.MALFORMED:
                self._refuse(connection, 400)

    def _begin(self, connection: Inbound) -> None:
        """Answer a request that is whole, here or in a thread."""
        arriving = connection.arriving
        try:
            request = self._read(connection)
        except Exception as error:
            self._send(connection, (refusal(error, arriving.head, self.escort), False))
            return
        self.nr += 1
        if self.nr >= self.max_requests:
            self.alive = False
        if not self.alive or len(self.kept) >= self.max_keepalived:
            request.force_close()
        where = connection.client, connection.server
        work = partial(answer, self.wsgi, request, *where, self.cfg, connection.arrived, self.escort)
        held = request.length
        lane = self.lane(request.method, request.path, request.sent)
        if lane is None:
            try:
                found = without_waiting(work)
            except MustWait as must:
                must.__traceback__ = None  # it would be a circle, with all that was sent
            else:
                self._send(connection, found)
                self.collecting.answered(held)
                return
        lane = lane or Lane.STORES
        if self.waiting[lane] >= MOST_WAITING or (self.handed and self.handed + held > self.most_gathered):
            log.warning("refused a request for want of threads or memory: %s", 503)
            self._send(connection, (error_answer(503, request.head, self.escort), False))
            return

        def answered(found: tuple[bytes, bool]) -> None:
            self.handed -= held
            self.waiting[lane] -= 1
            self._send(connection, found)
            self.collecting.answered(held)

        self.handed += held
        self.waiting[lane] += 1
        self._in_thread(lane, work, answered)

    def _read(self, connection: Inbound) -> Request:
        arriving, cut = connection.arriving, connection.state is State.LONG_BODY
        connection.arriving, connection.rest = Arriving(self.longest_body), arriving.rest
        if not cut:
            return Request(self.cfg, connection.client, arriving.head, arriving.body, arriving.chunks)
        # So the application can refuse it. A connection of which a body was not read is of no more use.
        request = Request(self.cfg, connection.client, arriving.without_body(), b"")
        request.force_close()
        return request

    def _in_thread(self, lane: Lane, work: Callable[[], T], then: Callable[[T], None]) -> None:
        """Do something that may wait, and go on in the loop with what came of it."""
        threads: ThreadPoolExecutor = self.tpool if lane is Lane.STORES else self.lanes[lane]
        future = threads.submit(work)

        def tell(done: Future[T]) -> None:
            if not done.cancelled():
                self.method_queue.defer(lambda: then(done.result()))

        future.add_done_callback(tell)

    def _send(self, connection: Inbound, answered: tuple[bytes, bool]) -> None:
        """Send what the system takes at once; a thread waits for a client that reads slowly."""
        data, keep = answered
        try:
            sent = connection.sock.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            sent = 0
        except OSError:
            sent, keep = len(data), False
        if sent < len(data):
            rest = partial(connection.send_whole, data[sent:])
            self._in_thread(Lane.SENDS, rest, lambda whole: self._finish(connection, keep=keep and whole))
        else:
            self._finish(connection, keep=keep)

    def _finish(self, connection: Inbound, *, keep: bool) -> None:
        """An answer was sent."""
        if not keep:
            self._let_go(connection)
            self.lingering.linger(connection.sock, self.poller)
            return
        connection.state = State.ARRIVING
        self._await_request(connection)
        if connection.rest:
            self._take(connection, connection.rest)
        elif self.alive:
            del self.arriving[connection]
            self.kept[connection] = None

    def _make_room_for_one(self) -> None:
        """One that waits for its next request goes before one that has begun to send."""
        if self.kept:
            self._drop(next(iter(self.kept)))
        elif self.arriving:
            self._refuse(next(iter(self.arriving)), 503)

    def _make_room(self) -> None:
        """Of too many half-sent requests the oldest goes, of those that fill the memory they may have the largest."""
        if len(self.arriving) > MOST_ARRIVING:
            self._refuse(next(iter(self.arriving)), 503)
        if self.gathered > self.most_gathered:
            self._refuse(max(self.arriving, key=lambda each: len(each.arriving.data)), 503)

    def _may_go(self, connection: Inbound, now: float) -> bool:
        """A worker that stops waits for what has begun to arrive, and a moment for what may be on its way."""
        return not self.alive and not connection.arriving.data and now - connection.since > STOP_SECONDS

    def _refuse(self, connection: Inbound, status: int) -> None:
        log.warning("refused a request before it was whole: %s", status)
        connection.send_at_once(error_answer(status, bytes(connection.arriving.data[:LONGEST_HEAD]), self.escort))
        self._let_go(connection)
        self.lingering.linger(connection.sock, self.poller)

    def _drop(self, connection: Inbound) -> None:
        self._let_go(connection)
        util.close(connection.sock)

    def _let_go(self, connection: Inbound) -> None:
        if connection in self.arriving:
            del self.arriving[connection]
            self.gathered -= len(connection.arriving.data)
        self.kept.pop(connection, None)
        self._unwatch(connection)
        self.nr_conns -= 1

    def _unwatch(self, connection: Inbound) -> None:
        if connection.is_watched:
            self.poller.unregister(connection.sock)
            connection.is_watched = False
