"""Who may call: tokens good and bad, whom they are for, and what a refusal tells."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.cases_as_fhir import request_for
from tests.functional.securing import Moment, call, codes, table
from tests.functional.test_service import FEEDBACK, OVERRIDDEN, PLAIN, SELECT
from tests.loopback import send, serving
from tests.minting import DEMO_KID, ISSUER, NOW, PUBLIC_URL, SECOND, key_set, mint, signer

Json = dict[str, Any]


@dataclass(frozen=True)
class Good:
    """A token that opens the service."""

    name: str
    token: Json = field(default_factory=dict)
    client: Json = field(default_factory=dict)


def _aud(aud: Any) -> Json:
    return {"claims": {"aud": aud}}


AGREED = {"audiences": ["sand_man", "https://alias.example.org/cds"]}
GOOD = [
    Good("ES384"),
    Good("RS384", {"by": "rs"}),
    Good("ES256 where the client's table allows it", {"by": "p256"}, {"algorithms": ["ES256"]}),
    Good("iat rounded up", {"claims": {"iat": SECOND + 1}}),
    Good("iat and exp as fractions", {"claims": {"iat": SECOND + 0.41, "exp": SECOND + 300.41}}),
    Good("iat a minute ahead", {"claims": {"iat": SECOND + 60}}),
    Good("expired within the leeway", {"claims": {"iat": SECOND - 300, "exp": SECOND - 59}}),
    Good("nbf within the leeway", {"claims": {"nbf": SECOND + 59}}),
    Good("Epic's claims", {"claims": {"nbf": SECOND - 300, "exp": SECOND + 900, "sub": "client", "tenant": "t"}}),
    Good("a day long, where agreed", {"claims": {"exp": SECOND + 86_400}}, {"longest_life": 86_400}),
    Good("one of several audiences", _aud(["https://other.example.org", PUBLIC_URL + SELECT])),
    Good("upper case, default port, slashes", _aud(f"HTTPS://CDS.example.org:443//base{SELECT}/")),
    Good("an audience that was agreed", _aud("sand_man"), AGREED),
    Good("the path below an agreed base", _aud(f"https://alias.example.org/cds{SELECT}"), AGREED),
    Good("its tenant", {"claims": {"tenant": "clinic"}}, {"tenants": ["clinic"]}),
    Good("typ in lower case", {"header": {"typ": "jwt"}}),
    Good("no typ", {"without": ("typ",)}),
    Good("a jku beside keys the operator holds", {"header": {"jku": "https://evil.example.org/keys"}}),
]


@pytest.mark.parametrize("good", GOOD, ids=lambda good: good.name)
def test_a_good_token_opens_the_service(secured: Callable[..., FlaskClient], good: Good) -> None:
    """Both recommended algorithms, rounded clocks and every agreed spelling of the audience are let in."""
    response = call(secured(table(**good.client)), mint(SELECT, **good.token))
    assert response.status_code == 200
    assert len(response.get_json()["cards"]) == 1


@dataclass(frozen=True)
class Bad:
    """A token that opens nothing, and the word that the log has for it."""

    name: str
    code: str
    token: Json = field(default_factory=dict)
    change: Callable[[str], str] = str
    """What is done to the Authorization header afterwards."""


def _part(number: int, change: Callable[[str], str]) -> Callable[[str], str]:
    """Change one of the three parts of the token in the header."""

    def changed(header: str) -> str:
        parts = header.removeprefix("Bearer ").split(".")
        parts[number] = change(parts[number])
        return "Bearer " + ".".join(parts)

    return changed


def _claims(**claims: Any) -> Json:
    return {"claims": claims}


def _header(**header: Any) -> Json:
    return {"header": header}


_OTHER_PAYLOAD = mint("/x").split(".")[1]
BAD = [
    Bad("no header", "missing", change=lambda _: ""),
    Bad("no token", "missing", change=lambda _: "Bearer"),
    Bad("null for a token", "missing", change=lambda _: "Bearer null"),
    Bad("basic credentials", "missing", change=lambda _: "Basic dXNlcjpwYXNz"),
    Bad("another scheme", "missing", change=lambda header: header.replace("Bearer", "DPoP")),
    Bad("two headers in one", "malformed", change=lambda header: f"{header},{header}"),
    Bad("two tokens", "malformed", change=lambda header: f"{header} {header[7:]}"),
    Bad("rubbish", "malformed", change=lambda _: "Bearer a.b.c"),
    Bad("two parts", "malformed", change=lambda header: header.rpartition(".")[0]),
    Bad("five parts, as encrypted tokens have", "malformed", change=lambda header: f"{header}.x.y"),
    Bad("a token of a megabyte", "malformed", change=_part(1, lambda part: part + "A" * 1_000_000)),
    Bad("payload of another token", "signature", change=_part(1, lambda _: _OTHER_PAYLOAD)),
    Bad("signature cut off", "signature", change=_part(2, lambda _: "")),
    Bad("signature of zeros", "signature", change=_part(2, lambda part: "A" * len(part))),
    Bad(
        "one bit of the signature",
        "signature",
        change=_part(2, lambda part: ("B" if part[0] == "A" else "A") + part[1:]),
    ),
    Bad("signed by a stranger under our kid", "signature", {"by": "stranger"}),
    Bad("alg none", "algorithm", _header(alg="none")),
    Bad("alg None", "algorithm", _header(alg="None")),
    Bad("public key as the secret of HS256", "algorithm", _header(alg="HS256")),
    Bad("an algorithm not agreed", "algorithm", {"by": "p256"}),
    Bad("alg says ES384, key is RSA", "kid", {"by": "rs", "header": {"alg": "ES384"}}),
    Bad("alg says RS384, key is elliptic", "kid", _header(alg="RS384")),
    Bad("alg says ES384, key is P-256", "kid", {"by": "p256", "header": {"alg": "ES384"}}),
    Bad("alg is a number", "algorithm", _header(alg=384)),
    Bad("no alg", "algorithm", {"without": ("alg",)}),
    Bad("no kid", "kid", {"without": ("kid",)}),
    Bad("a kid nobody has", "kid", _header(kid="es-9")),
    Bad("a kid that is a path", "kid", _header(kid="../../../../dev/null")),
    Bad("a kid that is a query", "kid", _header(kid="x' OR '1'='1")),
    Bad("a kid that is a list", "kid", _header(kid=["es/1+="])),
    Bad("its own key in the header", "header", {"by": "stranger", "header": {"jwk": signer("stranger").public}}),
    Bad("a key address in the header", "header", {"by": "stranger", "header": {"x5u": "https://evil.example.org"}}),
    Bad("a certificate in the header", "header", {"by": "stranger", "header": {"x5c": ["MIIB"]}}),
    Bad("a critical extension", "header", _header(crit=["exp"])),
    Bad("an unencoded payload", "header", _header(b64=False, crit=["b64"])),
    Bad("a compressed payload", "header", _header(zip="DEF")),
    Bad("an access token", "type", _header(typ="at+jwt")),
    Bad("an issuer nobody knows", "issuer", _claims(iss="https://evil.example.org")),
    Bad("our issuer with a slash", "issuer", _claims(iss=f"{ISSUER}/")),
    Bad("an issuer that is a list", "issuer", _claims(iss=[ISSUER])),
    Bad("no issuer", "issuer", {"without": ("iss",)}),
    Bad("no audience", "audience", {"without": ("aud",)}),
    Bad("the audience of another service", "audience", _claims(aud="https://other.example.org" + SELECT)),
    Bad("the audience of another endpoint", "audience", _claims(aud=f"{PUBLIC_URL}/cds-services")),
    Bad("the audience of feedback", "audience", _claims(aud=PUBLIC_URL + FEEDBACK)),
    Bad("the bare public URL", "audience", _claims(aud=PUBLIC_URL)),
    Bad("the audience over http", "audience", _claims(aud=(PUBLIC_URL + SELECT).replace("https", "http"))),
    Bad("the audience on another port", "audience", _claims(aud=f"https://cds.example.org:8443/base{SELECT}")),
    Bad("the audience with a query", "audience", _claims(aud=f"{PUBLIC_URL}{SELECT}?x=1")),
    Bad("the audience with a user", "audience", _claims(aud=f"https://cds.example.org@evil.example/base{SELECT}")),
    Bad("the audience by way of dots", "audience", _claims(aud=f"{PUBLIC_URL}/x/..{SELECT}")),
    Bad("an audience that is an object", "audience", _claims(aud={"url": PUBLIC_URL + SELECT})),
    Bad("the host of the request as audience", "audience", _claims(aud=f"http://localhost{SELECT}")),
    Bad("no exp", "claims", {"without": ("exp",)}),
    Bad("exp as a text", "claims", _claims(exp=str(SECOND + 300))),
    Bad("exp that is true", "claims", _claims(exp=True)),
    Bad("exp beyond all time", "claims", _claims(exp=10**400)),
    Bad("exp that is no number", "malformed", _claims(exp=float("nan"))),
    Bad("expired", "expired", _claims(iat=SECOND - 400, exp=SECOND - 60)),
    Bad("no iat", "claims", {"without": ("iat",)}),
    Bad("issued in two minutes", "not-yet", _claims(iat=SECOND + 120)),
    Bad("not before two minutes", "not-yet", _claims(nbf=SECOND + 120)),
    Bad("a year long", "life", _claims(exp=SECOND + 31_536_000)),
    Bad("a second longer than agreed", "life", _claims(exp=SECOND + 3601)),
    Bad("expires before it is issued", "life", _claims(iat=SECOND + 30, exp=SECOND + 20)),
    Bad("no jti", "claims", {"without": ("jti",)}),
    Bad("an empty jti", "claims", _claims(jti="")),
    Bad("a jti that is a number", "claims", _claims(jti=7)),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_a_bad_token_opens_nothing(
    secured: Callable[..., FlaskClient], caplog: pytest.LogCaptureFixture, bad: Bad
) -> None:
    """Each forged, confused, stale or foreign token gets the same 401; the log has a word for why, never the token."""
    client = secured()
    header = bad.change(f"Bearer {mint(SELECT, **bad.token)}")
    with caplog.at_level(logging.INFO):
        response = client.post(SELECT, json=request_for(PLAIN), headers={"Authorization": header} if header else {})
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert response.get_json() == {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": "login", "diagnostics": "Authentication is required."}],
    }
    assert codes(caplog) == [bad.code]
    assert not [part for part in header.split(".") if len(part) > 20 and part in caplog.text]


@pytest.mark.parametrize("change", [str.lower, str.upper, lambda scheme: f" {scheme}  "])
def test_the_scheme_may_be_written_in_any_case(
    secured: Callable[..., FlaskClient], change: Callable[[str], str]
) -> None:
    """`bearer` is Bearer (RFC 9110), and white space around the token is none of it."""
    headers = {"Authorization": f"{change('Bearer')} {mint(SELECT)}"}
    assert secured().post(SELECT, json=request_for(PLAIN), headers=headers).status_code == 200


@pytest.mark.parametrize("tenant", [None, "other", ["clinic"]])
def test_a_token_for_another_tenant_is_refused(secured: Callable[..., FlaskClient], tenant: Any) -> None:
    """Where a client's table lists tenants, a token must name one of them."""
    client = secured(table(tenants=["clinic"]))
    assert call(client, mint(SELECT, claims={"tenant": tenant})).status_code == 401


def test_each_endpoint_wants_a_token_of_its_own(secured: Callable[..., FlaskClient]) -> None:
    """Feedback takes a token for feedback, and none for the service; unknown services ask for a token first."""
    client = secured()
    item = {"json": {"feedback": [OVERRIDDEN]}}
    for aud, status in ((FEEDBACK, 200), (SELECT, 401)):
        headers = {"Authorization": f"Bearer {mint(aud)}"}
        assert client.post(FEEDBACK, headers=headers, **item).status_code == status
    assert client.post("/cds-services/other", json={}).status_code == 401
    assert client.get(SELECT).status_code == 401
    assert client.post("/cds-services//lumbar-imaging-order-select/", json={}).status_code == 401


@pytest.mark.parametrize("path", ["/cds-services", "/health/live", "/health/ready"])
def test_discovery_and_health_are_open(secured: Callable[..., FlaskClient], path: str) -> None:
    """What tells nothing of a patient needs no token."""
    assert secured().get(path).status_code == 200


def test_asking_for_the_methods_of_an_endpoint_needs_no_token(secured: Callable[..., FlaskClient]) -> None:
    """OPTIONS is answered without a token, as a preflight or not: browsers send none with it."""
    client = secured(open_discovery=False)
    for path in (SELECT, FEEDBACK, "/cds-services"):
        assert client.options(path).status_code == 200
        assert client.options(path, headers={"Access-Control-Request-Method": "POST"}).status_code == 204


def test_discovery_can_be_closed(secured: Callable[..., FlaskClient]) -> None:
    """With CDS_OPEN_DISCOVERY=off discovery needs a token for its own address."""
    client = secured(open_discovery=False)
    assert client.get("/cds-services").status_code == 401
    headers = {"Authorization": f"Bearer {mint('/cds-services')}"}
    assert client.get("/cds-services", headers=headers).status_code == 200


def test_a_host_header_does_not_change_the_audience(secured: Callable[..., FlaskClient]) -> None:
    """What Host and X-Forwarded-* say is never compared with a token's audience."""
    client = secured()
    forged = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    for aud, status in ((f"https://evil.example{SELECT}", 401), (PUBLIC_URL + SELECT, 200)):
        headers = {**forged, "Authorization": f"Bearer {mint(SELECT, claims={'aud': aud})}"}
        assert client.post(SELECT, json=request_for(PLAIN), headers=headers).status_code == status


def test_a_token_opens_once(secured: Callable[..., FlaskClient], moment: Moment) -> None:
    """Used again it is refused, to the last second in which it is not expired; another issuer may have the same id."""
    client = secured(table(), table("https://other.example.org"))
    token = mint(SELECT, claims={"jti": "one"})
    assert [call(client, token).status_code for _ in range(2)] == [200, 401]
    moment.now = NOW + timedelta(seconds=359)
    assert call(client, token).status_code == 401
    moment.now = NOW
    other = mint(SELECT, claims={"jti": "one", "iss": "https://other.example.org"})
    assert call(client, other).status_code == 200


def test_a_refused_token_is_not_used_up(secured: Callable[..., FlaskClient]) -> None:
    """A forged token with the id of a good one does not lock the good one out."""
    client = secured()
    assert call(client, mint(SELECT, by="stranger", claims={"jti": "one"})).status_code == 401
    assert call(client, mint(SELECT, claims={"jti": "one"})).status_code == 200


def test_keys_are_fetched_from_the_listed_address_alone(secured: Callable[..., FlaskClient]) -> None:
    """A token that names another jku is refused without a fetch; one that names the listed jku is verified."""
    with serving(lambda it: send(it, key_set("es").encode())) as listed, serving(lambda it: send(it, b"")) as canary:
        client = secured(table(jku=f"{listed.url}/keys", demo=True))
        for jku, status in (
            (f"{canary.url}/keys", 401),
            (f"{listed.url}/keys?next={canary.url}", 401),
            (f"{listed.url}/other", 401),
            (f"{listed.url}@{canary.url.removeprefix('http://')}/keys", 401),
            ([f"{listed.url}/keys"], 401),
            (f"{listed.url}/keys", 200),
            (f"{listed.url.upper().replace('HTTP', 'http')}//keys/", 200),
        ):
            assert call(client, mint(SELECT, header={"jku": jku})).status_code == status, jku
        assert [asked.path for asked in listed.asked] == ["/keys"]
        assert canary.asked == []
        assert "authorization" not in listed.asked[0].headers


def test_a_rotated_key_is_found_and_a_flood_of_unknown_keys_asks_once(secured: Callable[..., FlaskClient]) -> None:
    """An unknown key id fetches the set anew, but only once in ten seconds however many are tried."""
    shown = [key_set("es")]
    with serving(lambda it: send(it, shown[-1].encode())) as listed:
        client = secured(table(jku=f"{listed.url}/keys", demo=True))
        assert call(client, mint(SELECT)).status_code == 200
        for number in range(20):
            assert call(client, mint(SELECT, header={"kid": f"unknown-{number}"})).status_code == 401
        assert len(listed.asked) == 1


def test_two_keys_of_one_id_are_both_tried(secured: Callable[..., FlaskClient]) -> None:
    """A set in which two keys share an id verifies the tokens of both, and of no third."""
    client = secured(table(jwks=key_set("stranger", "es")))
    assert [call(client, mint(SELECT, by=by)).status_code for by in ("es", "stranger")] == [200, 200]
    assert call(client, mint(SELECT, by="new", header={"kid": signer("es").kid})).status_code == 401


def test_a_client_is_answered_in_its_own_shape(secured: Callable[..., FlaskClient]) -> None:
    """The issuer decides who is called, and the log names it."""
    client = secured(table(), table("https://other.example.org", jwks=key_set("new")))
    assert call(client, mint(SELECT, by="new")).status_code == 401  # a key of another client signs nothing of ours
    claims = {"iss": "https://other.example.org"}
    assert call(client, mint(SELECT, by="new", claims=claims)).status_code == 200


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://ehr.example.org", "https://ehr.example.org"),
        ("https://evil.example.org", None),
        ("https://ehr.example.org.evil.example", None),
        ("null", None),
        (None, None),
    ],
)
def test_only_clients_origins_may_call_from_a_browser(
    secured: Callable[..., FlaskClient], origin: str | None, allowed: str | None
) -> None:
    """In required mode a matching origin alone is allowed, on every status, in a way caches can tell apart."""
    client = secured(table(origins=["https://ehr.example.org"]))
    headers = {"Origin": origin} if origin else {}
    ask = {**headers, "Access-Control-Request-Method": "POST"}
    for response, status in (
        (client.options(SELECT, headers=ask), 204),
        (client.post(SELECT, json={}, headers=headers), 401),
        (client.get("/cds-services", headers=headers), 200),
        (client.get("/nothing", headers=headers), 404),
    ):
        assert response.status_code == status
        assert response.headers.get("Access-Control-Allow-Origin") == allowed
        assert "Origin" in response.headers["Vary"]
        assert "Access-Control-Allow-Credentials" not in response.headers


def test_a_demo_client_is_told_at_start(secured: Callable[..., FlaskClient], caplog: pytest.LogCaptureFixture) -> None:
    """A client whose private key is public is let in only as a demo, and the log warns of it."""
    sandbox = "https://sandbox.cds-hooks.org"
    keys = json.dumps({"keys": [{**signer("es").public, "kid": DEMO_KID}]})
    client = secured(table(sandbox, jwks=keys, demo=True))
    assert f"client {sandbox} is for trying out" in caplog.text
    token = mint(SELECT, header={"kid": DEMO_KID}, claims={"iss": sandbox})
    assert call(client, token).status_code == 200


def test_open_mode_asks_nobody(make_app: Callable[..., Flask]) -> None:
    """Without required mode a call is answered with any token and with none."""
    client = make_app().test_client()
    for token in (None, "null", "rubbish", mint(SELECT, by="stranger")):
        assert call(client, token).status_code == 200
