"""A real browser against the real service: Chromium from the machine, the application on a port of loopback."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from werkzeug.serving import WSGIRequestHandler, make_server

from cds_service.settings import Settings
from tests.applications import opened

ARTIFACTS = Path(__file__).parent / "artifacts"
# A busy machine is no reason to fail: what is waited for comes within a second where nothing else runs.
_PATIENCE = 20_000
expect.set_options(timeout=_PATIENCE)
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium() -> str | None:
    """The path of a Chromium on this machine."""
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


class _Quiet(WSGIRequestHandler):
    """Says nothing of single requests."""

    def log_request(self, *_: object) -> None:
        """The application keeps its own log."""


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """The base URL of an application that listens on a free port of loopback."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def launched() -> Iterator[Browser]:
    path = chromium()
    assert path is not None
    with sync_playwright() as playwright:
        # Inside a container there is no sandbox to be had, and nothing but our own pages is opened.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if chromium() is None:
        if os.environ.get("CI"):
            pytest.fail("CI is set, and there is no Chromium on the PATH")
        pytest.skip("there is no Chromium on the PATH")
    with launched() as found:
        yield found


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("browser") / "store.sqlite3"


@pytest.fixture(scope="session")
def base(store: Path) -> Iterator[str]:
    """The service on a real port."""
    with opened(Settings(database_url=f"sqlite:///{store}")) as app, served(app) as url:
        yield url


@pytest.fixture
def feedback_of(store: Path) -> Callable[[str], list[tuple[Any, ...]]]:
    """What the service stored of a card: outcome and reason."""

    def read(card: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(store)
        try:
            rows = connection.execute("SELECT * FROM feedback WHERE card = ?", (card,)).fetchall()
        finally:
            connection.close()
        return rows

    return read


class Watched:
    """A page whose every complaint is kept; a test that ends with one fails."""

    def __init__(self, context: BrowserContext, base: str) -> None:
        self.base = base
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.expected: tuple[str, ...] = ()
        """Parts of complaints that a test calls forth."""
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("requestfailed", lambda request: self.complaints.append(f"failed: {request.url}"))
        self.page.on("request", self._request)

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"console {message.type}: {message.text}")

    def _request(self, request: Any) -> None:
        if not request.url.startswith((self.base, "data:")):
            self.complaints.append(f"another host: {request.url}")

    def unexpected(self) -> list[str]:
        return [each for each in self.complaints if not any(part in each for part in self.expected)]

    def opened(self, path: str) -> Page:
        self.page.goto(self.base + path)
        if not path.startswith("/guideline"):
            self.page.wait_for_selector("#cards > *")
        return self.page


@pytest.fixture
def watched(browser: Browser, base: str, request: pytest.FixtureRequest) -> Iterator[Watched]:
    """A fresh page; `@pytest.mark.parametrize("look", ...)` gives it a colour scheme and a width."""
    look = dict(request.node.callspec.params.get("look", {})) if hasattr(request.node, "callspec") else {}
    context = browser.new_context(
        viewport={"width": look.get("width", 1280), "height": look.get("height", 900)},
        color_scheme=look.get("scheme", "light"),
        permissions=["clipboard-read", "clipboard-write"],
    )
    context.set_default_timeout(_PATIENCE)
    found = Watched(context, base)
    yield found
    complaints = found.unexpected()
    context.close()
    assert complaints == []
