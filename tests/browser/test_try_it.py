"""The try-it page, as a person uses it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from cds_service.demo import example_request
from cds_service.patients import patients
from tests.browser.conftest import ARTIFACTS, Watched

Feedback = Callable[[str], list[tuple[Any, ...]]]


def card_of(page: Page) -> dict[str, Any]:
    """The first card of the answer that the page shows."""
    body: dict[str, Any] = json.loads(page.locator("#panel-response pre").text_content() or "")
    return body["cards"][0]


def request_of(page: Page) -> dict[str, Any]:
    """The request that the page shows."""
    body: dict[str, Any] = json.loads(page.locator("#panel-request pre").text_content() or "")
    return body


def add_finding(page: Page, words: str, code: str, **fields: str) -> None:
    """Add a finding as a person does: open, search, choose, fill in, add."""
    if page.locator("#edit").get_attribute("open") is None:
        page.click("#edit > summary")
    page.fill("#add-words", words)
    page.locator("#add-found button", has=page.locator("code", has_text=code)).first.click()
    for label, value in fields.items():
        control = page.locator("#add-details label", has_text=label).locator("input, select")
        if control.evaluate("control => control.tagName") == "SELECT":
            control.select_option(value)
        else:
            control.fill(value)
    page.click("#add-details button")


SILENT = "No card: the clinician is not interrupted."


@pytest.mark.parametrize("name", patients())
def test_every_patient_shows_the_promised_card(name: str, watched: Watched) -> None:
    """Chosen on the page, each patient gets its card in colour, icon and word, or a silence that says why."""
    page = watched.opened("/")
    patient = patients()[name]
    page.locator(f"label.person:has(input[value={name}])").click()
    expect(page.locator("#patient-title")).to_have_text(patient.title)
    # The answer to this patient's call: until it comes the card of the one before stands there.
    expect(page.locator("#panel-request pre")).to_contain_text(f'"patientId": "{name}"')
    if patient.expect is None:
        expect(page.locator(".silence strong")).to_have_text(SILENT)
        expect(page.locator("#status")).to_contain_text("No card.")
    else:
        tone = page.locator(f".card[data-indicator={patient.expect}] .card-tone")
        expect(tone).to_have_text(patient.expect.capitalize())
        expect(tone.locator("svg")).to_be_visible()
        expect(page.locator("#status")).to_contain_text(page.locator(".card h3").text_content() or "?")
    expect(page.locator("#panel-why .verdict").first).to_be_visible()
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"patient-{name}.png")


def test_every_study_can_be_ordered(watched: Watched) -> None:
    """For acute pain each of the eleven studies, and both with open contrast, is ordered and warned on."""
    page = watched.opened("/?patient=acute")
    studies = page.locator("#study option").all()
    assert len(studies) == 13
    for study in studies:
        name = study.text_content() or ""
        with page.expect_response("**/try/explain"):
            page.select_option("#study", study.get_attribute("value"))
        expect(page.locator("#drafts li span").first).to_have_text(name)
        expect(page.locator(".card[data-indicator=warning]")).to_be_visible()
        expect(page.locator(".lit th[data-ordered]").first).to_be_visible()


def test_the_detail_is_markdown_and_chart_text_stays_text(watched: Watched) -> None:
    """Headings are bold, facts are a list, and markup that came from the chart is shown as letters."""
    page = watched.opened("/?patient=words")
    assert page.locator(".card-detail strong", has_text="What the ACR rates").is_visible()
    assert page.locator(".card-detail li").count() > 1
    expect(page.locator(".card-detail")).to_contain_text("Not read: Condition/words-outside-record")
    assert page.locator(".card-detail b").count() == 0
    page.click("#edit > summary")
    expect(page.locator("#chart")).to_contain_text("lesion L3? <b>see</b> outside record")
    assert page.locator("#chart b").count() == 0


HOSTILE = """**bold** <b>loud</b> <img src=x onerror="alert(1)"> [link](javascript:alert(1)) ![picture](http://x.example/p.png)

<script>alert(1)</script>

| a | b |
|:--|--:|
| 1 | 2 |
"""


def test_a_detail_can_bring_no_markup_of_its_own(watched: Watched) -> None:
    """HTML, scripts, pictures and javascript links in a detail stay letters; its Markdown, tables too, is drawn."""
    page = watched.opened("/?patient=acute")

    def answer(route: Route) -> None:
        body = route.fetch().json()
        body["cards"][0]["detail"] = HOSTILE
        route.fulfill(json=body)

    page.route("**/cds-services/lumbar-imaging-order-sign", answer)
    page.get_by_role("button", name="Sign").click()
    detail = page.locator(".card-detail")
    expect(detail.locator("strong")).to_have_count(1)
    expect(detail.locator("td")).to_have_count(2)
    expect(detail).to_contain_text("<b>loud</b>")
    assert detail.locator("b, img, script, [style], a[href^='javascript']").count() == 0


def test_a_suggestion_replaces_the_study_and_is_fed_back(watched: Watched, feedback_of: Feedback) -> None:
    """Taking the better study changes the draft, asks again, falls silent, and stores that it was accepted."""
    page = watched.opened("/?patient=hiv")
    card = card_of(page)
    page.click("text=Replace by lumbar MRI without contrast")
    expect(page.locator(".silence strong")).to_have_text(SILENT)
    expect(page.locator("#note")).to_contain_text("Feedback was stored.")
    expect(page.locator("#study")).to_have_value("mri-lumbar-spine-without-iv-contrast")
    stored = feedback_of(card["uuid"])
    assert len(stored) == 1
    assert "accepted" in stored[0]
    assert card["suggestions"][0]["uuid"] in str(stored)


def test_a_suggestion_deletes_and_creates(watched: Watched) -> None:
    """Replacing the order by a referral leaves only the referral; a new study can be ordered beside it."""
    page = watched.opened("/?patient=acute")
    page.click("text=Replace by a physical therapy referral")
    expect(page.locator("#drafts li")).to_have_count(1)
    expect(page.locator("#drafts li")).to_contain_text("therapy")
    expect(page.locator(".silence")).to_contain_text("No draft is a lumbar study.")
    page.select_option("#study", "ct-lumbar-spine-without-iv-contrast")
    expect(page.locator("#drafts li")).to_have_count(2)
    expect(page.locator(".card[data-indicator=warning]")).to_be_visible()


def test_a_missing_fact_is_recorded_on_the_order(watched: Watched) -> None:
    """One click adds the fact to the reasons of the order, and the next answer is settled."""
    page = watched.opened("/?patient=steroids")
    page.click("text=Add to the reasons: long-term steroid use")
    expect(page.locator(".silence strong")).to_have_text(SILENT)
    expect(page.locator("#panel-why .chip").first).to_have_text("usually appropriate")
    assert request_of(page)["context"]["draftOrders"]["entry"][0]["resource"]["reasonCode"]


def test_a_card_is_dismissed_with_a_reason(watched: Watched, feedback_of: Feedback) -> None:
    """Dismissing with a coded reason posts it, and the page says that it was stored."""
    page = watched.opened("/?patient=acute")
    card = card_of(page)
    page.click("text=Dismiss …")
    page.check("text=The patient has a red flag that is not coded in the chart")
    page.click("text=Dismiss the card")
    expect(page.locator(".silence strong")).to_have_text("The card was dismissed.")
    expect(page.locator("#note")).to_have_text("Dismissed. Feedback was stored.")
    (stored,) = feedback_of(card["uuid"])
    assert {"overridden", "red-flag-not-coded"} <= set(stored)


def test_a_finding_is_added_and_taken_away(watched: Watched) -> None:
    """A cancer silences the warning for acute pain; suspected counts too, refuted does not; removed, it warns again."""
    page = watched.opened("/?patient=acute")
    add_finding(page, "C61", "C61", State="refuted")
    expect(page.locator(".card[data-indicator=warning]")).to_contain_text("Refuted in the chart")
    page.click("[aria-label^='Remove Malignant neoplasm of prostate']")
    add_finding(page, "c50.911", "C50", State="suspected")
    expect(page.locator(".silence")).to_contain_text("Rated usually appropriate.")
    added = request_of(page)["prefetch"]["conditions"]["entry"][-1]["resource"]
    assert added["code"]["coding"][0]["code"] == "C50.911"
    assert added["verificationStatus"]["coding"][0]["code"] == "provisional"
    page.locator("#chart .entry", has_text="C50.911").get_by_role("button").click()
    expect(page.locator(".card[data-indicator=warning]")).to_be_visible()
    expect(page.locator("#edited")).to_be_visible()


@pytest.mark.parametrize(
    ("words", "code", "fields", "concept"),
    [
        ("8310-5", "8310-5", {"Value": "39.2", "Date": "TODAY"}, "fever"),
        ("8640", "8640", {"Days of supply": "120", "Date": "EARLIER"}, "steroid"),
        ("22612", "22612", {}, "surgery"),
        ("226034001", "226034001", {"Where": "order"}, "infection"),
    ],
)
def test_every_kind_of_finding_can_be_added(
    words: str, code: str, fields: dict[str, str], concept: str, watched: Watched
) -> None:
    """A measurement, a drug, a procedure and a reason of the order each silence the warning for acute pain."""
    page = watched.opened("/?patient=acute")
    days = {"TODAY": 0, "EARLIER": 150}
    told = {
        name: page.evaluate(f"new Date(Date.now() - {days[value]} * 864e5).toLocaleDateString('sv')")
        if value in days
        else value
        for name, value in fields.items()
    }
    add_finding(page, words, code, **told)
    expect(page.locator(".silence strong")).to_have_text(SILENT)
    expect(page.locator(".facts [data-presence=present]", has_text=concept).first).to_be_visible()


def test_a_date_changes_the_verdict(watched: Watched) -> None:
    """Born in 1940 the patient is elderly, and the MRI appropriate; a pain dated back makes the duration chronic."""
    page = watched.opened("/?patient=acute")
    page.click("#edit > summary")
    page.fill("[aria-label='Birth date']", "1940-01-01")
    expect(page.locator(".silence strong")).to_have_text(SILENT)
    page.click("#restart")
    expect(page.locator(".card[data-indicator=warning]")).to_contain_text("Variant 1")
    page.locator("[aria-label='Date of Low back pain, unspecified']").fill("2020-01-01")
    expect(page.locator(".card[data-indicator=warning]")).to_contain_text("Variant 2")


def test_a_part_held_back_is_not_an_empty_part(watched: Watched) -> None:
    """Without the medications steroid use is open and the card is a note; sent again, the warning returns."""
    page = watched.opened("/?patient=acute")
    page.click("#edit > summary")
    page.uncheck("#parts input[value=medications]")
    expect(page.locator(".card[data-indicator=info]")).to_contain_text("Not available, or not in full: medications")
    assert "medications" not in request_of(page)["prefetch"]
    page.check("#parts input[value=medications]")
    expect(page.locator(".card[data-indicator=warning]")).to_be_visible()


def test_signing_asks_the_other_hook(watched: Watched) -> None:
    """The Sign button sends order-sign without selections, and its card is the same advice."""
    page = watched.opened("/?patient=fall")
    summary = page.locator(".card h3").text_content() or "?"
    with page.expect_request("**/cds-services/lumbar-imaging-order-sign") as sent:
        page.get_by_role("button", name="Sign").click()
    body = sent.value.post_data_json
    assert (body["hook"], "selections" in body["context"]) == ("order-sign", False)
    expect(page.locator("#note")).to_contain_text("signed")
    expect(page.locator(".card h3")).to_have_text(summary)


def test_the_table_is_lit_where_the_rating_stands(watched: Watched) -> None:
    """For cauda equina syndrome one cell is lit, variant 4's; for an unseen chart all seven of the study may hold."""
    page = watched.opened("/?patient=cauda-equina")
    (lit,) = page.locator(".lit td[data-lit]").all()
    assert (lit.get_attribute("title") or "").startswith("V4: usually not appropriate, holds")
    page.locator("label.person:has(input[value=unseen])").click()
    expect(page.locator(".lit td[data-lit=possible]")).to_have_count(7)
    expect(page.locator("#panel-why")).to_contain_text("What would settle it:")


def test_a_request_of_ones_own_is_judged_and_can_be_changed(watched: Watched) -> None:
    """A pasted request is sent as it is, explained, and becomes a session like any other."""
    page = watched.opened("/")
    page.click("#paste > summary")
    page.fill("#paste-text", example_request().decode())
    page.click("text=Send it")
    expect(page.locator("#patient-title")).to_have_text("A request of your own")
    expect(page.locator("#panel-request pre")).to_contain_text('"patientId": "example-44"')
    expect(page.locator(".card[data-indicator=warning]")).to_be_visible()
    page.click("text=Remove this imaging order")
    expect(page.locator("#drafts")).to_have_text("No draft orders.")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "The body is not JSON"),
        ('{"hook": "order-select", "context": {"patientId": "x"}}', "draftOrders are required"),
        ('{"hook": "patient-view", "context": {}}', "required"),
    ],
)
def test_a_bad_request_is_told_what_is_wrong(text: str, says: str, watched: Watched) -> None:
    """What the service refuses is shown with its status and its reason, and the page goes on."""
    watched.expected = ("status of 400",)
    page = watched.opened("/")
    page.click("#paste > summary")
    page.fill("#paste-text", text)
    page.click("text=Send it")
    expect(page.locator(".problem").first).to_contain_text("The service answered 400")
    expect(page.locator("#cards")).to_contain_text(says)
    page.locator("label.person:has(input[value=cancer])").click()
    expect(page.locator(".silence strong")).to_have_text(SILENT)


def test_request_and_response_can_be_copied(watched: Watched) -> None:
    """The tabs show both as they went over the wire, and the button copies them."""
    page = watched.opened("/?patient=chronic")
    page.click("#tab-response")
    page.click("#panel-response >> text=Copy")
    expect(page.locator("#panel-response button")).to_have_text("Copied")
    copied = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert copied["cards"][0]["indicator"] == "warning"
    assert "lumbar-imaging-cds.appraisals" in copied["extension"]


def test_the_page_can_be_used_by_keyboard_alone(watched: Watched) -> None:
    """Tab and arrows reach a patient, the study, the suggestion and the tabs, always with a visible focus."""
    page = watched.opened("/")
    seen: list[str] = []

    def tab_to(selector: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            outlined = page.evaluate(
                """() => {
                  const at = document.activeElement;
                  const shown = at.matches("input[type=radio]") && at.closest(".person") || at;
                  return getComputedStyle(shown).outlineStyle !== "none" || at.tagName;
                }"""
            )
            assert outlined is True, f"focus is not visible on {outlined}"
            seen.append(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
        pytest.fail(f"{selector} was not reached: {seen}")

    tab_to("#patients input")
    for _ in range(5):
        page.keyboard.press("ArrowDown")
    expect(page.locator("#patient-title")).to_have_text(patients()["fall"].title)
    tab_to("#study")
    tab_to(".card-actions button")
    page.keyboard.press("Enter")
    expect(page.locator(".silence strong")).to_have_text(SILENT)
    expect(page.locator("#cards")).to_be_focused()
    tab_to("#edit > summary")
    page.keyboard.press("Enter")
    tab_to("#add-words")
    tab_to("#tab-why")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#panel-request")).to_be_visible()
    expect(page.locator("#panel-why")).to_be_hidden()
