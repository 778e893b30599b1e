"""Figures for Prometheus, right across worker processes; no patient, no client's words, and bounded labels.

Modules tell what happened by the functions of this one. prometheus-client is loaded by the first of them: it looks
then, and only then, whether `PROMETHEUS_MULTIPROC_DIR` names a directory in which processes gather their figures.
"""

from __future__ import annotations

import logging
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, wraps
from threading import Lock
from typing import Any, ParamSpec

from cds_service.process import process_id

log = logging.getLogger("cds_service")

P = ParamSpec("P")

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_PLAIN = re.compile(r"[a-z0-9][a-z0-9_.@-]{0,79}", re.IGNORECASE)
# Far more than any label of ours has; whatever comes beyond counts as "other".
_MOST_VALUES = 60


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric, as the operator's table shows it."""

    name: str
    kind: str
    """``counter``, ``histogram`` or ``gauge``."""
    labels: tuple[str, ...]
    meaning: str


REQUESTS = Metric(
    "cds_request_seconds", "histogram", ("service", "endpoint"), "time from the arrival of a request to its answer"
)
ANSWERS = Metric("cds_answers_total", "counter", ("service", "endpoint", "status"), "answers by HTTP status")
REFUSALS = Metric("cds_refusals_total", "counter", ("code",), "requests that were refused, by the reason's code")
FAULTS = Metric("cds_faults_total", "counter", (), "unexpected faults, answered with 500")
ORDERS = Metric(
    "cds_orders_total",
    "counter",
    ("service", "verdict", "outcome", "mode"),
    "orders judged; outcome is the category or the reason, mode is live or shadow",
)
CARDS = Metric(
    "cds_cards_total", "counter", ("service", "indicator", "mode"), "cards shown (live) or held back (shadow)"
)
PREFETCH = Metric(
    "cds_prefetch_total",
    "counter",
    ("key", "state"),
    "parts of charts in calls with an order to judge: complete, incomplete or missing",
)
FHIR_CALLS = Metric(
    "cds_fhir_calls_total", "counter", ("outcome",), "keys asked of a FHIR server: brought, in-part, failed"
)
JWKS_FETCHES = Metric("cds_jwks_fetches_total", "counter", ("outcome",), "fetches of clients' key sets")
FEEDBACK = Metric(
    "cds_feedback_items_total",
    "counter",
    ("outcome",),
    "items of feedback: accepted, overridden; of those repeated; unusable; not-stored (503)",
)
RECORDS = Metric(
    "cds_records_total", "counter", ("outcome",), "records of calls with judged orders: written or dropped"
)
WAITING = Metric("cds_records_waiting", "gauge", (), "records of calls that wait to be written, in all workers")
STORE_FAILURES = Metric("cds_store_failures_total", "counter", ("operation",), "attempts to use the store that failed")
INFO = Metric("cds_service_info", "gauge", ("version", "guideline"), "1, with the version and the guideline in use")

METRICS = (
    REQUESTS,
    ANSWERS,
    REFUSALS,
    FAULTS,
    ORDERS,
    CARDS,
    PREFETCH,
    FHIR_CALLS,
    JWKS_FETCHES,
    FEEDBACK,
    RECORDS,
    WAITING,
    STORE_FAILURES,
    INFO,
)


_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


class _Figures:
    """The metrics of this process, each made when it is first used."""

    def __init__(self) -> None:
        import prometheus_client

        if _VARIABLE in os.environ:
            # As its manual tells users of uWSGI; its own way asks the system at every figure which process this is.
            values: Any = prometheus_client.values
            values.ValueClass = values.MultiProcessValue(process_id)
        self.registry = prometheus_client.CollectorRegistry()
        self._seen: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self._found: dict[tuple[str, ...], Any] = {}
        """What was told of before, by name and labels; bounded, for only values that were taken up stand here."""
        self._lock = Lock()
        self._made = {metric.name: self._make(prometheus_client, metric) for metric in METRICS}

    def _make(self, client: Any, metric: Metric) -> Any:
        name, meaning, labels = metric.name, metric.meaning, metric.labels
        match metric.kind:
            case "counter":
                return client.Counter(name, meaning, labels, registry=self.registry)
            case "histogram":
                return client.Histogram(name, meaning, labels, buckets=_BUCKETS, registry=self.registry)
            case _:
                mode = "livesum" if metric is WAITING else "livemax"
                return client.Gauge(name, meaning, labels, multiprocess_mode=mode, registry=self.registry)

    def of(self, metric: Metric, *values: str) -> Any:
        found = self._found.get((metric.name, *values))
        return found if found is not None else self._look_up(metric, values)

    def _look_up(self, metric: Metric, values: tuple[str, ...]) -> Any:
        made = self._made[metric.name]
        if not metric.labels:
            return made
        bounded = tuple(self._bounded(metric, *each) for each in zip(metric.labels, values, strict=True))
        child = made.labels(*bounded)
        if bounded == values:
            self._found[metric.name, *values] = child
        return child

    def _bounded(self, metric: Metric, label: str, value: str) -> str:
        """The value, where it is a plain word and not one of too many."""
        seen = self._seen[metric.name, label]
        if value in seen:
            return value
        with self._lock:
            if not _PLAIN.fullmatch(value) or len(seen) >= _MOST_VALUES:
                return "other"
            seen.add(value)
        return value


@cache
def _figures() -> _Figures:
    return _Figures()


def _harmless(tell: Callable[P, None]) -> Callable[P, None]:
    """Figures are files: where one cannot be made, on a full disk, the answer that is told of still leaves."""

    @wraps(tell)
    def told(*arguments: P.args, **named: P.kwargs) -> None:
        try:
            tell(*arguments, **named)
        except OSError as error:
            log.error("a figure was not kept: %s", error.strerror)

    return told


@_harmless
def request_answered(service: str, endpoint: str, status: int, seconds: float) -> None:
    """An answer left; ``service`` is ``none`` where no service was called."""
    _figures().of(REQUESTS, service, endpoint).observe(seconds)
    _figures().of(ANSWERS, service, endpoint, str(status)).inc()


@_harmless
def refused(code: str) -> None:
    """A request was refused for a reason that has this code."""
    _figures().of(REFUSALS, code).inc()


@_harmless
def fault() -> None:
    """Something failed that should not."""
    _figures().of(FAULTS).inc()


@_harmless
def order_judged(service: str, verdict: str, outcome: str, mode: str) -> None:
    _figures().of(ORDERS, service, verdict, outcome, mode).inc()


@_harmless
def card_issued(service: str, indicator: str, mode: str) -> None:
    _figures().of(CARDS, service, indicator, mode).inc()


@_harmless
def prefetch_arrived(states: Iterable[tuple[str, str]]) -> None:
    """How each part of a chart arrived."""
    for key, state in states:
        _figures().of(PREFETCH, key, state).inc()


@_harmless
def fhir_call(outcome: str) -> None:
    """A FHIR server was asked, with this outcome."""
    _figures().of(FHIR_CALLS, outcome).inc()


@_harmless
def jwks_fetch(outcome: str) -> None:
    """A key set was fetched, with this outcome."""
    _figures().of(JWKS_FETCHES, outcome).inc()


@_harmless
def feedback_items(outcome: str, number: int = 1) -> None:
    if number:
        _figures().of(FEEDBACK, outcome).inc(number)


@_harmless
def records_done(outcome: str, number: int) -> None:
    _figures().of(RECORDS, outcome).inc(number)


@_harmless
def records_waiting(number: int) -> None:
    _figures().of(WAITING).set(number)


@_harmless
def store_failed(operation: str) -> None:
    _figures().of(STORE_FAILURES, operation).inc()


@_harmless
def service_runs(version: str, guideline: str) -> None:
    _figures().of(INFO, version, guideline).set(1)


def exposition() -> bytes:
    """All figures of all processes, in Prometheus' text format."""
    from prometheus_client import CollectorRegistry, generate_latest, multiprocess

    if _VARIABLE not in os.environ:
        return generate_latest(_figures().registry)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def worker_ended(process: int) -> None:
    """What only a living process has, its queue, no longer counts; what it did stays counted."""
    from prometheus_client import multiprocess

    if _VARIABLE in os.environ:
        multiprocess.mark_process_dead(process)  # type: ignore[no-untyped-call]


def table() -> str:
    """The metrics as a Markdown table, for the operator's manual."""
    rows = ["| metric | kind | labels | meaning |", "|---|---|---|---|"]
    rows += [
        f"| `{metric.name}` | {metric.kind} | {', '.join(f'`{label}`' for label in metric.labels) or 'none'} "
        f"| {metric.meaning} |"
        for metric in METRICS
    ]
    return "\n".join(rows)
