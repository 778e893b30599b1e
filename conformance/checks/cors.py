"""What a browser must hear before it lets a page call a service."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from conformance import bodies
from conformance.check import Fault, Group, Skip
from conformance.checks import feedback
from conformance.exchange import Exchange
from conformance.session import DISCOVERY, ORIGIN, Session

GROUP = Group("cors", "Calls from a browser (CORS)")

_HEADERS = {"authorization", "content-type"}
_FROM_BROWSER = {"Origin": ORIGIN}


def _origin_faults(exchanges: Iterable[Exchange]) -> Iterator[Fault]:
    for each in exchanges:
        origin = each.headers.get("access-control-allow-origin")
        if origin not in ("*", ORIGIN):
            yield each.fault("header Access-Control-Allow-Origin", origin or "missing")


def _preflight_faults(exchanges: Iterable[Exchange]) -> Iterator[Fault]:
    for each in exchanges:
        if not each.ok:
            yield each.status_fault()
            continue
        yield from _origin_faults([each])
        allowed = each.headers.get("access-control-allow-headers", "")
        missing = _HEADERS - {name.strip().lower() for name in allowed.split(",")}
        if missing:
            # A star does not stand for Authorization (Fetch standard, CORS-preflight fetch).
            yield each.fault("header Access-Control-Allow-Headers", f"{allowed or 'missing'}; asked for {missing}")


@GROUP.check("preflight-discovery")
def preflight_discovery(session: Session) -> Iterator[Fault]:
    """The preflight of a GET on discovery is answered by 2xx without a token, for this origin and its headers."""
    yield from _preflight_faults([session.preflight(DISCOVERY, "GET")])


@GROUP.check("preflight-call")
def preflight_call(session: Session) -> Iterator[Fault]:
    """The preflight of a hook call is answered by 2xx without a token, for this origin and its headers."""
    if not session.services:
        raise Skip("discovery lists no services")
    yield from _preflight_faults(session.preflight(service.path, "POST") for service in session.services)


@GROUP.check("preflight-feedback")
def preflight_feedback(session: Session) -> Iterator[Fault]:
    """The preflight of feedback is answered by 2xx without a token, for this origin and its headers."""
    yield from _preflight_faults(
        session.preflight(f"{service.path}/feedback", "POST") for service in feedback.offered(session)
    )


def _answers(session: Session) -> list[Exchange]:
    found = [session.get(DISCOVERY, "from a browser", _FROM_BROWSER)]
    for service in session.services:
        if service.good:
            found.append(session.call(service, "from a browser", bodies.fresh(service.request), _FROM_BROWSER))
    return found


def _errors(session: Session) -> list[Exchange]:
    return [
        session.call(service, "half a JSON object from a browser", b'{"hook": "kit', _FROM_BROWSER)
        for service in session.callable_services()
    ]


@GROUP.check("answers")
def answers(session: Session) -> Iterator[Fault]:
    """An answer to a browser allows its origin."""
    yield from _origin_faults(_answers(session))


@GROUP.check("errors")
def errors(session: Session) -> Iterator[Fault]:
    """An error answer to a browser allows its origin too; without it the page only learns of a network error."""
    yield from _origin_faults(_errors(session))


@GROUP.check("no-credentials")
def no_credentials(session: Session) -> Iterator[Fault]:
    """No origin that the service has never heard of may send a browser's credentials."""
    for each in _answers(session):
        if each.headers.get("access-control-allow-credentials", "").lower() == "true":
            yield each.fault("header Access-Control-Allow-Credentials", f"true, for the origin {ORIGIN}")
