"""Who calls, and what was agreed with them."""

from __future__ import annotations

from dataclasses import dataclass

from cards.profiles import Profile


@dataclass(frozen=True, slots=True)
class Client:
    """One client, or everyone who calls without a name."""

    name: str
    """The issuer of its tokens, or ``open`` for callers without a name; stands in logs, metrics and reports."""
    profile: Profile = Profile.SPEC
    system_actions: bool = False
    """It agreed to PAMA rating actions."""
    shadow: bool = False
    """Its orders are judged and recorded, and no card is sent."""
    fhir_servers: tuple[str, ...] = ()
    """FHIR base URLs that may be asked with the token of its calls."""
    origins: tuple[str, ...] = ("*",)
    """Origins of browsers that may call for it."""
    fhir_on_loopback: bool = False
    """FHIR servers on this machine may be asked although they are not listed."""


# Who calls what needs no token, and who is refused.
NOBODY = Client("unknown", origins=())


def anyone(
    profile: Profile,
    *,
    system_actions: bool,
    shadow: bool,
    fhir_servers: tuple[str, ...] = (),
    fhir_on_loopback: bool = False,
) -> Client:
    """The client that every caller is in open mode."""
    return Client("open", profile, system_actions, shadow, fhir_servers, fhir_on_loopback=fhir_on_loopback)
