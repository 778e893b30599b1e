"""What every request passes, on its way in and on its way out: through Flask, or by the short cut past it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Flask, Request, Response, g, request

from cds_service.callers import Callers
from cds_service.problems import other_media
from cds_service.request_log import record, request_id
from cds_service.visit import ARRIVED, Endpoint, Visit
from cds_service.wsgi import Headers, cors_headers, is_preflight, security_headers


@dataclass(frozen=True, slots=True)
class Passage:
    """Who may come in, and what goes with every answer."""

    callers: Callers
    origins: frozenset[str]
    """Of browsers that may call; ``*`` is any."""
    new_uuid: Callable[[], str]

    def enter(self, here: Visit) -> None:
        """From now on it is known who calls. Raises Problem (401, 429, 503)."""
        self.callers.identify(here)

    def go(self, here: Visit, endpoint: Endpoint, status: int, named: Iterable[str]) -> Headers:
        """The headers to add to an answer that has headers of these names; the answer is counted and logged."""
        added = [*cors_headers(self.origins, here.environ), *security_headers(named)]
        request = request_id(here, self.new_uuid)
        added.append(("X-Request-Id", request))
        record(here, request, endpoint, status)
        return added

    def escort(self, environ: Mapping[str, Any], status: int, named: Iterable[str]) -> Headers:
        """The same for an answer to what never came in; its environment has the method, and what else was read."""
        here = Visit(environ, environ["REQUEST_METHOD"], "", time.perf_counter())
        return self.go(here, Endpoint(), status, named)


def register_passage(app: Flask, passage: Passage) -> None:
    """To be registered before whatever else looks at requests: what comes first, sees the answer last."""

    @app.before_request
    def enter() -> Response | None:
        began = request.environ.get(ARRIVED) or time.perf_counter()
        here = g.visit = Visit(request.environ, request.method, request.path, began)
        if is_preflight(here.environ):
            return Response(status=204)
        passage.enter(here)
        return None

    @app.after_request
    def go(response: Response) -> Response:
        status = response.status_code
        response.headers.extend(passage.go(visit(), _endpoint(request, status), status, response.headers.keys()))
        return response


def visit() -> Visit:
    """The request that Flask answers in this thread."""
    found: Visit = g.visit
    return found


def refuse_other_media(here: Visit) -> None:
    """JSON under any of its names, or no name at all; anything else is plainly not a hook call. Raises Problem."""
    if here.environ.get("HTTP_CONTENT_ENCODING", "").strip().lower() not in ("", "identity"):
        raise other_media("Send the body as it is, without a Content-Encoding.")
    kind = here.environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if kind and not (kind == "application/json" or kind.endswith("+json") or kind == "text/json"):
        raise other_media("Send the body as application/json.")


def _endpoint(asked: Request, status: int) -> Endpoint:
    service = asked.view_args.get("service") if asked.view_args and status != 404 else None
    route = asked.url_rule.rule if asked.url_rule is not None else "none"
    return Endpoint(route, asked.blueprint or "none", service)
