"""What a CDS Hooks 2.0.1 card holds."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from knowledge.guideline import CodedText
from knowledge.values import hot_dataclass


class Indicator(StrEnum):
    """How urgent a card is to the clinician."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class CardKind(StrEnum):
    """What a card is about, by the codes of Da Vinci CRD's card types; a client may decline a kind."""

    OFF_GUIDELINE = "off-guideline"
    """The study is usually not appropriate, and no other study is better."""
    ALTERNATIVE = "therapy-alternatives-opt"
    """Another study is rated better."""
    APPROPRIATE_USE = "appropriate-use"
    """What the rating hangs on, or what to mind."""
    GUIDELINE = "guideline"
    """Where the guideline can be read."""


@hot_dataclass(frozen=True, slots=True)
class Action:
    """One change to the session's orders: ``create`` or ``update`` with a resource, ``delete`` with a reference."""

    type: str
    description: str
    resource: Mapping[str, Any] | None = None
    resource_id: str | None = None


@hot_dataclass(frozen=True, slots=True)
class Suggestion:
    """A button that carries out an alternative; its actions apply together."""

    kind: str
    """``alternative-study``, ``remove-order``, ``physical-therapy`` or ``record-fact``."""
    label: str
    actions: tuple[Action, ...]


@hot_dataclass(frozen=True, slots=True)
class Link:
    label: str
    url: str


@hot_dataclass(frozen=True, slots=True)
class Source:
    label: str
    url: str
    topic: CodedText


@hot_dataclass(frozen=True, slots=True)
class Card:
    """One piece of advice on one order."""

    kind: CardKind
    summary: str
    """Plain text of at most 139 characters that stands alone."""
    detail: str
    """GitHub-flavoured Markdown without HTML."""
    indicator: Indicator
    source: Source
    suggestions: tuple[Suggestion, ...]
    override_reasons: tuple[CodedText, ...]
    links: tuple[Link, ...]
    selection_behavior: str = "at-most-one"
    associated_order: str | None = None
    """``ServiceRequest/id`` of its order, for clients that take it in an extension."""
