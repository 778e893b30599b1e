"""What holds for every answer: plain paths, CORS for browsers that call, and what they may do with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

# A page sets its own policy, and discovery its own caching; all else may load nothing and is kept nowhere.
_RESTRICTING = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Cache-Control", "no-store"),
)
_METHODS = (
    ("Access-Control-Allow-Methods", "GET, POST, OPTIONS"),
    ("Access-Control-Allow-Headers", "Authorization, Content-Type, Accept"),
    ("Access-Control-Max-Age", "3600"),
)

_SLASHES = re.compile(r"/+")

Headers = list[tuple[str, str]]
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class PlainPaths:
    """Serves a path with doubled or trailing slashes as the plain one: a POST is never redirected."""

    def __init__(self, application: Wsgi) -> None:
        self.application = application

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if "//" in path or path[-1:] in ("", "/"):
            environ["PATH_INFO"] = _SLASHES.sub("/", path).rstrip("/") or "/"
        return self.application(environ, start_response)


def is_preflight(environ: Mapping[str, Any]) -> bool:
    """A browser asks whether it may call."""
    return environ["REQUEST_METHOD"] == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ


def cors_headers(origins: frozenset[str], environ: Mapping[str, Any]) -> Headers:
    """These origins (``*`` is any) may call, on every status, never with credentials."""
    granted = [("Access-Control-Allow-Origin", "*")]
    if "*" not in origins:
        origin = environ.get("HTTP_ORIGIN", "")
        if origin not in origins:
            return [("Vary", "Origin")]
        granted = [("Vary", "Origin"), ("Access-Control-Allow-Origin", origin)]
    return [*granted, *_METHODS] if environ["REQUEST_METHOD"] == "OPTIONS" else granted


def security_headers(named: Iterable[str]) -> Headers:
    """What a browser may do with it: to be added to an answer that has headers of these names already."""
    present = {name.lower() for name in named}
    return [(name, value) for name, value in _RESTRICTING if name.lower() not in present]
