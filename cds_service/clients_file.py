"""The clients file (`CDS_CLIENTS`): who is trusted, read and checked once, at start."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cards.profiles import Profile
from cds_service.addresses import Address, read_address, read_base, read_origin
from cds_service.clients import Client
from cds_service.key_sets import ALGORITHMS, DEMO_ISSUERS, BadKeySet, KeySet, read_key_set

DEFAULT_ALGORITHMS = ("ES384", "RS384")
_LONGEST_LIFE = 3600
_DAY = 86_400


class ClientsFileError(Exception):
    """A clients file that cannot be used; the message names the file, the table and the field."""


@dataclass(frozen=True, slots=True)
class TrustedClient:
    """A client whose tokens are accepted, and what was agreed with it."""

    client: Client
    jku: Address | None
    """Where it publishes its keys; None where the operator has them."""
    key_set: KeySet | None
    """The keys that the operator has; None where they are fetched."""
    algorithms: tuple[str, ...]
    audiences: tuple[str, ...]
    tenants: tuple[str, ...]
    longest_life: int
    """Seconds between ``iat`` and ``exp``, at most."""
    demo: bool

    @property
    def issuer(self) -> str:
        return self.client.name


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a client's table, as the documentation shows it."""

    name: str
    read: Callable[[Any], Any]
    """The value; raises ValueError with what is wrong."""
    values: str
    default: str
    meaning: str


def load_clients(file: Path, *, profile: Profile, system_actions: bool, shadow: bool) -> tuple[TrustedClient, ...]:
    """Every client of the file, with the deployment's own choices where its table makes none.

    Raises ClientsFileError.
    """
    try:
        value = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ClientsFileError(f"{file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ClientsFileError(f"{file}: is not TOML: {error}") from None
    tables = value.pop("clients", None)
    if value:
        raise ClientsFileError(f"{file}: {', '.join(value)}: no such field; the file holds [[clients]] tables only")
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise ClientsFileError(f"{file}: holds no [[clients]] table")
    defaults = {"profile": profile, "system_actions": system_actions, "shadow": shadow}
    clients: dict[str, TrustedClient] = {}
    for number, table in enumerate(tables, start=1):
        place = f"{file}: [[clients]] {number}"
        client = _read_table(place, {**defaults, **_fields(place, table)}, file.parent)
        if client.issuer in clients:
            raise ClientsFileError(f"{place}, issuer: {client.issuer} has a table already")
        clients[client.issuer] = client
    return tuple(clients.values())


def _fields(place: str, table: dict[str, Any]) -> dict[str, Any]:
    known = {field.name: field for field in FIELDS}
    read: dict[str, Any] = {}
    for name, value in table.items():
        if name not in known:
            raise ClientsFileError(f"{place}, {name}: no such field; there are {', '.join(known)}")
        try:
            read[name] = known[name].read(value)
        except ValueError as error:
            raise ClientsFileError(f"{place}, {name}: {error}; it takes {known[name].values}") from None
    if "issuer" not in read:
        raise ClientsFileError(f"{place}, issuer: is missing")
    return read


def _read_table(place: str, read: dict[str, Any], folder: Path) -> TrustedClient:
    issuer, demo = read["issuer"], read.get("demo", False)
    place = f"{place} ({issuer})"
    given = [name for name in ("jku", "jwks", "jwks_file") if name in read]
    if len(given) != 1:
        told = f"{' and '.join(given)} are given" if given else "none is given"
        raise ClientsFileError(f"{place}, jku, jwks, jwks_file: {told}; exactly one says where the keys are")
    if issuer in DEMO_ISSUERS and not demo:
        raise ClientsFileError(f"{place}, issuer: its private key is public, so anyone can sign as it; demo = true?")
    jku: Address | None = read.get("jku")
    if jku is not None and jku.scheme == "http" and not (demo and jku.is_loopback):
        raise ClientsFileError(f"{place}, jku: must be https; http is for demo = true on a loopback address")
    algorithms = read.get("algorithms", DEFAULT_ALGORITHMS)
    key_set = None if jku is not None else _static_keys(f"{place}, {given[0]}", read, folder, demo)
    if key_set is not None and not key_set.algorithms & set(algorithms):
        why = "; ".join(key_set.faults) or "it holds none"
        raise ClientsFileError(f"{place}, {given[0]}: no key for {' or '.join(algorithms)}: {why}")
    client = Client(
        name=issuer,
        profile=read["profile"],
        system_actions=read["system_actions"],
        shadow=read["shadow"],
        fhir_servers=read.get("fhir_servers", ()),
        origins=read.get("origins", ()),
    )
    return TrustedClient(
        client=client,
        jku=jku,
        key_set=key_set,
        algorithms=algorithms,
        audiences=read.get("audiences", ()),
        tenants=read.get("tenants", ()),
        longest_life=read.get("longest_life", _LONGEST_LIFE),
        demo=demo,
    )


def _static_keys(place: str, read: dict[str, Any], folder: Path, demo: bool) -> KeySet:
    try:
        body = read["jwks"].encode() if "jwks" in read else (folder / read["jwks_file"]).read_bytes()
        return read_key_set(body, demo=demo)
    except OSError as error:
        raise ClientsFileError(f"{place}: {read['jwks_file']}: {error.strerror}") from None
    except BadKeySet as error:
        raise ClientsFileError(f"{place}: {error}") from None


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > 500:
        raise ValueError(f"{_shown(value)} is no text")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{_shown(value)} is no list")
    return tuple(_text(each) for each in value)


def _keys_text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("is no text")
    return value


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{_shown(value)} is neither true nor false")
    return value


def _life(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _DAY:
        raise ValueError(f"{_shown(value)} is not in range")
    return value


def _profile(value: Any) -> Profile:
    if value not in tuple(Profile):
        raise ValueError(f"{_shown(value)} is no profile")
    return Profile(value)


def _algorithms(value: Any) -> tuple[str, ...]:
    chosen = _texts(value)
    for name in chosen:
        if name not in ALGORITHMS:
            raise ValueError(f"{_shown(name)} is no algorithm of public keys that is known here")
    if not chosen:
        raise ValueError("names none")
    return chosen


def _bases(value: Any) -> tuple[str, ...]:
    return _each(read_base, value)


def _origins(value: Any) -> tuple[str, ...]:
    return _each(read_origin, value)


def _each(read: Callable[[str], object], value: Any) -> tuple[str, ...]:
    for text in (texts := _texts(value)):
        try:
            read(text)
        except ValueError as error:
            raise ValueError(f"{text} {error}") from None
    return texts


def _shown(value: Any) -> str:
    return repr(value) if len(repr(value)) <= 60 else f"{repr(value)[:60]}..."


FIELDS = (
    Field("issuer", _text, "a text", "required", "`iss` of the client's tokens; one table an issuer"),
    Field(
        "jku",
        read_address,
        "an https address",
        "one of the three",
        "where the client publishes its keys; fetched from there and from nowhere else, whatever a token says",
    ),
    Field("jwks", _keys_text, "a JSON key set in a text", "one of the three", "its public keys"),
    Field(
        "jwks_file",
        _text,
        "a file name, relative to the clients file",
        "one of the three",
        "its public keys in a file",
    ),
    Field(
        "algorithms",
        _algorithms,
        f"a list of {', '.join(ALGORITHMS)}",
        '["ES384", "RS384"]',
        "algorithms its tokens may be signed with",
    ),
    Field(
        "audiences",
        _texts,
        "a list of texts",
        "[]",
        "`aud` values accepted beside our public URL: a base URL in front of the called path, or any agreed text",
    ),
    Field(
        "tenants", _texts, "a list of texts", "[]", "`tenant` values accepted; when empty, `tenant` is not looked at"
    ),
    Field(
        "longest_life",
        _life,
        f"a number of seconds from 1 to {_DAY}",
        str(_LONGEST_LIFE),
        "longest time between `iat` and `exp` of a token",
    ),
    Field("profile", _profile, f"one of {', '.join(Profile)}", "`CDS_PROFILE`", "the shape of answers to it"),
    Field(
        "system_actions",
        _switch,
        "true or false",
        "`CDS_SYSTEM_ACTIONS`",
        "it agreed to PAMA rating actions on its orders",
    ),
    Field(
        "shadow", _switch, "true or false", "`CDS_SHADOW`", "its orders are judged and recorded, and no card is sent"
    ),
    Field(
        "fhir_servers",
        _bases,
        "a list of https base URLs (http on loopback)",
        "[]",
        "FHIR servers that may be asked with the tokens of its calls, each by its whole base URL",
    ),
    Field("origins", _origins, "a list of origins", "[]", "origins of browsers that may call for it"),
    Field(
        "demo",
        _switch,
        "true or false",
        "false",
        "true: its private key is public, as the CDS Hooks sandbox's is, so its tokens prove nothing; for trying out",
    ),
)


def fields_table() -> str:
    """The fields as a Markdown table, for cds_service/README.md."""
    rows = [f"| `{field.name}` | {field.values} | {field.default} | {field.meaning} |" for field in FIELDS]
    return "\n".join(["| field | takes | default | meaning |", "|---|---|---|---|", *rows])
