"""Every error answer is an OperationOutcome; statuses are chosen in `problems`."""

from __future__ import annotations

import logging

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from cds_service import metrics
from cds_service.json_out import to_json
from cds_service.passage import visit
from cds_service.problems import Problem
from cds_service.visit import Visit

MEDIA_TYPE = "application/fhir+json"

_MESSAGES = {
    404: "There is nothing at this address; GET /cds-services lists the services.",
    405: "This address does not answer that method.",
    413: "The body is longer than this service accepts.",
}

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
    return Problem(500, "The service failed to answer; the fault has been recorded.")


def register_errors(app: Flask) -> None:
    @app.errorhandler(Exception)
    def problem(error: Exception) -> Response:
        found = as_problem(error, visit())
        response = _response(found)
        response.headers.extend(found.headers)
        return response

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> Response:
        # Flask keeps it with the request, which tracebacks hold: a circle, with all that was sent in it.
        error.__traceback__ = error.__context__ = None
        status = error.code or 500
        response = _response(Problem(status, _MESSAGES.get(status, error.name)))
        if status == 405 and (allowed := error.get_response().headers.get("Allow")):
            response.headers["Allow"] = allowed
        return response


def outcome_of(problem: Problem) -> bytes:
    """The body of the answer, of the media type ``MEDIA_TYPE``."""
    return to_json(problem.outcome())


def _response(problem: Problem) -> Response:
    return Response(outcome_of(problem), status=problem.status, mimetype=MEDIA_TYPE)
