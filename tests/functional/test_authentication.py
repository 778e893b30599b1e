"""Who may call: tokens good and bad, keys that rotate and keys that are gone, and what a refusal tells."""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cards.profiles import Profile
from cds_service.__main__ import main
from cds_service.addresses import read_address
from cds_service.application import close, create_app
from cds_service.authentication import clients_of, fetch_key_set
from cds_service.clients import Client
from cds_service.clients_file import FIELDS
from cds_service.fetching import Fetcher
from cds_service.key_sets import CURRENT, PAUSE, BadKeySet, FetchedKeys, KeySet, KeysUnavailable, read_key_set
from cds_service.must_wait import MustWait, without_waiting
from cds_service.opening import open_database
from cds_service.settings import Auth, Settings, SettingsError
from cds_service.token_memory import TokenMemory, TokenMemoryError
from tests.cases_as_fhir import request_for
from tests.functional.test_service import FEEDBACK, OVERRIDDEN, PLAIN, SELECT
from tests.loopback import send, serving
from tests.minting import ISSUER, NOW, PUBLIC_URL, SECOND, key_set, mint, signer
from tests.postgres import Postgres
from tests.serving import free_port, service

Json = dict[str, Any]
DEMO_KID = "44823f3d-0b01-4a6c-a80e-b9d3e8a7226f"


class Moment:
    """A time that a test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def moment() -> Moment:
    return Moment()


def table(issuer: str = ISSUER, **fields: Any) -> str:
    """One client's table; its keys are the three good ones unless the test says where they are."""
    if not {"jku", "jwks", "jwks_file"} & fields.keys():
        fields["jwks"] = key_set("es", "rs", "p256")
    lines = [f"{name} = {json.dumps(value)}" for name, value in {"issuer": issuer, **fields}.items()]
    return "\n".join(["[[clients]]", *lines, ""])


@pytest.fixture
def secured(tmp_path: Path, moment: Moment) -> Iterator[Callable[..., FlaskClient]]:
    """Builds the application in required mode over a clients file with these tables."""
    made: list[Flask] = []

    def make(*tables: str, **settings: Any) -> FlaskClient:
        file = tmp_path / "clients.toml"
        file.write_text("\n".join(tables or [table()]), encoding="utf-8")
        base = {"database_url": f"sqlite:///{tmp_path / 'store.sqlite3'}", "public_url": read_address(PUBLIC_URL)}
        app = create_app(Settings(**{**base, "auth": Auth.REQUIRED, "clients_file": file, **settings}), now=moment)
        made.append(app)
        return app.test_client()

    yield make
    for app in made:
        close(app)


def _call(client: FlaskClient, token: str | None, path: str = SELECT, **sent: Any) -> TestResponse:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return client.post(path, json=request_for(PLAIN), headers=headers, **sent)


def _codes(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Why calls were refused, from the log."""
    lines = [json.loads(record.message) for record in caplog.records if record.name == "cds_service.request"]
    return [line["jwt"] for line in lines if "jwt" in line]


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
    response = _call(secured(table(**good.client)), mint(SELECT, **good.token))
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
    assert _codes(caplog) == [bad.code]
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
    assert _call(client, mint(SELECT, claims={"tenant": tenant})).status_code == 401


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
    assert [_call(client, token).status_code for _ in range(2)] == [200, 401]
    moment.now = NOW + timedelta(seconds=359)
    assert _call(client, token).status_code == 401
    moment.now = NOW
    other = mint(SELECT, claims={"jti": "one", "iss": "https://other.example.org"})
    assert _call(client, other).status_code == 200


def test_a_refused_token_is_not_used_up(secured: Callable[..., FlaskClient]) -> None:
    """A forged token with the id of a good one does not lock the good one out."""
    client = secured()
    assert _call(client, mint(SELECT, by="stranger", claims={"jti": "one"})).status_code == 401
    assert _call(client, mint(SELECT, claims={"jti": "one"})).status_code == 200


def test_a_memory_that_fails_lets_nobody_in(
    secured: Callable[..., FlaskClient], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Without its table of used tokens the service answers 503 with Retry-After, and says so to the operator."""
    client = secured()
    with closing(sqlite3.connect(tmp_path / "store.sqlite3")) as database:
        database.execute("DROP TABLE token_id")
    with caplog.at_level(logging.INFO):
        response = _call(client, mint(SELECT))
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert _codes(caplog) == ["memory: no such table: token_id"]


def test_the_memory_forgets_what_has_expired(tmp_path: Path, moment: Moment) -> None:
    """Expired ids are purged now and then, and no id is kept in the clear."""
    file = tmp_path / "memory.sqlite3"
    memory = TokenMemory(open_database(f"sqlite:///{file}", create=True, durable=False), moment)
    assert memory.first_use(ISSUER, "secret-jti", NOW + timedelta(minutes=1))
    assert memory.first_use(ISSUER, "late", NOW + timedelta(hours=1))
    assert (b"secret-jti" in file.read_bytes(), ISSUER.encode() in file.read_bytes()) == (False, False)
    moment.now = NOW + timedelta(minutes=6)
    assert memory.first_use(ISSUER, "new", NOW + timedelta(hours=1))
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("SELECT count(*) FROM token_id").fetchone() == (2,)
    assert not memory.first_use(ISSUER, "late", NOW + timedelta(hours=1))
    memory.close()


def test_where_nobody_may_wait_the_memory_remembers_as_anywhere(tmp_path: Path, moment: Moment) -> None:
    """It sees what others have let in, and they what it has; while another writes it is to be asked elsewhere."""
    url = f"sqlite:///{tmp_path / 'memory.sqlite3'}"
    memory = TokenMemory(open_database(url, create=True, durable=False), moment)
    another = open_database(url, create=False)

    def ask(jti: str) -> bool:
        return memory.first_use(ISSUER, jti, NOW + timedelta(minutes=5))

    assert [ask("a"), without_waiting(partial(ask, "a"))] == [True, False]
    assert [without_waiting(partial(ask, "b")), ask("b")] == [True, False]
    with another.writing(), pytest.raises(MustWait):
        without_waiting(partial(ask, "c"))
    assert ask("c")
    moment.now += timedelta(minutes=6)
    with pytest.raises(MustWait):  # purging waits for the disk
        without_waiting(partial(ask, "d"))
    assert ask("d")
    assert not without_waiting(partial(ask, "d"))
    memory.close()
    another.close()


def test_of_many_writers_one_is_first(store_url: str, moment: Moment) -> None:
    """Twenty threads over pools of their own present one id: one of them is let in."""
    memories = [TokenMemory(open_database(store_url, create=True, durable=False), moment) for _ in range(4)]
    expires = NOW + timedelta(minutes=5)
    with ThreadPoolExecutor(20) as threads:
        first = list(threads.map(lambda number: memories[number % 4].first_use(ISSUER, "one", expires), range(20)))
    assert first.count(True) == 1
    for memory in memories:
        memory.close()


def test_a_memory_whose_server_hung_up_says_so_or_connects_anew(postgres: Postgres, moment: Moment) -> None:
    """Ids are told apart over a connection that the server closed, and a lost table is an outage, not a replay."""
    url = postgres.new_database()
    memory = TokenMemory(open_database(url, create=True, durable=False), moment)
    expires = NOW + timedelta(minutes=5)
    assert memory.first_use(ISSUER, "one", expires)
    with postgres.connect(url) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert not memory.first_use(ISSUER, "one", expires)
        assert memory.first_use(ISSUER, "two", expires)
        other.execute("ALTER TABLE token_id RENAME TO token_id_away")
        with pytest.raises(TokenMemoryError, match="does not exist"):
            memory.first_use(ISSUER, "three", expires)
        other.execute("ALTER TABLE token_id_away RENAME TO token_id")
        assert memory.first_use(ISSUER, "three", expires)
    memory.close()


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
            assert _call(client, mint(SELECT, header={"jku": jku})).status_code == status, jku
        assert [asked.path for asked in listed.asked] == ["/keys"]
        assert canary.asked == []
        assert "authorization" not in listed.asked[0].headers


def test_a_rotated_key_is_found_and_a_flood_of_unknown_keys_asks_once(secured: Callable[..., FlaskClient]) -> None:
    """An unknown key id fetches the set anew, but only once in ten seconds however many are tried."""
    shown = [key_set("es")]
    with serving(lambda it: send(it, shown[-1].encode())) as listed:
        client = secured(table(jku=f"{listed.url}/keys", demo=True))
        assert _call(client, mint(SELECT)).status_code == 200
        for number in range(20):
            assert _call(client, mint(SELECT, header={"kid": f"unknown-{number}"})).status_code == 401
        assert len(listed.asked) == 1


class Seconds:
    """A monotonic clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_fetched_keys_rotate_expire_and_survive_an_outage() -> None:
    """New keys come with an unknown id or with age, old ones go with age, and an outage changes nothing."""
    clock, shown, asked = Seconds(), [key_set("es")], []

    def read() -> KeySet:
        asked.append(clock.now)
        if not shown:
            raise BadKeySet("out")
        return read_key_set(shown[0].encode(), demo=False)

    keys = FetchedKeys(read, clock)
    es, new = signer("es").kid, signer("new").kid
    assert keys.find(es, "ES384")
    shown[0] = key_set("new")
    assert not keys.find(new, "ES384")  # too soon to ask again
    clock.now += PAUSE
    assert keys.find(new, "ES384")
    assert not keys.find(es, "ES384")
    shown.clear()
    clock.now += CURRENT
    assert keys.find(new, "ES384")  # the server is out; its last keys are kept
    assert len(asked) == 3
    assert keys.find(new, "ES384")
    assert len(asked) == 3  # and it is not asked again at once
    shown.append(key_set("es"))
    clock.now += PAUSE
    assert not keys.find(new, "ES384")


def test_where_nobody_may_wait_keys_are_found_and_not_fetched() -> None:
    """What is known is told; for what is unknown or old nothing is fetched, and whoever may wait fetches it at once."""
    clock, asked = Seconds(), []

    def read() -> KeySet:
        asked.append(clock.now)
        return read_key_set(key_set("es").encode(), demo=False)

    keys = FetchedKeys(read, clock)
    find = partial(keys.find, signer("es").kid, "ES384")
    for number in range(2):
        with pytest.raises(MustWait):
            without_waiting(find)
        assert len(asked) == number
        assert find() == without_waiting(find) != ()
        assert len(asked) == number + 1
        clock.now += CURRENT


def test_without_any_keys_nobody_is_let_in() -> None:
    """A client whose keys were never seen is refused, and its server is asked at most every ten seconds."""
    clock, asked = Seconds(), []

    def read() -> KeySet:
        asked.append(clock.now)
        raise BadKeySet("out")

    keys = FetchedKeys(read, clock)
    for _ in range(3):
        with pytest.raises(KeysUnavailable):
            keys.find("x", "ES384")
    assert len(asked) == 1


def _redirect(to: str) -> Callable[[Any], None]:
    return lambda it: send(it, key_set("es").encode(), 302, headers={"Location": to})


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda it: send(it, b"<html>", kind="text/html"), "not JSON"),
        (lambda it: send(it, b"[]"), "no key set"),
        (lambda it: send(it, b'{"keys": {}}'), "no key set"),
        (lambda it: send(it, key_set("es").encode(), 404), "answered 404"),
        (lambda it: send(it, b" " * 300_000), "more than is read"),
        (lambda it: it.wfile.write(b"rubbish\r\n\r\n"), "not HTTP"),
        (lambda it: it.connection.shutdown(socket.SHUT_RDWR), "broke off"),
        (lambda it: send(it, b"[" * 100_000), "200 levels"),
        (lambda it: send(it, json.dumps({"keys": [signer("es").public] * 101}).encode()), "more than 100 keys"),
    ],
)
def test_a_broken_key_set_is_no_key_set(answer: Callable[[Any], None], why: str) -> None:
    """HTML, rubbish, errors, and sets too large are refused, each with its reason for the operator."""
    fetcher = Fetcher()
    with serving(answer) as listed, pytest.raises(BadKeySet, match=why):
        fetch_key_set(read_address(f"{listed.url}/keys"), fetcher, demo=True)
    fetcher.close()


def test_a_key_set_is_not_followed_elsewhere() -> None:
    """A redirect of the key set's address reaches nothing."""
    fetcher = Fetcher()
    with serving(lambda it: send(it, key_set("es").encode())) as canary:
        redirect = _redirect(f"{canary.url}/keys")
        with serving(redirect) as listed, pytest.raises(BadKeySet, match="answered 302"):
            fetch_key_set(read_address(f"{listed.url}/keys"), fetcher, demo=True)
        assert canary.asked == []
    fetcher.close()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"d": "AQAB"}, "no public key"),
        ({"kty": "oct", "k": "c2VjcmV0"}, "no public key"),
        ({"use": "enc"}, "not for signatures"),
        ({"key_ops": ["sign"]}, "not for signatures"),
        ({"key_ops": "verify-not"}, "not for signatures"),
        ({"kid": None}, "no kid"),
        ({"kid": DEMO_KID}, "published key"),
        ({"crv": "secp256k1"}, "not known here"),
        ({"alg": "HS256"}, "not known here"),
        ({"crv": "P-256", "alg": "ES384"}, "not known here"),
        ({"x": "AA"}, "cannot be read"),
        ({"x": None}, "cannot be read"),
        ({"x": signer("stranger").public["x"]}, "cannot be read"),
    ],
)
def test_a_key_that_is_not_what_it_must_be_is_left_out(change: Json, why: str) -> None:
    """Private, symmetric, unfit, published and broken keys are passed over with their reason."""
    body = json.dumps({"keys": [{**signer("es").public, **change}, signer("rs").public]}).encode()
    found = read_key_set(body, demo=False)
    assert {kid for kid, _ in found.keys} == {"rs-1"}
    (fault,) = found.faults
    assert why in fault


def test_a_weak_key_is_left_out() -> None:
    """RSA keys of less than 2048 bits verify nothing."""
    found = read_key_set(key_set("weak").encode(), demo=False)
    assert (found.keys, found.faults) == ({}, ("keys[0] is an RSA key of less than 2048 bits",))


def test_two_keys_of_one_id_are_both_tried(secured: Callable[..., FlaskClient]) -> None:
    """A set in which two keys share an id verifies the tokens of both, and of no third."""
    client = secured(table(jwks=key_set("stranger", "es")))
    assert [_call(client, mint(SELECT, by=by)).status_code for by in ("es", "stranger")] == [200, 200]
    assert _call(client, mint(SELECT, by="new", header={"kid": signer("es").kid})).status_code == 401


def test_a_client_is_answered_in_its_own_shape(secured: Callable[..., FlaskClient]) -> None:
    """The issuer decides who is called, and the log names it."""
    client = secured(table(), table("https://other.example.org", jwks=key_set("new")))
    assert _call(client, mint(SELECT, by="new")).status_code == 401  # a key of another client signs nothing of ours
    claims = {"iss": "https://other.example.org"}
    assert _call(client, mint(SELECT, by="new", claims=claims)).status_code == 200


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
    assert _call(client, token).status_code == 200


def test_open_mode_asks_nobody(make_app: Callable[..., Flask]) -> None:
    """Without required mode a call is answered with any token and with none."""
    client = make_app().test_client()
    for token in (None, "null", "rubbish", mint(SELECT, by="stranger")):
        assert _call(client, token).status_code == 200


def _read(tmp_path: Path, text: str, **settings: str) -> Settings:
    """The settings of an environment with this clients file, which is read as at start."""
    file = tmp_path / "clients.toml"
    file.write_text(text, encoding="utf-8")
    chosen = Settings.from_environment({"CDS_CLIENTS": str(file), "CDS_PUBLIC_URL": PUBLIC_URL, **settings})
    clients_of(chosen)
    return chosen


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("clients = 7", "holds no [[clients]] table"),
        ("", "holds no [[clients]] table"),
        ("[[clients]", "is not TOML"),
        ("[[client]]\n", "client: no such field"),
        ("[[clients]]\n", "[[clients]] 1, issuer: is missing"),
        (table() + table(), f"[[clients]] 2, issuer: {ISSUER} has a table already"),
        (table(colour="red"), "[[clients]] 1, colour: no such field; there are issuer, jku,"),
        (table(issuer=""), "issuer: '' is no text"),
        (table(issuer="a\nb"), "issuer: 'a\\nb' is no text"),
        (f'[[clients]]\nissuer = "{ISSUER}"', f"1 ({ISSUER}), jku, jwks, jwks_file: none is given"),
        (table(jku="https://x.example/keys", jwks="{}"), "jku and jwks are given"),
        (table(jku="http://x.example/keys"), "jku: must be https"),
        (table(jku="http://127.0.0.1/keys"), "jku: must be https"),
        (table(jku="ftp://x.example/keys"), "jku: is not an absolute http or https address"),
        (table(jku="https://u@x.example/keys"), "jku: holds a user name"),
        (table(jku="https://x.example/keys#1"), "jku: holds a fragment"),
        (table(jwks="no json"), "jwks: The body is not JSON"),
        (table(jwks='{"keys": []}'), "jwks: no key for ES384 or RS384: it holds none"),
        (table(jwks=key_set("p256")), "jwks: no key for ES384 or RS384"),
        (table(jwks=json.dumps({"keys": [{**signer("es").public, "d": "x"}]})), "keys[0] is no public key"),
        (table(jwks=json.dumps({"keys": [{**signer("es").public, "kid": DEMO_KID}]})), "published key"),
        (table(jwks_file="gone.json"), "jwks_file: gone.json: No such file"),
        (table(jwks=7), "jwks: is no text"),
        (table(algorithms=[]), "algorithms: names none"),
        (table(algorithms=["none"]), "algorithms: 'none' is no algorithm"),
        (table(algorithms=["HS256"]), "algorithms: 'HS256' is no algorithm"),
        (table(algorithms="ES384"), "algorithms: 'ES384' is no list"),
        (table(audiences=[7]), "audiences: 7 is no text"),
        (table(profile="large"), "profile: 'large' is no profile; it takes one of spec,"),
        (table(system_actions="on"), "system_actions: 'on' is neither true nor false"),
        (table(longest_life=0), "longest_life: 0 is not in range"),
        (table(longest_life=True), "longest_life: True is not in range"),
        (table(fhir_servers=["http://ehr.example.org"]), "fhir_servers: http://ehr.example.org is not https"),
        (table(fhir_servers=["https://ehr.example.org/fhir?x"]), "holds a query"),
        (table(fhir_servers=["https://ehr.example.org/../x"]), "leads out of itself"),
        (table(origins=["https://ehr.example.org/"]), "did you mean https://ehr.example.org?"),
        (table(origins=["*"]), "origins: * is not an absolute"),
        (table("https://sandbox.cds-hooks.org"), "demo = true?"),
    ],
)
def test_a_clients_file_with_a_fault_is_refused_at_its_place(tmp_path: Path, text: str, words: str) -> None:
    """The message names CDS_CLIENTS, the file, the table and the field, and shows no key."""
    with pytest.raises(SettingsError) as refused:
        _read(tmp_path, text)
    message = str(refused.value)
    assert message.startswith(f"CDS_CLIENTS: {tmp_path / 'clients.toml'}: ")
    assert words in message
    assert len(message) < 600
    assert "\n" not in message


def test_a_clients_file_is_read_field_by_field(tmp_path: Path) -> None:
    """Every field reaches its client; what a table leaves out is the deployment's choice, or nothing."""
    (tmp_path / "keys.json").write_text(key_set("es"), encoding="utf-8")
    fields: Json = {
        "jwks_file": "keys.json",
        "algorithms": ["ES384"],
        "audiences": ["sand_man"],
        "tenants": ["t"],
        "longest_life": 60,
        "profile": "epic",
        "system_actions": True,
        "shadow": True,
        "fhir_servers": ["https://ehr.example.org/fhir"],
        "origins": ["https://ehr.example.org"],
        "demo": True,
    }
    assert {field.name for field in FIELDS} == {"issuer", "jku", "jwks", *fields}
    text = table(**fields) + table("https://second.example.org")
    settings = _read(tmp_path, text, CDS_PROFILE="crd", CDS_SHADOW="on")
    first, second = clients_of(settings)
    origins, servers = ("https://ehr.example.org",), ("https://ehr.example.org/fhir",)
    assert first.client == Client(ISSUER, Profile.EPIC, True, True, servers, origins)
    assert (first.algorithms, first.audiences, first.tenants) == (("ES384",), ("sand_man",), ("t",))
    assert (first.longest_life, first.demo, first.jku) == (60, True, None)
    assert second.client == Client("https://second.example.org", Profile.CRD, False, True, (), ())
    assert (second.algorithms, second.longest_life, second.demo) == (("ES384", "RS384"), 3600, False)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"CDS_AUTH": "required"}, "CDS_CLIENTS: is missing"),
        ({"CDS_CLIENTS": "x.toml"}, "CDS_PUBLIC_URL: is missing"),
        ({"CDS_PUBLIC_URL": "http://cds.example.org"}, "CDS_PUBLIC_URL: 'http://cds.example.org' is not an https base"),
        ({"CDS_AUTH": "maybe"}, "CDS_AUTH: 'maybe' is not one of open, required"),
        ({"CDS_RATE_LIMIT": "fast"}, "CDS_RATE_LIMIT"),
        ({"CDS_RATE_LIMIT": "0/minute"}, "CDS_RATE_LIMIT"),
        ({"CDS_FHIR_SERVERS": "http://ehr.example.org/fhir"}, "CDS_FHIR_SERVERS"),
        ({"CDS_FHIR_DEADLINE": "nan"}, "CDS_FHIR_DEADLINE"),
    ],
)
def test_settings_of_trust_are_refused_by_name(environment: dict[str, str], words: str) -> None:
    """Required mode needs its clients and its public address, and each setting is checked."""
    with pytest.raises(SettingsError, match=re.escape(words)):
        Settings.from_environment(environment)


def test_a_clients_file_switches_authentication_on() -> None:
    """With CDS_CLIENTS callers are asked for tokens unless the operator says open."""
    environment = {"CDS_CLIENTS": "x.toml", "CDS_PUBLIC_URL": PUBLIC_URL}
    assert Settings.from_environment(environment).auth is Auth.REQUIRED
    assert Settings.from_environment({**environment, "CDS_AUTH": "open"}).auth is Auth.OPEN
    assert Settings.from_environment({}).auth is Auth.OPEN


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("CDS_")]:
        monkeypatch.delenv(name)


@pytest.mark.usefixtures("no_settings")
def test_clients_check_tells_what_is_configured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It prints each client with its keys, and ends with 0, 1 when keys cannot be had, and 2 without a usable file."""
    file = tmp_path / "clients.toml"
    with serving(lambda it: send(it, key_set("es").encode())) as listed:
        held = table("https://second.example.org", fhir_servers=["https://ehr.example.org/fhir"])
        file.write_text(table(jku=f"{listed.url}/keys", demo=True) + held, encoding="utf-8")
        assert main(["clients", "check", str(file)]) == 0
    told = capsys.readouterr().out
    for words in (
        f"key set: {listed.url}/keys",
        "keys: es/1+=\n    there is no key for RS384",
        "keys: es/1+=, rs-1",
        "FHIR servers: https://ehr.example.org/fhir",
        "DEMO",
    ):
        assert words in told
    assert main(["clients", "check", str(file)]) == 1
    told = capsys.readouterr().out
    assert f"keys: none ({listed.url} could not be reached)" in told
    assert "NOT USABLE" in told
    assert main(["clients", "check", str(tmp_path / "gone.toml")]) == 2
    assert main(["clients", "check"]) == 2


@pytest.mark.usefixtures("no_settings")
def test_serving_a_network_needs_authentication_or_a_clear_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In required mode any address may be listened on; in open mode a network's callers reach no loopback server."""
    begun: list[Settings] = []

    class NoServer:
        def __init__(self, host: str, port: int, workers: int, settings: Settings) -> None:
            begun.append(settings)

        def run(self) -> None:
            pass

    monkeypatch.setattr("cds_service.server.Server", NoServer)
    monkeypatch.setattr("cds_service.logs.log_as_json", lambda: None)
    assert main(["serve"]) == 0
    assert main(["serve", "--host", "0.0.0.0"]) == 2
    assert main(["serve", "--host", "0.0.0.0", "--without-authentication-on-a-network"]) == 0
    assert [each.anyone.fhir_on_loopback for each in begun] == [True, False]
    (tmp_path / "clients.toml").write_text(table(), encoding="utf-8")
    monkeypatch.setenv("CDS_CLIENTS", str(tmp_path / "clients.toml"))
    monkeypatch.setenv("CDS_PUBLIC_URL", PUBLIC_URL)
    assert main(["serve", "--host", "0.0.0.0"]) == 0
    assert begun[-1].auth is Auth.REQUIRED
    assert "not a loopback address" in capsys.readouterr().err


def _status(base: str, token: str) -> int:
    """What a running service answers to a call with this token."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    body = json.dumps(request_for(PLAIN)).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(base + SELECT, body, headers), timeout=20) as answer:
            status: int = answer.status
    except urllib.error.HTTPError as error:
        status = error.code
        error.close()
    return status


def test_while_the_store_is_written_callers_with_tokens_wait_and_the_loop_does_not(tmp_path: Path) -> None:
    """Their tokens are remembered when the store is free again, each once; meanwhile the service says that it lives."""
    base = f"http://127.0.0.1:{(port := free_port())}"
    (tmp_path / "clients.toml").write_text(table(), encoding="utf-8")
    with service(tmp_path, port=port, workers=1, CDS_CLIENTS="clients.toml", CDS_PUBLIC_URL=base) as served:
        second = int(time.time())
        tokens = [mint(SELECT, base=base, claims={"iat": second, "exp": second + 60}) for _ in range(4)]
        assert _status(base, tokens[0]) == 200
        (file,) = tmp_path.glob("*.sqlite3")
        with closing(sqlite3.connect(file, isolation_level=None)) as another, ThreadPoolExecutor(3) as threads:
            another.execute("BEGIN IMMEDIATE")
            waiting = [threads.submit(_status, base, token) for token in tokens[1:]]
            deadline = time.monotonic() + 1
            while time.monotonic() < deadline:
                with urllib.request.urlopen(f"{base}/health/live", timeout=0.5) as answer:
                    assert answer.status == 200
                assert not any(each.done() for each in waiting)
            another.execute("ROLLBACK")
            assert [each.result() for each in waiting] == [200] * 3
        assert [_status(base, token) for token in tokens] == [401] * 4
        assert served.stop() == 0


def test_a_token_opens_once_across_worker_processes(tmp_path: Path) -> None:
    """Of twenty calls at once with one token, under two workers as they are really started, one is answered."""
    base = f"http://127.0.0.1:{(port := free_port())}"
    (tmp_path / "clients.toml").write_text(table(), encoding="utf-8")
    with service(tmp_path, port=port, CDS_CLIENTS="clients.toml", CDS_PUBLIC_URL=base) as served:
        while len(served.workers) < 2:
            time.sleep(0.05)
        second = int(time.time())
        tokens = [mint(SELECT, base=base, claims={"iat": second, "exp": second + 60}) for _ in range(2)]
        with ThreadPoolExecutor(20) as threads:
            answers = [list(threads.map(partial(_status, base), [token] * 20)) for token in tokens]
        assert served.stop() == 0
    assert [sorted(each) for each in answers] == [[200] + [401] * 19] * 2
    assert served.said.count('"jwt":"replayed"') == 38
    assert not [token for token in tokens if token in served.said or token.split(".")[2] in served.said]
