"""The figures for Prometheus, the log line, health, and the manual that describes them."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families

from cds_service import metrics
from cds_service.figures import Folder
from cds_service.operators import Access
from cds_service.request_log import FIELDS
from tests import operating
from tests.cases_as_fhir import request_for
from tests.outages import FEEDBACK, SELECT, Served, kill

ROOT = Path(__file__).parent.parent.parent
LBP = "ICD-10-CM M54.50"
PLAIN = {
    "order": {"code": "CPT 72148", "reasons": [LBP]},
    "chart": {"birth_date": "1981-05-10", "conditions": [{"code": LBP, "onset": "2026-02-20"}]},
}
SERVICE = "lumbar-imaging-order-select"
OVERRIDDEN = {"card": "c-1", "outcome": "overridden", "outcomeTimestamp": "2026-03-02T10:00:00Z"}
TOKEN = "a-token-of-sixteen-characters"

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def _read(text: str) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _value(samples: Samples, name: str, **labels: str) -> float:
    """The sum over the labels that are not named."""
    return sum(
        value for (each, found), value in samples.items() if each == name and labels.items() <= dict(found).items()
    )


def test_what_happens_is_counted(make_app: Callable[..., Flask]) -> None:
    """Answers, latency, verdicts, cards, deliveries, feedback and records move by exactly what was sent."""
    app = make_app()
    client = app.test_client()
    before = _read(client.get("/metrics").text)
    incomplete = request_for(PLAIN)
    incomplete = {**incomplete, "prefetch": {**incomplete["prefetch"]}}
    del incomplete["prefetch"]["imaging"]
    client.post(SELECT, json=request_for(PLAIN))
    client.post(SELECT, json=incomplete)
    client.post(SELECT, json={})
    client.post("/cds-services/nothing", json={})
    client.post(FEEDBACK, json={"feedback": [OVERRIDDEN, 7]})
    client.post(FEEDBACK, json={"feedback": [OVERRIDDEN]})
    assert app.extensions["recorder"].flush()
    after = _read(client.get("/metrics").text)

    def moved(name: str, **labels: str) -> float:
        return _value(after, name, **labels) - _value(before, name, **labels)

    hooks = {"service": SERVICE, "endpoint": "order_hooks"}
    assert moved("cds_answers_total", **hooks, status="200") == 2
    assert moved("cds_answers_total", **hooks, status="400") == 1
    assert moved("cds_answers_total", service="none", status="404") == 1
    assert moved("cds_request_seconds_count", **hooks) == 3
    assert 0 < moved("cds_request_seconds_sum", **hooks) < 60
    assert moved("cds_orders_total", service=SERVICE, verdict="rated", mode="live") == 2
    assert moved("cds_orders_total", outcome="usually-not-appropriate") == 2
    assert moved("cds_cards_total", indicator="warning", mode="live") == 2
    assert moved("cds_prefetch_total", key="imaging", state="missing") == 1
    assert moved("cds_prefetch_total", key="imaging", state="complete") == 1
    items = {said: moved("cds_feedback_items_total", outcome=said) for said in ("overridden", "repeated", "unusable")}
    assert items == {"overridden": 2, "repeated": 1, "unusable": 1}
    assert moved("cds_records_total", outcome="written") == 2
    assert _value(after, "cds_records_waiting") == 0
    assert _value(after, "cds_service_info", guideline="acr-low-back-pain@2021") == 1


def test_every_figure_is_described_and_every_description_is_a_figure(make_app: Callable[..., Flask]) -> None:
    """The names, kinds and labels that are served are those of the table in the code."""
    client = make_app().test_client()
    metrics.refused("a-reason")
    metrics.fhir_call("ok")
    metrics.jwks_fetch("ok")
    metrics.store_failed("feedback")
    metrics.fault()
    client.post(SELECT, json=request_for(PLAIN))
    client.post(FEEDBACK, json={"feedback": [OVERRIDDEN]})
    client.get("/metrics")
    served = {
        family.name + ("_total" if family.type == "counter" else ""): family
        for family in text_string_to_metric_families(client.get("/metrics").text)
        if not family.name.endswith("_created")
    }
    assert served.keys() == {metric.name for metric in metrics.METRICS}
    for metric in metrics.METRICS:
        assert served[metric.name].type == metric.kind
        for sample in served[metric.name].samples:
            assert sample.labels.keys() - {"le"} == set(metric.labels)


def test_labels_are_bounded(make_app: Callable[..., Flask]) -> None:
    """Whatever is told, a label takes plain words only, and not endlessly many."""
    metrics.refused("Mrs Public, 1981")
    for number in range(200):
        metrics.refused(f"reason-{number}")
    text = make_app().test_client().get("/metrics").text
    codes = set(re.findall(r'cds_refusals_total\{code="([^"]*)"\}', text))
    assert "other" in codes
    assert len(codes) <= 61
    assert "Public" not in text


def test_a_figure_that_cannot_be_kept_costs_no_answer(
    make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the files of figures cannot grow the hooks answer all the same, and the log says it."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cds_service.metrics._Figures.of", full)
    assert make_app().test_client().post(SELECT, json=request_for(PLAIN)).status_code == 200
    assert "a figure was not kept: No space left on device" in caplog.text


@pytest.mark.parametrize(
    ("settings", "headers", "address", "status"),
    [
        ({}, {}, "127.0.0.1", 200),
        ({}, {}, "192.0.2.7", 403),
        ({"metrics": Access.OPEN}, {}, "192.0.2.7", 200),
        ({"metrics": Access.OFF}, {}, "127.0.0.1", 404),
        ({"metrics": Access.TOKEN, "metrics_token": TOKEN}, {}, "127.0.0.1", 401),
        ({"metrics": Access.TOKEN, "metrics_token": TOKEN}, {"Authorization": f"Bearer {TOKEN}"}, "192.0.2.7", 200),
    ],
)
def test_the_figures_are_for_operators(
    make_app: Callable[..., Flask], settings: dict[str, Any], headers: dict[str, str], address: str, status: int
) -> None:
    """This machine by default; everyone, nobody, or who holds the token, as the operator says."""
    client = make_app(**settings).test_client()
    response = client.get("/metrics", headers=headers, environ_overrides={"REMOTE_ADDR": address})
    assert response.status_code == status


def test_the_figures_are_right_across_workers_and_their_deaths(tmp_path: Path) -> None:
    """With three workers, one of which is killed, each tells the total of all, and nothing is left behind."""
    with Served(tmp_path, {"CDS_DATABASE_URL": "sqlite:///store.sqlite3"}, workers=3) as service:
        service.wait()
        for _ in range(30):
            assert service.post(SELECT, request_for(PLAIN))[0] == 200
        kill(service.worker_ids()[0])
        for _ in range(30):
            try:
                service.post(SELECT, request_for(PLAIN))
            except OSError:
                continue  # the one that was killed under it
        texts = [service.get("/metrics")[1] for _ in range(9)]
        totals = {_value(_read(text), "cds_orders_total", verdict="rated") for text in texts}
        folder = _figures(service)
        assert Path(folder).is_dir()
        assert service.stop() == 0
    assert len(totals) == 1
    assert 58 <= totals.pop() <= 60
    assert not Path(folder).exists()


def test_what_a_killed_service_left_is_cleared_at_the_next_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The figures of a service that was killed go when another starts; those of one that runs stay."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "what stood there before")
    running, killed = Folder.make(), Folder.make()
    os.close(killed._lock)  # as the end of its last process does
    started = Folder.make()
    assert not killed.path.exists()
    assert running.path.is_dir()
    assert os.environ["PROMETHEUS_MULTIPROC_DIR"] == str(started.path)
    for folder in (running, started):
        folder.remove()
        assert not folder.path.exists()


def _figures(service: Served) -> str:
    """The directory of the figures, from the files that the workers have mapped; one that is new has none yet."""
    maps = "".join(Path(f"/proc/{worker}/maps").read_text(encoding="utf-8") for worker in service.worker_ids())
    found = re.search(r"(/\S*cds-service-\w+)/counter_", maps)
    assert found is not None
    return found[1]


def test_a_log_line_has_no_field_that_is_not_described(
    make_app: Callable[..., Flask], caplog: pytest.LogCaptureFixture
) -> None:
    """Each field of each line is in the table, and open mode brings each but the token's; parts stand in one order."""
    seen: set[str] = set()
    with caplog.at_level(logging.INFO):
        client = make_app(shadow=True).test_client()
        answer = client.post(SELECT, json={**request_for(PLAIN), "hookInstance": None})
        client.post(SELECT, json={})
        client.post(FEEDBACK, json={"feedback": [OVERRIDDEN]})
    lines = [json.loads(record.message) for record in caplog.records if record.name == "cds_service.request"]
    for line in lines:
        seen |= line.keys()
    assert seen == FIELDS.keys() - {"jwt"}
    assert lines[0]["request"] == answer.headers["X-Request-Id"]
    assert (lines[0]["client"], lines[0]["shadow"]) == ("open", True)
    assert lines[0]["delivered"] == sorted(lines[0]["delivered"]) != []


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("0f8fad5b-d9cb-469f-a165-70867728950e", True),
        ("4bf92f3577b34da6a3ce929d0e0e4736", True),
        ("Mrs Public", False),
        ("12345678901234567", False),
        ("", False),
    ],
)
def test_a_request_keeps_the_name_its_proxy_gave_it(make_app: Callable[..., Flask], given: str, kept: bool) -> None:
    """A UUID that a proxy sent names the request in the answer and the log; anything else is no name."""
    response = make_app().test_client().get("/health/live", headers={"X-Request-Id": given})
    assert (response.headers["X-Request-Id"] == given) is kept


def test_readiness_names_what_was_loaded(make_app: Callable[..., Flask]) -> None:
    """A ready service says by which guideline it judges."""
    told = make_app().test_client().get("/health/ready").json
    assert told == {"status": "ready", "guideline": "acr-low-back-pain@2021"}


@pytest.mark.parametrize("manual", operating.MANUALS)
def test_the_manuals_tables_are_those_of_the_code(manual: str) -> None:
    """Metrics, log fields, report tables and override reasons stand in the manuals as the code has them."""
    text = (operating.DOCUMENTS / manual).read_text(encoding="utf-8")
    assert operating.render(text, operating.MANUALS[manual]) == text


def test_the_dashboard_asks_for_what_there_is() -> None:
    """Every metric and label in the Grafana dashboard exists, and each metric an operator watches is in it."""
    file = ROOT / "cds_service" / "operations" / "grafana-dashboard.json"
    dashboard = json.loads(file.read_text(encoding="utf-8"))
    known = {metric.name: metric for metric in metrics.METRICS}
    asked = set()
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    for query in queries + [each["expr"] for each in dashboard["annotations"]["list"]]:
        named = set(re.findall(r"cds_[a-z_]+", query))
        found = {name.removesuffix("_bucket") if name not in known else name for name in named}
        assert found <= known.keys(), query
        labels = {label for each in re.findall(r"by \(([^)]*)\)", query) for label in each.split(", ")}
        labels |= set(re.findall(r"[{,]\s*([a-z_]+)\s*[!=]", query))
        assert labels <= {"le", *(label for name in found for label in known[name].labels)}, query
        asked |= found
    assert asked == known.keys()
