"""Where a card's reader finds the guideline: our page where the service has a public address, else the ACR's."""

from __future__ import annotations

from cards.card import Link

GUIDELINE_PATH = "/guideline"


def variant_anchor(variant: int) -> str:
    """The fragment of a variant's row on the guideline page."""
    return f"variant-{variant}"


def variant_link(public_url: str, variant: int) -> Link:
    """A link to the variant on our guideline page; ``public_url`` is the base under which clinicians reach us."""
    url = f"{public_url.rstrip('/')}{GUIDELINE_PATH}#{variant_anchor(variant)}"
    return Link(f"How variant {variant} is read and rated", url)
