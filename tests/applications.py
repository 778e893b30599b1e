"""An application for as long as a test, or all tests of a module, need it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask

from cds_service.application import close, create_app
from cds_service.settings import Settings


@contextmanager
def opened(settings: Settings, **given: Any) -> Iterator[Flask]:
    """Made with these settings and whatever else `create_app` takes, and closed in the end."""
    app = create_app(settings, **given)
    try:
        yield app
    finally:
        close(app)
