"""POST /cds-services/{id}: one request walks one way, from the body to the cards."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from flask import Blueprint, Response, request

from cards.issue import IssuedCard
from cds_service.account import Account, account
from cds_service.answer import NewUuid, compose
from cds_service.clients import Client
from cds_service.envelope import parse_request
from cds_service.fhir_client import FhirClient
from cds_service.json_out import to_json
from cds_service.judging import Judge, Judged
from cds_service.passage import refuse_other_media, visit
from cds_service.problems import no_such_service
from cds_service.services import HOOKS
from cds_service.visit import Visit
from knowledge.values import hot_dataclass

ENDPOINT = "order_hooks"
ROUTE = "/cds-services/<service>"
JSON = "application/json"

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
        call, today = parse_request(body, HOOKS[service]), self.today()
        reader = judge.reader(call, today)
        if call.fhir is not None and judge.has_work(call, reader):
            completed = self.fhir.complete(call, client, here.began)
            if completed is not call:
                call, reader = completed, judge.reader(completed, today)
        judged = judge.judge(call, today, shape, reader)
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
            raise no_such_service()
        here = visit()
        refuse_other_media(here)
        return Response(hooks.answer(service, here, request.get_data(cache=False)), mimetype=JSON)

    return blueprint
