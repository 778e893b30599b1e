"""The guideline page, as a reviewer uses it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from knowledge.knowledge import Knowledge
from tests.browser.conftest import Watched


@pytest.mark.parametrize(
    ("category", "modality", "says"),
    [
        ("", "", "77 ratings of 11 studies"),
        ("usually-appropriate", "", "11 ratings of 4 studies"),
        ("may-be-appropriate", "", "15 ratings of 6 studies"),
        ("usually-not-appropriate", "MRI", "11 ratings of 3 studies"),
        ("usually-appropriate", "CT", "1 rating of 1 study"),
        ("", "PET/CT", "7 ratings of 1 study"),
    ],
)
def test_the_table_can_be_filtered(category: str, modality: str, says: str, watched: Watched) -> None:
    """Category and study choose cells and rows together, and the page says how many are left."""
    page = watched.opened("/guideline")
    page.select_option("#filter-category", category)
    page.select_option("#filter-modality", modality)
    expect(page.locator("#filter-count")).to_have_text(says)
    assert page.locator("#matrix tbody tr:visible").count() == int(says.split()[3])
    assert page.locator("#matrix tbody tr:visible td[data-category]:not(.off)").count() == int(
        says.split(maxsplit=1)[0]
    )


def test_the_age_group_chooses_the_radiation_level(watched: Watched) -> None:
    """For children the adult doses are hidden, and the study without a level for children says so."""
    page = watched.opened("/guideline")
    page.select_option("#filter-age", "child")
    assert page.locator("#matrix .adult:visible").count() == 0
    expect(page.locator("#matrix tr", has_text="CT myelography").locator(".child")).to_have_text("none assigned")
    page.select_option("#filter-age", "adult")
    assert page.locator("#matrix .child:visible").count() == 0


def test_a_cell_tells_where_its_rating_stands(watched: Watched, knowledge: Knowledge) -> None:
    """A cell opened by keyboard shows category, locator and sources, and closes with Escape."""
    page = watched.opened("/guideline")
    cell = page.locator(".rating[popovertarget=cell-7-radiography-lumbar-spine]")
    cell.focus()
    page.keyboard.press("Enter")
    note = page.locator("#cell-7-radiography-lumbar-spine")
    expect(note).to_be_visible()
    expect(note).to_contain_text("may be appropriate (disagreement)")
    expect(note).to_contain_text(knowledge.topic.variants[7].ratings["radiography-lumbar-spine"].locator)
    page.keyboard.press("Escape")
    expect(note).to_be_hidden()


@pytest.mark.parametrize(
    ("words", "code", "does", "says"),
    [
        ("m54.5", "M54.5", "decides", "and every code below it"),
        ("C50.911", "C50", "decides", "Cancer or a history of cancer"),
        ("drug induced fever", "R50.2", "excluded", "Spinal or serious infection"),
        ("72148", "72148", "orders a study", "MRI lumbar spine without IV contrast"),
        ("night sweats", "42984000", "supports, never alone", "infection"),
    ],
)
def test_a_code_or_a_word_is_looked_up(words: str, code: str, does: str, says: str, watched: Watched) -> None:
    """The concept a code speaks of, and whether it decides, supports, is excluded or orders a study."""
    page = watched.opened("/guideline")
    page.fill("#codes-words", words)
    first = page.locator("#codes-found .hit").first
    expect(first.locator("code")).to_have_text(code)
    expect(first.locator(".does")).to_have_text(does)
    expect(first).to_contain_text(says)


def test_a_code_of_no_list_is_said_to_say_nothing(watched: Watched) -> None:
    """Hypertension is in none of the lists, and markup in the search is letters."""
    page = watched.opened("/guideline")
    for words in ("I10", "<img src=x onerror=alert(1)>"):
        page.fill("#codes-words", words)
        expect(page.locator("#codes-count")).to_contain_text("None of our lists holds it")
        assert page.locator("#codes-found *").count() == 0


def test_a_concept_lists_its_codes(watched: Watched) -> None:
    """The button of a concept fills the search with its codes."""
    page = watched.opened("/guideline")
    page.click("#concept-prior-lumbar-surgery > summary")
    page.click("#concept-prior-lumbar-surgery button")
    expect(page.locator("#codes-count")).to_contain_text("codes")
    expect(page.locator("#codes-found .hit").first).to_contain_text("Prior lumbar spine surgery")


def test_a_link_to_a_variant_leads_there(watched: Watched) -> None:
    """The anchor a card links to is in view and has the focus."""
    page = watched.opened("/guideline#variant-6")
    expect(page.locator("#variant-6")).to_be_in_viewport()
    expect(page.locator("#variant-6")).to_be_focused()


def test_the_page_can_be_read_without_scripts(watched: Watched, base: str) -> None:
    """With JavaScript off the whole table, every reading and every note of a cell are there."""
    context = watched.page.context.browser.new_context(java_script_enabled=False)  # type: ignore[union-attr]
    page = context.new_page()
    page.goto(f"{base}/guideline")
    assert page.locator("#matrix .rating:visible").count() == 77
    page.locator(".rating[popovertarget=cell-1-fdg-pet-ct-whole-body]").click()
    expect(page.locator("#cell-1-fdg-pet-ct-whole-body")).to_be_visible()
    context.close()
