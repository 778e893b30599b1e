"""Services whose discovery, answers or cards are broken in one way each."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from uuid import UUID, uuid4

from tests.conformance.mutations import (
    Mutant,
    giving,
    hook_call,
    lacking,
    lacks,
    numbered,
    on_answers,
    on_card,
    on_create,
    on_delete,
    on_discovery,
    on_link,
    on_listing,
    on_suggestion,
    on_system_action,
    on_update,
    replace_answers,
    scope,
    silence,
    status_of_answers,
    when,
    with_header,
    with_prefetch,
    within,
)
from tests.conformance.peer import Answer, outcome


def _discovery() -> Iterator[Mutant]:
    again = count()
    yield Mutant("discovery.https", "plain http", base="http://cds.example.org")
    yield Mutant("discovery.path", "203", on_discovery(lambda answer: setattr(answer, "status", 203)))
    yield Mutant(
        "discovery.media-type",
        "text",
        on_discovery(lambda answer: answer.headers.update({"Content-Type": "text/html"})),
    )
    yield Mutant("discovery.services-array", "not only objects", on_discovery(lambda a: a.body["services"].append("x")))
    yield Mutant("discovery.required-members", "no description", on_listing(lacking("description")))
    yield Mutant("discovery.required-members", "a number as description", on_listing(giving("description", 7)))
    yield Mutant("discovery.title", "no title", on_listing(lacking("title")))
    yield Mutant(
        "discovery.listed-once",
        "twice",
        on_discovery(lambda a: a.body["services"].append(dict(a.body["services"][0]))),
    )
    yield Mutant("discovery.nothing-empty", "an empty text", on_listing(giving("usageRequirements", "")))
    yield Mutant("discovery.nothing-empty", "a null", on_listing(giving("usageRequirements", None)))
    yield Mutant(
        "discovery.prefetch-form",
        "a number as template",
        on_listing(lambda each: each.update(prefetch={"patient": 7})),
    )
    yield Mutant("discovery.prefetch-form", "a list", on_listing(giving("prefetch", ["Patient/1"])))
    for token in ("{{context.draftOrders.ServiceRequest.id}}", "{{patientId}}", "{{}}", "{{context.patientId"):
        yield Mutant(
            "discovery.prefetch-tokens",
            token,
            on_listing(lambda each, token=token: each["prefetch"].update(more=f"Patient/{token}")),
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
            on_listing(lambda each, query=query: each["prefetch"].update(more=query)),
        )
    yield Mutant("discovery.version", "STU2", on_listing(giving("version", "STU2")))
    yield Mutant("discovery.hook-version", "9.9", on_listing(giving("hookVersion", "9.9")))
    yield Mutant(
        "discovery.stable",
        "changes",
        on_discovery(lambda a: a.body["services"][0].update(title=f"Peer {next(again)}")),
    )
    yield Mutant("schema.discovery", "usageRequirements as a number", on_listing(giving("usageRequirements", 7)))


def _calls() -> Iterator[Mutant]:
    unknown = hook_call(lambda body: "org.example.cds-conformance" in body)
    yield Mutant("calls.good-answer", "203", status_of_answers(203))
    yield Mutant("calls.good-answer", "no cards", replace_answers(lambda: Answer(200, {"kards": []})))
    yield Mutant("calls.good-answer", "cards as an object", replace_answers(lambda: Answer(200, {"cards": {}})))
    yield Mutant(
        "calls.good-answer", "JSON with a comment", replace_answers(lambda: Answer(200, b'{"cards": []} // x'))
    )
    yield Mutant(
        "calls.media-type",
        "text",
        with_header("Content-Type", "text/plain", lambda call, answer: bool(call.service) and answer.status == 200),
    )
    yield Mutant("calls.quick", "a second", slow=1.0)
    yield Mutant("calls.stable", "counts", on_card(numbered("detail")))
    yield Mutant("calls.minimal", "wants prefetch", when(hook_call(lambda body: "prefetch" not in body)))
    yield Mutant("calls.prefetch-null", "null", when(with_prefetch(lambda values: None in values)))
    yield Mutant(
        "calls.prefetch-empty",
        "empty Bundles",
        when(with_prefetch(lambda values: bool(values) and all(v and v.get("total") == 0 for v in values))),
    )
    yield Mutant(
        "calls.prefetch-outcome",
        "OperationOutcome",
        when(with_prefetch(lambda values: any(v and v["resourceType"] == "OperationOutcome" for v in values))),
    )
    yield Mutant("calls.prefetch-partial", "wants all keys", when(with_prefetch(lambda values: 0 < len(values) < 4)))
    yield Mutant("calls.unknown-members", "refuses them", when(unknown, lambda: outcome(400)))
    yield Mutant(
        "calls.unknown-extension",
        "refuses it",
        when(hook_call(lambda body: "extension" in body), lambda: outcome(400)),
    )
    for mark in ("user/Condition.*", "Condition.rs", "Read (Problems)"):
        yield Mutant("calls.scopes", mark, when(hook_call(lambda body, mark=mark: mark in scope(body))))
    yield Mutant(
        "calls.uuid-version-1",
        "version 4 only",
        when(hook_call(lambda body: UUID(body["hookInstance"]).version == 1), lambda: outcome(400)),
    )
    yield Mutant("calls.other-user", "fails", when(lambda call: b'"userId": "Device/' in call.body))
    yield Mutant("calls.other-orders", "fails", when(lambda call: b"MedicationOrder" in call.body))
    yield Mutant(
        "calls.large-body",
        "a tenth of a megabyte",
        when(lambda call: len(call.body) > 1e5, lambda: outcome(413, "too-long")),
    )
    yield Mutant(
        "calls.charset",
        "refuses one",
        when(lambda call: "charset" in call.headers["content-type"], lambda: outcome(415, "not-supported")),
    )
    yield Mutant("calls.malformed-json", "500", when(lambda call: bool(call.service) and call.json is None))
    yield Mutant("calls.malformed-json", "200", when(lambda call: bool(call.service) and call.json is None, silence))
    yield Mutant(
        "calls.wrong-hook",
        "200",
        when(hook_call(lambda body: body.get("hook") == "org.example.no-such-hook"), silence),
    )
    yield Mutant("calls.missing-members", "no context", when(hook_call(lambda body: "context" not in body), silence))
    yield Mutant("calls.missing-members", "no hook", when(hook_call(lambda body: "hook" not in body)))
    yield Mutant("calls.missing-members", "no patient", when(hook_call(lacks("patientId")), silence))
    yield Mutant("calls.missing-members", "no orders", when(hook_call(lacks("draftOrders"))))
    yield Mutant("calls.wrong-types", "a list", when(lambda call: bool(call.service) and isinstance(call.json, list)))
    yield Mutant("calls.wrong-types", "a number", when(hook_call(lambda body: body.get("hook") == 7), silence))
    yield Mutant("calls.get", "200", when(lambda call: call.method == "GET" and call.path.count("/") == 2, silence))
    yield Mutant(
        "calls.unknown-service", "200", when(lambda call: call.method == "POST" and "no-such" in call.path, silence)
    )


def _cards() -> Iterator[Mutant]:
    for member, value in (("detail", ""), ("detail", None), ("links", []), ("extension", {}), ("suggestions", [])):
        yield Mutant("cards.nothing-empty", f"{member} {value!r}", on_card(giving(member, value), 3))
    yield Mutant("cards.nothing-empty", "systemActions []", on_answers(giving("systemActions", [])))
    yield Mutant("cards.nothing-empty", "in a resource", on_update(lambda each: each["resource"].update(note=[])))
    yield Mutant("cards.nothing-empty", "a null among cards", on_answers(lambda body: body["cards"].append(None)))
    for member in ("summary", "indicator", "source"):
        yield Mutant("cards.required-members", f"no {member}", on_card(lacking(member), 3))
    yield Mutant(
        "cards.required-members", "no label of the source", on_card(lambda card: card["source"].pop("label"), 3)
    )
    yield Mutant("cards.summary-length", "140 characters", on_card(giving("summary", "é" * 140)))
    yield Mutant("cards.summary-one-line", "two lines", on_card(giving("summary", "One\ntwo")))
    yield Mutant("cards.summary-one-line", "HTML", on_card(giving("summary", "<b>One</b>")))
    yield Mutant("cards.indicator", "hard-stop", on_card(giving("indicator", "hard-stop")))
    for text in ("one<br>two", '<a href="x">x</a>', "<!-- x -->", "</div>"):
        yield Mutant("cards.detail-without-html", text, on_card(giving("detail", text)))
    yield Mutant(
        "cards.escapes-the-chart",
        "as it came",
        on_card(
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
                on_card(lambda card, name=name, value=value: card["source"].update({name: value})),
            )
    yield Mutant(
        "cards.topic",
        "no system",
        on_card(lambda card: card.update(source={**card["source"], "topic": {"code": "x"}})),
    )
    yield Mutant("cards.topic", "a string", on_card(lambda card: card.update(source={**card["source"], "topic": "x"})))
    yield Mutant("cards.uuid", "none", on_card(lacking("uuid")))
    yield Mutant("cards.uuid-form", "a name", on_card(lambda card: card.update(uuid=f"card-{uuid4()}")))
    yield Mutant("cards.uuid-unique", "always one", on_card(giving("uuid", str(uuid4()))))
    yield Mutant(
        "cards.uuid-unique", "one for two", on_answers(lambda b: b["cards"][0].update(uuid=b["cards"][1]["uuid"]))
    )
    for member in ("code", "system", "display"):
        yield Mutant(
            "cards.override-reasons", f"no {member}", on_card(lambda c, m=member: c["overrideReasons"][0].pop(m))
        )
    for member in ("label", "url", "type"):
        yield Mutant("cards.link-members", f"no {member}", on_link(lacking(member)))
    yield Mutant("cards.link-type", "relative", on_link(giving("type", "relative")))
    yield Mutant("cards.link-url", "relative", on_link(giving("url", "look")))
    yield Mutant("cards.link-url", "with a blank", on_link(giving("url", "https://peer.example.org/a b")))
    yield Mutant("cards.link-app-context", "on an absolute link", on_link(giving("appContext", "order 1")))
    yield Mutant("cards.extension-form", "a list", on_card(giving("extension", [{"url": "x"}])))
    yield Mutant("cards.extension-names", "a plain name", on_card(giving("extension", {"flag": True})))
    for member, value in (("detail", 7), ("isRecommended", "yes")):
        change = on_card(giving(member, value)) if member == "detail" else on_suggestion(giving(member, value))
        yield Mutant("schema.response", f"{member} of another type", change)
    yield Mutant("schema.response", "autolaunchable of another type", on_link(giving("autolaunchable", "yes")))
    yield Mutant("schema.response", "a string among cards", on_answers(lambda body: body["cards"].append("x")))


def _suggestions() -> Iterator[Mutant]:
    yield Mutant("suggestions.selection-behavior", "none", on_card(lacking("selectionBehavior")))
    yield Mutant("suggestions.selection-behavior", "all", on_card(giving("selectionBehavior", "all")))
    yield Mutant("suggestions.recommended", "two of one", on_card(giving("selectionBehavior", "at-most-one")))
    yield Mutant("suggestions.label", "none", on_suggestion(lacking("label")))
    yield Mutant("suggestions.uuid", "none", on_suggestion(lacking("uuid")))
    yield Mutant(
        "suggestions.action-selection-behavior", "any", on_suggestion(giving("actionSelectionBehavior", "any"))
    )
    yield Mutant("suggestions.action-type", "replace", on_create(giving("type", "replace")))
    yield Mutant("suggestions.action-type", "none", on_create(lacking("type")))
    yield Mutant("suggestions.action-description", "none", on_update(lacking("description")))
    yield Mutant("suggestions.action-resource", "none", on_create(lacking("resource")))
    yield Mutant("suggestions.action-resource", "an id", on_create(giving("resource", "ServiceRequest/1")))
    yield Mutant("suggestions.action-resource", "no type", on_create(lambda each: each["resource"].pop("resourceType")))
    yield Mutant("suggestions.delete-target", "no resourceId", on_delete(lacking("resourceId")))
    yield Mutant("suggestions.delete-target", "a bare id", on_delete(giving("resourceId", "kit")))
    yield Mutant(
        "suggestions.delete-target",
        "the resource too",
        on_delete(giving("resource", {"resourceType": "ServiceRequest"})),
    )
    yield Mutant(
        "suggestions.update-of-a-draft", "another id", on_update(lambda each: each["resource"].update(id="other"))
    )
    yield Mutant("suggestions.update-of-a-draft", "no id", on_update(lambda each: each["resource"].pop("id")))
    yield Mutant("suggestions.update-is-whole", "a part", on_update(lambda each: each["resource"].pop("requester")))
    yield Mutant(
        "suggestions.update-is-whole",
        "another patient",
        on_update(lambda each: each["resource"].update(subject={"reference": "Patient/other"})),
    )
    yield Mutant(
        "suggestions.delete-of-a-draft", "another order", on_delete(giving("resourceId", "ServiceRequest/other"))
    )
    yield Mutant(
        "suggestions.create-is-new",
        "a draft's id",
        on_create(lambda each: each["resource"].update(id="kit-canary-order-1")),
    )


def _system_actions() -> Iterator[Mutant]:
    rating = ("resource", "extension", 0, "valueCodeableConcept", "coding", 0)
    yield Mutant("system-actions.type", "none", on_system_action(lacking("type")))
    yield Mutant("system-actions.type", "annotate", on_system_action(giving("type", "annotate")))
    yield Mutant("system-actions.description", "none", on_system_action(lacking("description")))
    yield Mutant("system-actions.resource", "none", on_system_action(lacking("resource")))
    yield Mutant(
        "system-actions.annotates-only",
        "another code",
        on_system_action(lambda a: a["resource"].update(code={"text": "x"})),
    )
    yield Mutant("system-actions.annotates-only", "a part", on_system_action(lambda a: a["resource"].pop("reasonCode")))
    yield Mutant(
        "system-actions.pama-rating",
        "the demo's code",
        on_system_action(lambda a: within(*rating)(a).update(code="no-guidelines-apply")),
    )


IN_MESSAGES = (*_discovery(), *_calls(), *_cards(), *_suggestions(), *_system_actions())
