"""The CDS Hooks service: the only place that knows Flask and FHIR."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from uuid import uuid4

from flask import Flask

from cds_service.authentication import register_authentication
from cds_service.discovery import discovery_blueprint
from cds_service.errors import register_errors
from cds_service.feedback import feedback_blueprint
from cds_service.feedback_store import FeedbackStore
from cds_service.health import health_blueprint
from cds_service.openapi import openapi_blueprint
from cds_service.order_hooks import Judge, order_hooks_blueprint
from cds_service.pages import guideline_blueprint, try_blueprint
from cds_service.request_log import register_request_log
from cds_service.settings import Settings
from cds_service.wsgi import PlainPaths, register_cors
from knowledge.loading import load_low_back_pain


def create_app(
    settings: Settings,
    today: Callable[[], date] = date.today,
    new_uuid: Callable[[], str] = lambda: str(uuid4()),
) -> Flask:
    """The WSGI application: wiring only. Raises KnowledgeError or StoreError where it could not do its work."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body
    judge = Judge(load_low_back_pain(), settings)
    store = FeedbackStore(settings.database_url)
    app.extensions["feedback_store"] = store
    register_errors(app)
    register_cors(app)
    register_request_log(app)
    register_authentication(app, settings)
    app.register_blueprint(discovery_blueprint())
    app.register_blueprint(order_hooks_blueprint(judge, today, new_uuid))
    app.register_blueprint(feedback_blueprint(store))
    app.register_blueprint(health_blueprint(store))
    app.register_blueprint(openapi_blueprint())
    app.register_blueprint(guideline_blueprint(judge.knowledge))
    if settings.shows_pages:
        app.register_blueprint(try_blueprint(judge, today, new_uuid))
    app.wsgi_app = PlainPaths(app.wsgi_app)  # type: ignore[method-assign]
    return app
