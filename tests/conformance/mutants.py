"""Services that are broken in one way each: the peer, with one change, and the check that must tell it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import jwt

from tests.conformance.peer import Answer, Call, Change, Json, outcome


@dataclass(frozen=True)
class Mutant:
    """A broken service. ``expect`` is the one check that fails on it."""

    expect: str
    name: str
    change: Change | None = None
    base: str | None = None
    forgive: Callable[[Call, str], bool] | None = None
    trusts_any_jku: bool = False
    signs_last: str = "RS384"
    """The algorithm that the kit uses for nothing but the check of it."""
    slow: float = 0.0
    """Seconds that each good call takes by the run's clock."""

    @property
    def demands_tokens(self) -> bool:
        return self.expect.startswith("tokens.")


def _on_discovery(change: Callable[[Answer], None]) -> Change:
    def apply(call: Call, answer: Answer) -> None:
        if call.method == "GET" and call.path == "/cds-services":
            change(answer)

    return apply


def _on_listing(change: Callable[[Json], None]) -> Change:
    return _on_discovery(lambda answer: change(answer.body["services"][0]))


def _on_answers(change: Callable[[Json], None]) -> Change:
    """Changes the body of every 200 answer that has cards in it."""

    def apply(call: Call, answer: Answer) -> None:
        if call.service and answer.status == 200 and answer.body.get("cards"):
            change(answer.body)

    return apply


def _on_card(change: Callable[[Json], None], number: int = 0) -> Change:
    return _on_answers(lambda body: change(body["cards"][number]))


def _on_suggestion(change: Callable[[Json], None], number: int = 0) -> Change:
    return _on_card(lambda card: change(card["suggestions"][number]))


def _on_update(change: Callable[[Json], None]) -> Change:
    return _on_suggestion(lambda suggestion: change(suggestion["actions"][0]))


def _on_delete(change: Callable[[Json], None]) -> Change:
    return _on_suggestion(lambda suggestion: change(suggestion["actions"][0]), 1)


def _on_create(change: Callable[[Json], None]) -> Change:
    return _on_suggestion(lambda suggestion: change(suggestion["actions"][1]), 1)


def _on_link(change: Callable[[Json], None], card: int = 1) -> Change:
    return _on_card(lambda each: change(each["links"][0]), card)


def _on_system_action(change: Callable[[Json], None]) -> Change:
    return _on_answers(lambda body: change(body["systemActions"][0]))


def _when(sees: Callable[[Call], bool], instead: Callable[[], Answer] = lambda: outcome(500, "exception")) -> Change:
    """Answers calls of a kind otherwise than it should."""

    def apply(call: Call, answer: Answer) -> None:
        if sees(call):
            other = instead()
            answer.status, answer.body = other.status, other.body
            answer.headers.update({"Content-Type": "application/json", **other.headers})

    return apply


def _hook_call(sees: Callable[[Json], bool]) -> Callable[[Call], bool]:
    return lambda call: call.service is not None and isinstance(call.json, dict) and bool(sees(call.json))


def _prefetch(sees: Callable[[list[Any]], bool]) -> Callable[[Call], bool]:
    return _hook_call(lambda body: sees(list((body.get("prefetch") or {}).values())))


def _feedback(sees: Callable[[list[Any]], bool], refuse: bool = True) -> Change:
    def matches(call: Call) -> bool:
        items = call.json.get("feedback") if isinstance(call.json, dict) else None
        return call.is_feedback and isinstance(items, list) and sees(items)

    return _when(matches, lambda: outcome(400 if refuse else 500, "invalid"))


def _header(name: str, value: str | None, sees: Callable[[Call, Answer], bool]) -> Change:
    def apply(call: Call, answer: Answer) -> None:
        if sees(call, answer):
            answer.headers.pop(name, None)
            if value is not None:
                answer.headers[name] = value

    return apply


def _without(name: str) -> Callable[[Json], Any]:
    return lambda value: value.pop(name)


def _set(name: str, to: Any) -> Callable[[Json], None]:
    return lambda value: value.update({name: to})


def _within(*path: str | int) -> Callable[[Json], Any]:
    """Reaches into a value by names and numbers."""

    def reach(value: Any) -> Any:
        for step in path:
            value = value[step]
        return value

    return reach


def _numbered(name: str) -> Callable[[Json], None]:
    numbers = count()
    return lambda value: value.update({name: f"answer {next(numbers)}"})


def _ok() -> Answer:
    return Answer(200, {"cards": []})


def _discovery() -> Iterator[Mutant]:
    again = count()
    yield Mutant("discovery.https", "plain http", base="http://cds.example.org")
    yield Mutant("discovery.path", "203", _on_discovery(lambda answer: setattr(answer, "status", 203)))
    yield Mutant(
        "discovery.media-type",
        "text",
        _on_discovery(lambda answer: answer.headers.update({"Content-Type": "text/html"})),
    )
    yield Mutant(
        "discovery.services-array", "not only objects", _on_discovery(lambda a: a.body["services"].append("x"))
    )
    yield Mutant("discovery.required-members", "no description", _on_listing(_without("description")))
    yield Mutant("discovery.required-members", "a number as description", _on_listing(_set("description", 7)))
    yield Mutant("discovery.title", "no title", _on_listing(_without("title")))
    yield Mutant(
        "discovery.listed-once",
        "twice",
        _on_discovery(lambda a: a.body["services"].append(dict(a.body["services"][0]))),
    )
    yield Mutant("discovery.nothing-empty", "an empty text", _on_listing(_set("usageRequirements", "")))
    yield Mutant("discovery.nothing-empty", "a null", _on_listing(_set("usageRequirements", None)))
    yield Mutant(
        "discovery.prefetch-form",
        "a number as template",
        _on_listing(lambda each: each.update(prefetch={"patient": 7})),
    )
    yield Mutant("discovery.prefetch-form", "a list", _on_listing(_set("prefetch", ["Patient/1"])))
    for token in ("{{context.draftOrders.ServiceRequest.id}}", "{{patientId}}", "{{}}", "{{context.patientId"):
        yield Mutant(
            "discovery.prefetch-tokens",
            token,
            _on_listing(lambda each, token=token: each["prefetch"].update(more=f"Patient/{token}")),  # type: ignore[misc]
        )
    for query in (
        "Condition?patient={{context.patientId}}&_include=Condition:encounter",
        "Condition?patient={{context.patientId}}&code:text=back",
        "Condition?patient.name=x",
        "Condition?_has:Group:member:_id=1",
        "Patient/{{context.patientId}}/Condition?code=1",
    ):
        yield Mutant(
            "discovery.prefetch-subset",
            query,
            _on_listing(lambda each, query=query: each["prefetch"].update(more=query)),  # type: ignore[misc]
        )
    yield Mutant("discovery.version", "STU2", _on_listing(_set("version", "STU2")))
    yield Mutant("discovery.hook-version", "9.9", _on_listing(_set("hookVersion", "9.9")))
    yield Mutant(
        "discovery.stable",
        "changes",
        _on_discovery(lambda a: a.body["services"][0].update(title=f"Peer {next(again)}")),
    )
    yield Mutant("schema.discovery", "usageRequirements as a number", _on_listing(_set("usageRequirements", 7)))


def _calls() -> Iterator[Mutant]:
    unknown = _hook_call(lambda body: "org.example.cds-conformance" in body)
    yield Mutant("calls.good-answer", "203", _status_of_answers(203))
    yield Mutant("calls.good-answer", "no cards", _replace_answers(lambda: Answer(200, {"kards": []})))
    yield Mutant("calls.good-answer", "cards as an object", _replace_answers(lambda: Answer(200, {"cards": {}})))
    yield Mutant(
        "calls.good-answer", "JSON with a comment", _replace_answers(lambda: Answer(200, b'{"cards": []} // x'))
    )
    yield Mutant(
        "calls.media-type",
        "text",
        _header("Content-Type", "text/plain", lambda call, answer: bool(call.service) and answer.status == 200),
    )
    yield Mutant("calls.quick", "a second", slow=1.0)
    yield Mutant("calls.stable", "counts", _on_card(_numbered("detail")))
    yield Mutant("calls.minimal", "wants prefetch", _when(_hook_call(lambda body: "prefetch" not in body)))
    yield Mutant("calls.prefetch-null", "null", _when(_prefetch(lambda values: None in values)))
    yield Mutant(
        "calls.prefetch-empty",
        "empty Bundles",
        _when(_prefetch(lambda values: bool(values) and all(v and v.get("total") == 0 for v in values))),
    )
    yield Mutant(
        "calls.prefetch-outcome",
        "OperationOutcome",
        _when(_prefetch(lambda values: any(v and v["resourceType"] == "OperationOutcome" for v in values))),
    )
    yield Mutant("calls.prefetch-partial", "wants all keys", _when(_prefetch(lambda values: 0 < len(values) < 4)))
    yield Mutant("calls.unknown-members", "refuses them", _when(unknown, lambda: outcome(400)))
    yield Mutant(
        "calls.unknown-extension",
        "refuses it",
        _when(_hook_call(lambda body: "extension" in body), lambda: outcome(400)),
    )
    for mark in ("user/Condition.*", "Condition.rs", "Read (Problems)"):
        yield Mutant("calls.scopes", mark, _when(_hook_call(lambda body, mark=mark: mark in _scope(body))))  # type: ignore[misc]
    yield Mutant(
        "calls.uuid-version-1",
        "version 4 only",
        _when(_hook_call(lambda body: UUID(body["hookInstance"]).version == 1), lambda: outcome(400)),
    )
    yield Mutant("calls.other-user", "fails", _when(lambda call: b'"userId": "Device/' in call.body))
    yield Mutant("calls.other-orders", "fails", _when(lambda call: b"MedicationOrder" in call.body))
    yield Mutant(
        "calls.large-body",
        "a tenth of a megabyte",
        _when(lambda call: len(call.body) > 1e5, lambda: outcome(413, "too-long")),
    )
    yield Mutant(
        "calls.charset",
        "refuses one",
        _when(lambda call: "charset" in call.headers["content-type"], lambda: outcome(415, "not-supported")),
    )
    yield Mutant("calls.malformed-json", "500", _when(lambda call: bool(call.service) and call.json is None))
    yield Mutant("calls.malformed-json", "200", _when(lambda call: bool(call.service) and call.json is None, _ok))
    yield Mutant(
        "calls.wrong-hook", "200", _when(_hook_call(lambda body: body.get("hook") == "org.example.no-such-hook"), _ok)
    )
    yield Mutant("calls.missing-members", "no context", _when(_hook_call(lambda body: "context" not in body), _ok))
    yield Mutant("calls.missing-members", "no hook", _when(_hook_call(lambda body: "hook" not in body)))
    yield Mutant("calls.missing-members", "no patient", _when(_hook_call(_lacks("patientId")), _ok))
    yield Mutant("calls.missing-members", "no orders", _when(_hook_call(_lacks("draftOrders"))))
    yield Mutant("calls.wrong-types", "a list", _when(lambda call: bool(call.service) and isinstance(call.json, list)))
    yield Mutant("calls.wrong-types", "a number", _when(_hook_call(lambda body: body.get("hook") == 7), _ok))
    yield Mutant("calls.get", "200", _when(lambda call: call.method == "GET" and call.path.count("/") == 2, _ok))
    yield Mutant(
        "calls.unknown-service", "200", _when(lambda call: call.method == "POST" and "no-such" in call.path, _ok)
    )


def _lacks(member: str) -> Callable[[Json], bool]:
    return lambda body: isinstance(body.get("context"), dict) and member not in body["context"]


def _scope(body: Json) -> str:
    return str(body.get("fhirAuthorization", {}).get("scope"))


def _status_of_answers(status: int) -> Change:
    def apply(call: Call, answer: Answer) -> None:
        if call.service and answer.status == 200:
            answer.status = status

    return apply


def _replace_answers(instead: Callable[[], Answer]) -> Change:
    def apply(call: Call, answer: Answer) -> None:
        if call.service and answer.status == 200:
            answer.body = instead().body

    return apply


def _cards() -> Iterator[Mutant]:
    for member, value in (("detail", ""), ("detail", None), ("links", []), ("extension", {}), ("suggestions", [])):
        yield Mutant("cards.nothing-empty", f"{member} {value!r}", _on_card(_set(member, value), 3))
    yield Mutant("cards.nothing-empty", "systemActions []", _on_answers(_set("systemActions", [])))
    yield Mutant("cards.nothing-empty", "in a resource", _on_update(lambda each: each["resource"].update(note=[])))
    yield Mutant("cards.nothing-empty", "a null among cards", _on_answers(lambda body: body["cards"].append(None)))
    for member in ("summary", "indicator", "source"):
        yield Mutant("cards.required-members", f"no {member}", _on_card(_without(member), 3))
    yield Mutant(
        "cards.required-members", "no label of the source", _on_card(lambda card: card["source"].pop("label"), 3)
    )
    yield Mutant("cards.summary-length", "140 characters", _on_card(_set("summary", "é" * 140)))
    yield Mutant("cards.summary-one-line", "two lines", _on_card(_set("summary", "One\ntwo")))
    yield Mutant("cards.summary-one-line", "HTML", _on_card(_set("summary", "<b>One</b>")))
    yield Mutant("cards.indicator", "hard-stop", _on_card(_set("indicator", "hard-stop")))
    for text in ("one<br>two", '<a href="x">x</a>', "<!-- x -->", "</div>"):
        yield Mutant("cards.detail-without-html", text, _on_card(_set("detail", text)))
    yield Mutant(
        "cards.escapes-the-chart",
        "as it came",
        _on_card(
            lambda card: card.update(
                detail=card["detail"].replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"')
            )
        ),
    )
    for name in ("url", "icon"):
        for value in ("/about", "ftp://peer.example.org/", "https://"):
            yield Mutant(
                "cards.source-urls",
                f"{name} {value}",
                _on_card(lambda card, name=name, value=value: card["source"].update({name: value})),  # type: ignore[misc]
            )
    yield Mutant(
        "cards.topic",
        "no system",
        _on_card(lambda card: card.update(source={**card["source"], "topic": {"code": "x"}})),
    )
    yield Mutant("cards.topic", "a string", _on_card(lambda card: card.update(source={**card["source"], "topic": "x"})))
    yield Mutant("cards.uuid", "none", _on_card(_without("uuid")))
    yield Mutant("cards.uuid-form", "a name", _on_card(lambda card: card.update(uuid=f"card-{uuid4()}")))
    yield Mutant("cards.uuid-unique", "always one", _on_card(_set("uuid", str(uuid4()))))
    yield Mutant(
        "cards.uuid-unique", "one for two", _on_answers(lambda b: b["cards"][0].update(uuid=b["cards"][1]["uuid"]))
    )
    for member in ("code", "system", "display"):
        yield Mutant(
            "cards.override-reasons", f"no {member}", _on_card(lambda c, m=member: c["overrideReasons"][0].pop(m))
        )  # type: ignore[misc]
    for member in ("label", "url", "type"):
        yield Mutant("cards.link-members", f"no {member}", _on_link(_without(member)))
    yield Mutant("cards.link-type", "relative", _on_link(_set("type", "relative")))
    yield Mutant("cards.link-url", "relative", _on_link(_set("url", "look")))
    yield Mutant("cards.link-url", "with a blank", _on_link(_set("url", "https://peer.example.org/a b")))
    yield Mutant("cards.link-app-context", "on an absolute link", _on_link(_set("appContext", "order 1")))
    yield Mutant("cards.extension-form", "a list", _on_card(_set("extension", [{"url": "x"}])))
    yield Mutant("cards.extension-names", "a plain name", _on_card(_set("extension", {"flag": True})))
    for member, value in (("detail", 7), ("isRecommended", "yes")):
        change = _on_card(_set(member, value)) if member == "detail" else _on_suggestion(_set(member, value))
        yield Mutant("schema.response", f"{member} of another type", change)
    yield Mutant("schema.response", "autolaunchable of another type", _on_link(_set("autolaunchable", "yes")))
    yield Mutant("schema.response", "a string among cards", _on_answers(lambda body: body["cards"].append("x")))


def _suggestions() -> Iterator[Mutant]:
    yield Mutant("suggestions.selection-behavior", "none", _on_card(_without("selectionBehavior")))
    yield Mutant("suggestions.selection-behavior", "all", _on_card(_set("selectionBehavior", "all")))
    yield Mutant("suggestions.recommended", "two of one", _on_card(_set("selectionBehavior", "at-most-one")))
    yield Mutant("suggestions.label", "none", _on_suggestion(_without("label")))
    yield Mutant("suggestions.uuid", "none", _on_suggestion(_without("uuid")))
    yield Mutant("suggestions.action-selection-behavior", "any", _on_suggestion(_set("actionSelectionBehavior", "any")))
    yield Mutant("suggestions.action-type", "replace", _on_create(_set("type", "replace")))
    yield Mutant("suggestions.action-type", "none", _on_create(_without("type")))
    yield Mutant("suggestions.action-description", "none", _on_update(_without("description")))
    yield Mutant("suggestions.action-resource", "none", _on_create(_without("resource")))
    yield Mutant("suggestions.action-resource", "an id", _on_create(_set("resource", "ServiceRequest/1")))
    yield Mutant(
        "suggestions.action-resource", "no type", _on_create(lambda each: each["resource"].pop("resourceType"))
    )
    yield Mutant("suggestions.delete-target", "no resourceId", _on_delete(_without("resourceId")))
    yield Mutant("suggestions.delete-target", "a bare id", _on_delete(_set("resourceId", "kit")))
    yield Mutant(
        "suggestions.delete-target",
        "the resource too",
        _on_delete(_set("resource", {"resourceType": "ServiceRequest"})),
    )
    yield Mutant(
        "suggestions.update-of-a-draft", "another id", _on_update(lambda each: each["resource"].update(id="other"))
    )
    yield Mutant("suggestions.update-of-a-draft", "no id", _on_update(lambda each: each["resource"].pop("id")))
    yield Mutant("suggestions.update-is-whole", "a part", _on_update(lambda each: each["resource"].pop("requester")))
    yield Mutant(
        "suggestions.update-is-whole",
        "another patient",
        _on_update(lambda each: each["resource"].update(subject={"reference": "Patient/other"})),
    )
    yield Mutant(
        "suggestions.delete-of-a-draft", "another order", _on_delete(_set("resourceId", "ServiceRequest/other"))
    )
    yield Mutant(
        "suggestions.create-is-new",
        "a draft's id",
        _on_create(lambda each: each["resource"].update(id="kit-canary-order-1")),
    )


def _system_actions() -> Iterator[Mutant]:
    rating = ("resource", "extension", 0, "valueCodeableConcept", "coding", 0)
    yield Mutant("system-actions.type", "none", _on_system_action(_without("type")))
    yield Mutant("system-actions.type", "annotate", _on_system_action(_set("type", "annotate")))
    yield Mutant("system-actions.description", "none", _on_system_action(_without("description")))
    yield Mutant("system-actions.resource", "none", _on_system_action(_without("resource")))
    yield Mutant(
        "system-actions.annotates-only",
        "another code",
        _on_system_action(lambda a: a["resource"].update(code={"text": "x"})),
    )
    yield Mutant(
        "system-actions.annotates-only", "a part", _on_system_action(lambda a: a["resource"].pop("reasonCode"))
    )
    yield Mutant(
        "system-actions.pama-rating",
        "the demo's code",
        _on_system_action(lambda a: _within(*rating)(a).update(code="no-guidelines-apply")),
    )


def _feedbacks() -> Iterator[Mutant]:
    def reason(items: list[Any]) -> Json:
        found = items[0].get("overrideReason")
        return found if isinstance(found, dict) else {}

    yield Mutant("feedback.accepted", "refused at first", _feedback(_first_time(_is_plain)))
    yield Mutant("feedback.overridden", "refuses comments", _feedback(lambda items: "userComment" in reason(items)))
    yield Mutant("feedback.overridden", "wants a display", _feedback(lambda items: "reason" in reason(items)))
    yield Mutant(
        "feedback.sandbox-form", "no milliseconds", _feedback(lambda items: ".427Z" in items[0]["outcomeTimestamp"])
    )
    yield Mutant("feedback.epic-form", "refuses it", _feedback(lambda items: "overrideReasons" in items[0]))
    yield Mutant("feedback.batch", "one at a time", _feedback(lambda items: len(items) == 2 and "card" in items[1]))
    yield Mutant("feedback.unknown-card", "refuses it", _knows_its_cards())
    yield Mutant(
        "feedback.mixed", "fails", _feedback(lambda items: len(items) == 2 and "card" not in items[1], refuse=False)
    )
    yield Mutant("feedback.repeated", "once only", _feedback(_not_the_first_time(_is_plain)))
    yield Mutant(
        "feedback.malformed", "no JSON", _when(lambda c: c.is_feedback and c.json is None, lambda: Answer(200, {}))
    )
    yield Mutant("feedback.malformed", "a string", _when(lambda call: b'"feedback": "kit-canary"' in call.body))


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

    yield Mutant("cors.preflight-discovery", "no origin", _header(allow, None, preflight("2")))
    yield Mutant("cors.preflight-call", "another origin", _header(allow, "https://x.example", preflight("3")))
    yield Mutant(
        "cors.preflight-call", "no Authorization", _header("Access-Control-Allow-Headers", "*", preflight("3"))
    )
    yield Mutant(
        "cors.preflight-call",
        "wants a token",
        _when(lambda call: call.method == "OPTIONS" and call.path.count("/") == 2, lambda: outcome(401, "login")),
    )
    yield Mutant(
        "cors.preflight-feedback",
        "405",
        _when(
            lambda call: call.method == "OPTIONS" and call.path.count("/") == 3, lambda: outcome(405, "not-supported")
        ),
    )
    yield Mutant(
        "cors.answers",
        "none",
        _header(allow, None, lambda call, answer: call.method != "OPTIONS" and answer.status < 400),
    )
    yield Mutant("cors.errors", "none", _header(allow, None, lambda call, answer: answer.status >= 400))
    yield Mutant(
        "cors.no-credentials", "true", _header("Access-Control-Allow-Credentials", "true", lambda call, answer: True)
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
    yield Mutant("tokens.foreign-jku", "fetches it", trusts_any_jku=True)
    yield Mutant("tokens.replayed", "takes it", forgive=forgiving("replay"))
    for algorithm in ("ES384", "RS384"):
        refuses = _refuses(lambda header, _, algorithm=algorithm: header["alg"] == algorithm)  # type: ignore[misc]
        yield Mutant(f"tokens.{algorithm.lower()}", "refused", refuses, signs_last=algorithm)
    yield Mutant("tokens.audience-list", "a string only", _refuses(lambda _, claims: isinstance(claims["aud"], list)))

    def tells(call: Call, answer: Answer) -> None:
        if answer.status == 401 and "authorization" in call.headers:
            answer.body["issue"][0]["diagnostics"] = "the token is bad"

    yield Mutant("tokens.refusals-alike", "tells more", tells)
    yield Mutant("tokens.refusals-alike", "403", lambda c, answer: setattr(answer, "status", _forbidden(answer.status)))
    yield Mutant("tokens.challenge", "none", lambda call, answer: answer.headers.pop("WWW-Authenticate", None) and None)


def _forbidden(status: int) -> int:
    return 403 if status == 401 else status


def _token(call: Call) -> str:
    return call.headers.get("authorization", "").removeprefix("Bearer ")


def _refuse(answer: Answer) -> None:
    answer.status, answer.body = 401, outcome(401, "login").body
    answer.headers["WWW-Authenticate"] = "Bearer"


def _refuses(sees: Callable[[Json, Json], bool]) -> Change:
    """Refuses good tokens whose header and claims are of a kind."""

    def apply(call: Call, answer: Answer) -> None:
        if call.service and answer.status == 200 and "authorization" in call.headers:
            token = _token(call)
            claims = jwt.decode(token, options={"verify_signature": False})
            if sees(jwt.get_unverified_header(token), claims):
                _refuse(answer)

    return apply


def _crd() -> Iterator[Mutant]:
    yield Mutant("crd.topic", "none", _on_card(lambda card: card.update(source={"label": "Peer"}), 3))
    yield Mutant("crd.system-actions-present", "none", _on_answers(_without("systemActions")))
    yield Mutant(
        "crd.suggestion-actions", "none", _on_card(lambda card: card["suggestions"].append(_bare_suggestion()))
    )
    yield Mutant("crd.external-reference-card", "none", _on_answers(lambda body: body["cards"].pop(1)))
    yield Mutant("crd.instructions-card", "none", _on_answers(lambda body: body["cards"].pop(3)))
    yield Mutant("crd.delete-with-create", "a lone delete", _on_suggestion(lambda each: each["actions"].pop(1), 1))
    yield Mutant("crd.profiled-order", "no requester", _on_create(lambda each: each["resource"].pop("requester")))


def _bare_suggestion() -> Json:
    return {"label": "Nothing", "uuid": str(uuid4())}


MUTANTS = (
    *_discovery(),
    *_calls(),
    *_cards(),
    *_suggestions(),
    *_system_actions(),
    *_feedbacks(),
    *_cors(),
    *_errors(),
    *_tokens(),
    *_crd(),
)
