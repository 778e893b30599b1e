"""The judgement of one call: its orders, its chart, and what comes of each order."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from cards.build import Draft, build_card
from cards.card import Card
from cards.profiles import SHAPES, Profile, Shape
from cds_service.chart import ChartReader, read_chart
from cds_service.draft_orders import DraftOrder, read_orders
from cds_service.envelope import HookRequest
from cds_service.prefetch import read_prefetch
from cds_service.problems import too_large
from cds_service.session import refers_to_therapy, session_red_flags, session_referrals
from cds_service.settings import Settings
from cds_service.silence import Silence
from cds_service.site import Site, read_site
from knowledge.appraisal import Appraisal, NotJudged, appraise_order
from knowledge.findings import Chart, OrderedProcedure
from knowledge.knowledge import Knowledge
from knowledge.values import hot_dataclass

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

    def shape(self, profile: Profile) -> Shape:
        """What a client of this profile can carry out at this site."""
        return SHAPES[profile].with_orderables(self.site.orderables)

    def has_work(self, call: HookRequest, reader: ChartReader) -> bool:
        """Whether some draft is a lumbar study that is to be judged: only then is a chart worth fetching."""
        orders = self._orders(call, reader)
        return any(isinstance(order.ordered, OrderedProcedure) for order in orders)

    def judge(
        self, call: HookRequest, today: date, shape: Shape = SHAPES[Profile.SPEC], reader: ChartReader | None = None
    ) -> Judged:
        """Read the chart and judge each order; ``today`` is the day of the call. Raises Problem (400, 413).

        ``reader``: of the same call and day, where there is one already.
        """
        reader = reader or self.reader(call, today)
        orders = self._orders(call, reader)
        chart = read_chart(reader, self.settings.chart, session_referrals(call, reader))
        stated = session_red_flags(call, reader, self.knowledge)
        if len(orders) * (len(chart.entries) + len(stated)) > MOST_LOOKS:
            raise too_large(f"More than {MOST_LOOKS} entries that matter, counted for each order, are not read.")
        therapy = refers_to_therapy(call, self.knowledge)
        judged = []
        for order in orders:
            seen, alone = chart, False
            if stated and isinstance(order.ordered, OrderedProcedure):
                own = {reason.codings for reason in order.ordered.reasons}
                # What stands on the order itself is no news, nor what is a reason of a part of its study.
                of_others = tuple(flag.entry for codings, flag in stated.items() if codings not in own)
                seen = replace(chart, entries=chart.entries + of_others)
                alone = any(flag.references == {order.ordered.reference} for flag in stated.values())
            draft = Draft(
                order.resource,
                one_of_several=len(orders) > 1,
                therapy_ordered=therapy,
                components=order.components,
                nameable=order.nameable,
                ordered_beside=order.ordered_beside,
                tells_alone=alone,
            )
            judged.append(self._judge_order(order, seen, today, shape, draft))
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

    def _judge_order(self, order: DraftOrder, chart: Chart, today: date, shape: Shape, draft: Draft) -> JudgedOrder:
        if isinstance(order.ordered, NotJudged):
            return JudgedOrder(order, order.ordered, None)
        appraisal = appraise_order(self.knowledge, chart, order.ordered, today)
        card = build_card(self.knowledge.topic, appraisal, draft, self.settings.cards, shape)
        return JudgedOrder(order, appraisal, card)
