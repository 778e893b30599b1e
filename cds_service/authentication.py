"""Who calls: `g.client` is known before any endpoint is reached."""

from __future__ import annotations

from flask import Flask, g

from cds_service.settings import Settings


def register_authentication(app: Flask, settings: Settings) -> None:
    """In open mode every caller is the client that the settings describe."""

    @app.before_request
    def identify() -> None:
        g.client = settings.anyone
