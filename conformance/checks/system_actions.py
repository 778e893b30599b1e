"""System actions: what a client applies without asking the user."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.bodies import drafts
from conformance.check import Fault, Group, Omit, Skip
from conformance.checks.cards import lacking
from conformance.checks.suggestions import delete_faults, reference, resource_faults, type_faults
from conformance.exchange import shown
from conformance.paths import objects
from conformance.session import Session

GROUP = Group("system-actions", "System actions")

PAMA = "http://fhir.org/argonaut/Extension/pama-rating"
PAMA_CODES = ("appropriate", "not-appropriate", "no-criteria-apply")


@GROUP.check("type")
def type_(session: Session) -> Iterator[Fault]:
    """A system action is of type create, update or delete."""
    yield from type_faults(session.system_actions())


@GROUP.check("description")
def description(session: Session) -> Iterator[Fault]:
    """A system action has a description; 3.0 no longer requires it."""
    if session.version == "3.0":
        raise Omit("3.0 makes the description of a system action optional")
    for action in session.system_actions():
        yield from lacking(action, "description")


@GROUP.check("resource")
def resource(session: Session) -> Iterator[Fault]:
    """A system action that creates or updates carries the whole FHIR resource; one that deletes names it."""
    yield from resource_faults(session.system_actions())
    yield from delete_faults(session.system_actions())


@GROUP.check("annotates-only")
def annotates_only(session: Session) -> Iterator[Fault]:
    """A system action that updates a draft order adds to it and changes nothing else: no user will look at it."""
    found = [action for action in session.system_actions() if action.value.get("type") == "update"]
    changed = [(action, drafts(action.exchange.sent).get(reference(action) or "")) for action in found]
    if not any(draft for _, draft in changed):
        raise Skip("no system action updates a draft order")
    for action, draft in changed:
        sent = action.value["resource"] if draft else {}
        for name, value in (draft or {}).items():
            if name not in sent and value not in (None, "", [], {}):
                yield action.fault("missing, though the draft has it", "resource", name)
            elif name in sent and name not in ("extension", "meta", "note") and sent[name] != value:
                yield action.fault(f"{shown(sent[name])} instead of {shown(value)}", "resource", name)


@GROUP.check("pama-rating")
def pama_rating(session: Session) -> Iterator[Fault]:
    """A PAMA rating in a system action is a coded one, with a code that Argonaut's guide defines."""
    found = [
        (action, number, extension)
        for action in session.system_actions()
        if isinstance(action.value.get("resource"), dict)
        for number, extension in enumerate(objects(action.value["resource"].get("extension")))
        if extension.get("url") == PAMA
    ]
    if not found:
        raise Skip("no system action carries a PAMA rating")
    for action, number, extension in found:
        concept = extension.get("valueCodeableConcept")
        codes = [each.get("code") for each in objects(concept.get("coding"))] if isinstance(concept, dict) else []
        if not any(code in PAMA_CODES for code in codes):
            yield action.fault(shown(codes), "resource", "extension", number, "valueCodeableConcept")
