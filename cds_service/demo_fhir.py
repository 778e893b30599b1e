"""A small FHIR R4 server for trying out: the synthetic patients, readable and searchable, with nothing behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any
from urllib.parse import parse_qsl, urlencode

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.serving import run_simple

from cds_service.fhir_search import TYPES, search, searchset
from cds_service.json_out import to_json
from cds_service.patients import patients, resources
from cds_service.problems import Problem, not_found, outcome
from cds_service.wsgi import PlainPaths, cors_headers, is_preflight

Json = dict[str, Any]

BASE = "/fhir"
_FHIR_JSON = "application/fhir+json"
_SEARCHED = ("_id", "patient", "subject", "category", "code", "status", "clinical-status", "verification-status")


def create_demo_fhir(today: Callable[[], date] = date.today) -> Flask:
    """The WSGI application: read-only, any origin, no token asked for."""
    app = Flask("cds_service.demo_fhir", static_folder=None)

    @app.before_request
    def preflight() -> Response | None:
        return Response(status=204) if is_preflight(request.environ) else None

    @app.after_request
    def allow(response: Response) -> Response:
        response.headers.extend(cors_headers(frozenset("*"), request.environ))
        return response

    def chart() -> list[Json]:
        day = today()
        return [resource for patient in patients().values() for resource in resources(patient, day)]

    @app.get(f"{BASE}/metadata")
    def metadata() -> Response:
        return _answer(capability_statement(request.host_url.rstrip("/") + BASE, today()))

    @app.get(f"{BASE}/<kind>/<identity>")
    def read(kind: str, identity: str) -> Response:
        _known(kind)
        for resource in chart():
            if (resource["resourceType"], resource["id"]) == (kind, identity):
                return _answer(resource)
        raise not_found(f"There is no {kind} with this id.")

    @app.get(f"{BASE}/<kind>")
    @app.post(f"{BASE}/<kind>/_search")
    def find(kind: str) -> Response:
        _known(kind)
        query = parse_qsl(request.query_string.decode("utf-8", "replace"), keep_blank_values=True)
        query += [(name, value) for name, value in request.form.items(multi=True)]
        page = search(chart(), kind, query)
        base = request.host_url.rstrip("/") + BASE
        return _answer(_with_links(searchset(page, base), f"{base}/{kind}", query, page.next_query))

    @app.errorhandler(Problem)
    def problem(error: Problem) -> Response:
        return _answer(outcome(error.status, error.message), error.status)

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> Response:
        status = error.code or 500
        return _answer(outcome(status, f"{error.name}: FHIR is served under {BASE}, read and search only."), status)

    app.wsgi_app = PlainPaths(app.wsgi_app)  # type: ignore[method-assign]
    return app


def _known(kind: str) -> None:
    if kind not in TYPES:
        raise not_found(f"This server holds {', '.join(TYPES)}.")


def _with_links(bundle: Json, address: str, query: Sequence[tuple[str, str]], next_query: str | None) -> Json:
    links = [{"relation": "self", "url": f"{address}?{urlencode(query)}" if query else address}]
    links += [{"relation": "next", "url": f"{address}?{next_query}"}] if next_query is not None else []
    return {**bundle, "link": links}


def _answer(body: Mapping[str, Any], status: int = 200) -> Response:
    """FHIR JSON, under the older name where that is what was asked for."""
    accepted = request.headers.get("Accept", "")
    kind = "application/json+fhir" if "application/json+fhir" in accepted else _FHIR_JSON
    return Response(to_json(body), status=status, mimetype=kind, headers={"Cache-Control": "no-store"})


def capability_statement(base: str, day: date) -> Json:
    """What this server can do, as FHIR R4 says it."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": day.isoformat(),
        "kind": "instance",
        "implementation": {"description": "Synthetic patients for trying out; not for clinical use", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "rest": [
            {
                "mode": "server",
                "resource": [
                    {
                        "type": kind,
                        "interaction": [{"code": "read"}, {"code": "search-type"}],
                        "searchParam": [{"name": name, "type": "token"} for name in _searched(kind)],
                    }
                    for kind in TYPES
                ],
            }
        ],
    }


def _searched(kind: str) -> tuple[str, ...]:
    return ("_id", "gender", "birthdate") if kind == "Patient" else _SEARCHED


def run(host: str, port: int) -> None:
    """Serve until interrupted."""
    print(f"FHIR R4 with synthetic patients: http://{host}:{port}{BASE}", flush=True)
    run_simple(host, port, create_demo_fhir(), threaded=True)
