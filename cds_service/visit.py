"""What is known of the request that is being answered: told meanwhile, and read for the log when the answer leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cds_service.account import Account
from cds_service.clients import NOBODY, Client

GATHERED = "cds_service.body"
"""Where a WSGI environment holds the whole body, if the worker has gathered it."""
ARRIVED = "cds_service.arrived"
"""Where it holds the moment in which the request was whole, if the worker saw it, on the clock of `perf_counter`."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a request is answered, as the log and the figures name it."""

    route: str = "none"
    """What matched, with its placeholders."""
    name: str = "none"
    service: str | None = None


@dataclass(slots=True)
class Visit:
    """One request on its way through the service."""

    environ: Mapping[str, Any]
    """Of WSGI (PEP 3333): asking it for a header that is not there costs less than asking Werkzeug's headers."""
    method: str
    path: str
    began: float
    """When the request was whole, where that is known; on the clock of `time.perf_counter`."""
    client: Client = NOBODY
    """Who calls; known before any endpoint is reached."""
    refused: str | None = None
    """Why its token was refused, by a code."""
    problem: str | None = None
    """Why the request was refused, as the client was told."""
    oddities: Sequence[str] = ()
    account: Account | None = None
    feedback: dict[str, Any] | None = None
