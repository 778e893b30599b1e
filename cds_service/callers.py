"""Who calls: `g.client` is known before any endpoint is reached."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from flask import Flask, g, request

from cds_service import metrics
from cds_service.clients import Client
from cds_service.problems import Problem
from cds_service.rate_limit import RateLimit
from cds_service.settings import Settings

_SERVICES = "/cds-services"
# Who calls what needs no token, and who is refused.
_NOBODY = Client("unknown", origins=())


def register_callers(app: Flask, settings: Settings, by_token: Callable[[], Client] | None) -> None:
    """With ``by_token``, services and feedback need a token; without it every caller is the settings' client."""
    limit = RateLimit(settings.rate_limit, time.monotonic) if settings.rate_limit is not None else None

    @app.before_request
    def identify() -> None:
        g.client = settings.anyone if by_token is None else _NOBODY
        if by_token is not None and _needs_a_token(settings):
            g.client = by_token()
        if limit is not None and request.path.startswith(f"{_SERVICES}/") and request.method != "OPTIONS":
            _hold_back(limit, g.client.name if by_token is not None else str(request.remote_addr))


def _needs_a_token(settings: Settings) -> bool:
    """Everything below the services does, in every method; a preflight never does, since browsers send none with it."""
    if request.method == "OPTIONS":
        return False
    return request.path.startswith(f"{_SERVICES}/") or (request.path == _SERVICES and not settings.open_discovery)


def _hold_back(limit: RateLimit, caller: str) -> None:
    wait = limit.wait(caller)
    if wait:
        metrics.refused("rate")
        raise Problem(429, "There are too many calls; call again later.", (("Retry-After", str(math.ceil(wait))),))
