"""What is known of the request that is being answered: told meanwhile, and read for the log when the answer leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Request, g, request

from cds_service.account import Account
from cds_service.clients import NOBODY, Client

GATHERED = "cds_service.body"
"""Where a WSGI environment holds the whole body, if the worker has gathered it."""


@dataclass(slots=True)
class Visit:
    """One request on its way through the service."""

    began: float
    """On the clock of `time.perf_counter`."""
    client: Client = NOBODY
    """Who calls; known before any endpoint is reached."""
    refused: str | None = None
    """Why its token was refused, by a code."""
    problem: str | None = None
    """Why the request was refused, as the client was told."""
    oddities: Sequence[str] = ()
    account: Account | None = None
    feedback: dict[str, Any] | None = None


def begin(began: float) -> None:
    g.visit = Visit(began)


def visit() -> Visit:
    """The request that is being answered in this thread."""
    found: Visit = g.visit
    return found


def current_request() -> Request:
    """The request itself, for who asks it much: Flask's own is looked up anew at every use."""
    found: Request = request._get_current_object()  # type: ignore[attr-defined]
    return found


def body() -> bytes:
    """The body of the request; raises RequestEntityTooLarge. One that lies ready is not read through a stream."""
    asked = current_request()
    gathered: bytes | None = asked.environ.get(GATHERED)
    return gathered if gathered is not None else asked.get_data(cache=False)
