"""The access that a client lends for one call: a FHIR server and a token, which nothing shows by accident."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_VISIBLE = re.compile(r"[\x21-\x7e]{1,16000}")


class Secret:
    """A text that is told only to who asks for it by name: not in a log, not in a traceback, not in a debugger."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def tell(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(...)"

    def __reduce__(self) -> Any:
        raise TypeError("a secret is not stored")


@dataclass(frozen=True, slots=True)
class FhirAccess:
    """What `fhirServer` and `fhirAuthorization` of a request say. It is used within the call and kept nowhere."""

    server: str
    token: Secret


def read_access(server: Any, authorization: Any) -> FhirAccess | None:
    """The access lent with a call; None unless all of it is there (CDS Hooks 2.0.1, "FHIR Resource Access").

    Scopes are not read: clients write them in three ways, and what a token opens the server says best.
    """
    if not isinstance(server, str) or not isinstance(authorization, dict):
        return None
    token, kind, life = (authorization.get(name) for name in ("access_token", "token_type", "expires_in"))
    if not isinstance(token, str) or not _VISIBLE.fullmatch(token) or token == "null":
        return None
    if not isinstance(kind, str) or kind.lower() != "bearer":
        return None
    if isinstance(life, bool) or not isinstance(life, (int, float)) or not life > 0:
        return None
    if not all(isinstance(authorization.get(name), str) for name in ("scope", "subject")):
        return None
    return FhirAccess(server, Secret(token))
