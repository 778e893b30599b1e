"""The picture of the README, from the real page: ``python -m tests.browser.picture``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from cds_service.settings import Settings
from tests.applications import opened
from tests.browser.conftest import chromium, launched, served

PICTURE = Path(__file__).parents[1] / "data/card.png"
PATIENT = "acute"


def main() -> int:
    """Draw the try-it page with one patient; 2 where there is no Chromium."""
    if chromium() is None:
        print("there is no Chromium on the PATH", file=sys.stderr)
        return 2
    with (
        tempfile.TemporaryDirectory() as folder,
        opened(Settings(database_url=f"sqlite:///{folder}/store.sqlite3")) as app,
        served(app) as base,
        launched() as browser,
    ):
        page = browser.new_page(viewport={"width": 1120, "height": 900}, color_scheme="light")
        page.goto(f"{base}/?patient={PATIENT}")
        page.wait_for_selector(".card")
        page.screenshot(path=PICTURE)
    print(f"{PICTURE}: {PICTURE.stat().st_size // 1000} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
