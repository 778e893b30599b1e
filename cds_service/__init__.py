"""The CDS Hooks service: the only place that knows Flask and FHIR."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from importlib.metadata import version
from uuid import uuid4

from flask import Flask

from cds_service import metrics
from cds_service.authentication import register_authentication
from cds_service.discovery import discovery_blueprint
from cds_service.errors import register_errors
from cds_service.feedback import feedback_blueprint
from cds_service.health import health_blueprint, metrics_blueprint
from cds_service.memory import Memory
from cds_service.order_hooks import Judge, order_hooks_blueprint
from cds_service.recorder import Recorder
from cds_service.report_page import report_blueprint
from cds_service.request_log import register_request_log
from cds_service.settings import Settings
from cds_service.store import Store
from cds_service.upkeep import purge_after
from cds_service.wsgi import PlainPaths, register_cors
from knowledge.loading import load_low_back_pain


def create_app(
    settings: Settings,
    today: Callable[[], date] = date.today,
    new_uuid: Callable[[], str] = lambda: str(uuid4()),
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Flask:
    """The WSGI application: wiring only. Raises KnowledgeError or StoreError where it could not do its work."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body
    judge = Judge(load_low_back_pain(), settings)
    guideline = judge.knowledge.topic.reference
    store = Store(settings.database_url, now)
    recorder = Recorder(store, housekeeping=purge_after(store, settings.retention_days, now))
    memory = Memory(recorder, guideline, now, new_uuid)
    metrics.service_runs(version("lumbar-imaging-cds"), guideline)
    app.extensions |= {"store": store, "recorder": recorder}
    register_errors(app)
    register_cors(app)
    register_request_log(app, new_uuid)
    register_authentication(app, settings)
    app.register_blueprint(discovery_blueprint())
    app.register_blueprint(order_hooks_blueprint(judge, today, new_uuid, memory.remember))
    app.register_blueprint(feedback_blueprint(store, keep_comments=settings.keep_comments))
    app.register_blueprint(health_blueprint(store, guideline))
    app.register_blueprint(metrics_blueprint(settings.metrics, settings.metrics_token))
    app.register_blueprint(report_blueprint(store, judge.knowledge.topic, settings, now))
    app.wsgi_app = PlainPaths(app.wsgi_app)  # type: ignore[method-assign]
    return app
