"""What every request passes: plain paths, and leave for browsers to call."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, Response, request

# A page sets its own policy, and discovery its own caching; all else may load nothing and is kept nowhere.
_RESTRICTING = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}

_SLASHES = re.compile(r"/+")

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


def register_cors(app: Flask, origins: frozenset[str]) -> None:
    """These origins (``*`` is any) may call, on every status, never with credentials; preflights need no token."""

    @app.before_request
    def preflight() -> Response | None:
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            return Response(status=204)
        return None

    @app.after_request
    def allow(response: Response) -> Response:
        if "*" in origins:
            response.headers.add("Access-Control-Allow-Origin", "*")
        else:
            response.vary.add("Origin")
            origin = request.headers.get("Origin", "")
            if origin not in origins:
                return response
            response.headers["Access-Control-Allow-Origin"] = origin
        if request.method == "OPTIONS":
            response.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
            response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type, Accept"
            response.headers["Access-Control-Max-Age"] = "3600"
        return response


def register_security_headers(app: Flask) -> None:
    """What browsers may do with an answer: nothing but show it as what it is."""

    @app.after_request
    def restrict(response: Response) -> Response:
        named = {name.lower() for name, _ in response.headers}
        for name, value in _RESTRICTING.items():
            if name.lower() not in named:
                response.headers.add(name, value)
        return response
