"""Which requests may wait for something outside of the process: a worker gives them a thread, and no others."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from cds_service.clients import Client
from cds_service.services import HOOKS
from cds_service.settings import Auth, Settings

T = TypeVar("T")

# A chart of this length is judged in some milliseconds, if it is one. What is longer, and what is not short and holds
# more objects or orders than charts of its length do, would hold up the others: beside the work that it makes a thread
# costs next to nothing.
LONGEST = 131_072
SHORT = 49_152
MOST_OBJECTS = 1_500
MOST_ORDERS = 16

_ALIVE = "/health/live"
_JUDGED = frozenset(f"/cds-services/{service}" for service in HOOKS)
_ORDER = b"ServiceRequest"
# The name of the member that lends access to a FHIR server. A letter written as an escape may be one of either name.
_LENDS = b"fhirAuthorization"
_SPELLED = re.compile(rb"\\u00[4-7]")


_here = threading.local()


class MustWait(BaseException):
    """What is asked for has to wait, where nobody may: nothing has been done, and a thread is to begin anew.

    No Exception, so that nothing on the way answers for it.
    """


def without_waiting(work: Callable[[], T]) -> T:
    """Do something in a thread that must not wait; raises MustWait where it would."""
    _here.must_not_wait = True
    try:
        return work()
    finally:
        _here.must_not_wait = False


def must_not_wait() -> bool:
    """Whether this thread has others to serve."""
    return getattr(_here, "must_not_wait", False)


def before_waiting() -> None:
    """To be called by what waits for another process or machine, before it changes anything. Raises MustWait."""
    if must_not_wait():
        raise MustWait


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

    def may_wait(self, method: str, path: str, body: bytes | None) -> bool:
        """False only for what is answered from the request alone, and soon; ``body`` is None where it came in chunks.

        Everything else may wait: feedback for the disk, pages and reports for the store, a long chart for its turn.
        """
        if method == "GET" and path == _ALIVE:
            return False  # whoever asks whether the loop lives is told by the loop
        if self.for_tokens or method != "POST" or path not in _JUDGED or body is None or len(body) > LONGEST:
            return True
        if len(body) > SHORT and (body.count(b"{") > MOST_OBJECTS or body.count(_ORDER) > MOST_ORDERS):
            return True
        # A letter is found many times faster than a word, a word than a pattern, and most bodies hold none of them.
        spelled = b"\\" in body and b"\\u00" in body and _SPELLED.search(body) is not None
        return spelled or (self.for_charts and _LENDS in body)
