"""Calls of the services that Flask need not see: its routing, its contexts and its objects cost a tenth of a judgement.

Only a body that the worker has gathered whole comes this way, and only to a service that there is. All else goes
through Flask, this service too under another server; the same functions answer on both ways, and the same is said.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.http import HTTP_STATUS_CODES

from cds_service.errors import MEDIA_TYPE, as_problem, outcome_of
from cds_service.order_hooks import ENDPOINT, JSON, ROUTE, OrderHooks
from cds_service.passage import Passage, refuse_other_media
from cds_service.problems import Problem
from cds_service.services import HOOKS
from cds_service.visit import ARRIVED, GATHERED, Endpoint, Visit
from cds_service.wsgi import Headers, Wsgi

_ENDPOINTS = {ROUTE.replace("<service>", service): Endpoint(ROUTE, ENDPOINT, service) for service in HOOKS}


class ShortCut:
    """A WSGI application that answers what may come this way, before another that answers the rest."""

    def __init__(self, application: Wsgi, passage: Passage, hooks: OrderHooks) -> None:
        self._application = application
        self._passage = passage
        self._hooks = hooks

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body: bytes | None = environ.get(GATHERED)
        endpoint = _ENDPOINTS.get(environ["PATH_INFO"]) if environ["REQUEST_METHOD"] == "POST" else None
        if body is None or endpoint is None:
            return self._application(environ, start_response)
        here = Visit(environ, "POST", environ["PATH_INFO"], environ.get(ARRIVED) or time.perf_counter())
        status, headers, answer = self._answer(here, endpoint, body)
        headers += self._passage.go(here, endpoint, status, [name for name, _ in headers])
        start_response(_LINES[status], headers)
        return [answer]

    def _answer(self, here: Visit, endpoint: Endpoint, body: bytes) -> tuple[int, Headers, bytes]:
        assert endpoint.service is not None
        try:
            self._passage.enter(here)
            refuse_other_media(here)
            answer = self._hooks.answer(endpoint.service, here, body)
        except Exception as error:
            # Under another name the error would be a circle with this frame, and all that was sent in it.
            return _refusal(as_problem(error, here))
        return 200, _headers(JSON, answer), answer


def _refusal(problem: Problem) -> tuple[int, Headers, bytes]:
    answer = outcome_of(problem)
    return problem.status, [*_headers(MEDIA_TYPE, answer), *problem.headers], answer


def _headers(kind: str, answer: bytes) -> Headers:
    return [("Content-Type", kind), ("Content-Length", str(len(answer)))]


_LINES = {status: f"{status} {phrase.upper()}" for status, phrase in HTTP_STATUS_CODES.items()}
