"""The suggestions of cards and their actions: what a click would do to the orders."""

from __future__ import annotations

import re
from collections.abc import Iterator

from conformance.bodies import drafts
from conformance.check import Fault, Group, Skip
from conformance.checks.cards import lacking
from conformance.exchange import Node, shown
from conformance.session import Session

GROUP = Group("suggestions", "Suggestions")

RELATIVE = re.compile(r"^[A-Z][A-Za-z]+/[^/\s]+$")
# Whose order it is, in what state and by whom: an update that changes or drops these is another order.
_KEPT = ("subject", "patient", "status", "intent", "encounter", "requester", "authoredOn")


def _cards_with_suggestions(session: Session) -> list[Node]:
    found = [card for card in session.cards() if any(card.objects("suggestions"))]
    if not found:
        raise Skip("no suggestion was seen")
    return found


@GROUP.check("selection-behavior")
def selection_behavior(session: Session) -> Iterator[Fault]:
    """A card with suggestions has a selectionBehavior, at-most-one or any (cds-resp-6)."""
    for card in _cards_with_suggestions(session):
        value = card.value.get("selectionBehavior")
        if "selectionBehavior" not in card.value:
            yield card.fault("missing", "selectionBehavior")
        elif value and value not in ("at-most-one", "any"):
            yield card.fault(shown(value), "selectionBehavior")


@GROUP.check("recommended")
def recommended(session: Session) -> Iterator[Fault]:
    """More than one suggestion is recommended only where any number may be chosen (cds-resp-1)."""
    for card in _cards_with_suggestions(session):
        number = sum(each.value.get("isRecommended") is True for each in card.objects("suggestions"))
        if number > 1 and card.value.get("selectionBehavior") == "at-most-one":
            yield card.fault(f"{number} are recommended, at most one may be chosen", "suggestions")


@GROUP.check("label")
def label(session: Session) -> Iterator[Fault]:
    """A suggestion has a label."""
    for suggestion in session.suggestions():
        yield from lacking(suggestion, "label")


@GROUP.check("uuid")
def uuid(session: Session) -> Iterator[Fault]:
    """A suggestion has a uuid, without which nobody can say that it was accepted."""
    for suggestion in session.suggestions():
        yield from lacking(suggestion, "uuid")


@GROUP.check("action-selection-behavior")
def action_selection_behavior(session: Session) -> Iterator[Fault]:
    """A suggestion has no actionSelectionBehavior unless the client is known to support it (see cds-resp-7)."""
    for suggestion in session.suggestions():
        if "actionSelectionBehavior" in suggestion.value:
            value = suggestion.value["actionSelectionBehavior"]
            yield suggestion.fault(shown(value), "actionSelectionBehavior")


@GROUP.check("action-type")
def action_type(session: Session) -> Iterator[Fault]:
    """An action is of type create, update or delete."""
    yield from type_faults(session.actions())


def type_faults(actions: list[Node]) -> Iterator[Fault]:
    for action in actions:
        if "type" not in action.value:
            yield action.fault("missing", "type")
        elif action.value["type"] and action.value["type"] not in ("create", "update", "delete"):
            yield action.fault(shown(action.value["type"]), "type")


@GROUP.check("action-description")
def action_description(session: Session) -> Iterator[Fault]:
    """An action of a suggestion has a description (cds-resp-5)."""
    for action in session.actions():
        yield from lacking(action, "description")


@GROUP.check("action-resource")
def action_resource(session: Session) -> Iterator[Fault]:
    """A create or an update carries the whole FHIR resource, with its resourceType."""
    yield from resource_faults(session.actions())


def resource_faults(actions: list[Node]) -> Iterator[Fault]:
    for action in actions:
        if action.value.get("type") not in ("create", "update"):
            continue
        resource = action.value.get("resource")
        if "resource" not in action.value:
            yield action.fault("missing", "resource")
        elif isinstance(resource, dict) and resource and not isinstance(resource.get("resourceType"), str):
            yield action.fault("missing", "resource", "resourceType")
        elif resource and not isinstance(resource, dict):
            yield action.fault(shown(resource), "resource")


@GROUP.check("delete-target")
def delete_target(session: Session) -> Iterator[Fault]:
    """A delete names what goes by a relative resourceId, and carries no resource (cds-resp-2)."""
    yield from delete_faults(session.actions())


def delete_faults(actions: list[Node]) -> Iterator[Fault]:
    for action in actions:
        if action.value.get("type") != "delete":
            continue
        target = action.value.get("resourceId")
        if "resourceId" not in action.value:
            yield action.fault("missing", "resourceId")
        elif target and not (isinstance(target, str) and RELATIVE.match(target)):
            yield action.fault(shown(target), "resourceId")
        if "resource" in action.value:
            yield action.fault(shown(action.value["resource"]), "resource")


def _of_type(session: Session, kind: str) -> list[Node]:
    found = [action for action in session.actions() if action.value.get("type") == kind]
    if not found:
        raise Skip(f"no {kind} was seen")
    return found


def reference(action: Node) -> str | None:
    """``Type/id`` of what an action changes; None where it does not say."""
    resource = action.value.get("resource")
    if action.value.get("type") == "delete":
        target = action.value.get("resourceId")
        return target if isinstance(target, str) and RELATIVE.match(target) else None
    if isinstance(resource, dict) and resource.get("resourceType") and resource.get("id"):
        return f"{resource['resourceType']}/{resource['id']}"
    return None


@GROUP.check("update-of-a-draft")
def update_of_a_draft(session: Session) -> Iterator[Fault]:
    """An update names, by type and id, a draft order of the request."""
    for action in _of_type(session, "update"):
        known = drafts(action.exchange.sent)
        target = reference(action)
        if isinstance(action.value.get("resource"), dict) and known and target not in known:
            yield action.fault(f"{target or 'no id'}, and the drafts are {', '.join(known)}", "resource", "id")


@GROUP.check("update-is-whole")
def update_is_whole(session: Session) -> Iterator[Fault]:
    """An update of a draft order holds the whole order: nothing of the draft is lost, and it stays the same order."""
    yield from whole_faults(_of_type(session, "update"))


def whole_faults(updates: list[Node]) -> Iterator[Fault]:
    for action in updates:
        draft = drafts(action.exchange.sent).get(reference(action) or "", {})
        for name, value in draft.items():
            if name not in action.value["resource"]:
                if value not in (None, "", [], {}):
                    yield action.fault("missing, though the draft has it", "resource", name)
            elif name in _KEPT and action.value["resource"][name] != value:
                changed = action.value["resource"][name]
                yield action.fault(f"{shown(changed)} instead of {shown(value)}", "resource", name)


@GROUP.check("delete-of-a-draft")
def delete_of_a_draft(session: Session) -> Iterator[Fault]:
    """A delete names a draft order of the request."""
    for action in _of_type(session, "delete"):
        known = drafts(action.exchange.sent)
        target = reference(action)
        if target and known and target not in known:
            yield action.fault(f"{target}, and the drafts are {', '.join(known)}", "resourceId")


@GROUP.check("create-is-new")
def create_is_new(session: Session) -> Iterator[Fault]:
    """What is created does not bear the id of a draft order of the request."""
    for action in _of_type(session, "create"):
        if reference(action) in drafts(action.exchange.sent):
            yield action.fault(f"{reference(action)} is a draft of the request", "resource", "id")
