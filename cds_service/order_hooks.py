"""POST /cds-services/{id}: one request walks one way, from the body to the cards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from importlib.resources import files
from typing import Any

from flask import Blueprint, Response, request

from cards.build import Draft, build_card, reference_card
from cards.card import Card
from cards.configuration import Configuration
from cards.issue import IssuedCard, issue
from cards.pama import rating_action
from cards.profiles import SHAPES, Profile, Shape
from cards.wire import response
from cds_service.account import Account, account
from cds_service.chart import ChartReader, read_chart
from cds_service.clients import Client
from cds_service.discovery import HOOKS
from cds_service.draft_orders import DraftOrder, read_orders, refers_to_therapy, session_referrals
from cds_service.envelope import HookRequest, parse_request
from cds_service.fhir_client import FhirClient
from cds_service.json_out import to_json
from cds_service.passage import visit
from cds_service.prefetch import read_prefetch
from cds_service.problems import Problem
from cds_service.settings import Settings
from cds_service.silence import Silence
from cds_service.site import Site, read_site
from cds_service.uuids import new_uuid as random_uuid
from cds_service.visit import Visit
from knowledge.appraisal import Appraisal, NotJudged, appraise_order
from knowledge.findings import Chart, OrderedProcedure
from knowledge.guideline import Topic
from knowledge.knowledge import Knowledge
from knowledge.values import hot_dataclass

NewUuid = Callable[[], str]

ENDPOINT = "order_hooks"
ROUTE = "/cds-services/<service>"
JSON = "application/json"

MOST_LOOKS = 100_000
"""Entries of a chart that some value set knows, times orders that are judged: this many take some seconds."""


@hot_dataclass(frozen=True, slots=True)
class JudgedOrder:
    """One draft order, what came of it, and the card that it deserves, if any."""

    draft: DraftOrder
    appraisal: Appraisal | NotJudged
    card: Card | None


@hot_dataclass(frozen=True, slots=True)
class Judged:
    """What one call came to: each order that was looked at, and the chart that was read."""

    orders: tuple[JudgedOrder, ...]
    chart: Chart

    @property
    def appraisals(self) -> list[Appraisal | NotJudged]:
        return [order.appraisal for order in self.orders]

    @property
    def cards(self) -> list[Card]:
        return [order.card for order in self.orders if order.card is not None]


class Judge:
    """Judges the orders of a call with one topic's knowledge, one site's names and its settings."""

    def __init__(self, knowledge: Knowledge, settings: Settings) -> None:
        self.site = read_site(settings.site, knowledge) if settings.site is not None else Site()
        self.knowledge = replace(knowledge, orders=knowledge.orders.with_codes(self.site.order_codes))
        self.settings = settings

    def warm_up(self, today: date) -> None:
        """Judge an example: what the first judgement makes once is made before workers fork, and is theirs together."""
        example = files("cds_service").joinpath("examples/acute-low-back-pain.json").read_bytes()
        call, shape = parse_request(example, "order-select"), SHAPES[Profile.SPEC]
        judged = self.judge(call, today, shape)
        to_json(compose(self.knowledge.topic, judged, call, self.settings.anyone, shape, random_uuid).json)

    def shape(self, profile: Profile) -> Shape:
        """What a client of this profile can carry out at this site."""
        return SHAPES[profile].with_orderables(self.site.orderables)

    def has_work(self, call: HookRequest) -> bool:
        """Whether some draft is a lumbar study that is to be judged: only then is a chart worth fetching."""
        orders = self._orders(call, self.reader(call))
        return any(isinstance(order.ordered, OrderedProcedure) for order in orders)

    def judge(self, call: HookRequest, today: date, shape: Shape = SHAPES[Profile.SPEC]) -> Judged:
        """Read the chart and judge each order; ``today`` is the day of the call. Raises Problem (400, 413)."""
        reader = self.reader(call, today)
        orders = self._orders(call, reader)
        chart = read_chart(reader, self.settings.chart, session_referrals(call, reader))
        if len(orders) * len(chart.entries) > MOST_LOOKS:
            raise Problem(413, f"More than {MOST_LOOKS} entries that matter, counted for each order, are not read.")
        therapy = refers_to_therapy(call, self.knowledge)
        judged = [
            self._judge_order(order, chart, today, shape, several=len(orders) > 1, therapy=therapy) for order in orders
        ]
        return Judged(tuple(judged), chart)

    def reader(self, call: HookRequest, today: date | None = None) -> ChartReader:
        """What a call brought, sorted, and who reads it."""
        drafts = ((draft.resource, draft.full_url) for draft in call.drafts)
        silence = Silence(self.knowledge, call.patient_id)
        keys = self.site.prefetch_keys
        delivered = read_prefetch(call.prefetch, drafts, keys, call.unfetched, silence.says_nothing)
        return ChartReader(delivered, call.patient_id, self.knowledge, today, silence)

    def _orders(self, call: HookRequest, reader: ChartReader) -> list[DraftOrder]:
        return read_orders(call, reader, self.knowledge, read_text=self.settings.order_text)

    def _judge_order(
        self, order: DraftOrder, chart: Chart, today: date, shape: Shape, *, several: bool, therapy: bool
    ) -> JudgedOrder:
        if isinstance(order.ordered, NotJudged):
            return JudgedOrder(order, order.ordered, None)
        appraisal = appraise_order(self.knowledge, chart, order.ordered, today)
        draft = Draft(order.resource, several, therapy, order.components, order.nameable)
        return JudgedOrder(
            order, appraisal, build_card(self.knowledge.topic, appraisal, draft, self.settings.cards, shape)
        )


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


Remember = Callable[[str, Client, Judged, Account, tuple[IssuedCard, ...]], None]


@hot_dataclass(frozen=True, slots=True)
class OrderHooks:
    """Answers the calls of the services, and has them remembered."""

    judge: Judge
    fhir: FhirClient
    today: Callable[[], date]
    new_uuid: NewUuid
    remember: Remember
    """Is told the service, its client, what was judged, its account, and the cards, sent or not."""

    def answer(self, service: str, here: Visit, body: bytes) -> bytes:
        """The JSON that answers one call of a service that there is. Raises Problem (400, 413)."""
        judge, client = self.judge, here.client
        shape = judge.shape(client.profile)
        call = parse_request(body, HOOKS[service])
        if call.fhir is not None and judge.has_work(call):
            call = self.fhir.complete(call, client, here.began)
        judged = judge.judge(call, self.today(), shape)
        here.oddities = call.oddities
        here.account = account([order.appraisal for order in judged.orders], judged.cards, judged.chart)
        answer = compose(judge.knowledge.topic, judged, call, client, shape, self.new_uuid)
        self.remember(service, client, judged, here.account, answer.cards)
        # In shadow mode nothing of what was judged leaves: no card, no system action, no appraisal.
        return to_json({"cards": []} if client.shadow else answer.json)


def order_hooks_blueprint(hooks: OrderHooks) -> Blueprint:
    blueprint = Blueprint(ENDPOINT, __name__)

    @blueprint.post(ROUTE)
    def call(service: str) -> Response:
        if service not in HOOKS:
            raise Problem(404, "There is no such service; GET /cds-services lists them.")
        here = visit()
        refuse_other_media(here)
        return Response(hooks.answer(service, here, request.get_data(cache=False)), mimetype=JSON)

    return blueprint


def refuse_other_media(here: Visit) -> None:
    """JSON under any of its names, or no name at all; anything else is plainly not a hook call. Raises Problem."""
    if here.environ.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
        raise Problem(415, "Send the body as it is, without a Content-Encoding.")
    kind = here.environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if kind and not (kind == "application/json" or kind.endswith("+json") or kind == "text/json"):
        raise Problem(415, "Send the body as application/json.")
