"""Which tokens were used already, remembered where every worker and every machine can see it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

import sqlalchemy as sql
from sqlalchemy.exc import SQLAlchemyError

METADATA = sql.MetaData()
TOKEN_IDS = sql.Table(
    "token_ids",
    METADATA,
    sql.Column("issuer", sql.String(64), primary_key=True),
    sql.Column("jti", sql.String(64), primary_key=True),
    sql.Column("expires", sql.BigInteger, nullable=False, index=True),
)
"""Hashes, and the second (of the Unix epoch) after which the token is refused anyway."""

_PURGE_EVERY = timedelta(minutes=5)


class TokenMemoryError(Exception):
    """The memory cannot be asked, so nothing can be called a first use."""


class JtiMemory(Protocol):
    """Remembers the ids of tokens for as long as they could be used again."""

    def first_use(self, issuer: str, jti: str, expires: datetime) -> bool:
        """Whether this token was never seen; it is seen from now on. Raises TokenMemoryError."""


class TokenMemory:
    """Token ids in a table: of several writers of one id, the database lets one in."""

    def __init__(self, engine: sql.Engine, now: Callable[[], datetime]) -> None:
        """Makes its table where it does not exist; raises TokenMemoryError."""
        self._engine = engine
        self._now = now
        self._purged = now()
        self._lock = threading.Lock()
        try:
            METADATA.create_all(engine)
        except SQLAlchemyError as error:
            raise TokenMemoryError(type(error).__name__) from None
        finally:
            engine.dispose()  # workers are forked after this: each opens its own connections

    def first_use(self, issuer: str, jti: str, expires: datetime) -> bool:
        row = {"issuer": _hash(issuer), "jti": _hash(jti), "expires": int(expires.timestamp()) + 1}
        try:
            self._purge_now_and_then()
            with self._engine.begin() as connection:
                connection.execute(TOKEN_IDS.insert(), row)
        except sql.exc.IntegrityError:
            return False
        except SQLAlchemyError as error:
            raise TokenMemoryError(type(error).__name__) from None
        return True

    def count(self) -> int:
        with self._engine.connect() as connection:
            return int(connection.execute(sql.select(sql.func.count()).select_from(TOKEN_IDS)).scalar_one())

    def _purge_now_and_then(self) -> None:
        now = self._now()
        with self._lock:
            if now - self._purged < _PURGE_EVERY:
                return
            self._purged = now
        with self._engine.begin() as connection:
            connection.execute(TOKEN_IDS.delete().where(TOKEN_IDS.c.expires < int(now.timestamp())))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
