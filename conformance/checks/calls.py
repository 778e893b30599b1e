"""How a service answers calls: good ones, sparse ones, odd ones, and bad ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

from conformance import bodies
from conformance.bodies import Json
from conformance.check import Fault, Group, Skip
from conformance.exchange import Exchange, shown
from conformance.session import Service, Session, cards_of

GROUP = Group("calls", "Calling a service")

# Within about half a second (CDS Hooks 2.0.1, "Providing FHIR Resources to a CDS Service").
QUICK = 0.5
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_UNKNOWN = {"org.example.cds-conformance": {"note": "pass over what you do not know", "list": [1, 2.5, True]}}


@GROUP.check("good-answer")
def good_answer(session: Session) -> Iterator[Fault]:
    """A good request gets status 200 and a JSON object that holds a list named cards."""
    for each in session.good_calls():
        if each.status != 200:
            yield each.status_fault()
        elif not isinstance(cards_of(each.answer), list):
            yield each.fault("$.cards", shown(cards_of(each.answer)) if each.answer is not None else "no JSON")


@GROUP.check("media-type")
def media_type(session: Session) -> Iterator[Fault]:
    """The answer to a hook call is sent as JSON."""
    for each in session.good_calls():
        if each.ok and each.media_type != "application/json":
            yield each.fault("header Content-Type", shown(each.headers.get("content-type", "")))


@GROUP.check("quick")
def quick(session: Session) -> Iterator[Fault]:
    """A good request is answered within about half a second."""
    for each in session.good_calls():
        if each.seconds > QUICK:
            yield each.fault("time", f"{each.seconds:.2f} seconds")


@GROUP.check("stable")
def stable(session: Session) -> Iterator[Fault]:
    """Equal requests get equal answers, the uuids apart."""
    for service in session.callable_services():
        body = service.good[0]
        first = session.call(service, body.name, bodies.fresh(body.value))
        again = session.call(service, f"{body.name} again", first.sent)
        if first.ok and again.ok and _without_uuids(first.answer) != _without_uuids(again.answer):
            yield again.fault("body", "differs from the answer to the same request a moment before")


def _without_uuids(value: Any) -> Any:
    if isinstance(value, str):
        return _UUID.sub("uuid", value)
    if isinstance(value, dict):
        return {name: _without_uuids(each) for name, each in value.items()}
    return [_without_uuids(each) for each in value] if isinstance(value, list) else value


def _taken(session: Session, name: str, change: Callable[[Service], Json | None]) -> Iterator[Fault]:
    """Faults where a changed request, which is still a good one, is not answered by 2xx or 412."""
    asked = False
    for service in session.callable_services():
        body = change(service)
        if body is not None:
            asked = True
            each = session.call(service, name, body)
            if not each.ok and each.status != 412:
                yield each.status_fault()
    if not asked:
        raise Skip("no service of this run can be asked this")


@GROUP.check("minimal")
def minimal(session: Session) -> Iterator[Fault]:
    """A request with the required members alone is answered by 200, or by 412 where data are missing."""
    yield from _taken(session, "required members alone", lambda service: bodies.minimal(service.request))


def _prefetch(service: Service, value: Any) -> Json | None:
    keys = service.listed.get("prefetch")
    if not isinstance(keys, dict) or not keys:
        return None
    return bodies.fresh(service.request, prefetch=dict.fromkeys(keys, value))


@GROUP.check("prefetch-null")
def prefetch_null(session: Session) -> Iterator[Fault]:
    """Prefetch keys that are null, the client's word that there is no data, are answered by 200 or 412."""
    yield from _taken(session, "every prefetch key null", lambda service: _prefetch(service, None))


@GROUP.check("prefetch-empty")
def prefetch_empty(session: Session) -> Iterator[Fault]:
    """Prefetch keys that hold empty Bundles are answered by 200 or 412."""
    empty = {"resourceType": "Bundle", "type": "searchset", "total": 0}
    yield from _taken(session, "every prefetch key an empty Bundle", lambda service: _prefetch(service, empty))


@GROUP.check("prefetch-outcome")
def prefetch_outcome(session: Session) -> Iterator[Fault]:
    """Prefetch keys that hold an OperationOutcome, for data the client could not get, are answered by 200 or 412."""
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}
    yield from _taken(session, "every prefetch key an OperationOutcome", lambda service: _prefetch(service, outcome))


@GROUP.check("prefetch-partial")
def prefetch_partial(session: Session) -> Iterator[Fault]:
    """A request with some of the prefetch keys is answered by 200 or 412."""

    def half(service: Service) -> Json | None:
        sent = service.request.get("prefetch")
        if not isinstance(sent, dict) or len(sent) < 2:
            return None
        return bodies.fresh(service.request, prefetch={key: sent[key] for key in sorted(sent)[: len(sent) // 2]})

    yield from _taken(session, "half of the prefetch keys", half)


@GROUP.check("unknown-members")
def unknown_members(session: Session) -> Iterator[Fault]:
    """Unknown members of the request and of its context do no harm."""

    def change(service: Service) -> Json:
        return {**bodies.in_context(service.request, **_UNKNOWN), **_UNKNOWN}

    yield from _taken(session, "unknown members", change)


@GROUP.check("unknown-extension")
def unknown_extension(session: Session) -> Iterator[Fault]:
    """An extension that nobody agreed on does no harm."""
    extension = {**_UNKNOWN, "com.example.request.flag": "x"}
    yield from _taken(
        session, "an unknown extension", lambda service: bodies.fresh(service.request, extension=extension)
    )


@GROUP.check("scopes")
def scopes(session: Session) -> Iterator[Fault]:
    """Access to a FHIR server is accepted with scopes of SMART v1, of SMART v2, and of a vendor's own form."""
    for name, scope in (
        ("SMART v1 scopes", "patient/Patient.read user/Condition.*"),
        ("SMART v2 scopes", "patient/Patient.r patient/Condition.rs?category=problem-list-item"),
        ("scopes of a vendor's form", "Condition.Read (Problems) (R4)"),
    ):
        access = {"fhirServer": "https://fhir.invalid/r4", "fhirAuthorization": bodies.authorization(scope)}
        yield from _taken(session, name, partial(_with, access))


def _with(members: Json, service: Service) -> Json:
    return bodies.fresh(service.request, **members)


@GROUP.check("uuid-version-1")
def uuid_version_1(session: Session) -> Iterator[Fault]:
    """A hookInstance that is a UUID of version 1 is as good as any."""
    yield from _taken(
        session, "a hookInstance of version 1", lambda service: bodies.with_uuid_of_version_1(service.request)
    )


@GROUP.check("other-user")
def other_user(session: Session) -> Iterator[Fault]:
    """A userId of another type, such as a Patient or a type to come, does not make the service fail."""
    for service in session.callable_services():
        for user in ("Patient/kit-canary-patient", "Device/kit-canary-device"):
            each = session.call(service, f"userId {user}", bodies.in_context(service.request, userId=user))
            if each.status >= 500:
                yield each.status_fault()


@GROUP.check("other-orders")
def other_orders(session: Session) -> Iterator[Fault]:
    """Orders of a type, or of a FHIR version, that the service does not know do not make it fail."""
    order = {
        "resourceType": "MedicationOrder",
        "id": "kit-canary-order-9",
        "status": "draft",
        "patient": {"reference": "Patient/kit-canary-patient"},
        "medicationCodeableConcept": {"text": "Aspirin 81 MG Oral Tablet"},
    }
    changes: Json = {"draftOrders": {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": order}]}}
    asked = False
    for service in session.callable_services():
        if service.hook in ("order-select", "order-sign"):
            asked = True
            chosen = {"selections": ["MedicationOrder/kit-canary-order-9"]} if service.hook == "order-select" else {}
            body = bodies.in_context(service.request, **changes, **chosen)
            each = session.call(service, "an order of DSTU2", body)
            if each.status >= 500:
                yield each.status_fault()
    if not asked:
        raise Skip("none of these services answers order-select or order-sign")


@GROUP.check("large-body")
def large_body(session: Session) -> Iterator[Fault]:
    """A request of two megabytes, as prefetched Bundles make it, is answered (--large-body chooses another size)."""
    name = f"a body of {session.large / 1e6:g} MB"
    yield from _taken(session, name, lambda service: bodies.padded(service.request, session.large))


@GROUP.check("charset")
def charset(session: Session) -> Iterator[Fault]:
    """A Content-Type that names its charset is as good as one that does not."""
    for service in session.callable_services():
        headers = {"Content-Type": "application/json; charset=utf-8"}
        each = session.call(service, "Content-Type with a charset", bodies.fresh(service.request), headers)
        if not each.ok and each.status != 412:
            yield each.status_fault()


def _refused(exchanges: Iterator[Exchange]) -> Iterator[Fault]:
    return (each.status_fault() for each in exchanges if not 400 <= each.status < 500)


@GROUP.check("malformed-json")
def malformed_json(session: Session) -> Iterator[Fault]:
    """A body that is not JSON is refused with 4xx."""
    yield from _refused(
        session.call(service, name, body)
        for service in session.callable_services()
        for name, body in (("half a JSON object", b'{"hook": "kit-canary'), ("no body", b""))
    )


@GROUP.check("wrong-hook")
def wrong_hook(session: Session) -> Iterator[Fault]:
    """A request for another hook than the service's is refused with 4xx."""
    yield from _refused(
        session.call(service, "another hook", {**bodies.marked(service.request), "hook": "org.example.no-such-hook"})
        for service in session.callable_services()
    )


def _broken(service: Service) -> Iterator[tuple[str, Json]]:
    good = bodies.marked(service.request)
    for name in ("hook", "context"):
        yield f"without {name}", {key: each for key, each in good.items() if key != name}
    for name in bodies.REQUIRED_CONTEXT.get(service.hook, ()):
        context = {key: each for key, each in good["context"].items() if key != name}
        yield f"without context.{name}", {**good, "context": context}


@GROUP.check("missing-members")
def missing_members(session: Session) -> Iterator[Fault]:
    """A request that lacks hook, context, or what the hook requires in it is refused with 4xx."""
    yield from _refused(
        session.call(service, name, body) for service in session.callable_services() for name, body in _broken(service)
    )


def _mistyped(request: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    good = bodies.marked(request)
    yield "a list as body", [good]
    yield "hook as a number", {**good, "hook": 7}
    yield "context as a list", {**good, "context": [good["context"]]}
    if "draftOrders" in good["context"]:
        yield "draftOrders as a string", {**good, "context": {**good["context"], "draftOrders": "kit-canary-order"}}


@GROUP.check("wrong-types")
def wrong_types(session: Session) -> Iterator[Fault]:
    """A request whose required members are of the wrong type is refused with 4xx."""
    yield from _refused(
        session.call(service, name, body)
        for service in session.callable_services()
        for name, body in _mistyped(service.request)
    )


@GROUP.check("get")
def get(session: Session) -> Iterator[Fault]:
    """GET on a service, which is only to be posted to, is refused with 4xx."""
    yield from _refused(session.get(service.path, "instead of POST") for service in session.callable_services())


@GROUP.check("unknown-service")
def unknown_service(session: Session) -> Iterator[Fault]:
    """A call of a service that is not listed is refused with 4xx."""
    service = session.callable_services()[0]
    nowhere = Service("no-such-service-" + quote(service.id, safe=""), service.hook, {}, service.good)
    yield from _refused(session.call(each, "an unknown service", bodies.marked(service.request)) for each in [nowhere])
