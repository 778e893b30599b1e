"""The clients file and the settings of trust: read field by field, refused at the place of a fault."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from cards.profiles import Profile
from cds_service.__main__ import main
from cds_service.authentication import clients_of
from cds_service.clients import Client
from cds_service.clients_file import FIELDS
from cds_service.settings import Auth, Settings, SettingsError
from tests.functional.securing import table
from tests.loopback import send, serving
from tests.minting import DEMO_KID, ISSUER, PUBLIC_URL, key_set, signer

Json = dict[str, Any]


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
