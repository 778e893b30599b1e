"""Who calls, where callers show a token; loaded only where they do, for cryptography is much to load."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial

from cds_service import metrics
from cds_service.addresses import Address
from cds_service.clients import Client
from cds_service.clients_file import ClientsFileError, TrustedClient, load_clients
from cds_service.fetching import Budget, Deadline, Fetcher, FetchFailed
from cds_service.key_sets import BadKeySet, FetchedKeys, Keys, KeySet, StaticKeys, read_key_set
from cds_service.opening import open_database
from cds_service.problems import SOON, unauthenticated, unavailable
from cds_service.settings import Auth, Settings, SettingsError
from cds_service.token_memory import TokenMemory, TokenMemoryError
from cds_service.tokens import TokenRefused, Trust
from cds_service.visit import Visit

log = logging.getLogger("cds_service")

_KEY_SET_SECONDS = 2.0
_KEY_SET_SIZE = 256_000


def clients_of(settings: Settings) -> tuple[TrustedClient, ...]:
    """The clients of the clients file; none without one. Raises SettingsError."""
    if settings.clients_file is None:
        return ()
    try:
        return load_clients(
            settings.clients_file,
            profile=settings.profile,
            system_actions=settings.system_actions,
            shadow=settings.shadow,
        )
    except ClientsFileError as error:
        raise SettingsError(f"CDS_CLIENTS: {error}") from None


def trust_in(settings: Settings, fetcher: Fetcher, now: Callable[[], datetime]) -> Trust | None:
    """Whom this deployment trusts; None where it asks nobody. Raises SettingsError and StoreError.

    The store's database exists: used tokens are remembered there.
    """
    clients = clients_of(settings)
    if settings.auth is Auth.OPEN:
        return None
    if settings.public_url is None or not clients:
        raise SettingsError("CDS_AUTH=required needs CDS_PUBLIC_URL and CDS_CLIENTS")
    for client in clients:
        if client.demo:
            log.warning(
                "client %s is for trying out: its private key is public, its tokens prove nothing", client.issuer
            )
    # A power cut may forget the tokens of its last moments: what it costs to hold them would double a call.
    memory = TokenMemory(open_database(settings.database_url, create=False, durable=False), now)
    return Trust(settings.public_url, {each.issuer: (each, keys_of(each, fetcher)) for each in clients}, memory, now)


def caller(trust: Trust, here: Visit) -> Client:
    """Who sends the request, by its token. Raises Problem."""
    try:
        return trust.caller(here.environ.get("HTTP_AUTHORIZATION"), here.path).client
    except TokenRefused as refused:
        here.refused = refused.why.value
        metrics.refused(f"jwt-{refused.why.value}")
        raise unauthenticated("Authentication is required.", "Bearer") from None
    except TokenMemoryError as error:
        here.refused = f"memory: {error}"
        metrics.refused("jwt-memory")
        raise unavailable("The service cannot answer now; call again later.", SOON) from None


def keys_of(trusted: TrustedClient, fetcher: Fetcher) -> Keys:
    """Where this client's keys are found: given by the operator, or fetched from its listed address alone."""
    if trusted.jku is None:
        return StaticKeys(trusted.key_set or KeySet())
    return FetchedKeys(partial(fetch_key_set, trusted.jku, fetcher, demo=trusted.demo), time.monotonic)


def fetch_key_set(jku: Address, fetcher: Fetcher, *, demo: bool) -> KeySet:
    """What a client publishes now: within two seconds, at most 256 kB, not redirected. Raises BadKeySet."""
    deadline = Deadline(_KEY_SET_SECONDS)
    task = partial(fetcher.get, jku, {"Accept": "application/json"}, deadline, Budget(_KEY_SET_SIZE))
    answer = fetcher.together({jku: task}, deadline)[jku]
    try:
        if isinstance(answer, FetchFailed):
            raise BadKeySet(answer.why.value)
        if answer.status != 200:
            raise BadKeySet(f"answered {answer.status}")
        found = read_key_set(answer.body, demo=demo)
    except BadKeySet:
        metrics.jwks_fetch("failed")
        raise
    metrics.jwks_fetch("fetched")
    return found
