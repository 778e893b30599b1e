"""One HTTP call and its answer, under a time limit that holds for the whole call."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from conformance.check import Fault, NoAnswer
from conformance.paths import Path, json_path
from conformance.tokens import Signer

MOST_BYTES = 20_000_000
DEEPEST = 200
_SHOWN = 140


class _Signed:
    """The wish that a call be signed where the run signs."""


SIGNED: Final = _Signed()


@dataclass(frozen=True, slots=True)
class Exchange:
    """A call, what was sent, and what came back."""

    label: str
    url: str
    sent: Any
    """The JSON value of the request's body; None where there was none, or none that is JSON."""
    status: int
    headers: httpx.Headers
    body: bytes
    answer: Any
    """The JSON value of the answer's body; None where it is not JSON."""
    seconds: float

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def media_type(self) -> str:
        return str(self.headers.get("content-type", "")).partition(";")[0].strip().lower()

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def fault(self, where: str, seen: str) -> Fault:
        return Fault(self.label, where, seen)

    def status_fault(self) -> Fault:
        """That the status is not what was asked, with the beginning of the body."""
        return self.fault("status", f"{self.status}, body {shown(self.text) if self.body else 'empty'}")


@dataclass(frozen=True, slots=True)
class Node:
    """A JSON value in the answer of an exchange."""

    exchange: Exchange
    path: Path
    value: Any

    def fault(self, seen: str, *members: str | int) -> Fault:
        return self.exchange.fault(json_path((*self.path, *members)), seen)

    def member(self, name: str) -> Node | None:
        """The member of that name, where there is one."""
        if isinstance(self.value, dict) and name in self.value:
            return Node(self.exchange, (*self.path, name), self.value[name])
        return None

    def objects(self, name: str) -> Iterator[Node]:
        """The objects in the list of that name."""
        listed = self.value.get(name) if isinstance(self.value, dict) else None
        for number, each in enumerate(listed if isinstance(listed, list) else []):
            if isinstance(each, dict):
                yield Node(self.exchange, (*self.path, name, number), each)


def shown(value: Any) -> str:
    """A value as a report quotes it: JSON, cut after 140 characters."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


class Wire:
    """Sends calls to one base URL. ``limit`` is in seconds and holds from the first byte sent to the last one read."""

    def __init__(
        self,
        base: str,
        limit: float = 10.0,
        signer: Signer | None = None,
        ca_file: str | None = None,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.base = base
        self.signer = signer
        self._limit = limit
        self._clock = clock
        self._client = httpx.Client(
            timeout=limit,
            transport=transport,
            verify=ssl.create_default_context(cafile=ca_file) if ca_file else True,
            headers={"User-Agent": "cds-conformance", "Accept": "application/json"},
        )

    def close(self) -> None:
        self._client.close()

    def send(
        self,
        label: str,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        token: str | _Signed | None = SIGNED,
    ) -> Exchange:
        """Call ``base + path``; raises NoAnswer. A token that is a string is sent as it is, None sends none."""
        url = self.base + path
        sent = {"Content-Type": "application/json"} if body is not None else {}
        if isinstance(token, str):
            sent["Authorization"] = f"Bearer {token}"
        elif token is SIGNED and self.signer is not None:
            sent["Authorization"] = f"Bearer {self.signer.token(url)}"
        sent.update(headers or {})
        begun = self._clock()
        try:
            with self._client.stream(method, url, content=body, headers=sent) as response:
                received = self._read(response, begun)
        except httpx.TimeoutException:
            raise NoAnswer(f"{label}: no whole answer within {self._limit:g} seconds") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NoAnswer(f"{label}: {error or type(error).__name__}") from None
        return Exchange(
            label,
            url,
            _parsed(body),
            response.status_code,
            response.headers,
            received,
            _parsed(received),
            self._clock() - begun,
        )

    def _read(self, response: httpx.Response, begun: float) -> bytes:
        received = bytearray()
        for chunk in response.iter_bytes():
            received += chunk
            if self._clock() - begun > self._limit:
                raise httpx.ReadTimeout("")
            if len(received) > MOST_BYTES:
                raise httpx.DecodingError(f"the answer is longer than {MOST_BYTES} bytes")
        return bytes(received)


def _parsed(body: bytes | None) -> Any:
    """The JSON value of a body; None where it is none, or is nested more than 200 levels deep."""
    try:
        value = json.loads((body or b"").decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    level = [value]
    for _ in range(DEEPEST):
        level = [part for each in level for part in _parts(each)]
        if not level:
            return value
    return None


def _parts(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _refuse(name: str) -> Any:
    raise ValueError(name)
