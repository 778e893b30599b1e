"""Where the store is, read from the URL that names it."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

_WAIT = 5.0
_NAME = re.compile(r"[\w+]+")
# A password may hold what divides the rest.
_CREDENTIALS = re.compile(r"(?P<user>[^:/]*)(?::(?P<password>[^@]*))?@")
_HOST_AND_PORT = re.compile(r"([\w.-]*):(\d*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """The parts of a URL, decoded; what is not there is empty."""

    kind: str
    """What stands first: ``sqlite``, ``postgresql`` or another."""
    driver: str
    """What follows it after a plus sign."""
    user: str
    password: str = field(repr=False)
    host: str
    port: str
    database: str
    query: Mapping[str, str]
    """What is given several times stands there with commas, as libpq has it."""

    @property
    def patience(self) -> float:
        """Seconds to wait for a lock, a connection, or a server that does not answer; raises ValueError."""
        told = self.query.get("timeout")
        try:
            patience = _WAIT if told is None else float(told)
        except ValueError:
            patience = math.nan
        if not math.isfinite(patience):
            raise ValueError("its timeout is no number of seconds")
        return patience

    def libpq_parameters(self) -> dict[str, str]:
        """How libpq is told of the server; what stands in the query has the last word."""
        named = {
            **{"user": self.user, "password": self.password},
            **{"host": self.host, "port": self.port, "dbname": self.database},
        }
        return {
            **{name: value for name, value in named.items() if value},
            **{name: value for name, value in self.query.items() if name != "timeout"},
        }


def read_database_url(url: str) -> DatabaseUrl:
    """Raises ValueError where it is none; what it says never holds a password."""
    name, divided, rest = url.partition("://")
    if not divided or _NAME.fullmatch(name) is None:
        raise ValueError("it is no URL")
    credentials = _CREDENTIALS.match(rest)
    if credentials is not None:
        rest = rest[credentials.end() :]
    place, _, query = rest.partition("?")
    authority, _, database = place.partition("/")
    if authority.startswith("["):
        host, _, port = authority[1:].partition("]")
        port = port.removeprefix(":")
    else:
        host, _, port = authority.partition(":")
    if port and not (port.isascii() and port.isdigit()):
        raise ValueError("its port is no number")
    kind, _, driver = name.partition("+")
    return DatabaseUrl(
        kind,
        driver,
        unquote(credentials["user"]) if credentials is not None else "",
        unquote(credentials["password"] or "") if credentials is not None else "",
        host,
        port,
        unquote(database),
        _read_query(query),
    )


def _read_query(text: str) -> dict[str, str]:
    given: defaultdict[str, list[str]] = defaultdict(list)
    for name, value in parse_qsl(text):
        given[name].append(value)
    hosts = given.get("host", [])
    # Each host with its port is one of two spellings; libpq knows the other.
    if "port" not in given and any(map(_HOST_AND_PORT.fullmatch, hosts)):
        pairs = [host.rpartition(":") if _HOST_AND_PORT.fullmatch(host) else (host, "", "") for host in hosts]
        given |= {"host": [host for host, _, _ in pairs], "port": [port for _, _, port in pairs]}
    return {name: ",".join(values) for name, values in given.items()}
