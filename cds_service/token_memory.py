"""Which tokens were used already, remembered where every worker and every machine can see it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

import sqlalchemy as sql

from cds_service.database import StoreError, failing_in_few_words, reading, row_writer, writing
from cds_service.tables import TOKEN_ID

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

    def __init__(self, engine: sql.Engine, now: Callable[[], datetime]) -> None:
        self._engine = engine
        self._remember = row_writer(engine, TOKEN_ID)
        self._now = now
        self._purged = now()
        self._lock = threading.Lock()

    def first_use(self, issuer: str, jti: str, expires: datetime) -> bool:
        row = {"issuer": _hash(issuer), "jti": _hash(jti), "expires": int(expires.timestamp()) + 1}
        try:
            self._purge_now_and_then()
            self._remember(row)
        except StoreError as error:
            # The only constraint is that an id stands there once.
            if error.lasting:
                return False
            raise TokenMemoryError(str(error)) from None
        return True

    def count(self) -> int:
        with reading(self._engine) as connection:
            return int(connection.execute(sql.select(sql.func.count()).select_from(TOKEN_ID)).scalar_one())

    def close(self) -> None:
        self._engine.dispose()

    def _purge_now_and_then(self) -> None:
        now = self._now()
        with self._lock:
            if now - self._purged < _PURGE_EVERY:
                return
            self._purged = now
        with failing_in_few_words(), writing(self._engine) as connection:
            connection.execute(TOKEN_ID.delete().where(TOKEN_ID.c.expires < int(now.timestamp())))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
