"""A small CDS service that is not ours and meets everything; a mutant of it is broken in one way."""

from __future__ import annotations

import html
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import jwt

from conformance.tokens import Key

Json = dict[str, Any]

BASE = "https://cds.example.org"
ISSUER = "https://ehr.example.org"
SERVICES = {"peer-select": "order-select", "peer-sign": "order-sign"}
PREFETCH = {
    "patient": "Patient/{{context.patientId}}",
    "conditions": "Condition?patient={{context.patientId}}",
    "weight": "Observation?patient={{context.patientId}}&category=vital-signs",
    "procedures": "Procedure?patient={{context.patientId}}",
}
REQUIRED_CLAIMS = {"iss", "aud", "exp", "iat", "jti"}


@dataclass(frozen=True)
class Call:
    """A request as the peer reads it."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    json: Any
    """None where the body is not JSON."""

    @property
    def service(self) -> str | None:
        """The id of the service that is called, where this is a hook call of a listed one."""
        name = self.path.removeprefix("/cds-services/")
        return name if self.method == "POST" and name in SERVICES else None

    @property
    def is_feedback(self) -> bool:
        return self.method == "POST" and self.path.endswith("/feedback")


@dataclass
class Answer:
    """What the peer answers; a mutation changes it in place."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)


Change = Callable[[Call, Answer], None]


def outcome(status: int, code: str = "invalid", **more: str) -> Answer:
    issue = {"severity": "error", "code": code, **more}
    body = {"resourceType": "OperationOutcome", "issue": [issue]}
    return Answer(status, body, {"Content-Type": "application/fhir+json"})


@dataclass
class Peer:
    """The WSGI application. With ``keys`` it demands tokens; ``forgive`` decides which refusals it forgets."""

    change: Change | None = None
    keys: tuple[Key, ...] = ()
    jku: str = ""
    forgive: Callable[[Call, str], bool] = lambda call, reason: False
    fetches: Callable[[str], bool] = lambda jku: False
    """Whether it takes its keys from the address that a token names."""
    base: str = BASE
    _seen: set[str] = field(default_factory=set)

    def __call__(self, environ: Json, start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name[:5] == "HTTP_"}
        headers["content-type"] = environ.get("CONTENT_TYPE", "")
        call = Call(environ["REQUEST_METHOD"], environ["PATH_INFO"], headers, body, _parsed(body))
        answer = self.answer(call)
        if self.change:
            self.change(call, answer)
        sent = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        start_response(f"{answer.status} .", list(answer.headers.items()))
        return [sent]

    def answer(self, call: Call) -> Answer:
        answer = self._routed(call)
        answer.headers.setdefault("Content-Type", "application/json")
        answer.headers["Access-Control-Allow-Origin"] = "*"
        return answer

    def _routed(self, call: Call) -> Answer:
        if call.method == "OPTIONS":
            return Answer(204, b"", {"Access-Control-Allow-Headers": "Authorization, Content-Type"})
        if call.path == "/cds-services":
            return Answer(200, {"services": [_listed(name, hook) for name, hook in SERVICES.items()]})
        name = call.path.removeprefix("/cds-services/").removesuffix("/feedback")
        if name not in SERVICES:
            return outcome(404, "not-found")
        if call.method != "POST":
            return outcome(405, "not-supported")
        reason = self.refused(call) if self.keys else None
        if reason and not self.forgive(call, reason):
            answer = outcome(401, "login")
            answer.headers["WWW-Authenticate"] = "Bearer"
            return answer
        return _feedback(call) if call.is_feedback else _hook(call, SERVICES[name])

    def refused(self, call: Call) -> str | None:
        """Why a call's token is not accepted, in a word; None where it is."""
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer":
            return "no-token"
        try:
            header = jwt.get_unverified_header(token)
            claims = jwt.decode(token, options={"verify_signature": False})
        except jwt.PyJWTError:
            return "malformed"
        return self._forged(token, header) or self._unfit(call, claims)

    def _forged(self, token: str, header: Json) -> str | None:
        if "alg" not in header:
            return "malformed"
        if header["alg"] not in ("ES384", "RS384"):
            return f"algorithm-{header['alg']}"
        known = {key.kid: key.private.public_key() for key in self.keys}
        if self.fetches(str(header.get("jku"))):
            known.update({key["kid"]: jwt.PyJWK(key).key for key in httpx.get(header["jku"], timeout=5).json()["keys"]})
        elif header.get("jku") != self.jku:
            return "jku"
        if header.get("kid") not in known:
            return "kid"
        try:
            jwt.decode(
                token,
                known[header["kid"]],
                algorithms=["ES384", "RS384"],
                options={"verify_aud": False, "verify_exp": False},
            )
        except jwt.InvalidSignatureError:
            return "signature"
        return None

    def _unfit(self, call: Call, claims: Json) -> str | None:
        if REQUIRED_CLAIMS - set(claims):
            return "claims"
        if claims["iss"] != ISSUER:
            return "issuer"
        named = claims["aud"]
        if f"{self.base}{call.path}" not in (named if isinstance(named, list) else [named]):
            return "audience"
        if claims["exp"] < claims["iat"] + 300 or claims["exp"] < time.time():
            return "expired"
        if claims["jti"] in self._seen:
            return "replay"
        self._seen.add(claims["jti"])
        return None


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _listed(name: str, hook: str) -> Json:
    return {
        "id": name,
        "hook": hook,
        "title": "Peer",
        "description": "Looks at imaging orders.",
        "prefetch": dict(PREFETCH),
        "version": "2.0.1",
        "hookVersion": "1.0",
        "extension": {"org.example.peer": {"since": 2026}},
    }


def _feedback(call: Call) -> Answer:
    items = call.json.get("feedback") if isinstance(call.json, dict) else None
    good = [
        item
        for item in (items if isinstance(items, list) else [])
        if isinstance(item, dict) and {"card", "outcome", "outcomeTimestamp"} <= set(item)
    ]
    return Answer(200, {}) if good else outcome(400, "required")


def _hook(call: Call, hook: str) -> Answer:
    body = call.json if isinstance(call.json, dict) else {}
    context = body.get("context")
    if body.get("hook") != hook or not isinstance(context, dict) or not isinstance(context.get("patientId"), str):
        return outcome(400, "required", diagnostics="hook, context or context.patientId")
    bundle = context.get("draftOrders")
    if not isinstance(bundle, dict):
        return outcome(400, "structure", diagnostics="context.draftOrders")
    orders = [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == "ServiceRequest"]
    if not orders:
        return Answer(200, {"cards": []})
    return Answer(200, {"cards": _cards(orders[0]), "systemActions": [_rating(orders[0])]})


def _cards(order: Json) -> list[Json]:
    source = {
        "label": "Peer",
        "url": "https://peer.example.org/",
        "icon": "https://peer.example.org/icon.png",
        "topic": {"code": "imaging", "system": "https://peer.example.org/topics"},
    }
    reasons = [{"code": "other", "system": "https://peer.example.org/reasons", "display": "Other reason"}]
    alternative = {**order, "code": {"text": "Another study"}}
    referral = {name: order[name] for name in order if name != "id"} | {"code": {"text": "Physical therapy"}}
    suggestions = [
        _suggestion("Order another study", _write("update", alternative), isRecommended=True),
        _suggestion(
            "Refer to physical therapy",
            {"type": "delete", "description": "Remove", "resourceId": f"ServiceRequest/{order['id']}"},
            _write("create", referral),
            isRecommended=True,
        ),
    ]
    return [
        {
            **_card(f"Consider another study. Ordered: {html.escape(order['code']['text'])}", "warning", source),
            "suggestions": suggestions,
            "selectionBehavior": "any",
            "overrideReasons": reasons,
        },
        {**_card("The guideline", "info", source), "links": [_link("absolute"), _link("absolute")]},
        {**_card("The calculator", "info", source), "links": [{**_link("smart"), "appContext": "order 1"}]},
        _card("Plain advice", "critical", source),
    ]


def _card(detail: str, indicator: str, source: Json) -> Json:
    return {"uuid": str(uuid4()), "summary": "Advice", "detail": detail, "indicator": indicator, "source": source}


def _suggestion(label: str, *actions: Json, **more: Any) -> Json:
    return {"label": label, "uuid": str(uuid4()), "actions": list(actions), **more}


def _write(kind: str, resource: Json) -> Json:
    return {"type": kind, "description": "Change the order", "resource": resource}


def _link(kind: str) -> Json:
    return {"label": "Look", "url": "https://peer.example.org/look", "type": kind}


def _rating(order: Json) -> Json:
    coding = {"system": "http://fhir.org/argonaut/CodeSystem/pama-rating", "code": "appropriate"}
    rating = {
        "url": "http://fhir.org/argonaut/Extension/pama-rating",
        "valueCodeableConcept": {"coding": [coding]},
    }
    return _write("update", {**order, "extension": [rating]})
