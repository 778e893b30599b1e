"""Which tokens were used already, remembered where every worker and every machine can see it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from cds_service.driver import Database, StoreError
from cds_service.must_wait import MustWait, before_waiting, must_not_wait
from cds_service.statements import FORGET_TOKENS, TOKEN_IDS

_PURGE_EVERY = timedelta(minutes=5)


class TokenMemoryError(Exception):
    """The memory cannot be asked, so nothing can be called a first use."""


class JtiMemory(Protocol):
    """Remembers the ids of tokens for as long as they could be used again."""

    def first_use(self, issuer: str, jti: str, expires: datetime) -> bool:
        """Whether this token was never seen; it is seen from now on. Raises TokenMemoryError."""

    def close(self) -> None:
        """Let go of what it holds open."""


class TokenMemory:
    """Token ids in a table: of several writers of one id, the database lets one in."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._remembering = TOKEN_IDS.statement
        self._now = now
        self._purged = now()
        self._lock = threading.Lock()

    def first_use(self, issuer: str, jti: str, expires: datetime) -> bool:
        row = (_hash(issuer), _hash(jti), int(expires.timestamp()) + 1)
        try:
            self._purge_now_and_then()
            if must_not_wait():
                new = self._database.run_at_once(self._remembering, row)
                if new is None:
                    raise MustWait
                return new == 1
            return self._database.run(self._remembering, row) == 1
        except StoreError as error:
            raise TokenMemoryError(str(error)) from None

    def close(self) -> None:
        self._database.close()

    def _purge_now_and_then(self) -> None:
        now = self._now()
        with self._lock:
            if now - self._purged < _PURGE_EVERY:
                return
            before_waiting()
            self._purged = now
        self._database.run(FORGET_TOKENS, [int(now.timestamp())])


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
