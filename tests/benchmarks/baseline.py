"""What the service is measured against: Flask views that read the body and judge nothing."""

from __future__ import annotations

from flask import Flask, Response, request

_ANSWER = b'{"cards":[]}'

app = Flask(__name__)


@app.post("/constant")
def constant() -> Response:
    """Reads the body and answers the same JSON whatever it says."""
    request.get_data(cache=False)
    return Response(_ANSWER, mimetype="application/json")


@app.post("/parsed")
def parsed() -> Response:
    """The same, and parses the body."""
    request.get_json()
    return Response(_ANSWER, mimetype="application/json")


@app.get("/health/live")
def live() -> Response:
    return Response(_ANSWER, mimetype="application/json")
