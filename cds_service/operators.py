"""Pages for operators: nobody, this machine alone, or whoever holds a token."""

from __future__ import annotations

import hmac
from enum import StrEnum

from flask import Response, request

from cds_service import metrics
from cds_service.addresses import is_loopback
from cds_service.problems import forbidden, nothing_here, unauthenticated

# What a proxy adds: a call that came through one is not from this machine, whatever its address.
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via")
# Browsers know the second, and ask for a name and a password.
_CHALLENGE = 'Bearer realm="operators", Basic realm="operators"'


class Access(StrEnum):
    """Who may see a page."""

    OFF = "off"
    LOOPBACK = "loopback"
    TOKEN = "token"
    OPEN = "open"


def admit(access: Access, token: str | None) -> None:
    """Let the request pass, or raise Problem: 404 where the page is off, 403 or 401 where it is for others."""
    match access:
        case Access.OPEN:
            return
        case Access.OFF:
            raise nothing_here()
        case Access.LOOPBACK:
            if not _is_from_here():
                metrics.refused("not-loopback")
                raise forbidden("This page is for the machine of the service alone.")
        case Access.TOKEN:
            if not _holds(token):
                metrics.refused("operator-token")
                raise unauthenticated("This page asks for a token.", _CHALLENGE)


def keep_private(response: Response) -> Response:
    """Keep the page out of caches, and unreadable for pages of other origins."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    return response


def _is_from_here() -> bool:
    """Asked over loopback, by no proxy, under a name of this machine, and by no page of another origin."""
    if any(name in request.headers for name in _FORWARDED) or "Origin" in request.headers:
        return False
    return is_loopback(request.remote_addr or "") and is_loopback(_host())


def _host() -> str:
    host = request.host
    return host[1 : host.find("]")] if host.startswith("[") else host.partition(":")[0]


def _holds(token: str | None) -> bool:
    """A bearer token; or, for browsers, the password of Basic authentication under any name."""
    given = request.authorization
    if token is None or given is None:
        return False
    offered = given.token if given.type == "bearer" else given.password if given.type == "basic" else None
    return hmac.compare_digest((offered or "").encode(), token.encode())
