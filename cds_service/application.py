"""The application: every part is made here, and wired to the others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from importlib import import_module
from importlib.metadata import version

from flask import Flask, Request
from werkzeug.routing import MapAdapter

from cds_service import metrics
from cds_service.callers import Callers
from cds_service.discovery import discovery_blueprint, openapi_blueprint
from cds_service.errors import register_errors
from cds_service.feedback import feedback_blueprint
from cds_service.fetching import Fetcher
from cds_service.fhir_client import FhirClient
from cds_service.health import health_blueprint, metrics_blueprint
from cds_service.judging import Judge
from cds_service.memory import Memory
from cds_service.order_hooks import OrderHooks, order_hooks_blueprint
from cds_service.pages import guideline_blueprint, report_blueprint, try_blueprint
from cds_service.passage import Passage, register_passage
from cds_service.recorder import Recorder
from cds_service.settings import Auth, Settings
from cds_service.short_cut import ShortCut
from cds_service.store import Store
from cds_service.upkeep import purge_after
from cds_service.uuids import new_uuid
from cds_service.wsgi import PlainPaths
from knowledge.loading import load_low_back_pain


class _App(Flask):
    """Flask that tells routes apart by their paths alone: what a request says of its host is never looked at."""

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        return MapAdapter(self.url_map, "", "", "", "http", request.path, request.method) if request else None


def create_app(
    settings: Settings,
    today: Callable[[], date] = date.today,
    new_uuid: Callable[[], str] = new_uuid,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Flask:
    """The WSGI application: wiring only. Raises KnowledgeError, SettingsError or StoreError where it could not work."""
    app = _App("cds_service", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body
    judge = Judge(load_low_back_pain(), settings)
    guideline = judge.knowledge.topic.reference
    store = Store(settings.database_url, now)
    recorder = Recorder(store, housekeeping=purge_after(store, settings.retention_days, now))
    memory = Memory(recorder, guideline, now, new_uuid)
    keys, charts = Fetcher(), Fetcher()
    trust, by_token = None, None
    if settings.auth is Auth.REQUIRED or settings.clients_file is not None:
        from cds_service.authentication import caller, trust_in

        trust = trust_in(settings, keys, now)
        by_token = partial(caller, trust) if trust is not None else None
    if trust is not None or settings.fhir_servers:
        import_module("cds_service.outbound")  # something is going to be fetched: workers share what does it
    fhir = FhirClient(charts, settings.fhir_deadline, settings.max_body, judge.site.prefetch_keys)
    metrics.service_runs(version("lumbar-imaging-cds"), guideline)
    app.extensions["fetchers"] = (keys, charts)
    origins = trust.origins if trust is not None else frozenset("*")
    passage = Passage(Callers(settings, by_token), origins, new_uuid)
    app.extensions |= {"judge": judge, "store": store, "recorder": recorder, "trust": trust, "passage": passage}
    hooks = OrderHooks(judge, fhir, today, new_uuid, memory.remember)
    register_passage(app, passage)
    register_errors(app)
    app.register_blueprint(discovery_blueprint())
    app.register_blueprint(order_hooks_blueprint(hooks))
    app.register_blueprint(feedback_blueprint(store, keep_comments=settings.keep_comments))
    app.register_blueprint(health_blueprint(store, guideline))
    app.register_blueprint(metrics_blueprint(settings.metrics, settings.metrics_token))
    app.register_blueprint(report_blueprint(store, judge.knowledge.topic, settings, now))
    app.register_blueprint(openapi_blueprint())
    app.register_blueprint(guideline_blueprint(judge.knowledge))
    if settings.shows_pages:
        app.register_blueprint(try_blueprint(judge, today, new_uuid))
    app.wsgi_app = PlainPaths(ShortCut(app.wsgi_app, passage, hooks))  # type: ignore[method-assign]
    return app


def close(app: Flask) -> None:
    """Write what waits to be written, and close every connection."""
    app.extensions["recorder"].close()
    app.extensions["store"].close()
    for fetcher in app.extensions["fetchers"]:
        fetcher.close()
    if app.extensions["trust"] is not None:
        app.extensions["trust"].memory.close()
