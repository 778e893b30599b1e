"""What every request passes, on its way in and on its way out: through Flask, or by the short cut past it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from flask import Flask, Request, Response, g, request

from cds_service.callers import Callers
from cds_service.problems import Problem
from cds_service.request_log import record, request_id
from cds_service.visit import Place, Visit
from cds_service.wsgi import Headers, is_preflight, leave, restrictions


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

    def go(self, here: Visit, place: Place, status: int, named: Iterable[str]) -> Headers:
        """The headers to add to an answer that has headers of these names; the answer is counted and logged."""
        added = [*leave(self.origins, here.environ), *restrictions(named)]
        request = request_id(here, self.new_uuid)
        added.append(("X-Request-Id", request))
        record(here, request, place, status)
        return added


def register_passage(app: Flask, passage: Passage) -> None:
    """To be registered before whatever else looks at requests: what comes first, sees the answer last."""

    @app.before_request
    def enter() -> Response | None:
        here = g.visit = Visit(request.environ, request.method, request.path, time.perf_counter())
        if is_preflight(here.environ):
            return Response(status=204)
        passage.enter(here)
        return None

    @app.after_request
    def go(response: Response) -> Response:
        status = response.status_code
        response.headers.extend(passage.go(visit(), _place(request, status), status, response.headers.keys()))
        return response


def visit() -> Visit:
    """The request that Flask answers in this thread."""
    found: Visit = g.visit
    return found


def refuse_other_media(here: Visit) -> None:
    """JSON under any of its names, or no name at all; anything else is plainly not a hook call. Raises Problem."""
    if here.environ.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
        raise Problem(415, "Send the body as it is, without a Content-Encoding.")
    kind = here.environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if kind and not (kind == "application/json" or kind.endswith("+json") or kind == "text/json"):
        raise Problem(415, "Send the body as application/json.")


def _place(asked: Request, status: int) -> Place:
    service = asked.view_args.get("service") if asked.view_args and status != 404 else None
    route = asked.url_rule.rule if asked.url_rule is not None else "none"
    return Place(route, asked.blueprint or "none", service)
