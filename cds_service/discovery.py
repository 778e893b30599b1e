"""GET /cds-services: which hooks are answered, which parts of a chart are asked for; GET /openapi.json: every route."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from flask import Blueprint, Response, current_app, request

from cards.configuration import options
from cds_service.json_out import to_json
from cds_service.services import HOOKS, PREFETCH

_DESCRIPTION = (
    "Rates orders for lumbar spine imaging by the ACR Appropriateness Criteria Low Back Pain (2021). Shows a card "
    "where a study is usually not appropriate for the coded findings of the chart, with an alternative; silent "
    "otherwise."
)
_USAGE = (
    "FHIR R4. Needs context.draftOrders; every prefetch key is optional, and what is not delivered is treated as "
    "unknown, never as absent. Voluntary decision support: it is not a qualified mechanism of the former CMS AUC "
    "programme, and the ACR has not endorsed it."
)


def services() -> dict[str, list[dict[str, Any]]]:
    """The discovery document (CDS Hooks 2.0.1). Ids and prefetch keys are a public contract."""
    return {
        "services": [
            {
                "hook": hook,
                "id": service,
                "title": f"Lumbar imaging appropriateness ({hook})",
                "description": _DESCRIPTION,
                "usageRequirements": _USAGE,
                "prefetch": PREFETCH,
                "extension": {"davinci-crd.configuration-options": options()},
            }
            for service, hook in HOOKS.items()
        ]
    }


def discovery_blueprint() -> Blueprint:
    blueprint = Blueprint("discovery", __name__)
    body = to_json(services())
    etag = sha256(body).hexdigest()[:16]

    @blueprint.get("/cds-services")
    def discovery() -> Response:
        response = Response(body, mimetype="application/json", headers={"Cache-Control": "max-age=3600"})
        response.set_etag(etag)
        response.make_conditional(request)
        return response

    return blueprint


def openapi_blueprint() -> Blueprint:
    blueprint = Blueprint("openapi", __name__)

    @blueprint.get("/openapi.json")
    def openapi() -> Response:
        from cds_service.openapi import document, public_paths

        body = to_json(document(public_paths(rule.rule for rule in current_app.url_map.iter_rules())))
        return Response(body, mimetype="application/json", headers={"Cache-Control": "max-age=3600"})

    return blueprint
