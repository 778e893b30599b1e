"""A client's token: whether it is one of ours, good for this call, and meant for it."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache, lru_cache
from typing import Any, TypeGuard

import jwt

from cds_service.addresses import Address, BadAddress, read_address
from cds_service.clients_file import TrustedClient
from cds_service.json_in import parse_json
from cds_service.key_sets import Keys, KeysUnavailable
from cds_service.problems import Problem
from cds_service.token_memory import JtiMemory

# Clocks differ, and clients round: the public sandbox's `iat` lies up to half a second ahead.
LEEWAY = 60

_LONGEST_TOKEN = 8_000
# Base64url in three parts (RFC 7515 section 7.1); an unsigned token has an empty third.
_COMPACT = re.compile(r"[\w-]+={0,2}\.[\w-]+={0,2}\.[\w-]*={0,2}", re.ASCII)
_LONGEST_ID = 1_000
_LAST_SECOND = 100_000_000_000  # in the year 5138, far enough from what a datetime can hold
# What would make the token say itself which key is good for it, or how it is to be read (RFC 7515 section 4.1).
_TELLING_HEADERS = frozenset({"jwk", "x5u", "x5c", "crit", "b64", "zip", "enc"})


class Refused(StrEnum):
    """Why a token is refused: for the log alone. The caller is told nothing."""

    MISSING = "missing"
    MALFORMED = "malformed"
    HEADER = "header"
    TYPE = "type"
    ISSUER = "issuer"
    ALGORITHM = "algorithm"
    KEY_ADDRESS = "jku"
    NO_KEYS = "no-keys"
    KEY = "kid"
    SIGNATURE = "signature"
    CLAIMS = "claims"
    AUDIENCE = "audience"
    EXPIRED = "expired"
    EARLY = "not-yet"
    LIFE = "life"
    TENANT = "tenant"
    REPLAYED = "replayed"


class TokenRefused(Exception):
    """A token that opens nothing."""

    def __init__(self, why: Refused) -> None:
        super().__init__(why.value)
        self.why = why


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom we trust, and what is needed to tell."""

    public_url: Address
    clients: Mapping[str, tuple[TrustedClient, Keys]]
    """By issuer."""
    memory: JtiMemory
    now: Callable[[], datetime]

    @property
    def origins(self) -> frozenset[str]:
        """Every origin of browsers that some client has."""
        return frozenset(origin for trusted, _ in self.clients.values() for origin in trusted.client.origins)

    def caller(self, authorization: str | None, path: str) -> TrustedClient:
        """Who calls ``path`` with this Authorization header. Raises TokenRefused, and TokenMemoryError."""
        token = bearer(authorization)
        header, claims = _header(token), _part(token, _CLAIMS)
        trusted, keys = self._issuer(claims)
        _verify(token, header, trusted, keys)
        expires = check_claims(claims, trusted, self.public_url, path, self.now())
        if not self.memory.first_use(trusted.issuer, claims["jti"], expires):
            raise TokenRefused(Refused.REPLAYED)
        return trusted

    def _issuer(self, claims: Mapping[str, Any]) -> tuple[TrustedClient, Keys]:
        """The client that the token says it is from; nothing else of it is believed before its signature is."""
        issuer = claims.get("iss")
        if not isinstance(issuer, str) or issuer not in self.clients:
            raise TokenRefused(Refused.ISSUER)
        return self.clients[issuer]


def bearer(authorization: str | None) -> str:
    """The token of one Authorization header; raises TokenRefused."""
    scheme, _, token = (authorization or "").strip().partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or token in ("", "null", "undefined"):
        raise TokenRefused(Refused.MISSING)
    # Two headers arrive as one with a comma, which no token holds.
    if len(token) > _LONGEST_TOKEN or not _COMPACT.fullmatch(token):
        raise TokenRefused(Refused.MALFORMED)
    return token


def _header(token: str) -> dict[str, Any]:
    header = _part(token, _HEADER)
    if _TELLING_HEADERS & header.keys():
        raise TokenRefused(Refused.HEADER)
    if str(header.get("typ", "JWT")).upper() != "JWT":
        raise TokenRefused(Refused.TYPE)
    return header


def _part(token: str, number: int) -> dict[str, Any]:
    """What the token says of itself: read twice, here and where its signature is verified, which is stricter."""
    part = token.split(".")[number].rstrip("=")
    try:
        value = parse_json(binascii.a2b_base64(part.translate(_URL_SAFE) + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError, Problem):
        raise TokenRefused(Refused.MALFORMED) from None
    if not isinstance(value, dict):
        raise TokenRefused(Refused.MALFORMED)
    return value


_HEADER, _CLAIMS = 0, 1
_URL_SAFE = str.maketrans("-_", "+/")


def _verify(token: str, header: Mapping[str, Any], trusted: TrustedClient, keys: Keys) -> None:
    """Raises TokenRefused where no key of the client has signed this token."""
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in trusted.algorithms:
        raise TokenRefused(Refused.ALGORITHM)
    if trusted.jku is not None and "jku" in header and not _names(header["jku"], trusted.jku):
        raise TokenRefused(Refused.KEY_ADDRESS)
    if not isinstance(kid, str) or not kid or len(kid) > _LONGEST_ID:
        raise TokenRefused(Refused.KEY)
    try:
        candidates = keys.find(kid, algorithm)
    except KeysUnavailable:
        raise TokenRefused(Refused.NO_KEYS) from None
    if not candidates:
        raise TokenRefused(Refused.KEY)
    for key in candidates:
        try:
            _signatures(algorithm).decode_complete(token, key, algorithms=[algorithm])
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
        return
    raise TokenRefused(Refused.SIGNATURE)


@cache
def _signatures(algorithm: str) -> jwt.PyJWS:
    """What verifies signatures of one of the algorithms that some client has, and of no other."""
    return jwt.PyJWS(algorithms=[algorithm])


def _names(text: object, expected: Address) -> bool:
    try:
        return read_address(text).same_place(expected)
    except BadAddress:
        return False


def check_claims(
    claims: Mapping[str, Any], trusted: TrustedClient, public_url: Address, path: str, now: datetime
) -> datetime:
    """The moment from which the token is refused as expired; raises TokenRefused where it is not good for this call."""
    issued, expires, jti = (claims.get(name) for name in ("iat", "exp", "jti"))
    if not _is_time(issued) or not _is_time(expires) or not _is_time(claims.get("nbf", 0)):
        raise TokenRefused(Refused.CLAIMS)
    if not isinstance(jti, str) or not jti or len(jti) > _LONGEST_ID:
        raise TokenRefused(Refused.CLAIMS)
    if not _is_meant_for(claims.get("aud"), trusted, public_url, path):
        raise TokenRefused(Refused.AUDIENCE)
    second = now.timestamp()
    if second >= expires + LEEWAY:
        raise TokenRefused(Refused.EXPIRED)
    if issued > second + LEEWAY or claims.get("nbf", 0) > second + LEEWAY:
        raise TokenRefused(Refused.EARLY)
    if not 0 <= expires - issued <= trusted.longest_life:
        raise TokenRefused(Refused.LIFE)
    if trusted.tenants and claims.get("tenant") not in trusted.tenants:
        raise TokenRefused(Refused.TENANT)
    return datetime.fromtimestamp(expires + LEEWAY, UTC)


def _is_time(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= _LAST_SECOND


def _is_meant_for(audience: Any, trusted: TrustedClient, public_url: Address, path: str) -> bool:
    """One of the audiences is the endpoint that is called, or was agreed with the client."""
    named = [each for each in audience if isinstance(each, str)] if isinstance(audience, list) else [audience]
    bases = [public_url, *(base for text in trusted.audiences if (base := _address(text)) is not None)]
    for each in named:
        if isinstance(each, str) and each in trusted.audiences:
            return True
        address = _address(each) if isinstance(each, str) else None
        if address is not None and any(_is_endpoint(address, base, path) for base in bases):
            return True
    return False


def _is_endpoint(address: Address, base: Address, path: str) -> bool:
    called = Address(base.scheme, base.host, base.port, base.path + path)
    return address.same_place(called)


# A deployment's clients name few audiences; whoever names one here has signed it.
@lru_cache(256)
def _address(text: str) -> Address | None:
    try:
        return read_address(text)
    except BadAddress:
        return None
