"""What Inferno's test suite for CRD servers (Da Vinci CRD 2.0.1) asks beyond CDS Hooks. Run with ``--profile crd``."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.check import Fault, Group, Skip
from conformance.checks.suggestions import reference
from conformance.exchange import Node, shown
from conformance.session import Session

GROUP = Group("crd", "Da Vinci CRD, as Inferno tests it")

# The hooks on which Inferno wants system actions (server_tests/service_response_validation_test.rb).
_WITH_SYSTEM_ACTIONS = ("order-sign", "order-dispatch", "appointment-book")
_ORDERS = {
    "ServiceRequest": ("status", "intent", "code", "subject", "authoredOn", "requester"),
    "DeviceRequest": ("status", "intent", "code", "subject", "authoredOn", "requester"),
    "MedicationRequest": ("status", "intent", "medication", "subject", "authoredOn", "requester"),
    "NutritionOrder": ("status", "intent", "patient", "dateTime", "orderer"),
    "VisionPrescription": (
        "status",
        "created",
        "patient",
        "encounter",
        "dateWritten",
        "prescriber",
        "lensSpecification",
    ),
    "CommunicationRequest": ("status", "payload", "authoredOn", "requester"),
}


@GROUP.check("topic")
def topic(session: Session) -> Iterator[Fault]:
    """The source of every card has a topic, with the strings code and system."""
    for card in session.cards():
        source = card.value.get("source")
        found = source.get("topic") if isinstance(source, dict) else None
        if found is None:
            yield card.fault("missing", "source", "topic")


@GROUP.check("system-actions-present")
def system_actions_present(session: Session) -> Iterator[Fault]:
    """An answer to order-sign, order-dispatch or appointment-book that has cards has systemActions too.

    The suite asks it of every answer, to requests that the tester chose because the service has something to say.
    """
    found = [
        each
        for each in session.answered()
        if isinstance(each.sent, dict) and each.sent.get("hook") in _WITH_SYSTEM_ACTIONS and each.answer["cards"]
    ]
    if not found:
        raise Skip(f"no answer with cards to {', '.join(_WITH_SYSTEM_ACTIONS)} was seen")
    for each in found:
        if each.answer.get("systemActions") is None:
            yield each.fault("$.systemActions", "missing")


@GROUP.check("suggestion-actions")
def suggestion_actions(session: Session) -> Iterator[Fault]:
    """Every suggestion has actions; the suite sorts cards by them."""
    for suggestion in session.suggestions():
        if "actions" not in suggestion.value:
            yield suggestion.fault("missing", "actions")


def _link_types(card: Node) -> set[str]:
    return {str(link.value.get("type")) for link in card.objects("links")}


@GROUP.check("external-reference-card")
def external_reference_card(session: Session) -> Iterator[Fault]:
    """At least one card is an external reference: it has links, all absolute."""
    cards = session.cards()
    if not any(_link_types(card) == {"absolute"} for card in cards):
        yield Fault("all calls", "$.cards", f"{len(cards)} cards, none of which has only absolute links")


@GROUP.check("instructions-card")
def instructions_card(session: Session) -> Iterator[Fault]:
    """At least one card is a plain instruction, without links and without suggestions."""
    cards = session.cards()
    if not any(not card.value.get("links") and not card.value.get("suggestions") for card in cards):
        yield Fault("all calls", "$.cards", f"{len(cards)} cards, all of which have links or suggestions")


def _alternatives(session: Session) -> list[Node]:
    """The suggestions of cards that propose another order: one of them updates an order, or deletes and creates one."""
    found = [card for card in session.cards() if any(_proposes(each) for each in card.objects("suggestions"))]
    if not found:
        raise Skip("no card proposes an alternative order")
    return [suggestion for card in found for suggestion in card.objects("suggestions")]


def _kind(action: Node) -> str:
    """The type of what an action writes or removes; empty where it does not say."""
    resource = action.value.get("resource")
    written = str(resource.get("resourceType")) if isinstance(resource, dict) else ""
    return (reference(action) or written).partition("/")[0]


def _proposes(suggestion: Node) -> bool:
    types = {str(action.value.get("type")) for action in suggestion.objects("actions") if _kind(action) in _ORDERS}
    return "update" in types or {"create", "delete"} <= types


@GROUP.check("delete-with-create")
def delete_with_create(session: Session) -> Iterator[Fault]:
    """Where a card proposes an alternative, each delete has a create of the same type in the same suggestion."""
    for suggestion in _alternatives(session):
        actions = list(suggestion.objects("actions"))
        created = {_kind(action) for action in actions if action.value.get("type") == "create"}
        for action in actions:
            if action.value.get("type") == "delete" and _kind(action) not in created:
                yield action.fault(f"{shown(action.value.get('resourceId'))} goes, and no {_kind(action)} comes")


@GROUP.check("profiled-order")
def profiled_order(session: Session) -> Iterator[Fault]:
    """Where a card proposes an alternative, its orders have what the CRD profile of their type requires."""
    for suggestion in _alternatives(session):
        for action in suggestion.objects("actions"):
            resource = action.value.get("resource")
            if isinstance(resource, dict):
                for name in _ORDERS.get(str(resource.get("resourceType")), ()):
                    if not any(each.startswith(name) for each in resource):
                        yield action.fault("missing", "resource", name)
