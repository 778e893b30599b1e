"""What a service that demands tokens does with good ones and with forgeries. Run only where the kit has a key."""

from __future__ import annotations

from collections.abc import Iterator

from conformance import bodies
from conformance.check import Fault, Group, Omit, Skip
from conformance.checks import feedback
from conformance.exchange import Exchange, shown
from conformance.session import DISCOVERY, Service, Session
from conformance.tokens import FOREIGN_SET, KeySetServer, Signer, es384_key, rs384_key

GROUP = Group("tokens", "Tokens of clients (JWT)")

_REFUSALS = (401, 403)
_ISSUER = "https://cds-conformance.example/a-stranger"


def _signer(session: Session) -> Signer:
    if session.wire.signer is None:
        raise Omit("tokens were not tested; give --jwt-key or --jwt to a service that demands them")
    return session.wire.signer


def _call(session: Session, service: Service, name: str, token: str | None) -> Exchange:
    return session.call(service, name, bodies.fresh(service.request), token=token)


def _refuses(session: Session, name: str, token: str | None) -> Iterator[Fault]:
    """One token is tried on one service: a replay on another one would be a fault of its audience."""
    each = _call(session, session.callable_services()[0], name, token)
    if each.status not in _REFUSALS:
        yield each.status_fault()


def _accepts(session: Session, name: str, token: str) -> Iterator[Fault]:
    each = _call(session, session.callable_services()[0], name, token)
    if not each.ok and each.status != 412:
        yield each.status_fault()


def _audience(session: Session) -> str:
    return session.wire.base + session.callable_services()[0].path


@GROUP.check("no-token")
def no_token(session: Session) -> Iterator[Fault]:
    """A call without a token is refused with 401."""
    _signer(session)
    yield from _refuses(session, "without a token", None)


@GROUP.check("feedback-no-token")
def feedback_no_token(session: Session) -> Iterator[Fault]:
    """Feedback without a token is refused with 401, as a hook call is."""
    _signer(session)
    service = feedback.offered(session)[0]
    body = {"feedback": [{"card": "kit", "outcome": "overridden", "outcomeTimestamp": "2026-03-02T10:05:31Z"}]}
    each = session.feedback(service, "without a token", body, token=None)
    if each.status not in _REFUSALS:
        yield each.status_fault()


@GROUP.check("not-a-token")
def not_a_token(session: Session) -> Iterator[Fault]:
    """What is no token at all, such as "Bearer null", is refused with 401."""
    _signer(session)
    yield from _refuses(session, "Bearer null", "null")
    yield from _refuses(session, "a token of three dots", "e30.e30.e30")


@GROUP.check("es384")
def es384(session: Session) -> Iterator[Fault]:
    """A good token signed by ES384 is accepted."""
    yield from _signed_by(session, "ES384")


@GROUP.check("rs384")
def rs384(session: Session) -> Iterator[Fault]:
    """A good token signed by RS384 is accepted."""
    yield from _signed_by(session, "RS384")


def _signed_by(session: Session, algorithm: str) -> Iterator[Fault]:
    signer = _signer(session)
    key = next((key for key in signer.keys if key.algorithm == algorithm), None)
    if key is None:
        raise Skip(f"the kit was given no key for {algorithm}")
    yield from _accepts(session, f"signed by {algorithm}", signer.sign(signer.claims(_audience(session)), key))


@GROUP.check("audience-list")
def audience_list(session: Session) -> Iterator[Fault]:
    """A good token whose audience is a list of one URL is accepted."""
    signer = _signer(session)
    yield from _accepts(session, "audience as a list", signer.sign(signer.claims([_audience(session)])))


@GROUP.check("expired")
def expired(session: Session) -> Iterator[Fault]:
    """A token that expired ten minutes ago is refused with 401."""
    signer = _signer(session)
    now = int(signer.now())
    claims = signer.claims(_audience(session), iat=now - 900, exp=now - 600)
    yield from _refuses(session, "an expired token", signer.sign(claims))


@GROUP.check("wrong-audience")
def wrong_audience(session: Session) -> Iterator[Fault]:
    """A token for another address, that of discovery or of another host, is refused with 401."""
    signer = _signer(session)
    path = session.callable_services()[0].path
    for name, audience in (
        ("a token for discovery", session.wire.base + DISCOVERY),
        ("a token for another host", "https://cds-conformance.example" + path),
    ):
        yield from _refuses(session, name, signer.sign(signer.claims(audience)))


@GROUP.check("wrong-signature")
def wrong_signature(session: Session) -> Iterator[Fault]:
    """A token under the name of a good key, signed by another one, is refused with 401."""
    signer = _signer(session)
    good = signer.keys[0]
    forger = rs384_key() if good.algorithm == "RS384" else es384_key()
    token = signer.sign(signer.claims(_audience(session)), forger, kid=good.kid)
    yield from _refuses(session, "a forged signature", token)


@GROUP.check("algorithm-none")
def algorithm_none(session: Session) -> Iterator[Fault]:
    """A token that is not signed is refused with 401."""
    yield from _refuses(session, "alg none", _signer(session).unsigned(_audience(session)))


@GROUP.check("algorithm-symmetric")
def algorithm_symmetric(session: Session) -> Iterator[Fault]:
    """A token signed by HS256 with the public key as its secret is refused with 401."""
    token = _signer(session).signed_with_public_key(_audience(session))
    yield from _refuses(session, "HS256 with the public key", token)


@GROUP.check("unknown-kid")
def unknown_kid(session: Session) -> Iterator[Fault]:
    """A token signed by a key that is not in the client's key set is refused with 401."""
    signer = _signer(session)
    token = signer.sign(signer.claims(_audience(session)), es384_key())
    yield from _refuses(session, "an unknown kid", token)


@GROUP.check("missing-claims")
def missing_claims(session: Session) -> Iterator[Fault]:
    """A token without iss, aud, exp, iat or jti is refused with 401."""
    signer = _signer(session)
    for claim in ("iss", "aud", "exp", "iat", "jti"):
        claims = signer.claims(_audience(session), **({claim: None} if claim != "aud" else {}))
        claims = {name: value for name, value in claims.items() if name != claim}
        yield from _refuses(session, f"a token without {claim}", signer.sign(claims))


@GROUP.check("unknown-issuer")
def unknown_issuer(session: Session) -> Iterator[Fault]:
    """A token of an issuer that the service has not been told of is refused with 401."""
    signer = _signer(session)
    yield from _refuses(session, "an unknown issuer", signer.sign(signer.claims(_audience(session), iss=_ISSUER)))


@GROUP.check("foreign-jku")
def foreign_jku(session: Session) -> Iterator[Fault]:
    """A key set is fetched only from an address on the service's list, whatever the token's jku says."""
    signer, server = _signer(session), _key_sets(session)
    before = server.fetched.count(FOREIGN_SET)
    token = signer.sign(signer.claims(_audience(session)), server.stranger, jku=server.base + FOREIGN_SET)
    yield from _refuses(session, "a stranger's jku", token)
    if server.fetched.count(FOREIGN_SET) > before:
        each = _call(session, session.callable_services()[0], "a stranger's jku", token)
        yield each.fault("its fetches", f"GET {server.base}{FOREIGN_SET}, which only the token named")


def _key_sets(session: Session) -> KeySetServer:
    if session.key_sets is None:
        raise Skip("the kit serves no key sets in this run")
    return session.key_sets


@GROUP.check("replayed")
def replayed(session: Session) -> Iterator[Fault]:
    """A token is accepted once: the second call under its jti is refused with 401."""
    signer = _signer(session)
    token = signer.sign(signer.claims(_audience(session)))
    first = _call(session, session.callable_services()[0], "a token the first time", token)
    if not first.ok and first.status != 412:
        raise Skip(f"its first use was answered by {first.status}")
    yield from _refuses(session, "a token the second time", token)


@GROUP.check("refusals-alike")
def refusals_alike(session: Session) -> Iterator[Fault]:
    """Refusals do not tell why: all have status 401 and the same body."""
    _signer(session)
    found = [each for each in session.exchanges if each.status in _REFUSALS]
    if not found:
        raise Skip("no call was refused")
    for each in found:
        if each.status != 401:
            yield each.fault("status", f"{each.status} instead of 401")
        elif each.body != found[0].body:
            yield each.fault("body", f"{shown(each.text)}, and {shown(found[0].text)} to {found[0].label}")


@GROUP.check("challenge")
def challenge(session: Session) -> Iterator[Fault]:
    """A refusal with 401 says in WWW-Authenticate what is wanted."""
    _signer(session)
    found = [each for each in session.exchanges if each.status == 401]
    if not found:
        raise Skip("no call was refused with 401")
    for each in found[:1]:
        if "bearer" not in each.headers.get("www-authenticate", "").lower():
            yield each.fault("header WWW-Authenticate", each.headers.get("www-authenticate", "missing"))
