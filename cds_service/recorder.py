"""Writes what calls came to off their critical path: a bounded queue, and one thread in each process."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from itertools import islice

from cds_service import metrics
from cds_service.process import process_id
from cds_service.records import CallRecord
from cds_service.store import Store, StoreError

log = logging.getLogger("cds_service")

_BATCH = 500
_LINGER = 0.2
"""Seconds in which calls gather, so that one write to the disk serves many."""
_LONGEST_PAUSE = 5.0
_HOUSEKEEPING = 24 * 3600.0


class Recorder:
    """Takes records without waiting and without failing; writes them in batches, each once.

    While the store cannot be written they wait, up to ``capacity`` of them; the ones beyond it are dropped and counted.
    """

    def __init__(self, store: Store, capacity: int = 10_000, housekeeping: Callable[[], None] | None = None) -> None:
        self._store = store
        self._capacity = capacity
        self._housekeeping = housekeeping
        self._process = 0
        self._starting = threading.Lock()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._waiting: deque[CallRecord] = deque()
        self._changed = threading.Condition()
        self._closing_by: float | None = None
        self._dropped = 0

    def start(self) -> None:
        """Start the thread of this process where it does not run; a fork leaves the parent's behind."""
        with self._starting:
            if self._process == process_id():
                return
            self._begin_anew()
            self._process = process_id()
            self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
            self._thread.start()
            atexit.register(self.close)

    def put(self, record: CallRecord | None) -> None:
        """Keep a record of a call; None keeps nothing."""
        if record is None:
            return
        if self._process != process_id():
            self.start()
        with self._changed:
            if len(self._waiting) < self._capacity:
                self._waiting.append(record)
                # The thread waits for the first of them, then for a batch; waking it for each costs more than writing.
                if len(self._waiting) in (1, _BATCH):
                    self._changed.notify_all()
                    metrics.records_waiting(len(self._waiting))
            else:
                self._drop(1, "the queue is full")

    def flush(self, seconds: float = 10.0) -> bool:
        """Wait until everything is written; False when that took longer than ``seconds``."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting, seconds)

    def close(self, seconds: float = 5.0) -> None:
        """Write what waits and end the thread; what cannot be written in ``seconds`` is dropped, counted and told."""
        if self._process != process_id():
            return
        with self._changed:
            self._closing_by = time.monotonic() + seconds
            self._changed.notify_all()
        self._thread.join(seconds + 1)
        self._process = 0
        atexit.unregister(self.close)

    def _run(self) -> None:
        pause = 0.0
        cleaned = float("-inf")
        while True:
            if self._housekeeping is not None and time.monotonic() - cleaned > _HOUSEKEEPING:
                cleaned = time.monotonic()
                self._keep_house()
            batch = self._next_batch(pause)
            if batch is None:
                return
            if batch:
                pause = self._write(batch, pause)

    def _next_batch(self, pause: float) -> list[CallRecord] | None:
        """The records to write next, which stay in the queue; None when it is time to end."""
        with self._changed:
            if pause:
                self._changed.wait_for(self._is_closing, pause)
            elif not self._waiting:
                self._changed.wait_for(lambda: bool(self._waiting) or self._is_closing(), 3600)
            if not self._is_closing():
                self._changed.wait_for(lambda: len(self._waiting) >= _BATCH or self._is_closing(), _LINGER)
            if self._closing_by is not None and time.monotonic() > self._closing_by:
                self._drop(len(self._waiting), "the service stopped before the store could be written")
                self._waiting.clear()
            if self._is_closing() and not self._waiting:
                return None
            return list(islice(self._waiting, _BATCH))

    def _is_closing(self) -> bool:
        return self._closing_by is not None

    def _write(self, batch: list[CallRecord], pause: float) -> float:
        """Write a batch; how long to wait before the next."""
        metrics.records_waiting(len(self._waiting))
        try:
            self._store.add_calls(batch)
        except StoreError as error:
            metrics.store_failed("records")
            if not error.lasting:
                if not pause:
                    log.error("what calls came to is not stored for now: %s", error)
                return min(max(pause * 2, 0.25), 0.25 if self._is_closing() else _LONGEST_PAUSE)
            self._write_singly(batch)
        else:
            metrics.records_done("written", len(batch))
            if pause:
                log.warning("what calls came to is stored again")
        with self._changed:
            for _ in batch:
                self._waiting.popleft()
            metrics.records_waiting(len(self._waiting))
            self._changed.notify_all()
        return 0.0

    def _write_singly(self, batch: list[CallRecord]) -> None:
        """One of them can never be stored: the others are."""
        for record in batch:
            try:
                self._store.add_calls([record])
            except StoreError as error:
                self._drop(1, str(error))
            else:
                metrics.records_done("written", 1)

    def _drop(self, number: int, why: str) -> None:
        if not number:
            return
        metrics.records_done("dropped", number)
        # The first, and then one line for every thousand.
        if self._dropped // 1000 != (self._dropped + number) // 1000 or not self._dropped:
            log.error("%d records of calls were dropped since the start: %s", self._dropped + number, why)
        self._dropped += number

    def _keep_house(self) -> None:
        assert self._housekeeping is not None
        try:
            self._housekeeping()
        except StoreError as error:
            metrics.store_failed("purge")
            log.error("what is older than the retention was not purged: %s", error)
