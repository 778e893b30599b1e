"""Clients' tokens as the tests mint them: good ones, and bad ones of every kind."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import count
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

Json = dict[str, Any]

ISSUER = "https://ehr.example.org"
PUBLIC_URL = "https://cds.example.org/base"
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND = int(NOW.timestamp())
DEMO_KID = "44823f3d-0b01-4a6c-a80e-b9d3e8a7226f"
_NUMBERS = count(1)


@dataclass(frozen=True)
class Signer:
    """A private key, and its public half as a key set shows it."""

    private: Any
    public: Json
    algorithm: str

    @property
    def kid(self) -> str:
        kid: str = self.public["kid"]
        return kid


def _ec(kid: str, curve: ec.EllipticCurve, algorithm: str) -> Signer:
    private = ec.generate_private_key(curve)
    public = ECAlgorithm(ECAlgorithm.SHA384).to_jwk(private.public_key(), as_dict=True)
    return Signer(private, {**public, "kid": kid, "use": "sig"}, algorithm)


def _rsa(kid: str, size: int, algorithm: str = "RS384") -> Signer:
    private = rsa.generate_private_key(public_exponent=65537, key_size=size)
    public = RSAAlgorithm(RSAAlgorithm.SHA384).to_jwk(private.public_key(), as_dict=True)
    return Signer(private, {**public, "kid": kid, "use": "sig"}, algorithm)


@cache
def signer(name: str) -> Signer:
    """A key by its name; made once."""
    made = {
        "es": lambda: _ec("es/1+=", ec.SECP384R1(), "ES384"),
        "rs": lambda: _rsa("rs-1", 2048),
        "p256": lambda: _ec("p256", ec.SECP256R1(), "ES256"),
        "weak": lambda: _rsa("weak", 1024),
        "new": lambda: _ec("es-2", ec.SECP384R1(), "ES384"),
        "stranger": lambda: _ec("es/1+=", ec.SECP384R1(), "ES384"),
    }
    return made[name]()


def key_set(*names: str) -> str:
    return json.dumps({"keys": [signer(name).public for name in names]})


def mint(
    path: str,
    by: str = "es",
    header: Json | None = None,
    claims: Json | None = None,
    without: tuple[str, ...] = (),
    base: str = PUBLIC_URL,
) -> str:
    """A token for calling ``path``, with these changes to its header and claims; ``without`` leaves some out."""
    key = signer(by)
    made_header = {"alg": key.algorithm, "typ": "JWT", "kid": key.kid, **(header or {})}
    made_claims = {
        "iss": ISSUER,
        "aud": base + path,
        "iat": SECOND,
        "exp": SECOND + 300,
        "jti": f"id-{next(_NUMBERS)}",
        **(claims or {}),
    }
    for name in without:
        made_header.pop(name, None)
        made_claims.pop(name, None)
    signed = f"{_encoded(made_header)}.{_encoded(made_claims)}"
    return f"{signed}.{_signature(key, str(made_header.get('alg')), signed.encode())}"


def _signature(key: Signer, algorithm: str, signed: bytes) -> str:
    if algorithm.lower() == "none":
        return ""
    if algorithm == "HS256":  # the public key as the secret: the classic confusion
        secret = json.dumps(key.public).encode()
        return _base64(hmac.new(secret, signed, hashlib.sha256).digest())
    return _base64(jwt.get_algorithm_by_name(key.algorithm).sign(signed, key.private))


def _encoded(value: Json) -> str:
    return _base64(json.dumps(value).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
