"""What every request passes: plain paths, and leave for browsers to call."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, Response, request

_SLASHES = re.compile(r"/+")

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class PlainPaths:
    """Serves a path with doubled or trailing slashes as the plain one: a POST is never redirected."""

    def __init__(self, application: Wsgi) -> None:
        self.application = application

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ["PATH_INFO"] = _SLASHES.sub("/", environ.get("PATH_INFO", "")).rstrip("/") or "/"
        return self.application(environ, start_response)


def register_cors(app: Flask) -> None:
    """Any origin may call, on every status, never with credentials; preflights need no authentication."""

    @app.before_request
    def preflight() -> Response | None:
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            return Response(status=204)
        return None

    @app.after_request
    def allow(response: Response) -> Response:
        response.headers["Access-Control-Allow-Origin"] = "*"
        if request.method == "OPTIONS":
            response.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
            response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type, Accept"
            response.headers["Access-Control-Max-Age"] = "3600"
        return response
