"""From what was judged to the answer of one client: its cards with their names, and the whole as JSON."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from importlib.resources import files
from typing import Any

from cards.build import reference_card
from cards.configuration import Configuration
from cards.issue import IssuedCard, issue
from cards.pama import rating_action
from cards.profiles import SHAPES, Profile, Shape
from cards.wire import response
from cds_service.clients import Client
from cds_service.envelope import HookRequest, parse_request
from cds_service.json_out import to_json
from cds_service.judging import Judge, Judged
from cds_service.uuids import new_uuid as random_uuid
from knowledge.appraisal import Appraisal
from knowledge.guideline import Topic
from knowledge.values import hot_dataclass

NewUuid = Callable[[], str]


@hot_dataclass(frozen=True, slots=True)
class Answer:
    """What one client is sent: the cards with their names, and the whole as JSON."""

    cards: tuple[IssuedCard, ...]
    json: dict[str, Any]


def compose(topic: Topic, judged: Judged, call: HookRequest, client: Client, shape: Shape, new_uuid: NewUuid) -> Answer:
    """The answer to one call in the shape of its client, with what it declined left out."""
    cards = list(judged.cards)
    if cards and not shape.links_beside_suggestions:
        cards.append(reference_card(topic, shape))
    selected = Configuration.read(call.extension.get("davinci-crd.configuration")).select(cards)
    issued = tuple(issue(card, new_uuid) for card in selected)
    actions = [
        action
        for order in judged.orders
        if client.system_actions
        and isinstance(order.appraisal, Appraisal)
        and order.draft.nameable
        and (action := rating_action(topic, order.appraisal, order.draft.resource, new_uuid)) is not None
    ]
    return Answer(issued, response(topic, issued, judged.appraisals, actions, mirrored=shape.mirrored_actions))


def warm_up(judge: Judge, today: date) -> None:
    """Judge an example: what the first judgement makes once is made before workers fork, and is theirs together."""
    example = files("cds_service").joinpath("examples/acute-low-back-pain.json").read_bytes()
    call, shape = parse_request(example, "order-select"), SHAPES[Profile.SPEC]
    judged = judge.judge(call, today, shape)
    to_json(compose(judge.knowledge.topic, judged, call, judge.settings.anyone, shape, random_uuid).json)
