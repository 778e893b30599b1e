"""For everyone: axe finds nothing in light or dark, and nothing overflows a small phone."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.conftest import ARTIFACTS, Watched

# Where the pages are looked at: address, what is opened first, and the part that axe reads.
VIEWS = {
    "warning": ("/?patient=acute", ["text=Dismiss …"], "body"),
    "critical": ("/?patient=cauda-equina", ["text=Where these ratings stand"], "body"),
    "unknown": ("/?patient=unseen", [], "body"),
    "silence": ("/?patient=cancer", ["#tab-response"], "body"),
    "editing": ("/?patient=steroids", ["#edit > summary", "#paste > summary", "#add-concept"], "body"),
    "guideline": ("/guideline", ["#concept-cancer > summary"], "body"),
    "cell": (
        "/guideline",
        [".rating[popovertarget=cell-7-radiography-lumbar-spine]"],
        "#cell-7-radiography-lumbar-spine",
    ),
    "codes": ("/guideline", ["#codes-words"], "#codes-found"),
}
LOOKS: list[dict[str, Any]] = [
    {"scheme": "light", "width": 1280},
    {"scheme": "dark", "width": 1280},
    {"scheme": "dark", "width": 360, "height": 740},
]


def _look(watched: Watched, view: str) -> Page:
    path, opened, _ = VIEWS[view]
    page = watched.opened(path)
    for selector in opened:
        page.locator(selector).click()
    if view == "editing":
        page.select_option("#add-concept", "prior-lumbar-surgery")
        page.locator("#add-found button").first.click()
    if view == "codes":
        page.fill("#codes-words", "fever")
        page.locator("#codes-found .hit").first.wait_for()
    return page


@pytest.mark.parametrize("look", LOOKS, ids=["light", "dark", "phone"])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_and_nothing_overflows(view: str, look: dict[str, Any], watched: Watched) -> None:
    """No rule of axe is broken, and no part of the page reaches beyond the width of the window."""
    page = _look(watched, view)
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{view}-{look['scheme']}-{look['width']}.png", full_page=True)
    found = Axe().run(page, context=VIEWS[view][2])
    problems = [
        f"{each['id']}: {node['html'][:150]} {node['failureSummary']}"
        for each in found.response["violations"]
        for node in each["nodes"]
    ]
    assert problems == []
    beyond = page.evaluate(
        """() => {
          const clips = (at) => /(auto|scroll|hidden|clip)/.test(getComputedStyle(at).overflowX);
          const scrolls = (at) => at && (clips(at) || scrolls(at.parentElement));
          const width = document.documentElement.clientWidth;
          const wide = [...document.body.querySelectorAll("*")]
            .filter((at) => at.getBoundingClientRect().right > width + 0.5 && at.checkVisibility())
            .filter((at) => !scrolls(at.parentElement) && !at.closest(".skip"));
          return [document.documentElement.scrollWidth > width, ...wide.map((at) => at.outerHTML.slice(0, 120))];
        }"""
    )
    assert beyond == [False]
