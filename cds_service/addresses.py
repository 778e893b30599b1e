"""Web addresses as they are compared: parsed first, so that two spellings of one address are equal and no trick is."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

_LONGEST = 2_000
_PORTS = {"http": 80, "https": 443}
# What RFC 3986 lets stand in an address, without the fragment's "#".
_CHARACTERS = re.compile(r"[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%|-]+")
_NAME = re.compile(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?")
_SLASHES = re.compile(r"/+")
# A dot or a slash in disguise could lead out of a base once a server decodes it.
_DISGUISED = re.compile(r"%(2e|2f|5c)", re.IGNORECASE)


def is_loopback(host: str) -> bool:
    """Whether a host, or an address, is this machine by its very spelling; a name that merely leads here is not.

    Nor is an IPv4 address in the clothes of IPv6, which newer versions of Python take for one and older do not.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return address.is_loopback and getattr(address, "ipv4_mapped", None) is None


class BadAddress(ValueError):
    """No absolute http or https address, or one with a part that has no place in it; the message says which."""


@dataclass(frozen=True, slots=True)
class Address:
    """An absolute address: lower case where case means nothing, no default port, one spelling of slashes."""

    scheme: str
    host: str
    port: int
    path: str
    """Without doubled slashes and without the last one; the root is an empty string."""
    query: str | None = None
    written_path: str = "/"
    """The path to ask for, as it was written."""

    @property
    def is_loopback(self) -> bool:
        """As the function of this name."""
        return is_loopback(self.host)

    @property
    def is_safe(self) -> bool:
        """Nobody on the way can read what is sent there."""
        return self.scheme == "https" or self.is_loopback

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.authority}"

    def same_place(self, other: Address) -> bool:
        """The same scheme, host, port, path and query."""
        return self._place == other._place and self.query == other.query

    def is_under(self, base: Address) -> bool:
        """At the base itself or below it, on the same scheme, host and port."""
        inside = self.path == base.path or self.path.startswith(f"{base.path}/")
        return self._place[:3] == base._place[:3] and inside

    @property
    def _place(self) -> tuple[str, str, int, str]:
        return self.scheme, self.host, self.port, self.path


def read_address(text: object) -> Address:
    """The address in a string; raises BadAddress."""
    if not isinstance(text, str) or not text or len(text) > _LONGEST:
        raise BadAddress("is no address")
    if not _CHARACTERS.fullmatch(text):
        raise BadAddress("holds a fragment or a character that has no place in an address")
    try:
        parts = urlsplit(text)
        port = parts.port
        host = (parts.hostname or "").lower()
    except ValueError:
        raise BadAddress("has no readable host") from None
    scheme = parts.scheme.lower()
    if scheme not in _PORTS:
        raise BadAddress("is not an absolute http or https address")
    if "@" in parts.netloc:
        raise BadAddress("holds a user name")
    if not _is_host(host) or port == 0 or parts.netloc.endswith(":"):
        raise BadAddress("has no readable host")
    if any(segment in (".", "..") for segment in parts.path.split("/")) or _DISGUISED.search(parts.path):
        raise BadAddress("holds a path that leads out of itself")
    return Address(
        scheme=scheme,
        host=host,
        port=port or _PORTS[scheme],
        path=_SLASHES.sub("/", parts.path).rstrip("/"),
        query=parts.query if "?" in text else None,
        written_path=parts.path or "/",
    )


def read_base(text: object) -> Address:
    """An address that others stand under: no query, and https unless it is this machine; raises BadAddress."""
    base = read_address(text)
    if base.query is not None:
        raise BadAddress("holds a query")
    if not base.is_safe:
        raise BadAddress("is not https (http is for loopback addresses only)")
    return base


def read_origin(text: object) -> str:
    """An origin as browsers write it: scheme, host and port; raises BadAddress."""
    address = read_address(text)
    if address.origin != text:
        raise BadAddress(f"is no origin as browsers write it; did you mean {address.origin}?")
    return address.origin


def _is_host(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return _NAME.fullmatch(host) is not None
    return "%" not in host
