"""The service's settings: environment variables, read and checked once, at start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cards.build import CardSettings
from cards.profiles import Profile
from cds_service.chart import ChartSettings
from cds_service.clients import Client, anyone


class SettingsError(Exception):
    """A setting that cannot be used; the message names it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What an operator can choose. Defaults are the safe choice."""

    database_url: str = "sqlite:///lumbar-imaging-cds.sqlite3"
    max_body: int = 10_000_000
    rate_on_order_alone: bool = False
    text_only_entries_listed: bool = False
    optional_cards: bool = False
    profile: Profile = Profile.SPEC
    system_actions: bool = False
    shadow: bool = False
    pages: bool | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read every ``CDS_*`` variable; an unknown name or a bad value raises SettingsError."""
        chosen: dict[str, Any] = {}
        for name in sorted(name for name in environment if name.startswith("CDS_")):
            if name not in VARIABLES:
                raise SettingsError(f"{name}: no such setting; there are {', '.join(VARIABLES)}")
            variable = VARIABLES[name]
            try:
                chosen[variable.field] = variable.read(environment[name])
            except ValueError:
                raise SettingsError(f"{name}: {environment[name]!r} is not {variable.values}") from None
        return cls(**chosen)

    @property
    def chart(self) -> ChartSettings:
        return ChartSettings(
            uncoded_entries_are_listed_only=self.text_only_entries_listed,
            unseen_counts_as_empty=self.rate_on_order_alone,
        )

    @property
    def anyone(self) -> Client:
        """What holds for a caller where no client decides it."""
        return anyone(self.profile, system_actions=self.system_actions, shadow=self.shadow)

    @property
    def shows_pages(self) -> bool:
        """Whether there is a page to try the service: where nothing is said, in open mode."""
        return self.pages is not False

    @property
    def cards(self) -> CardSettings:
        return CardSettings(optional_cards=self.optional_cards)


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable, as the README's table shows it."""

    field: str
    read: Callable[[str], Any]
    values: str
    meaning: str


def _choice(**values: bool) -> Callable[[str], bool]:
    def read(text: str) -> bool:
        if text not in values:
            raise ValueError(text)
        return values[text]

    return read


def _size(text: str) -> int:
    size = int(text)
    if not 1_000 <= size <= 1_000_000_000:
        raise ValueError(text)
    return size


def _url(text: str) -> str:
    if "://" not in text:
        raise ValueError(text)
    return text


VARIABLES = {
    "CDS_DATABASE_URL": Variable(
        "database_url", _url, "a SQLAlchemy URL", "where feedback is stored; SQLite in the working directory"
    ),
    "CDS_MAX_BODY": Variable(
        "max_body", _size, "a number of bytes from 1000 to 1000000000", "longest request body; 413 above it"
    ),
    "CDS_RATE_ON_ORDER_ALONE": Variable(
        "rate_on_order_alone",
        _choice(on=True, off=False),
        "on or off",
        "on: data that did not arrive count as searched and empty; the cards say that the chart was not seen",
    ),
    "CDS_TEXT_ONLY_ENTRIES": Variable(
        "text_only_entries_listed",
        _choice(listed=True, unknown=False),
        "listed or unknown",
        "listed: entries without a known code are named on the card but do not keep red flags unknown",
    ),
    "CDS_OPTIONAL_CARDS": Variable(
        "optional_cards",
        _choice(on=True, off=False),
        "on or off",
        "on: also info cards where a better-rated study exists, or the contrast is not stated",
    ),
    "CDS_PROFILE": Variable(
        "profile", Profile, f"one of {', '.join(Profile)}", "the shape of answers where no client decides it"
    ),
    "CDS_SYSTEM_ACTIONS": Variable(
        "system_actions",
        _choice(on=True, off=False),
        "on or off",
        "on: PAMA rating actions on the orders, where no client decides it",
    ),
    "CDS_SHADOW": Variable(
        "shadow",
        _choice(on=True, off=False),
        "on or off",
        "on: judge and record, send no card, where no client decides it",
    ),
    "CDS_PAGES": Variable(
        "pages",
        _choice(on=True, off=False),
        "on or off",
        "on: `GET /` is a page to try the service with synthetic patients, and any request is explained to its sender",
    ),
}
