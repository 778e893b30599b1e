"""The dialects of CDS Hooks clients: a profile decides only the shape of an answer, never what is said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum

from cards.card import CardKind
from cards.override_reasons import CODE_SYSTEMS
from knowledge.findings import Coding, ProcedureId
from knowledge.guideline import CodedText


class Profile(StrEnum):
    """Whose dialect an answer is written in."""

    SPEC = "spec"
    """CDS Hooks 2.0.1 to the letter."""
    SANDBOX = "sandbox"
    """The public CDS Hooks sandbox."""
    EPIC = "epic"
    CRD = "crd"
    """Da Vinci Coverage Requirements Discovery: its card shapes and topics, not its role of a payer."""


class Replacing(Enum):
    """How a client exchanges one order for another."""

    UPDATE = "update"
    """One `update` of the order."""
    RATED_UPDATE = "rated update"
    """The same, with the rating of what is proposed: the sandbox fails on an update without one."""
    CREATE_AND_DELETE = "create and delete"
    """A suggestion that creates and one that deletes, each with a single action (Epic)."""


THERAPY = "physical-therapy"
"""How a site's list of orders names the referral to physical therapy; studies stand there by their procedure id."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a client can show and carry out, and what it calls things."""

    replacing: Replacing
    selection: str
    """``at-most-one`` or ``any``."""
    topics: Mapping[CardKind, CodedText]
    lone_deletes: bool = True
    """A suggestion may consist of one `delete`."""
    deletes_with_creates: bool = True
    """A suggestion may hold a `delete` and a `create`."""
    links_beside_suggestions: bool = True
    names_its_order: bool = False
    """The order stands in the extension davinci-crd.associated-resource of its card."""
    mirrored_actions: bool = False
    """System actions stand in `extension.systemActions` too, where PAMA's guide of 2019 put them."""
    orderables: Mapping[str, CodedText] = field(default_factory=dict)
    """A site's codes for what can be created, by procedure id or `THERAPY`; for `CREATE_AND_DELETE`."""

    def with_orderables(self, orderables: Mapping[str, CodedText]) -> Shape:
        return replace(self, orderables=orderables) if self.replacing is Replacing.CREATE_AND_DELETE else self

    def orderable(self, procedure: ProcedureId | str) -> CodedText | None:
        return self.orderables.get(procedure)


def _every(topic: CodedText) -> dict[CardKind, CodedText]:
    return dict.fromkeys(CardKind, topic)


_TITLE = "Appropriateness of lumbar spine imaging"
_OWN_TOPIC = CodedText(Coding(f"{CODE_SYSTEMS}/card-topic", "lumbar-imaging-appropriateness"), _TITLE)
# Epic keeps overrides by topic code: it must be static, alphanumeric and at most 100 characters long.
_EPIC_TOPIC = CodedText(Coding(f"{CODE_SYSTEMS}/card-topic", "LUMBARIMG01"), _TITLE)
# Da Vinci CRD 2.2, card types: http://terminology.hl7.org/CodeSystem/cdshooks-card-type
_CARD_TYPES = "http://terminology.hl7.org/CodeSystem/cdshooks-card-type"
CARD_TYPE_NAMES = {
    CardKind.OFF_GUIDELINE: "Off Guideline",
    CardKind.ALTERNATIVE: "Therapy Alternatives - Optional",
    CardKind.APPROPRIATE_USE: "Appropriate Use",
    CardKind.GUIDELINE: "Guideline",
}

SHAPES: Mapping[Profile, Shape] = {
    Profile.SPEC: Shape(Replacing.UPDATE, "at-most-one", _every(_OWN_TOPIC)),
    Profile.SANDBOX: Shape(
        Replacing.RATED_UPDATE,
        "at-most-one",
        _every(_OWN_TOPIC),
        lone_deletes=False,
        deletes_with_creates=False,
        mirrored_actions=True,
    ),
    Profile.EPIC: Shape(Replacing.CREATE_AND_DELETE, "any", _every(_EPIC_TOPIC), deletes_with_creates=False),
    Profile.CRD: Shape(
        Replacing.UPDATE,
        "at-most-one",
        {kind: CodedText(Coding(_CARD_TYPES, kind.value), name) for kind, name in CARD_TYPE_NAMES.items()},
        lone_deletes=False,
        links_beside_suggestions=False,
        names_its_order=True,
    ),
}
