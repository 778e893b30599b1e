"""`cds-service clients check`: what is configured for each client, and whether its keys can be had."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.authentication import fetch_key_set
from cds_service.clients_file import TrustedClient
from cds_service.fetching import Fetcher
from cds_service.key_sets import BadKeySet, KeySet


def check(clients: tuple[TrustedClient, ...]) -> tuple[list[str], bool]:
    """Lines for the operator, and whether every client has a usable key."""
    fetcher = Fetcher()
    lines: list[str] = []
    sound = True
    try:
        for client in clients:
            lines += [client.issuer, *_told(client)]
            keys, why = _keys(client, fetcher)
            without = [name for name in client.algorithms if name not in keys.algorithms]
            ids = sorted({kid for kid, algorithm in keys.keys if algorithm in client.algorithms})
            lines.append(f"  keys: {', '.join(ids) or 'none'}{f' ({why})' if why else ''}")
            lines += [f"    {fault}" for fault in keys.faults]
            if without:
                lines.append(f"    there is no key for {', '.join(without)}")
            # One key is enough: that both recommended algorithms are allowed does not mean that both are used.
            good = bool(ids)
            lines.append(f"  {'good' if good else 'NOT USABLE: every call of this client will be refused'}")
            sound = sound and good
    finally:
        fetcher.close()
    return lines, sound


def _keys(client: TrustedClient, fetcher: Fetcher) -> tuple[KeySet, str]:
    if client.jku is None:
        return client.key_set or KeySet(), ""
    try:
        return fetch_key_set(client.jku, fetcher, demo=client.demo), ""
    except BadKeySet as error:
        return KeySet(), f"{client.jku.origin} {error}"


def _told(client: TrustedClient) -> Iterator[str]:
    agreed = client.client
    where = f"{client.jku.origin}{client.jku.path}" if client.jku is not None else "held by the operator"
    yield f"  key set: {where}"
    yield f"  algorithms: {', '.join(client.algorithms)}; tokens live at most {client.longest_life} s"
    for name, values in (
        ("audiences beside the public URL", client.audiences),
        ("tenants", client.tenants),
        ("FHIR servers", agreed.fhir_servers),
        ("origins", agreed.origins),
    ):
        yield f"  {name}: {', '.join(values) or 'none'}"
    actions = "with" if agreed.system_actions else "without"
    shadow = ", in the shadow" if agreed.shadow else ""
    yield f"  profile {agreed.profile.value}, {actions} system actions{shadow}"
    if client.demo:
        yield "  DEMO: its private key is public, its tokens prove nothing"
