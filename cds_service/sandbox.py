"""The public CDS Hooks sandbox as a client: what it needs of the service, and the link that opens it."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlencode

from cards.profiles import Profile
from cds_service.patients import patients
from cds_service.settings import Settings

SANDBOX = "https://sandbox.cds-hooks.org/"


def for_sandbox(settings: Settings) -> Settings:
    """The settings with the answers shaped for the sandbox: its profile, and ratings of the orders."""
    return replace(settings, profile=Profile.SANDBOX, system_actions=True)


def deep_link(service: str, fhir_server: str, patient: str) -> str:
    """The address that opens the sandbox on its imaging tab with this service, FHIR server and patient.

    Both ``screen`` and ``hook`` are needed: without the hook the tab sends calls of another hook and shows no card.
    """
    return (
        SANDBOX
        + "?"
        + urlencode(
            {
                "screen": "pama",
                "hook": "order-select",
                "serviceDiscoveryURL": f"{service.rstrip('/')}/cds-services",
                "fhirServiceUrl": fhir_server.rstrip("/"),
                "patientId": patient,
            }
        )
    )


def invitation(host: str, port: int, fhir_server: str) -> str:
    """What to do next, for the one who has just started the service for the sandbox."""
    service = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    first = next(iter(patients()))
    return "\n".join(
        [
            "For the public CDS Hooks sandbox: profile sandbox, any origin, callers are not authenticated.",
            f"Its patients come from {fhir_server} (start it with: cds-service demo-fhir).",
            "",
            "Open in a private window:",
            f"  {deep_link(service, fhir_server, first)}",
            "",
            f"Other patients, as patientId: {', '.join(patients())}",
            "",
        ]
    )
