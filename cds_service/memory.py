"""What a call came to, kept three ways: as rows for the report, as figures for Prometheus, as words for the log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cards.issue import IssuedCard
from cds_service import metrics
from cds_service.account import Account
from cds_service.clients import Client
from cds_service.judging import Judged
from cds_service.recorder import Recorder
from cds_service.records import Occasion, record_call


@dataclass(frozen=True, slots=True)
class Memory:
    """Remembers calls to the services; never fails and never waits, so that no answer depends on it."""

    recorder: Recorder
    guideline: str
    now: Callable[[], datetime]
    new_uuid: Callable[[], str]

    def remember(
        self, service: str, client: Client, judged: Judged, account: Account, issued: tuple[IssuedCard, ...]
    ) -> None:
        """Keep what one call came to, and the cards that were sent, or were held back in shadow mode."""
        mode = "shadow" if client.shadow else "live"
        for told in account.orders:
            metrics.order_judged(service, told.verdict, told.category or told.reason or "open", mode)
        for card in issued:
            metrics.card_issued(service, card.card.indicator.value, mode)
        if account.orders:
            metrics.prefetch_arrived(account.delivery.states)
        occasion = Occasion(self.now(), service, client, self.guideline)
        self.recorder.put(record_call(occasion, judged, account, issued, self.new_uuid))
