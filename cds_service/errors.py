"""Every error answer of the application is an OperationOutcome; statuses are chosen in `problems`."""

from __future__ import annotations

import logging

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge

from cds_service import metrics
from cds_service.json_out import to_json
from cds_service.passage import visit
from cds_service.problems import (
    Problem,
    failed,
    no_such_service,
    nothing_here,
    other_method,
    refused_by_flask,
    too_large,
)
from cds_service.services import HOOKS
from cds_service.visit import Visit

MEDIA_TYPE = "application/fhir+json"

log = logging.getLogger("cds_service")


def as_problem(error: Exception, here: Visit) -> Problem:
    """What a client is told of any error, and the log of one that nobody foresaw."""
    if isinstance(error, Problem):
        here.problem = error.message
        return error
    # The kind and the place of the error, never its message: that may hold data of a patient.
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else "?"
    metrics.fault()
    log.error("unexpected %s at %s", type(error).__name__, place)
    return failed()


def register_errors(app: Flask) -> None:
    @app.errorhandler(Exception)
    def problem(error: Exception) -> Response:
        return refusal(as_problem(error, visit()))

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> Response:
        # Flask keeps it with the request, which tracebacks hold: a circle, with all that was sent in it.
        error.__traceback__ = error.__context__ = None
        return refusal(_of_flask(error))


def _of_flask(error: HTTPException) -> Problem:
    match error:
        case NotFound():
            return nothing_here()
        case MethodNotAllowed() if _names_no_service():
            return no_such_service()
        case MethodNotAllowed():
            return other_method(error.valid_methods or ())
        case RequestEntityTooLarge():
            return too_large("The body is longer than this service accepts.")
        case _:
            return refused_by_flask(error.code or 500, error.name)


def _names_no_service() -> bool:
    """Whether the address is that of a service which is not there, by whatever method it was asked."""
    first, _, rest = request.path.removeprefix("/").partition("/")
    return first == "cds-services" and bool(rest) and rest.partition("/")[0] not in HOOKS


def outcome_of(problem: Problem) -> bytes:
    """The body of the answer, of the media type ``MEDIA_TYPE``."""
    return to_json(problem.outcome())


def refusal(problem: Problem) -> Response:
    """The answer through Flask, headers and all."""
    response = Response(outcome_of(problem), status=problem.status, mimetype=MEDIA_TYPE)
    response.headers.extend(problem.headers)
    return response
