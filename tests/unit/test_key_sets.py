"""Public keys of clients: which are usable, how they rotate, and what happens when they are gone."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from cds_service.addresses import read_address
from cds_service.authentication import fetch_key_set
from cds_service.fetching import Fetcher
from cds_service.key_sets import CURRENT, PAUSE, BadKeySet, FetchedKeys, KeySet, KeysUnavailable, read_key_set
from cds_service.must_wait import MustWait, without_waiting
from tests.loopback import send, serving
from tests.minting import DEMO_KID, key_set, signer

Json = dict[str, Any]


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
