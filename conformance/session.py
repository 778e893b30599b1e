"""One run against one service: what it lists, and every call that was made, each made once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from conformance import bodies
from conformance.bodies import Body, Json
from conformance.check import Skip
from conformance.exchange import SIGNED, Exchange, Node, Wire, _Signed
from conformance.schemas import Version
from conformance.tokens import KeySetServer

DISCOVERY = "/cds-services"
ORIGIN = "https://cds-conformance.example"


class CannotRun(Exception):
    """There is nothing to judge; the message is one line that says why."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service as discovery lists it, and the good requests there are for it."""

    id: str
    hook: str
    listed: Json
    good: tuple[Body, ...]

    @property
    def path(self) -> str:
        return f"{DISCOVERY}/{quote(self.id, safe='')}"

    @property
    def request(self) -> Json:
        """The first good request, from which the changed ones are made."""
        return self.good[0].value


@dataclass
class Session:
    """What the checks see. Calls are remembered by name, so that each is made once."""

    wire: Wire
    version: Version
    discovery: Exchange
    services: tuple[Service, ...]
    key_sets: KeySetServer | None = None
    large: int = 2_000_000
    """Bytes of the body that is sent as a large one."""
    exchanges: list[Exchange] = field(default_factory=list)
    named: set[tuple[str, str]] = field(default_factory=set)
    """Call and place of every fault so far: what the schemas need not say again."""
    _calls: dict[tuple[str, str], Exchange] = field(default_factory=dict)
    _good: list[Exchange] = field(default_factory=list)

    def once(self, service: str, name: str, make: Callable[[], Exchange]) -> Exchange:
        """The exchange of that name, made now if it was not made before."""
        if (service, name) not in self._calls:
            exchange = make()
            self.exchanges.append(exchange)
            self._calls[service, name] = exchange
        return self._calls[service, name]

    def listed(self) -> Iterator[Node]:
        """The services of the discovery document; Skip where there are none."""
        found = list(Node(self.discovery, (), self.discovery.answer).objects("services"))
        if not found:
            raise Skip("discovery lists no services that could be read")
        yield from found

    def callable_services(self) -> list[Service]:
        """The services that there is a request for; Skip where there are none."""
        found = [service for service in self.services if service.good]
        if not found:
            raise Skip(
                "no request for the hooks of these services: the kit brings order-select, order-sign and the plain "
                "hooks of a patient; give others with --request"
            )
        return found

    def call(
        self,
        service: Service,
        name: str,
        body: Any,
        headers: Mapping[str, str] | None = None,
        token: str | _Signed | None = SIGNED,
    ) -> Exchange:
        """POST a body, JSON or bytes, to a service."""
        label = f"POST {service.path}, {name}"
        return self._post(service.path, service, name, label, body, headers, token)

    def good_calls(self) -> list[Exchange]:
        """The answers to all good requests, which are sent once."""
        if not self._good:
            self._good = [
                self.call(service, body.name, bodies.fresh(body.value))
                for service in self.callable_services()
                for body in service.good
            ]
        return self._good

    def answered(self) -> list[Exchange]:
        """The answers to good requests that hold a list of cards; Skip where there are none."""
        found = [each for each in self.good_calls() if each.ok and isinstance(cards_of(each.answer), list)]
        if not found:
            raise Skip("no good request was answered with a list of cards")
        return found

    def cards(self) -> list[Node]:
        """Every card that was seen; Skip where there was none."""
        found = [card for each in self.answered() for card in Node(each, (), each.answer).objects("cards")]
        if not found:
            raise Skip("no card was seen: every list of cards was empty; give requests that deserve one with --request")
        return found

    def suggestions(self) -> list[Node]:
        return self.parts("suggestions", "suggestion", self.cards())

    def actions(self) -> list[Node]:
        return self.parts("actions", "action in a suggestion", self.suggestions())

    def system_actions(self) -> list[Node]:
        found = [node for each in self.answered() for node in Node(each, (), each.answer).objects("systemActions")]
        if not found:
            raise Skip("no system action was seen; they are for clients that agreed to them")
        return found

    def parts(self, member: str, what: str, of: list[Node]) -> list[Node]:
        """The objects in a list member of these nodes; Skip where there are none."""
        found = [part for node in of for part in node.objects(member)]
        if not found:
            raise Skip(f"no {what} was seen")
        return found

    def feedback(self, service: Service, name: str, body: Any, token: str | _Signed | None = SIGNED) -> Exchange:
        """POST to the feedback address of a service."""
        path = f"{service.path}/feedback"
        return self._post(path, service, f"feedback, {name}", f"POST {path}, {name}", body, None, token)

    def preflight(self, path: str, method: str) -> Exchange:
        """What a browser asks before it calls ``path``; without a token, as browsers do."""
        headers = {
            "Origin": ORIGIN,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "authorization,content-type",
        }
        label = f"OPTIONS {path}"
        return self.once("", label, lambda: self.wire.send(label, "OPTIONS", path, headers=headers, token=None))

    def get(self, path: str, name: str, headers: Mapping[str, str] | None = None) -> Exchange:
        label = f"GET {path}, {name}"
        return self.once("", label, lambda: self.wire.send(label, "GET", path, headers=headers))

    def _post(
        self,
        path: str,
        service: Service,
        name: str,
        label: str,
        body: Any,
        headers: Mapping[str, str] | None,
        token: str | _Signed | None,
    ) -> Exchange:
        sent = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        return self.once(
            f"{service.hook} {service.id}", name, lambda: self.wire.send(label, "POST", path, sent, headers, token)
        )


def cards_of(answer: Any) -> Any:
    return answer.get("cards") if isinstance(answer, dict) else None


def plain_base(url: str) -> str:
    """The base URL of a service, given with or without ``/cds-services``; raises CannotRun."""
    base = url.strip().rstrip("/").removesuffix(DISCOVERY).rstrip("/")
    parts = urlsplit(base)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise CannotRun(f"{url}: not an http or https URL")
    return base


def discover(wire: Wire) -> Exchange:
    """The discovery document; raises CannotRun where there is none, NoAnswer where nothing answers."""
    found = wire.send(f"GET {DISCOVERY}", "GET", DISCOVERY)
    if found.status in (301, 302, 303, 307, 308):
        moved = wire.send(found.label, "GET", _path(found.headers.get("location", "")))
        found = Exchange(
            found.label, found.url, None, found.status, moved.headers, moved.body, moved.answer, moved.seconds
        )
    refuse_locked(found, wire)
    if not isinstance(found.answer, dict) or "services" not in found.answer:
        raise CannotRun(f"{found.url} answered {found.status} without a list of services: no CDS Hooks service there")
    return found


def _path(location: str) -> str:
    try:
        return urlsplit(location).path or DISCOVERY
    except ValueError:
        return DISCOVERY


def refuse_locked(found: Exchange, wire: Wire) -> None:
    """A service that wants a token the kit does not have cannot be judged: raises CannotRun."""
    if found.status not in (401, 403):
        return
    if wire.signer is None:
        raise CannotRun(f"{found.url} answered {found.status}: it demands a token; give --jwt-key or --jwt")
    raise CannotRun(
        f"{found.url} refused the kit's token with {found.status}: it must be told of the issuer "
        f"{wire.signer.issuer} and its key set; after another run with --jwt, whose keys were others, try "
        "once more in ten seconds"
    )


def choose(discovery: Exchange, ids: tuple[str, ...], own: tuple[Body, ...]) -> tuple[Service, ...]:
    """The services to test: those named, or all that are listed. Raises CannotRun for an unknown one."""
    listed = [node.value for node in Node(discovery, (), discovery.answer).objects("services")]
    usable = [each for each in listed if _name(each.get("id")) and _name(each.get("hook"))]
    known = sorted({each["id"] for each in usable})
    for name in ids:
        if name not in known:
            raise CannotRun(f"--service {name}: there is no such service; {discovery.url} lists {', '.join(known)}")
    chosen = {(each["id"], each["hook"]): each for each in usable if not ids or each["id"] in ids}
    return tuple(Service(name, hook, each, _good(each, own)) for (name, hook), each in chosen.items())


def _name(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _good(listed: Json, own: tuple[Body, ...]) -> tuple[Body, ...]:
    given = tuple(body for body in own if body.value.get("hook") == listed["hook"])
    if given:
        return given
    templates = listed.get("prefetch")
    made = []
    for body in bodies.own(listed["hook"]):
        prefetch = bodies.prefetch_for(templates if isinstance(templates, dict) else {}, body.value["context"])
        made.append(Body(body.name, {**body.value, **({"prefetch": prefetch} if prefetch else {})}))
    return tuple(made)
