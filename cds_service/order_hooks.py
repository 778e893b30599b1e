"""POST /cds-services/{id}: one request walks one way, from the body to the cards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

from flask import Blueprint, Response, g, request

from cards.build import build_card
from cards.card import Card
from cards.issue import issue
from cards.wire import response
from cds_service.chart import read_chart
from cds_service.discovery import HOOKS
from cds_service.draft_orders import DraftOrder, read_orders, session_referrals
from cds_service.envelope import HookRequest, parse_request
from cds_service.fhir_client import FhirClient
from cds_service.json_out import to_json
from cds_service.prefetch import Json, read_prefetch
from cds_service.problems import Problem
from cds_service.settings import Settings
from knowledge.appraisal import Appraisal, NotJudged, appraise_order
from knowledge.findings import Chart, OrderedProcedure
from knowledge.loading import Knowledge


@dataclass(frozen=True, slots=True)
class JudgedOrder:
    """One draft order, what came of it, and the card that it deserves, if any."""

    draft: DraftOrder
    appraisal: Appraisal | NotJudged
    card: Card | None


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges the orders of a call with one topic's knowledge and one site's settings."""

    knowledge: Knowledge
    settings: Settings

    def has_work(self, call: HookRequest) -> bool:
        """Whether some draft is a lumbar study that is to be judged: only then is a chart worth fetching."""
        delivered = read_prefetch(call.prefetch, _drafts(call))
        orders = read_orders(call, delivered, self.knowledge)
        return any(isinstance(order.ordered, OrderedProcedure) for order in orders)

    def judge(self, call: HookRequest, today: date) -> Judged:
        """Read the chart and judge each order; ``today`` is the day of the call."""
        delivered = read_prefetch(call.prefetch, _drafts(call), call.unfetched)
        orders = read_orders(call, delivered, self.knowledge)
        session = session_referrals(call, delivered, self.knowledge)
        chart = read_chart(delivered, call.patient_id, self.knowledge, self.settings.chart, session)
        return Judged(tuple(self._judge_order(order, chart, today) for order in orders), chart)

    def _judge_order(self, draft: DraftOrder, chart: Chart, today: date) -> JudgedOrder:
        if isinstance(draft.ordered, NotJudged):
            return JudgedOrder(draft, draft.ordered, None)
        appraisal = appraise_order(self.knowledge, chart, draft.ordered, today)
        card = build_card(self.knowledge.topic, appraisal, draft.resource, self.settings.cards)
        return JudgedOrder(draft, appraisal, card)


def _drafts(call: HookRequest) -> Iterator[tuple[Json, object]]:
    return ((draft.resource, draft.full_url) for draft in call.drafts)


def order_hooks_blueprint(
    judge: Judge, fhir: FhirClient, today: Callable[[], date], new_uuid: Callable[[], str]
) -> Blueprint:
    blueprint = Blueprint("order_hooks", __name__)

    @blueprint.post("/cds-services/<service>")
    def call(service: str) -> Response:
        if service not in HOOKS:
            raise Problem(404, "There is no such service; GET /cds-services lists them.")
        refuse_other_media()
        hook_request = parse_request(request.get_data(cache=False), HOOKS[service])
        if hook_request.fhir is not None and judge.has_work(hook_request):
            hook_request = fhir.complete(hook_request, g.client)
        judged = judge.judge(hook_request, today())
        g.judged, g.oddities = judged, hook_request.oddities
        issued = [issue(card, new_uuid) for card in judged.cards]
        answer = response(judge.knowledge.topic, issued, judged.appraisals)
        return Response(to_json(answer), mimetype="application/json")

    return blueprint


def refuse_other_media() -> None:
    """JSON under any of its names, or no name at all; anything else is plainly not a hook call."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Problem(415, "Send the body as it is, without a Content-Encoding.")
    kind = request.mimetype
    if kind and not (kind == "application/json" or kind.endswith("+json") or kind == "text/json"):
        raise Problem(415, "Send the body as application/json.")
