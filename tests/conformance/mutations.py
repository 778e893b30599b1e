"""How a service is broken: changes of what the peer answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

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
    fetches: Callable[[str], bool] | None = None
    signs_last: str = "RS384"
    """The algorithm that the kit uses for nothing but the check of it."""
    slow: float = 0.0
    """Seconds that each good call takes by the run's clock."""

    @property
    def demands_tokens(self) -> bool:
        return self.expect.startswith("tokens.")


def on_discovery(change: Callable[[Answer], None]) -> Change:
    def apply(call: Call, answer: Answer) -> None:
        if call.method == "GET" and call.path == "/cds-services":
            change(answer)

    return apply


def on_listing(change: Callable[[Json], None]) -> Change:
    return on_discovery(lambda answer: change(answer.body["services"][0]))


def on_answers(change: Callable[[Json], None]) -> Change:
    """Changes the body of every 200 answer that has cards in it."""

    def apply(call: Call, answer: Answer) -> None:
        if call.service and answer.status == 200 and answer.body.get("cards"):
            change(answer.body)

    return apply


def on_card(change: Callable[[Json], None], number: int = 0) -> Change:
    return on_answers(lambda body: change(body["cards"][number]))


def on_suggestion(change: Callable[[Json], None], number: int = 0) -> Change:
    return on_card(lambda card: change(card["suggestions"][number]))


def on_update(change: Callable[[Json], None]) -> Change:
    return on_suggestion(lambda suggestion: change(suggestion["actions"][0]))


def on_delete(change: Callable[[Json], None]) -> Change:
    return on_suggestion(lambda suggestion: change(suggestion["actions"][0]), 1)


def on_create(change: Callable[[Json], None]) -> Change:
    return on_suggestion(lambda suggestion: change(suggestion["actions"][1]), 1)


def on_link(change: Callable[[Json], None], card: int = 1) -> Change:
    return on_card(lambda each: change(each["links"][0]), card)


def on_system_action(change: Callable[[Json], None]) -> Change:
    return on_answers(lambda body: change(body["systemActions"][0]))


def when(sees: Callable[[Call], bool], instead: Callable[[], Answer] = lambda: outcome(500, "exception")) -> Change:
    """Answers calls of a kind otherwise than it should."""

    def apply(call: Call, answer: Answer) -> None:
        if sees(call):
            other = instead()
            answer.status, answer.body = other.status, other.body
            answer.headers.update({"Content-Type": "application/json", **other.headers})

    return apply


def hook_call(sees: Callable[[Json], bool]) -> Callable[[Call], bool]:
    return lambda call: call.service is not None and isinstance(call.json, dict) and bool(sees(call.json))


def with_prefetch(sees: Callable[[list[Any]], bool]) -> Callable[[Call], bool]:
    return hook_call(lambda body: sees(list((body.get("prefetch") or {}).values())))


def on_feedback(sees: Callable[[list[Any]], bool], refuse: bool = True) -> Change:
    def matches(call: Call) -> bool:
        items = call.json.get("feedback") if isinstance(call.json, dict) else None
        return call.is_feedback and isinstance(items, list) and sees(items)

    return when(matches, lambda: outcome(400 if refuse else 500, "invalid"))


def with_header(name: str, value: str | None, sees: Callable[[Call, Answer], bool]) -> Change:
    def apply(call: Call, answer: Answer) -> None:
        if sees(call, answer):
            answer.headers.pop(name, None)
            if value is not None:
                answer.headers[name] = value

    return apply


def lacking(name: str) -> Callable[[Json], Any]:
    return lambda value: value.pop(name)


def giving(name: str, to: Any) -> Callable[[Json], None]:
    return lambda value: value.update({name: to})


def within(*path: str | int) -> Callable[[Json], Any]:
    """Reaches into a value by names and numbers."""

    def reach(value: Any) -> Any:
        for step in path:
            value = value[step]
        return value

    return reach


def numbered(name: str) -> Callable[[Json], None]:
    numbers = count()
    return lambda value: value.update({name: f"answer {next(numbers)}"})


def silence() -> Answer:
    return Answer(200, {"cards": []})


def lacks(member: str) -> Callable[[Json], bool]:
    return lambda body: isinstance(body.get("context"), dict) and member not in body["context"]


def scope(body: Json) -> str:
    return str(body.get("fhirAuthorization", {}).get("scope"))


def status_of_answers(status: int) -> Change:
    def apply(call: Call, answer: Answer) -> None:
        if call.service and answer.status == 200:
            answer.status = status

    return apply


def replace_answers(instead: Callable[[], Answer]) -> Change:
    def apply(call: Call, answer: Answer) -> None:
        if call.service and answer.status == 200:
            answer.body = instead().body

    return apply


def forbidden(status: int) -> int:
    return 403 if status == 401 else status


def bearer(call: Call) -> str:
    return call.headers.get("authorization", "").removeprefix("Bearer ")


def refuse(answer: Answer) -> None:
    answer.status, answer.body = 401, outcome(401, "login").body
    answer.headers["WWW-Authenticate"] = "Bearer"


def refusing(sees: Callable[[Json, Json], bool]) -> Change:
    """Refuses good tokens whose header and claims are of a kind."""

    def apply(call: Call, answer: Answer) -> None:
        if call.service and answer.status == 200 and "authorization" in call.headers:
            token = bearer(call)
            claims = jwt.decode(token, options={"verify_signature": False})
            if sees(jwt.get_unverified_header(token), claims):
                refuse(answer)

    return apply
