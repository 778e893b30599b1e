"""Public keys of clients: which are usable for which algorithm, and where they come from."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import jwt
from cryptography.exceptions import UnsupportedAlgorithm

from cds_service.json_in import parse_json
from cds_service.must_wait import before_waiting
from cds_service.problems import Problem

# The key type and curve that each algorithm needs (RFC 7518, RFC 8037). Nothing symmetric, and not "none".
ALGORITHMS: dict[str, tuple[str, str | None]] = {
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "RS256": ("RSA", None),
    "RS384": ("RSA", None),
    "RS512": ("RSA", None),
    "PS256": ("RSA", None),
    "PS384": ("RSA", None),
    "PS512": ("RSA", None),
    "EdDSA": ("OKP", "Ed25519"),
}
# Keys of the public CDS Hooks sandbox: their private halves are in its repository.
DEMO_ISSUERS = frozenset({"https://sandbox.cds-hooks.org"})
DEMO_KEYS = frozenset({"44823f3d-0b01-4a6c-a80e-b9d3e8a7226f", "d9cd3c4f-eb08-4304-b973-44f352fd2ca2"})

_MOST_KEYS = 100
_SHORTEST_RSA = 2048

# How long fetched keys are taken as current, and how soon they may be fetched again, in seconds.
CURRENT = 600.0
PAUSE = 10.0


class BadKeySet(Exception):
    """No key set, or one that must not be trusted; the message says why, without the keys."""


class KeysUnavailable(Exception):
    """There are no keys: they were never fetched, and cannot be now."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys of a set that can be used, by id and algorithm, and what is wrong with the others."""

    keys: dict[tuple[str, str], tuple[jwt.PyJWK, ...]] = field(default_factory=dict)
    faults: tuple[str, ...] = ()

    @property
    def algorithms(self) -> frozenset[str]:
        return frozenset(algorithm for _, algorithm in self.keys)


class Keys(Protocol):
    """Where the keys of one client are found."""

    def find(self, kid: str, algorithm: str) -> tuple[jwt.PyJWK, ...]:
        """The keys of that id for that algorithm; empty when there is none. Raises KeysUnavailable."""


@dataclass(frozen=True, slots=True)
class StaticKeys:
    """Keys that the operator was given."""

    key_set: KeySet

    def find(self, kid: str, algorithm: str) -> tuple[jwt.PyJWK, ...]:
        return self.key_set.keys.get((kid, algorithm), ())


class FetchedKeys:
    """Keys that the client publishes: fetched when first needed, again when they are old or an id is unknown.

    Never more often than every ten seconds; what was fetched last stays in use while the client's server is out.
    """

    def __init__(self, read: Callable[[], KeySet], clock: Callable[[], float]) -> None:
        self._read = read
        self._clock = clock
        self._lock = threading.Lock()
        self._current: KeySet | None = None
        self._fetched = self._tried = float("-inf")

    def find(self, kid: str, algorithm: str) -> tuple[jwt.PyJWK, ...]:
        key_set = self._current
        known = () if key_set is None else key_set.keys.get((kid, algorithm), ())
        if not known or self._clock() - self._fetched >= CURRENT:
            key_set = self._renew(key_set)
            known = key_set.keys.get((kid, algorithm), ())
        return known

    def _renew(self, seen: KeySet | None) -> KeySet:
        """Fetch once, however many threads ask; ``seen`` is what the caller did not find its key in."""
        before_waiting()
        with self._lock:
            if self._current is seen and self._clock() - self._tried >= PAUSE:
                self._tried = self._clock()
                try:
                    self._current = self._read()
                    self._fetched = self._clock()
                except BadKeySet:
                    pass
            if self._current is None:
                raise KeysUnavailable
            return self._current


def read_key_set(body: bytes, *, demo: bool) -> KeySet:
    """The usable keys of a JWKS (RFC 7517); raises BadKeySet where it is none. ``demo`` lets published keys in."""
    try:
        value = parse_json(body)
    except Problem as problem:
        raise BadKeySet(problem.message) from None
    listed = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(listed, list):
        raise BadKeySet("is no key set: an object with a list named keys")
    if len(listed) > _MOST_KEYS:
        raise BadKeySet(f"holds more than {_MOST_KEYS} keys")
    keys: dict[tuple[str, str], tuple[jwt.PyJWK, ...]] = {}
    faults: list[str] = []
    for number, each in enumerate(listed):
        try:
            kid, usable = _read_key(each, demo=demo)
        except BadKeySet as error:
            faults.append(f"keys[{number}] {error}")
            continue
        for algorithm, key in usable.items():
            keys[kid, algorithm] = (*keys.get((kid, algorithm), ()), key)
    return KeySet(keys, tuple(faults))


def _read_key(key: Any, *, demo: bool) -> tuple[str, dict[str, jwt.PyJWK]]:
    if not isinstance(key, dict):
        raise BadKeySet("is no object")
    kid, kind, curve = key.get("kid"), key.get("kty"), key.get("crv")
    if not isinstance(kid, str) or not kid:
        raise BadKeySet("has no kid")
    if kid in DEMO_KEYS and not demo:
        raise BadKeySet("is the published key of the CDS Hooks sandbox; only a client with demo = true may use it")
    if "d" in key or kind == "oct":
        raise BadKeySet("is no public key: whoever can read it can sign with it")
    operations = key.get("key_ops", ["verify"])
    if key.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        raise BadKeySet("is not for signatures")
    fitting = [
        name
        for name, (needed, needed_curve) in ALGORITHMS.items()
        if kind == needed and needed_curve in (None, curve) and key.get("alg", name) == name
    ]
    if not fitting:
        raise BadKeySet("is of a type, curve or algorithm that is not known here")
    try:
        usable = {name: jwt.PyJWK(key, algorithm=name) for name in fitting}
    except (jwt.PyJWTError, UnsupportedAlgorithm, ValueError, TypeError, OverflowError):
        raise BadKeySet("cannot be read as a key") from None
    if kind == "RSA" and any(each.key.key_size < _SHORTEST_RSA for each in usable.values()):
        raise BadKeySet(f"is an RSA key of less than {_SHORTEST_RSA} bits")
    return kid, usable
