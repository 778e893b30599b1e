"""The tokens with which the kit calls a service that demands them: good ones, and forgeries."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

LIFE = 300
GOOD_SET, FOREIGN_SET = "/jwks.json", "/foreign/jwks.json"

PrivateKey = EllipticCurvePrivateKey | RSAPrivateKey


class KeyFileError(Exception):
    """A key file that cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Key:
    """A private key with the name and the algorithm under which it signs."""

    kid: str
    algorithm: str
    private: PrivateKey

    def public_jwk(self) -> dict[str, Any]:
        found: dict[str, Any]
        if isinstance(self.private, RSAPrivateKey):
            found = RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        else:
            found = ECAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        found.pop("key_ops", None)
        return {**found, "kid": self.kid, "alg": self.algorithm, "use": "sig"}

    def public_pem(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def es384_key() -> Key:
    return Key(f"kit-es384-{uuid4().hex[:8]}", "ES384", generate_private_key(SECP384R1()))


def rs384_key() -> Key:
    return Key(f"kit-rs384-{uuid4().hex[:8]}", "RS384", generate_rsa(public_exponent=65537, key_size=2048))


def read_key(pem: bytes) -> Key:
    """A private key from an unencrypted PEM: P-384 signs by ES384, RSA by RS384. Raises KeyFileError.

    Its ``kid`` is made from the public key, so that a key has the same name in every run.
    """
    try:
        private = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise KeyFileError(f"no private key in PEM form without a password ({error})") from None
    if isinstance(private, RSAPrivateKey):
        algorithm = "RS384"
    elif isinstance(private, EllipticCurvePrivateKey) and isinstance(private.curve, SECP384R1):
        algorithm = "ES384"
    else:
        raise KeyFileError("neither an RSA key nor one on the curve P-384")
    key = Key("", algorithm, private)
    return Key(hashlib.sha256(key.public_pem()).hexdigest()[:16], algorithm, private)


def key_set(keys: Sequence[Key]) -> dict[str, Any]:
    return {"keys": [key.public_jwk() for key in keys]}


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs calls as one client. ``jku`` is left out of the header where the key set goes another way."""

    issuer: str
    keys: tuple[Key, ...]
    jku: str | None = None
    now: Callable[[], float] = time.time

    def claims(self, audience: str | list[str], **changes: Any) -> dict[str, Any]:
        """The claims of a good token; a change to None leaves a claim out."""
        now = int(self.now())
        found = {"iss": self.issuer, "aud": audience, "iat": now, "exp": now + LIFE, "jti": str(uuid4()), **changes}
        return {name: value for name, value in found.items() if value is not None}

    def sign(
        self, claims: dict[str, Any], key: Key | None = None, kid: str | None = None, jku: str | None = None
    ) -> str:
        key = key or self.keys[0]
        return jwt.encode(claims, key.private, key.algorithm, self._header(kid or key.kid, jku))

    def token(self, audience: str) -> str:
        return self.sign(self.claims(audience))

    def unsigned(self, audience: str) -> str:
        return jwt.encode(self.claims(audience), None, "none", self._header(self.keys[0].kid))  # type: ignore[arg-type]

    def signed_with_public_key(self, audience: str) -> str:
        """The forgery that fools whoever lets the token choose a symmetric algorithm for a public key."""
        key = self.keys[0]
        parts = ({**self._header(key.kid), "alg": "HS256", "typ": "JWT"}, self.claims(audience))
        text = b".".join(_base64(json.dumps(part).encode()) for part in parts)
        return (text + b"." + _base64(hmac.new(key.public_pem(), text, hashlib.sha256).digest())).decode()

    def _header(self, kid: str, jku: str | None = None) -> dict[str, str]:
        place = jku or self.jku
        return {"kid": kid, **({"jku": place} if place else {})}


def _base64(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


class KeySetServer:
    """Serves the kit's key set, and that of a stranger, on a loopback port; remembers what was fetched."""

    def __init__(self, keys: Sequence[Key], stranger: Key, port: int = 0) -> None:
        bodies = {GOOD_SET: json.dumps(key_set(keys)).encode(), FOREIGN_SET: json.dumps(key_set([stranger])).encode()}
        self.stranger = stranger
        self.fetched: list[str] = []
        fetched = self.fetched

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                fetched.append(self.path)
                body = bodies.get(self.path)
                self.send_response(200 if body else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, format: str, *args: object) -> None:
                """Nothing is logged: the report tells what was fetched."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.base = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> KeySetServer:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
