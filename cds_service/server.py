"""Gunicorn as shipped: the knowledge is loaded and checked once, before the workers fork."""

from __future__ import annotations

import gc
from typing import Any

from gunicorn.app.base import BaseApplication

from cds_service import create_app
from cds_service.settings import Settings


class Server(BaseApplication):  # type: ignore[misc]
    """The service under Gunicorn; raises KnowledgeError or StoreError before anything listens."""

    def __init__(self, host: str, port: int, workers: int, settings: Settings) -> None:
        self._application = create_app(settings)
        self._options: dict[str, Any] = {
            "bind": f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}",
            "workers": workers,
            "worker_class": "gthread",
            "threads": 4,
            "timeout": 30,
            "graceful_timeout": 30,
            "keepalive": 5,
            "preload_app": True,
            "loglevel": "warning",
            "proc_name": "cds-service",
        }
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        # What is loaded stays: workers share its memory, and collections need not walk it.
        gc.collect()
        gc.freeze()
        return self._application
