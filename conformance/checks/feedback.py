"""The feedback address: what clients post after a clinician accepted or overrode a card."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from uuid import uuid4

from conformance.bodies import Json
from conformance.check import Fault, Group, Skip
from conformance.exchange import Exchange
from conformance.session import Service, Session, cards_of

GROUP = Group("feedback", "Feedback")

_NOT_OFFERED = (404, 405, 501)
_WHEN = "2026-03-02T10:05:31Z"
_REASON = {"code": "kit-reason", "system": "https://cds-conformance.example/reasons"}


def offered(session: Session) -> list[Service]:
    """The services that take feedback, which is optional; Skip where none does."""
    found = [
        service
        for service in session.services
        if session.feedback(*_accepted(session, service)).status not in _NOT_OFFERED
    ]
    if not found:
        raise Skip("no service takes feedback (404, 405 or 501), and none has to")
    return found


def _ids(session: Session, service: Service) -> tuple[str, str]:
    """The uuids of a card and a suggestion of this run, where there are some, else new ones."""
    card, suggestion = str(uuid4()), str(uuid4())
    for body in service.good[:1]:
        cards = cards_of(session.call(service, body.name, body.value).answer)
        for each in cards if isinstance(cards, list) else []:
            if isinstance(each, dict) and isinstance(each.get("uuid"), str):
                return each["uuid"] or card, suggestion
    return card, suggestion


def _accepted(session: Session, service: Service) -> tuple[Service, str, Json]:
    card, suggestion = _ids(session, service)
    return service, "an accepted suggestion", {"feedback": [_accepted_item(card, suggestion)]}


def _accepted_item(card: str, suggestion: str, when: str = _WHEN) -> Json:
    return {
        "card": card,
        "outcome": "accepted",
        "acceptedSuggestions": [{"id": suggestion}],
        "outcomeTimestamp": when,
    }


def _overridden(card: str, **more: Any) -> Json:
    return {"card": card, "outcome": "overridden", "outcomeTimestamp": _WHEN, **more}


def _ask(session: Session, name: str, make: Callable[[str, str], Any], bad: Callable[[int], bool]) -> Iterator[Fault]:
    for service in offered(session):
        each = session.feedback(service, name, make(*_ids(session, service)))
        if bad(each.status):
            yield each.status_fault()


def _not_taken(status: int) -> bool:
    return not 200 <= status < 300


@GROUP.check("accepted")
def accepted(session: Session) -> Iterator[Fault]:
    """Feedback on an accepted suggestion, in the form of the specification, is taken with 2xx."""
    for service in offered(session):
        each: Exchange = session.feedback(*_accepted(session, service))
        if not each.ok:
            yield each.status_fault()


@GROUP.check("overridden")
def overridden(session: Session) -> Iterator[Fault]:
    """Feedback on an overridden card is taken with 2xx: without reason, with one without display, with a comment."""
    comment = {"reason": _REASON, "userComment": "kit-canary-comment"}
    forms: dict[str, Json] = {
        "overridden without a reason": {},
        "overridden with a reason and a comment": {"overrideReason": comment},
        "overridden with a comment alone": {"overrideReason": {"userComment": "kit-canary-comment"}},
    }
    for name, more in forms.items():
        yield from _ask(session, name, partial(_one_overridden, more), _not_taken)


def _one_overridden(more: Json, card: str, suggestion: str) -> Json:
    return {"feedback": [_overridden(card, **more)]}


@GROUP.check("sandbox-form")
def sandbox_form(session: Session) -> Iterator[Fault]:
    """Feedback as the public sandbox sends it, with milliseconds in its time, is taken with 2xx."""
    yield from _ask(
        session,
        "the sandbox's form",
        lambda card, taken: {"feedback": [_accepted_item(card, taken, "2026-03-02T10:05:31.427Z")]},
        _not_taken,
    )


@GROUP.check("epic-form")
def epic_form(session: Session) -> Iterator[Fault]:
    """Feedback in Epic's documented form, with a member named overrideReasons, is taken with 2xx."""
    reasons = {"reason": _REASON, "userComment": "kit-canary-comment"}
    yield from _ask(
        session,
        "Epic's form",
        partial(_one_overridden, {"overrideReasons": reasons}),
        _not_taken,
    )


@GROUP.check("batch")
def batch(session: Session) -> Iterator[Fault]:
    """Feedback on several cards in one call is taken with 2xx."""
    yield from _ask(
        session,
        "two cards at once",
        lambda card, taken: {"feedback": [_accepted_item(card, taken), _overridden(str(uuid4()))]},
        _not_taken,
    )


@GROUP.check("unknown-card")
def unknown_card(session: Session) -> Iterator[Fault]:
    """Feedback on a card that the service no longer knows is taken with 2xx."""
    card = str(uuid4())
    yield from _ask(session, "an unknown card", lambda *_: {"feedback": [_overridden(card)]}, _not_taken)


@GROUP.check("repeated")
def repeated(session: Session) -> Iterator[Fault]:
    """The same feedback is taken with 2xx when it comes again."""
    for service in offered(session):
        _, _, body = _accepted(session, service)
        sent = session.feedback(*_accepted(session, service)).sent
        each = session.feedback(service, "the same again", sent or body)
        if not each.ok:
            yield each.status_fault()


@GROUP.check("mixed")
def mixed(session: Session) -> Iterator[Fault]:
    """A bad item beside a good one does not make the service fail."""
    yield from _ask(
        session,
        "a good and a bad item",
        lambda card, taken: {"feedback": [_accepted_item(card, taken), {"outcome": "kit-canary-outcome"}]},
        lambda status: status >= 500,
    )


@GROUP.check("malformed")
def malformed(session: Session) -> Iterator[Fault]:
    """Feedback that is not JSON, or is no object with a list named feedback, is refused with 4xx."""
    forms: dict[str, Any] = {
        "half a JSON object": b'{"feedback": [',
        "no list": {"kit-canary": "nothing of use"},
        "a string as list": {"feedback": "kit-canary"},
    }
    for name, body in forms.items():
        yield from _ask(session, name, partial(_always, body), lambda status: not 400 <= status < 500)


def _always(body: Any, card: str, suggestion: str) -> Any:
    return body
