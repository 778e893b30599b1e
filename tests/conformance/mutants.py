"""Services that are broken in one way: the peer, with one change, and the check that must tell it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

from tests.conformance.mutants_in_messages import IN_MESSAGES
from tests.conformance.mutations import (
    Mutant,
    forbidden,
    lacking,
    on_answers,
    on_card,
    on_create,
    on_feedback,
    on_suggestion,
    refusing,
    when,
    with_header,
)
from tests.conformance.peer import Answer, Call, Change, Json, outcome


def _feedbacks() -> Iterator[Mutant]:
    def reason(items: list[Any]) -> Json:
        found = items[0].get("overrideReason")
        return found if isinstance(found, dict) else {}

    yield Mutant("feedback.accepted", "refused at first", on_feedback(_first_time(_is_plain)))
    yield Mutant("feedback.overridden", "refuses comments", on_feedback(lambda items: "userComment" in reason(items)))
    yield Mutant("feedback.overridden", "wants a display", on_feedback(lambda items: "reason" in reason(items)))
    yield Mutant(
        "feedback.sandbox-form", "no milliseconds", on_feedback(lambda items: ".427Z" in items[0]["outcomeTimestamp"])
    )
    yield Mutant("feedback.epic-form", "refuses it", on_feedback(lambda items: "overrideReasons" in items[0]))
    yield Mutant("feedback.batch", "one at a time", on_feedback(lambda items: len(items) == 2 and "card" in items[1]))
    yield Mutant("feedback.unknown-card", "refuses it", _knows_its_cards())
    yield Mutant(
        "feedback.mixed", "fails", on_feedback(lambda items: len(items) == 2 and "card" not in items[1], refuse=False)
    )
    yield Mutant("feedback.repeated", "once only", on_feedback(_not_the_first_time(_is_plain)))
    yield Mutant(
        "feedback.malformed", "no JSON", when(lambda c: c.is_feedback and c.json is None, lambda: Answer(200, {}))
    )
    yield Mutant("feedback.malformed", "a string", when(lambda call: b'"feedback": "kit-canary"' in call.body))


def _is_plain(items: list[Any]) -> bool:
    return len(items) == 1 and items[0]["outcome"] == "accepted" and ".427Z" not in items[0]["outcomeTimestamp"]


def _first_time(sees: Callable[[list[Any]], bool]) -> Callable[[list[Any]], bool]:
    again = _not_the_first_time(sees)
    return lambda items: sees(items) and not again(items)


def _not_the_first_time(sees: Callable[[list[Any]], bool]) -> Callable[[list[Any]], bool]:
    seen: list[Any] = []

    def again(items: list[Any]) -> bool:
        known = items in seen
        seen.append(items)
        return sees(items) and known

    return again


def _knows_its_cards() -> Change:
    """Refuses feedback on a card that it has not sent itself."""
    issued: set[str] = set()

    def apply(call: Call, answer: Answer) -> None:
        if call.service and answer.status == 200:
            issued.update(card["uuid"] for card in answer.body["cards"])
        items = call.json.get("feedback") if isinstance(call.json, dict) else None
        if call.is_feedback and isinstance(items, list) and len(items) == 1 and items[0]["card"] not in issued:
            answer.status, answer.body = 404, outcome(404, "not-found").body

    return apply


def _cors() -> Iterator[Mutant]:
    allow = "Access-Control-Allow-Origin"

    def preflight(*path: str) -> Callable[[Call, Answer], bool]:
        return lambda call, answer: call.method == "OPTIONS" and len(call.path.split("/")) in map(int, path)

    yield Mutant("cors.preflight-discovery", "no origin", with_header(allow, None, preflight("2")))
    yield Mutant("cors.preflight-call", "another origin", with_header(allow, "https://x.example", preflight("3")))
    yield Mutant(
        "cors.preflight-call", "no Authorization", with_header("Access-Control-Allow-Headers", "*", preflight("3"))
    )
    yield Mutant(
        "cors.preflight-call",
        "wants a token",
        when(lambda call: call.method == "OPTIONS" and call.path.count("/") == 2, lambda: outcome(401, "login")),
    )
    yield Mutant(
        "cors.preflight-feedback",
        "405",
        when(
            lambda call: call.method == "OPTIONS" and call.path.count("/") == 3, lambda: outcome(405, "not-supported")
        ),
    )
    yield Mutant(
        "cors.answers",
        "none",
        with_header(allow, None, lambda call, answer: call.method != "OPTIONS" and answer.status < 400),
    )
    yield Mutant("cors.errors", "none", with_header(allow, None, lambda call, answer: answer.status >= 400))
    yield Mutant(
        "cors.no-credentials",
        "true",
        with_header("Access-Control-Allow-Credentials", "true", lambda call, answer: True),
    )


def _errors() -> Iterator[Mutant]:
    def on_errors(change: Callable[[Call, Answer], None]) -> Change:
        def apply(call: Call, answer: Answer) -> None:
            if answer.status >= 400:
                change(call, answer)

        return apply

    def says(text: str) -> Change:
        return on_errors(lambda call, answer: answer.body["issue"][0].update(diagnostics=text))

    def repeats(call: Call, answer: Answer) -> None:
        context = call.json.get("context") if isinstance(call.json, dict) else None
        if isinstance(context, dict):
            answer.body["issue"][0]["diagnostics"] = f"not understood: {context.get('patientId')}"

    def repeats_token(call: Call, answer: Answer) -> None:
        if call.service and answer.status == 200 and answer.body["cards"] and "fhirAuthorization" in call.json:
            answer.body["cards"][0]["detail"] = f"Asked with {call.json['fhirAuthorization']['access_token']}"

    yield Mutant(
        "errors.operation-outcome", "plain text", on_errors(lambda call, answer: setattr(answer, "body", b"no"))
    )
    yield Mutant("errors.operation-outcome", "nothing", on_errors(lambda call, answer: setattr(answer, "body", b"")))
    yield Mutant(
        "errors.operation-outcome-form",
        "severity",
        on_errors(lambda c, answer: answer.body["issue"][0].update(severity="bad")),
    )
    yield Mutant("errors.operation-outcome-form", "no issue", on_errors(lambda c, answer: answer.body.update(issue=[])))
    for language, trace in {
        "Python": 'Traceback (most recent call last):\n  File "/srv/app.py", line 7, in call',
        "Java": "java.lang.NullPointerException\n\tat org.example.Cds.call(Cds.java:42)",
        "JavaScript": "TypeError: x is undefined\n    at call (/srv/app/index.js:10:5)",
        "C#": "System.Exception: x\n   at Example.Cds.Call(String x) in /src/Cds.cs:line 12",
        "Go": "goroutine 17 [running]:",
    }.items():
        yield Mutant("errors.no-trace", language, says(trace))
    yield Mutant("errors.no-patient-data", "the patient's id", on_errors(repeats))
    yield Mutant("errors.no-access-token", "in a card", repeats_token)


def _tokens() -> Iterator[Mutant]:
    def forgiving(*reasons: str) -> Callable[[Call, str], bool]:
        return lambda call, reason: reason in reasons

    yield Mutant("tokens.no-token", "none needed", forgive=lambda c, reason: reason == "no-token" and not c.is_feedback)
    yield Mutant(
        "tokens.feedback-no-token", "none needed", forgive=lambda c, reason: reason == "no-token" and c.is_feedback
    )
    yield Mutant("tokens.not-a-token", "takes it", forgive=forgiving("malformed"))
    yield Mutant("tokens.expired", "takes it", forgive=forgiving("expired"))
    yield Mutant("tokens.wrong-audience", "takes it", forgive=forgiving("audience"))
    yield Mutant("tokens.wrong-signature", "takes it", forgive=forgiving("signature"))
    yield Mutant("tokens.algorithm-none", "takes it", forgive=forgiving("algorithm-none"))
    yield Mutant("tokens.algorithm-symmetric", "takes it", forgive=forgiving("algorithm-HS256"))
    yield Mutant("tokens.unknown-kid", "takes it", forgive=forgiving("kid"))
    yield Mutant("tokens.missing-claims", "takes it", forgive=forgiving("claims"))
    yield Mutant("tokens.unknown-issuer", "takes it", forgive=forgiving("issuer"))
    yield Mutant("tokens.foreign-jku", "takes it", forgive=forgiving("jku"))
    yield Mutant("tokens.foreign-jku", "fetches it", fetches=lambda jku: "foreign" in jku)
    yield Mutant("tokens.replayed", "takes it", forgive=forgiving("replay"))
    for algorithm in ("ES384", "RS384"):
        refuses = refusing(lambda header, _, algorithm=algorithm: header["alg"] == algorithm)
        yield Mutant(f"tokens.{algorithm.lower()}", "refused", refuses, signs_last=algorithm)
    yield Mutant("tokens.audience-list", "a string only", refusing(lambda _, claims: isinstance(claims["aud"], list)))

    def tells(call: Call, answer: Answer) -> None:
        if answer.status == 401 and "authorization" in call.headers:
            answer.body["issue"][0]["diagnostics"] = "the token is bad"

    yield Mutant("tokens.refusals-alike", "tells more", tells)
    yield Mutant("tokens.refusals-alike", "403", lambda c, answer: setattr(answer, "status", forbidden(answer.status)))
    yield Mutant("tokens.challenge", "none", lambda call, answer: answer.headers.pop("WWW-Authenticate", None) and None)


def _crd() -> Iterator[Mutant]:
    yield Mutant("crd.topic", "none", on_card(lambda card: card.update(source={"label": "Peer"}), 3))
    yield Mutant("crd.system-actions-present", "none", on_answers(lacking("systemActions")))
    yield Mutant("crd.suggestion-actions", "none", on_card(lambda card: card["suggestions"].append(_bare_suggestion())))
    yield Mutant("crd.external-reference-card", "none", on_answers(lambda body: body["cards"].pop(1)))
    yield Mutant("crd.instructions-card", "none", on_answers(lambda body: body["cards"].pop(3)))
    yield Mutant("crd.delete-with-create", "a lone delete", on_suggestion(lambda each: each["actions"].pop(1), 1))
    yield Mutant("crd.profiled-order", "no requester", on_create(lambda each: each["resource"].pop("requester")))


def _bare_suggestion() -> Json:
    return {"label": "Nothing", "uuid": str(uuid4())}


MUTANTS = (*IN_MESSAGES, *_feedbacks(), *_cors(), *_errors(), *_tokens(), *_crd())
