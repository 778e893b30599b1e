"""Which requests may wait for something outside of the process, and among whom: a worker gives only them a thread."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from cds_service.clients import Client
from cds_service.services import HOOKS
from cds_service.settings import Auth, Settings

# A chart of this length is judged in some milliseconds, if it is one. What is longer, and what is not short and holds
# more objects or orders than charts of its length do, would hold up the others: beside the work that it makes a thread
# costs next to nothing.
LONGEST = 131_072
SHORT = 49_152
MOST_OBJECTS = 1_500
MOST_ORDERS = 16


class Lane(Enum):
    """Threads for one kind of work: whoever waits in one of them holds up nobody in another."""

    STORES = "the disk, the database, and whatever else is rare"
    CHARTS = "long charts, and bodies that came in chunks"
    FETCHES = "FHIR servers, for at most their deadline"
    SENDS = "clients that read slowly"


_ALIVE = "/health/live"
_JUDGED = frozenset(f"/cds-services/{service}" for service in HOOKS)
_ORDER = b"ServiceRequest"
# The name of the member that lends access to a FHIR server. A letter written as an escape may be one of either name.
_LENDS = b"fhirAuthorization"
_SPELLED = re.compile(rb"\\u00[4-7]")


@dataclass(frozen=True, slots=True)
class Waiting:
    """What this deployment's answers may wait for."""

    for_tokens: bool
    """Used tokens stand in a store that is always waited for."""
    for_charts: bool
    """Some FHIR server may be asked for what prefetch did not bring."""

    @classmethod
    def under(cls, settings: Settings, clients: Iterable[Client]) -> Waiting:
        """``clients`` may call: those who show tokens, or anyone."""
        is_a_file = settings.database_url.startswith("sqlite")
        asks = any(client.fhir_servers or client.fhir_on_loopback for client in clients)
        return cls(settings.auth is not Auth.OPEN and not is_a_file, asks)

    def lane(self, method: str, path: str, body: bytes | None) -> Lane | None:
        """None only for what is answered from the request alone, and soon; ``body`` is None where it came in chunks.

        Everything else may wait: feedback for the disk, pages and reports for the store, a long chart for its turn.
        """
        if method == "GET" and path == _ALIVE:
            return None  # whoever asks whether the loop lives is told by the loop
        if method != "POST" or path not in _JUDGED:
            return Lane.STORES
        if body is None:
            return Lane.FETCHES if self.for_charts else Lane.CHARTS  # it is not known yet what it holds
        # A letter is found many times faster than a word, a word than a pattern, and most bodies hold none of them.
        spelled = b"\\" in body and b"\\u00" in body and _SPELLED.search(body) is not None
        if self.for_charts and (spelled or _LENDS in body):
            return Lane.FETCHES
        is_laborious = len(body) > SHORT and (body.count(b"{") > MOST_OBJECTS or body.count(_ORDER) > MOST_ORDERS)
        if len(body) > LONGEST or is_laborious or spelled:
            return Lane.CHARTS
        return Lane.STORES if self.for_tokens else None
