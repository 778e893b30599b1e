"""Which requests may wait for something outside of the process: a worker gives them a thread, and no others."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cds_service.discovery import HOOKS
from cds_service.settings import Auth, Settings

# Charts of this length are judged in some milliseconds. What is longer would hold up the others, and beside the work
# that it makes a thread costs next to nothing.
LONGEST = 131_072

_JUDGED = frozenset(f"/cds-services/{service}" for service in HOOKS)
# The name of the member that lends access to a FHIR server; a letter written as an escape may be one of it.
_LENDS = b"fhirAuthorization"
_SPELLED = re.compile(rb"\\u00[4-7]")


@dataclass(frozen=True, slots=True)
class Waiting:
    """What this deployment's answers may wait for."""

    for_tokens: bool
    """Callers show tokens: their key sets are fetched, and used tokens stand in the store."""
    for_charts: bool
    """Some FHIR server may be asked for what prefetch did not bring."""

    @classmethod
    def under(cls, settings: Settings) -> Waiting:
        client = settings.anyone
        return cls(settings.auth is not Auth.OPEN, bool(client.fhir_servers) or client.fhir_on_loopback)

    def may_wait(self, method: str, path: str, body: bytes | None) -> bool:
        """False only for a hook call that is judged from its body alone; ``body`` is None where it came in chunks.

        Everything else may wait: feedback for the disk, pages and reports for the store, a long chart for its turn.
        """
        if self.for_tokens or method != "POST" or path not in _JUDGED or body is None or len(body) > LONGEST:
            return True
        # Words are found many times faster than patterns, and most bodies hold neither.
        return self.for_charts and (_LENDS in body or (b"\\u00" in body and _SPELLED.search(body) is not None))
