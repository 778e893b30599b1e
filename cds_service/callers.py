"""Who calls: the visit's client is known before any endpoint is reached."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from flask import Flask, request

from cds_service import metrics
from cds_service.clients import NOBODY, Client
from cds_service.problems import Problem
from cds_service.rate_limit import RateLimit
from cds_service.settings import Settings
from cds_service.visit import visit

_SERVICES = "/cds-services"
_BELOW_SERVICES = f"{_SERVICES}/"


def register_callers(app: Flask, settings: Settings, by_token: Callable[[], Client] | None) -> None:
    """With ``by_token``, services and feedback need a token; without it every caller is the settings' client."""
    limit = RateLimit(settings.rate_limit, time.monotonic) if settings.rate_limit is not None else None

    @app.before_request
    def identify() -> None:
        client = settings.anyone if by_token is None else by_token() if _needs_a_token(settings) else NOBODY
        visit().client = client
        if limit is not None and request.path.startswith(_BELOW_SERVICES) and request.method != "OPTIONS":
            _hold_back(limit, client.name if by_token is not None else str(request.remote_addr))


def _needs_a_token(settings: Settings) -> bool:
    """Everything below the services does, in every method; a preflight never does, since browsers send none with it."""
    if request.method == "OPTIONS":
        return False
    return request.path.startswith(_BELOW_SERVICES) or (request.path == _SERVICES and not settings.open_discovery)


def _hold_back(limit: RateLimit, caller: str) -> None:
    wait = limit.wait(caller)
    if wait:
        metrics.refused("rate")
        raise Problem(429, "There are too many calls; call again later.", (("Retry-After", str(math.ceil(wait))),))
