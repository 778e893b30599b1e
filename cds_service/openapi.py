"""What GET /openapi.json tells: every public route of the running service as an OpenAPI 3.1 document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from cards.card import Indicator
from cards.wire import APPRAISALS
from cds_service.patients import patients
from cds_service.report_choices import By, Format
from cds_service.services import HOOKS
from conformance.schemas import envelope_schema
from knowledge.findings import PrefetchKey, Presence

Json = dict[str, Any]

_JSON, _FHIR, _HTML = "application/json", "application/fhir+json", "text/html"
_CONVERTED = re.compile(r"<(?:\w+:)?(\w+)>")


@dataclass(frozen=True, slots=True)
class Operation:
    """What one method of one route takes and gives."""

    method: str
    id: str
    summary: str
    tag: str
    answers: Mapping[str, tuple[str, str]]
    """Status -> media type and name of the schema; an empty name for what is no JSON."""
    body: str = ""
    parameters: tuple[Json, ...] = ()
    secured: bool = False
    """In secured mode a token is needed."""


def _in_path(name: str, description: str, **schema: Any) -> Json:
    shown = {"name": name, "in": "path", "required": True, "description": description}
    return {**shown, "schema": {"type": "string", **schema}}


def _in_query(name: str, description: str, **schema: Any) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": schema}


_FAULT = (_FHIR, "OperationOutcome")
_POSTED = dict.fromkeys(("400", "401", "404", "413", "415", "429", "503"), _FAULT)
_SERVICE = _in_path("service", "The id of a service, as discovery lists it.", enum=list(HOOKS))

OPERATIONS: Mapping[str, Operation] = {
    "/cds-services": Operation(
        "get", "discovery", "The services, their hooks and their prefetch", "CDS Hooks", {"200": (_JSON, "Discovery")}
    ),
    "/cds-services/{service}": Operation(
        "post",
        "call",
        "Judge the draft orders of an order-select or order-sign call",
        "CDS Hooks",
        {"200": (_JSON, "Answer"), **_POSTED},
        "HookRequest",
        (_SERVICE,),
        secured=True,
    ),
    "/cds-services/{service}/feedback": Operation(
        "post",
        "feedback",
        "Store what clinicians did with cards, each item once",
        "CDS Hooks",
        {"200": (_JSON, "FeedbackAnswer"), **_POSTED},
        "Feedback",
        (_SERVICE,),
        secured=True,
    ),
    "/health/live": Operation("get", "live", "The process answers", "Operation", {"200": (_JSON, "Health")}),
    "/health/ready": Operation(
        "get", "ready", "The service can do its work", "Operation", {"200": (_JSON, "Health"), "503": (_JSON, "Health")}
    ),
    "/metrics": Operation(
        "get",
        "metrics",
        "Figures for Prometheus",
        "Operation",
        {"200": ("text/plain", ""), "401": _FAULT, "403": _FAULT},
    ),
    "/reports": Operation(
        "get",
        "reports",
        "What was judged, shown and answered: the figures an alert committee asks for",
        "Operation",
        {"200": (_HTML, ""), **dict.fromkeys(("400", "401", "403", "404", "503"), _FAULT)},
        parameters=(
            _in_query("since", "The first day that counts.", type="string", format="date"),
            _in_query("until", "The last day that counts.", type="string", format="date"),
            _in_query("client", "One client's orders only.", type="string"),
            _in_query("by", "The length of a period; by default that of the time covered.", enum=list(By)),
            _in_query("suppress-below", "Counts below it are withheld.", type="integer", minimum=0, maximum=1000),
            _in_query("format", "In which form it is told.", enum=list(Format), default=Format.HTML),
        ),
    ),
    "/openapi.json": Operation("get", "openapi", "This document", "Operation", {"200": (_JSON, "Document")}),
    "/guideline": Operation("get", "guideline", "The guideline as it is read", "Pages", {"200": (_HTML, "")}),
    "/guideline/codes": Operation(
        "get",
        "codes",
        "Look up a code or a word: which concept it speaks of, and what it does",
        "Pages",
        {"200": (_JSON, "CodesFound"), "400": _FAULT},
        parameters=(
            _in_query("q", "A code, the beginning of one, or words.", type="string", maxLength=100),
            _in_query("concept", "The id of a concept: only its codes.", type="string"),
            _in_query("limit", "How many codes at most.", type="integer", minimum=1, maximum=200, default=20),
        ),
    ),
    "/static/{filename}": Operation(
        "get",
        "static",
        "What the pages are drawn with",
        "Pages",
        {"200": ("*/*", ""), "404": _FAULT},
        parameters=(_in_path("filename", "The name of a file."),),
    ),
    "/": Operation("get", "tryIt", "The page to try the service", "Pages", {"200": (_HTML, "")}),
    "/try/choices": Operation(
        "get", "choices", "Synthetic patients, studies and the table", "Pages", {"200": (_JSON, "Document")}
    ),
    "/try/patients/{patient}": Operation(
        "get",
        "patient",
        "The first hook request of a synthetic patient",
        "Pages",
        {"200": (_JSON, "HookRequest"), "404": _FAULT},
        parameters=(_in_path("patient", "The id of a synthetic patient.", examples=list(patients())[:3]),),
    ),
    "/try/explain": Operation(
        "post",
        "explain",
        "Why the draft orders of a hook request are judged as they are",
        "Pages",
        {"200": (_JSON, "Explanation"), **_POSTED},
        "HookRequest",
    ),
}


def public_paths(rules: Iterable[str]) -> list[str]:
    """Routes as OpenAPI writes them: ``/try/patients/<patient>`` is ``/try/patients/{patient}``."""
    return sorted({_CONVERTED.sub(r"{\1}", rule) for rule in rules})


def document(paths: Iterable[str]) -> Json:
    """The OpenAPI document of these paths; one that is not described is left out, and a test finds it."""
    described = {path: _path_item(OPERATIONS[path]) for path in paths if path in OPERATIONS}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Lumbar imaging appropriateness as CDS Hooks",
            "version": version("lumbar-imaging-cds"),
            "description": "CDS Hooks 2.0.1 services that rate lumbar imaging orders by the ACR Appropriateness "
            "Criteria Low Back Pain (2021). Errors are FHIR OperationOutcomes.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": described,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _path_item(operation: Operation) -> Json:
    shown: Json = {
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [operation.tag],
        "responses": {status: _response(status, *answer) for status, answer in operation.answers.items()},
    }
    if operation.parameters:
        shown["parameters"] = list(operation.parameters)
    if operation.body:
        content = {_JSON: {"schema": _ref(operation.body)}}
        shown["requestBody"] = {"required": True, "content": content}
    if operation.secured:
        # In open mode nothing is asked for.
        shown["security"] = [{}, {"token": []}]
    return {operation.method: shown}


_STATUS = {
    "200": "It was done",
    "400": "The request cannot be read; the outcome says where and what is asked there",
    "401": "In secured mode: no token that is trusted",
    "403": "Not for who asks.",
    "404": "There is nothing of this name",
    "413": "The body is longer than is accepted",
    "415": "The body is not JSON",
    "429": "Too many calls; Retry-After says when to come back",
    "503": "It cannot be done now; Retry-After says when to come back",
}


def _response(status: str, media: str, schema: str) -> Json:
    return {"description": _STATUS[status], "content": {media: {"schema": _ref(schema)} if schema else {}}}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: Mapping[str, Json] | None = None, optional: Mapping[str, Json] | None = None) -> Json:
    properties = {**(required or {}), **(optional or {})}
    shown: Json = {"type": "object", "properties": properties} if properties else {"type": "object"}
    return {**shown, "required": list(required)} if required else shown


def _list(item: Json) -> Json:
    return {"type": "array", "items": item}


_TEXT: Json = {"type": "string", "minLength": 1}
_ANY: Json = {"type": "object"}


def _schemas() -> Json:
    """The messages, as far as a reader of the document needs them."""
    envelope = envelope_schema()
    coding = _object({"system": _TEXT, "code": _TEXT}, {"display": _TEXT})
    action = _object(
        {"type": {"enum": ["create", "update", "delete"]}, "description": _TEXT},
        {"resource": _ANY, "resourceId": _TEXT},
    )
    link = _object({"label": _TEXT, "url": _TEXT, "type": {"enum": ["absolute", "smart"]}})
    card = _object(
        {
            "uuid": _TEXT,
            "summary": {**_TEXT, "maxLength": 139},
            "indicator": {"enum": list(Indicator)},
            "source": _object({"label": _TEXT}, {"url": _TEXT, "topic": coding}),
        },
        {
            "detail": _TEXT,
            "suggestions": _list(_object({"label": _TEXT, "uuid": _TEXT, "actions": _list(action)})),
            "selectionBehavior": {"enum": ["at-most-one", "any"]},
            "overrideReasons": _list(coding),
            "links": _list(link),
        },
    )
    item = _object(
        {
            "card": {**_TEXT, "maxLength": 256},
            "outcome": {"enum": ["accepted", "overridden"]},
            "outcomeTimestamp": _TEXT,
        },
        {"acceptedSuggestions": _list(_object({"id": _TEXT})), "overrideReason": _object(optional={"reason": coding})},
    )
    finding = _object(
        {"concept": _TEXT, "presence": {"enum": list(Presence)}},
        {"value": _TEXT, "evidence": _list(_TEXT), "assumed": {"const": True}},
    )
    number: Json = {"type": "integer", "minimum": 1}
    verdicts = ["rated", "undetermined", "no-criteria-apply", "not-judged"]
    appraisal = _object(
        {"order": _TEXT, "verdict": {"enum": verdicts}, "guideline": _TEXT},
        {
            "procedures": _list(_TEXT),
            "category": _TEXT,
            "floor": _TEXT,
            "ceiling": _TEXT,
            "missing": _list(_TEXT),
            "reason": _TEXT,
            "variants": _object(optional={"established": _list(number), "possible": _list(number)}),
            "findings": _list(finding),
        },
    )
    services = _object(
        {"hook": {"enum": sorted(set(HOOKS.values()))}, "id": _TEXT, "description": _TEXT},
        {"title": _TEXT, "usageRequirements": _TEXT, "prefetch": _object({key.value: _TEXT for key in PrefetchKey})},
    )
    issue = _object({"severity": _TEXT, "code": _TEXT}, {"diagnostics": _TEXT})
    code = _object({"system": _TEXT, "code": _TEXT, "display": _TEXT, "does": _TEXT, "below": {"type": "boolean"}})
    return {
        "Discovery": _object({"services": _list(services)}),
        "HookRequest": {name: value for name, value in envelope.items() if not name.startswith("$")},
        "Answer": _object(
            {"cards": _list(card)},
            {"systemActions": _list(_ANY), "extension": _object(optional={APPRAISALS: _list(appraisal)})},
        ),
        "Feedback": _object({"feedback": {**_list(item), "minItems": 1}}),
        "FeedbackAnswer": {"type": "object", "description": "Empty, or an OperationOutcome that names the bad items."},
        "OperationOutcome": _object({"resourceType": {"const": "OperationOutcome"}, "issue": _list(issue)}),
        "Health": _object({"status": _TEXT}),
        "CodesFound": _object({"query": {"type": "string"}, "total": {"type": "integer"}, "codes": _list(code)}),
        "Explanation": _object({"chart": _ANY, "orders": _list(_ANY), "decisive_variant": {"type": "integer"}}),
        "Document": _ANY,
    }
