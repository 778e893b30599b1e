"""Who calls: the visit's client is known before any endpoint is reached."""

from __future__ import annotations

import time
from collections.abc import Callable

from cds_service import metrics
from cds_service.clients import Client
from cds_service.problems import too_many_calls
from cds_service.rate_limit import RateLimit
from cds_service.settings import Settings
from cds_service.visit import Visit

_SERVICES = "/cds-services"
_BELOW_SERVICES = f"{_SERVICES}/"


class Callers:
    """Tells who calls: by its token where there is a way to read one, else the settings' client."""

    def __init__(self, settings: Settings, by_token: Callable[[Visit], Client] | None) -> None:
        """With ``by_token``, services and feedback need a token."""
        self._anyone = settings.anyone
        self._by_token = by_token
        self._open_discovery = settings.open_discovery
        self._limit = RateLimit(settings.rate_limit, time.monotonic) if settings.rate_limit is not None else None

    def identify(self, here: Visit) -> None:
        """Set the client of the visit, and count its call. Raises Problem (401, 429, 503)."""
        if self._by_token is None:
            here.client = self._anyone
        elif self._needs_a_token(here):
            here.client = self._by_token(here)
        if self._limit is not None and here.path.startswith(_BELOW_SERVICES) and here.method != "OPTIONS":
            named = here.client.name if self._by_token is not None else str(here.environ.get("REMOTE_ADDR"))
            _hold_back(self._limit, named)

    def _needs_a_token(self, here: Visit) -> bool:
        """Everything below the services does, in every method; a preflight never does: browsers send none with it."""
        if here.method == "OPTIONS":
            return False
        return here.path.startswith(_BELOW_SERVICES) or (here.path == _SERVICES and not self._open_discovery)


def _hold_back(limit: RateLimit, caller: str) -> None:
    wait = limit.wait(caller)
    if wait:
        metrics.refused("rate")
        raise too_many_calls(wait)
