"""Gunicorn as shipped: the knowledge is loaded and checked once, before the workers fork."""

from __future__ import annotations

import gc
from datetime import date
from typing import Any

from gunicorn.app.base import BaseApplication

from cds_service import metrics
from cds_service.answer import warm_up
from cds_service.application import create_app
from cds_service.figures import Folder
from cds_service.logs import Logger
from cds_service.settings import Settings
from cds_service.waiting import Waiting
from cds_service.worker import Worker


class Server(BaseApplication):  # type: ignore[misc]
    """The service under Gunicorn; raises KnowledgeError or StoreError before anything listens."""

    def __init__(self, host: str, port: int, workers: int, settings: Settings) -> None:
        self._figures = Folder.make()
        gc.disable()  # nothing of what is loaded now is garbage, and workers look for theirs themselves
        try:
            self._application = create_app(settings)
        except Exception:
            self._figures.remove()
            raise
        self._recorder = self._application.extensions["recorder"]
        self.longest_body = settings.max_body
        self.escort = self._application.extensions["passage"].escort
        trust = self._application.extensions["trust"]
        clients = [settings.anyone] if trust is None else [trusted.client for trusted, _ in trust.clients.values()]
        self.lane = Waiting.under(settings, clients).lane
        self._options: dict[str, Any] = {
            "bind": f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}",
            "workers": workers,
            "worker_class": Worker,
            "threads": 4,
            # With those that linger and the files that are open anyway, less than the usual 1,024.
            "worker_connections": 700,
            "timeout": 30,
            "graceful_timeout": 30,
            "keepalive": 5,
            # What a library might leak does not add up. The jitter keeps workers from being replaced all at once.
            "max_requests": settings.max_requests,
            "max_requests_jitter": settings.max_requests // 10,
            "preload_app": True,
            # Another is taken where it is installed, which the tests do not know and which is hardly faster here.
            "http_parser": "python",
            "limit_request_line": 4094,
            "limit_request_fields": 64,
            "limit_request_field_size": 8190,
            # No one's word about who calls, by which scheme, or under which path is taken: not a proxy's either.
            "forwarded_allow_ips": "",
            "logger_class": Logger,
            "loglevel": "warning",
            "proc_name": "cds-service",
            "post_worker_init": lambda worker: self._recorder.start(),
            "worker_exit": lambda server, worker: self._recorder.close(),
            "child_exit": lambda server, worker: metrics.worker_ended(worker.pid),
            "on_exit": lambda server: self._figures.remove(),
        }
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        warm_up(self._application.extensions["judge"], date.today())
        # Routes are compiled when they are first looked at, and what reads names of hosts is loaded then.
        self._application.url_map.bind("localhost").test("/")
        # What is loaded stays: workers share its memory, and collections need not walk it. Nothing is collected first:
        # that takes long, and leaves holes in pages that each worker would copy to fill them.
        gc.freeze()
        return self._application
