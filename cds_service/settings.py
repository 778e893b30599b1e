"""The service's settings: environment variables, read and checked once, at start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from cards.build import CardSettings
from cards.profiles import Profile
from cds_service.addresses import Address, read_base
from cds_service.chart_settings import ChartSettings
from cds_service.clients import Client, anyone
from cds_service.operators import Access
from cds_service.rate_limit import Rate, read_rate


class SettingsError(Exception):
    """A setting that cannot be used; the message names it."""


# A hundred calls a second, all through a minute: more than a hospital makes, and less than an attack.
_GENEROUS = Rate(6000, 60)


class Auth(StrEnum):
    """Whether callers must show who they are."""

    OPEN = "open"
    REQUIRED = "required"


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
    order_text: bool = True
    site: Path | None = None
    clients_file: Path | None = None
    auth: Auth = Auth.OPEN
    public_url: Address | None = None
    open_discovery: bool = True
    rate_limit: Rate | None = _GENEROUS
    fhir_servers: tuple[str, ...] = ()
    fhir_on_loopback: bool = True
    """In open mode, FHIR servers on this machine may be asked; not when a network may call. No variable of its own."""
    fhir_deadline: float = 2.0
    keep_comments: bool = False
    retention_days: int | None = None
    reports: Access = Access.OFF
    reports_token: str | None = None
    suppress_below: int = 0
    metrics: Access = Access.LOOPBACK
    metrics_token: str | None = None
    pages: bool | None = None
    max_requests: int = 100_000

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
                found = "what is set" if variable.secret else repr(environment[name])
                raise SettingsError(f"{name}: {found} is not {variable.values}") from None
        for page in ("reports", "metrics"):
            if chosen.get(page) is Access.TOKEN and f"{page}_token" not in chosen:
                raise SettingsError(f"CDS_{page.upper()}_TOKEN: required with CDS_{page.upper()}=token")
        if "clients_file" in chosen:
            chosen.setdefault("auth", Auth.REQUIRED)
        settings = cls(**chosen)
        for name, value in (("CDS_CLIENTS", settings.clients_file), ("CDS_PUBLIC_URL", settings.public_url)):
            if settings.auth is Auth.REQUIRED and value is None:
                raise SettingsError(f"{name}: is missing; CDS_AUTH=required needs it")
        return settings

    @property
    def chart(self) -> ChartSettings:
        return ChartSettings(
            uncoded_entries_are_listed_only=self.text_only_entries_listed,
            unseen_counts_as_empty=self.rate_on_order_alone,
        )

    @property
    def anyone(self) -> Client:
        """What holds for a caller where no client decides it."""
        return anyone(
            self.profile,
            system_actions=self.system_actions,
            shadow=self.shadow,
            fhir_servers=self.fhir_servers,
            fhir_on_loopback=self.fhir_on_loopback,
        )

    @property
    def shows_pages(self) -> bool:
        """Whether there is a page to try the service: where nothing is said, in open mode."""
        return self.pages if self.pages is not None else self.auth is Auth.OPEN

    @property
    def cards(self) -> CardSettings:
        public = self.public_url
        base = f"{public.origin}{public.path}" if public is not None else None
        return CardSettings(optional_cards=self.optional_cards, public_url=base)


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable, as the README's table shows it."""

    field: str
    read: Callable[[str], Any]
    values: str
    meaning: str
    secret: bool = False
    """No message repeats its value."""
    default: str | None = None
    """As the table shows it, where it is not to be read off the settings."""

    def shown_default(self) -> str:
        if self.default is not None:
            return self.default
        value = getattr(Settings(), self.field)
        match value:
            case True | False:
                return f"`{'on' if value else 'off'}`"
            case None | ():
                return "none"
            case _:
                return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _choice(**values: bool) -> Callable[[str], bool]:
    def read(text: str) -> bool:
        if text not in values:
            raise ValueError(text)
        return values[text]

    return read


def _digits(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(text)  # int() would take 1_0, +1 and the digits of every script
    return int(text)


def _size(text: str) -> int:
    size = _digits(text)
    if not 1_000 <= size <= 1_000_000_000:
        raise ValueError(text)
    return size


def _url(text: str) -> str:
    if "://" not in text:
        raise ValueError(text)
    return text


def _number(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        number = _digits(text)
        if not least <= number <= most:
            raise ValueError(text)
        return number

    return read


def _access(*allowed: Access) -> Callable[[str], Access]:
    def read(text: str) -> Access:
        if text not in allowed:
            raise ValueError(text)
        return Access(text)

    return read


_SHORTEST_TOKEN = 16


def _token(text: str) -> str:
    if len(text) < _SHORTEST_TOKEN or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(text)
    return text


def _bases(text: str) -> tuple[str, ...]:
    bases = tuple(base.strip() for base in text.split(","))
    for base in bases:
        read_base(base)
    return bases


def _deadline(text: str) -> float:
    seconds = float(text)
    if not 0.05 <= seconds <= 30:
        raise ValueError(text)
    return seconds


def _file(text: str) -> Path:
    if not text:
        raise ValueError(text)
    return Path(text)


VARIABLES = {
    "CDS_DATABASE_URL": Variable(
        "database_url",
        _url,
        "a SQLAlchemy URL",
        "where feedback and verdicts are stored: SQLite, or PostgreSQL for several machines",
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
        default="`unknown`",
    ),
    "CDS_OPTIONAL_CARDS": Variable(
        "optional_cards",
        _choice(on=True, off=False),
        "on or off",
        "on: also info cards where a better-rated study exists, or the contrast is not stated",
    ),
    "CDS_ORDER_TEXT": Variable(
        "order_text",
        _choice(on=True, off=False),
        "on or off",
        "on: an order without a code of a known system is read by its words; its card says so",
    ),
    "CDS_SITE": Variable(
        "site", _file, "a file", "TOML file of a site's order codes, prefetch keys and preference list"
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
    "CDS_CLIENTS": Variable(
        "clients_file", _file, "a file name", "TOML file of trusted clients, see cds_service/README.md"
    ),
    "CDS_AUTH": Variable(
        "auth",
        Auth,
        f"one of {', '.join(Auth)}",
        "required: services and feedback need a client's token",
        default="`required` with `CDS_CLIENTS`, else `open`",
    ),
    "CDS_PUBLIC_URL": Variable(
        "public_url",
        read_base,
        "an https base URL without a query (http on loopback)",
        "address clients know the service by: what the `aud` of a token is compared with, never with a header, and "
        "where cards link to our guideline page",
        default="none; needed with `CDS_AUTH=required`",
    ),
    "CDS_OPEN_DISCOVERY": Variable(
        "open_discovery",
        _choice(on=True, off=False),
        "on or off",
        "off: with `CDS_AUTH=required`, discovery needs a token as well",
    ),
    "CDS_RATE_LIMIT": Variable(
        "rate_limit",
        read_rate,
        "a number of calls as in 600/minute (second, minute, hour), or off",
        "calls each worker takes from one client (by issuer; by network address in open mode); 429 above it",
        default="`6000/minute`",
    ),
    "CDS_FHIR_SERVERS": Variable(
        "fhir_servers",
        _bases,
        "https base URLs (http on loopback), separated by commas",
        "FHIR servers that may be asked in open mode, beside those on this machine; else each client's own list",
    ),
    "CDS_FHIR_DEADLINE": Variable(
        "fhir_deadline",
        _deadline,
        "a number of seconds from 0.05 to 30",
        "time in all for fetching what prefetch of one call did not bring",
    ),
    "CDS_KEEP_COMMENTS": Variable(
        "keep_comments",
        _choice(on=True, off=False),
        "on or off",
        "on: the comments of feedback are stored; they may hold data of patients",
    ),
    "CDS_RETENTION_DAYS": Variable(
        "retention_days",
        _number(1, 36_500),
        "a number of days from 1 to 36500",
        "what is older is purged from the store, daily",
    ),
    "CDS_REPORTS": Variable(
        "reports",
        _access(Access.OFF, Access.LOOPBACK, Access.TOKEN),
        "off, loopback or token",
        "who may see /reports: nobody, this machine, or who holds CDS_REPORTS_TOKEN",
    ),
    "CDS_REPORTS_TOKEN": Variable(
        "reports_token",
        _token,
        "a token of at least 16 ASCII characters without spaces",
        "what /reports asks for, as a bearer token or a Basic password",
        secret=True,
    ),
    "CDS_SUPPRESS_BELOW": Variable(
        "suppress_below",
        _number(0, 1_000),
        "a number from 0 to 1000",
        "counts below it are not told in reports, nor what would give them away",
    ),
    "CDS_METRICS": Variable(
        "metrics",
        _access(*Access),
        "loopback, open, token or off",
        "who may see /metrics: this machine, everyone, who holds CDS_METRICS_TOKEN, or nobody",
    ),
    "CDS_METRICS_TOKEN": Variable(
        "metrics_token",
        _token,
        "a token of at least 16 ASCII characters without spaces",
        "what /metrics asks for, as a bearer token or a Basic password",
        secret=True,
    ),
    "CDS_PAGES": Variable(
        "pages",
        _choice(on=True, off=False),
        "on or off",
        "on: `GET /` is a page to try the service with synthetic patients, and any request is explained to its sender",
        default="`on` in open mode, else `off`",
    ),
    "CDS_MAX_REQUESTS": Variable(
        "max_requests",
        _number(0, 1_000_000_000),
        "a number from 0 to 1000000000",
        "requests after which a worker is replaced by a fresh one, give or take a tenth; 0: never",
    ),
}


def table() -> str:
    """Every setting as a Markdown table, for the README."""
    rows = [
        f"| `{name}` | {variable.values} | {variable.shown_default()} | {variable.meaning} |"
        for name, variable in VARIABLES.items()
    ]
    return "\n".join(["| variable | values | default | meaning |", "|---|---|---|---|", *rows])
