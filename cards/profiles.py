"""The dialects of CDS Hooks clients: a profile decides only the shape of an answer, never what is said."""

from __future__ import annotations

from enum import StrEnum


class Profile(StrEnum):
    """What a client can show and carry out."""

    SPEC = "spec"
    """CDS Hooks 2.0.1 to the letter."""
    SANDBOX = "sandbox"
    """The public CDS Hooks sandbox."""
    EPIC = "epic"
    CRD = "crd"
    """Da Vinci Coverage Requirements Discovery: its card shapes and topics, not its role of a payer."""
