"""Cards: what they say, how they are escaped, and what their buttons do."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cards.build import Draft, build_card
from cards.card import Card, Indicator
from cards.emptiness import without_empty
from cards.issue import issue
from cards.pama import rating_action
from cards.profiles import SHAPES
from cards.wire import appraisal_json, card_json
from cards.wording.markdown import escaped
from cards.wording.words import CATEGORY, time_of
from cds_service.envelope import parse_request
from cds_service.judging import Judge, Judged
from cds_service.settings import Settings
from knowledge.appraisal import Appraisal
from knowledge.findings import Coding
from knowledge.guideline import Threshold
from knowledge.knowledge import Knowledge
from knowledge.loading import load
from knowledge.vocabulary import ICD_10_CM
from tests.cases_as_fhir import AS_OF, KEYS, request_for, rulings
from tests.gallery import GALLERY, render

Json = dict[str, Any]

LBP = "ICD-10-CM M54.50"
DEFAULTS = Settings()
ACUTE = {"code": LBP, "onset": "2026-02-20"}


def _judged(knowledge: Knowledge, order: Json, settings: Settings = DEFAULTS, **chart: Any) -> Judged:
    ruling = {
        "order": {"reasons": [LBP], **order},
        "chart": {"birth_date": "1981-05-10", "conditions": [ACUTE], **chart},
    }
    body = json.dumps(request_for(ruling)).encode()
    return Judge(knowledge, settings).judge(parse_request(body, "order-select"), AS_OF)


def _card(knowledge: Knowledge, order: Json, settings: Settings = DEFAULTS, **chart: Any) -> Card:
    (card,) = _judged(knowledge, order, settings, **chart).cards
    return card


def _actions(card: Card) -> list[list[str]]:
    return [[action.type for action in suggestion.actions] for suggestion in card.suggestions]


def test_the_gallery_is_what_was_reviewed() -> None:
    """Every sentence of the gallery's cards is the one in the golden file (`python -m tests.gallery`)."""
    assert render() == GALLERY.read_text(encoding="utf-8")


def test_patients_who_are_in_the_same_states_keep_their_own_facts(knowledge: Knowledge) -> None:
    """A card after another with the same verdict names the entries and dates of its own patient, and no other's."""
    ours, theirs = ({**ACUTE, "id": "ours"}, {**ACUTE, "id": "theirs", "onset": "2026-02-23"})
    first, second = (_card(knowledge, {"code": "CPT 72148"}, conditions=[each]).detail for each in (ours, theirs))
    assert "onset 2026-02-20 (Condition/ours)" in first
    assert second == first.replace("2026-02-20", "2026-02-23").replace("Condition/ours", "Condition/theirs")


def test_every_summary_is_short_and_names_its_study(knowledge: Knowledge) -> None:
    """No summary of any ruling is longer than 139 characters, and each names the ordered study or stands for it."""
    judge = Judge(knowledge, Settings(optional_cards=True))
    seen = 0
    for _, ruling in rulings():
        judged = judge.judge(parse_request(json.dumps(request_for(ruling)).encode(), "order-select"), AS_OF)
        for card in judged.cards:
            seen += 1
            assert 20 < len(card.summary) <= 139, card.summary
            assert "\n" not in card.summary
            assert any(word in card.summary for word in ("umbar", "scan", "PET", "this study")), card.summary
    assert seen > 100


def test_no_card_says_that_imaging_is_inappropriate_under_a_red_flag(knowledge: Knowledge) -> None:
    """With a red flag present the better study stands before the words usually not appropriate."""
    judge = Judge(knowledge, Settings())
    seen = 0
    for _, ruling in rulings():
        judged = judge.judge(parse_request(json.dumps(request_for(ruling)).encode(), "order-select"), AS_OF)
        for appraisal, card in ((order.appraisal, order.card) for order in judged.orders):
            established = getattr(appraisal, "established", ())
            if card is not None and set(established) & {4, 5, 6, 7}:
                seen += 1
                before, _, _ = card.summary.partition("usually not appropriate")
                assert "MRI" in before or "CT" in before, card.summary
                assert card.suggestions[0].kind == "alternative-study"
    assert seen > 20


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "<b>bold</b> & [a](http://x) *i* `c` ~s~ _u_",
            r"&lt;b&gt;bold&lt;/b&gt; &amp; \[a\](http\://x) \*i\* \`c\` \~s\~ \_u\_",
        ),
        ("line\none\r\n\tand\0more", "line one and more"),
        ("www.example.org me@example.org", r"www\.example.org me\@example.org"),
        ("a\u202eb", "a b"),
        ("x" * 200, "x" * 79 + "…"),
        ("Low back pain (finding), L4-L5 #1", "Low back pain (finding), L4-L5 #1"),
    ],
)
def test_chart_text_is_inert_on_a_card(text: str, shown: str) -> None:
    """No HTML, link, formatting or line break of a chart reaches the Markdown of a card."""
    assert escaped(text) == shown


def test_conservative_care_removes_the_order_or_refers(knowledge: Knowledge) -> None:
    """Without a red flag the card offers to remove the order, or to replace it by a referral for the same reasons."""
    judged = _judged(knowledge, {"code": "CPT 72148"})
    (card,) = judged.cards
    sent = judged.orders[0].draft.resource
    assert _actions(card) == [["delete"], ["delete", "create"]]
    remove = card.suggestions[0].actions[0]
    assert (remove.resource_id, remove.resource) == ("ServiceRequest/order-1", None)
    referral = card.suggestions[1].actions[1].resource
    assert referral is not None
    assert "id" not in referral
    assert referral["code"]["coding"][0]["code"] == "306170007"
    assert (referral["subject"], referral["reasonCode"]) == (sent["subject"], sent["reasonCode"])


def test_a_referral_takes_over_what_the_order_says_of_its_patient(knowledge: Knowledge) -> None:
    """The physical therapy referral names the order's encounter, requester, date, reasons, Conditions and insurance."""
    carried = {
        "encounter": {"reference": "Encounter/e1"},
        "requester": {"reference": "Practitioner/u1"},
        "authoredOn": "2026-03-02",
        "reasonReference": [{"reference": "Condition/conditions-0"}],
        "insurance": [{"reference": "Coverage/c1"}],
    }
    body = request_for({"order": {"code": "CPT 72148", "reasons": [LBP]}, "chart": {"conditions": [ACUTE]}})
    order = body["context"]["draftOrders"]["entry"][0]["resource"]
    order.update(carried, note=[{"text": "claustrophobic"}])
    body["prefetch"]["patient"]["birthDate"] = "1981-05-10"
    (card,) = Judge(knowledge, DEFAULTS).judge(parse_request(json.dumps(body).encode(), "order-select"), AS_OF).cards
    referral = card.suggestions[1].actions[1].resource
    assert referral is not None
    kept = {name: order[name] for name in ("subject", "reasonCode", *carried)}
    assert {name: value for name, value in referral.items() if name in order and name != "code"} == {
        **kept,
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": "order",
    }


def test_a_replacement_keeps_the_system_of_the_order(knowledge: Knowledge) -> None:
    """An order by CPT is replaced by CPT, an order by LOINC by LOINC."""
    cancer = [ACUTE, {"code": "ICD-10-CM C61"}]
    for code, expected in (("CPT 72133", "72148"), ("LOINC 36402-6", "30679-5")):
        card = _card(knowledge, {"code": code}, conditions=cancer)
        resource = card.suggestions[0].actions[0].resource
        assert resource is not None
        assert [each["code"] for each in resource["code"]["coding"]] == [expected]


def test_a_missing_fact_is_recorded_beside_the_earlier_reasons(knowledge: Knowledge) -> None:
    """The suggestion adds one coded reason, keeps those there were, and the next call rates the order."""
    judged = _judged(knowledge, {"code": "CPT 72148"}, not_delivered=["conditions"])
    (card,) = judged.cards
    sent = judged.orders[0].draft.resource
    changed = card.suggestions[1].actions[0].resource
    assert changed is not None
    assert changed["reasonCode"][:-1] == sent["reasonCode"]
    body = request_for({"order": {"code": "CPT 72148"}, "chart": {"not_delivered": ["conditions"]}})
    body["context"]["draftOrders"]["entry"][0]["resource"] = changed
    again = Judge(knowledge, Settings()).judge(parse_request(json.dumps(body).encode(), "order-select"), AS_OF)
    assert again.appraisals[0].verdict.category.value == "usually-appropriate"  # type: ignore[union-attr]


def test_the_code_that_is_recorded_is_written_as_people_write_it(knowledge: Knowledge) -> None:
    """ICD-10-CM leaves the service with its dot."""
    card = _card(
        knowledge,
        {"code": "CPT 72148"},
        medications=[{"code": "RxNorm 198145", "status": "completed", "authored": "2025-12-01"}],
    )
    resource = card.suggestions[0].actions[0].resource
    assert resource is not None
    assert resource["reasonCode"][-1]["coding"][0]["code"] == "Z79.52"


def test_an_order_without_an_id_gets_a_card_without_buttons(knowledge: Knowledge) -> None:
    """Actions need a name for the draft; without one the card stands alone."""
    judged = _judged(knowledge, {"code": "CPT 72148"})
    draft, appraisal = judged.orders[0].draft, judged.orders[0].appraisal
    nameless = {name: value for name, value in draft.resource.items() if name != "id"}
    card = build_card(knowledge.topic, appraisal, Draft(nameless))  # type: ignore[arg-type]
    assert card is not None
    assert card.suggestions == ()
    assert "suggestions" not in card_json(issue(card, lambda: "u"))
    assert "selectionBehavior" not in card_json(issue(card, lambda: "u"))


def test_in_pregnancy_no_ionising_study_is_suggested(knowledge: Knowledge) -> None:
    """Where a pacemaker speaks against the only study that is left, it is named with care, and no button orders it."""
    pregnant = [ACUTE, {"code": "ICD-10-CM Z34.02", "onset": "2025-12-01"}, {"code": "ICD-10-CM Z95.0"}]
    card = _card(knowledge, {"code": "CPT 72100", "reasons": [LBP, "ICD-10-CM G83.4"]}, conditions=pregnant)
    assert card.suggestions == ()
    assert "lumbar MRI now if it is safe; " in card.summary
    assert "only if it is safe for this patient. Please ask the radiologist." in card.detail
    assert "No study with ionizing radiation is suggested, for the chart shows a pregnancy." in card.detail
    warned = _card(knowledge, {"code": "CPT 72133"}, conditions=[*pregnant, {"code": "ICD-10-CM C50.911"}])
    assert (warned.suggestions, "only if it is safe here" in warned.summary) == ((), True)


def test_a_pacemaker_puts_ct_before_mri(knowledge: Knowledge) -> None:
    """Where MRI may be ruled out another study is named first, and MRI stays on offer."""
    implant = [ACUTE, {"code": "ICD-10-CM Z95.0"}, {"code": "ICD-10-CM C61"}]
    card = _card(knowledge, {"code": "CPT 72133"}, conditions=implant)
    labels = [suggestion.label for suggestion in card.suggestions]
    assert "MRI" not in labels[0]
    assert "MRI" in labels[1]


def test_optional_cards_name_a_better_study_and_ask_for_the_contrast(knowledge: Knowledge) -> None:
    """The setting turns on an info card where a better-rated study exists, and where only the contrast is open."""
    on = Settings(optional_cards=True)
    cancer = {"conditions": [ACUTE, {"code": "ICD-10-CM C61"}]}
    for code, words in (("CPT 72131", "is rated above"), ("LOINC 24968-0", "please state the contrast")):
        assert _judged(knowledge, {"code": code}, **cancer).cards == []
        card = _card(knowledge, {"code": code}, on, **cancer)
        assert (card.indicator, words in card.summary) == (Indicator.INFO, True)
    assert _judged(knowledge, {"code": "CPT 72148"}, on, **cancer).cards == []


def test_a_site_that_rates_on_the_order_alone_says_that_the_chart_was_not_seen(knowledge: Knowledge) -> None:
    """Undelivered data count as empty by the site's word, and the card says so."""
    alone = Settings(rate_on_order_alone=True)
    card = _card(knowledge, {"code": "CPT 72148"}, alone, not_delivered=list(KEYS))
    assert card.indicator is Indicator.WARNING
    assert card.summary.endswith(" The chart was not seen.")
    assert "The chart was not seen" in card.detail
    in_part = _card(knowledge, {"code": "CPT 72148"}, alone, not_delivered=["medications", "imaging"])
    assert in_part.summary.endswith(" The chart was seen in part.")
    aside = _card(knowledge, {"code": "CPT 72148"}, alone, not_delivered=["imaging", "referrals"])
    assert "seen" not in aside.summary
    assert "Searched and not found" not in card.detail


def test_what_could_not_be_read_stays_open_even_when_rating_on_the_order_alone(knowledge: Knowledge) -> None:
    """The site's word covers what did not arrive, not what arrived and could not be read."""
    alone = Settings(rate_on_order_alone=True)
    card = _card(knowledge, {"code": "CPT 72148"}, alone, conditions=[ACUTE, {"code": "text a tumour?"}])
    assert card.indicator is Indicator.INFO


def test_the_card_names_facts_with_date_and_place(knowledge: Knowledge) -> None:
    """A fact stands on the card with its words, its date and the resource that holds it."""
    fall = {"id": "f1", "code": ["ICD-10-CM W18.30XA", "text Fall at home"], "onset": "2026-02-21"}
    card = _card(knowledge, {"code": "CPT 72132"}, conditions=[ACUTE, fall])
    assert "Fall at home, 2026-02-21 (Condition/f1)" in card.detail


def test_what_is_refuted_is_not_told_as_searched_and_not_found(knowledge: Knowledge) -> None:
    """A denied cancer stands once, under what was refuted."""
    denied = {"code": "ICD-10-CM C61", "verification": "refuted"}
    detail = _card(knowledge, {"code": "CPT 72148"}, conditions=[ACUTE, denied]).detail
    refuted, searched = (
        next(each for each in detail.split("\n\n") if each.startswith(begin))
        for begin in ("**Refuted in the chart:**", "**Searched and not found:**")
    )
    assert ("ancer" in refuted, "cancer" in searched) == (True, False)


@pytest.mark.parametrize(
    ("code", "named"),
    [
        ("ICD-10-CM F11.20", None),
        ("ICD-10-CM R50.9", "suspicion of infection"),
        ("ICD-10-CM Z85.46", "suspicion of cancer"),
    ],
)
def test_a_summary_claims_no_disease_that_the_chart_does_not_name(
    knowledge: Knowledge, code: str, named: str | None
) -> None:
    """Fever is no infection and a history is no cancer: the summary says suspicion, as the ACR's scenario does."""
    conditions = [ACUTE, {"code": code, "onset": "2026-02-25"}]
    summary = _card(knowledge, {"code": "CPT 72133"}, conditions=conditions).summary
    assert (f"With {named}," in summary) == (named is not None)


def test_what_takes_two_facts_is_not_told_as_one(knowledge: Knowledge) -> None:
    """Surgery candidates are those referred after treatment: neither is named as enough."""
    card = _card(knowledge, {"code": "CPT 72148"}, conditions=[ACUTE], not_delivered=["procedures", "medications"])
    assert "six weeks" not in card.summary
    chronic = {"code": LBP, "onset": "2025-11-02"}
    unseen = _card(knowledge, {"code": "CPT 72148"}, conditions=[chronic], not_delivered=list(KEYS))
    assert "surgical referral after therapy" in unseen.summary


def test_a_card_for_a_child_speaks_of_children(knowledge: Knowledge) -> None:
    """Under 18 the rating is told as an adults' one, without their drugs and weeks, and X-rays are not preferred."""
    card = _card(knowledge, {"code": "CPT 72100"}, birth_date="2012-06-01")
    assert "(adult criteria)" in card.summary
    assert "drugs" not in card.detail
    assert "six weeks of treatment bring" not in card.detail
    assert "studies without ionizing radiation are preferred" in card.detail
    assert "ionizing" not in _card(knowledge, {"code": "CPT 72148"}, birth_date="2012-06-01").detail


def test_an_unknown_age_is_told_where_no_reason_can_settle_it(knowledge: Knowledge) -> None:
    """Without a birth date the card says that older patients have a scenario of their own."""
    card = _card(knowledge, {"code": "CPT 72148"}, birth_date=None)
    assert "for age 65 or more another scenario applies" in card.detail
    assert "another scenario" not in _card(knowledge, {"code": "CPT 72148"}).detail


def test_what_is_in_the_chart_and_does_not_count_is_told(knowledge: Knowledge) -> None:
    """An old foot drop is not among what was searched and not found, but told with why it does not count."""
    old = {"code": ["ICD-10-CM M21.371", "text Foot drop"], "onset": "2024-01-01"}
    detail = _card(knowledge, {"code": "CPT 72148"}, conditions=[ACUTE, old]).detail
    assert "**In the chart, but not counted:** leg weakness: Foot drop, 2024-01-01, outside the time" in detail
    searched = next(each for each in detail.split("\n\n") if each.startswith("**Searched and not found:**"))
    assert "leg weakness" not in searched
    judged = _judged(knowledge, {"code": "CPT 72148"}, conditions=[ACUTE, old])
    (finding,) = [
        each
        for each in appraisal_json(knowledge.topic, judged.appraisals[0])["findings"]
        if each["concept"] == "motor-deficit"
    ]
    assert "evidence" not in finding


def test_the_fact_that_is_offered_is_the_one_that_is_open(knowledge: Knowledge) -> None:
    """Drug use is not recorded as fever, what the order says already is not offered, and surgery can be recorded."""
    use = _card(knowledge, {"code": "CPT 72148"}, conditions=[ACUTE, {"code": "ICD-10-CM F11.20"}])
    assert (use.suggestions, "ICD-10-CM F11.20" in use.detail) == ((), True)
    assert "unless the patient has spinal or serious infection, injecting drug use or fever." in use.summary
    assert "**Instead:** Where that is ruled out, advice to stay active" in use.detail
    denied = [ACUTE, {"code": "ICD-10-CM G83.4", "verification": "refuted"}]
    said = _card(knowledge, {"code": "CPT 72148", "reasons": [LBP, "ICD-10-CM G83.4"]}, conditions=denied)
    assert "suspected cauda equina syndrome, add" not in said.detail
    assert "as the reason of the order is left open" not in said.detail
    fused = _card(knowledge, {"code": "CPT 72148"}, conditions=[ACUTE, {"code": "ICD-10-CM Z98.1"}])
    assert [each.label for each in fused.suggestions] == ["Add to the reasons: pain after lumbar surgery"]


def test_many_gaps_are_told_in_one_sentence(knowledge: Knowledge) -> None:
    """Three are named, the rest are counted."""
    gaps = [{"id": f"w{number}", "code": "text words"} for number in range(6)]
    detail = _card(knowledge, {"code": "CPT 72148"}, conditions=[ACUTE, *gaps]).detail
    assert ", Condition/w2 (no code of a known system) and 3 more." in detail


def test_no_more_than_two_earlier_studies_are_told_of(knowledge: Knowledge) -> None:
    """Of three earlier studies of the lumbar spine the card names two, so that it stays short."""
    reports = [{"code": "CPT 72100", "effective": f"2025-0{month}-01"} for month in (3, 5, 7)]
    for told, named in ((reports[:1], 1), (reports[:2], 2), (reports, 2)):
        card = _card(knowledge, {"code": "CPT 72148"}, imaging=told)
        assert card.detail.count("Earlier lumbar imaging") == named


def test_the_words_of_the_categories_are_the_guidelines() -> None:
    """The four categories are named as the ACR names them."""
    assert [*CATEGORY.values()] == [
        "usually not appropriate",
        "may be appropriate",
        "may be appropriate (disagreement)",
        "usually appropriate",
    ]


@pytest.mark.parametrize(
    ("days", "told"),
    [(1, "one day"), (7, "one week"), (42, "six weeks"), (45, "45 days"), (84, "twelve weeks"), (91, "13 weeks")],
)
def test_a_time_is_told_in_weeks_where_it_is_whole_weeks(days: int, told: str) -> None:
    """Numbers up to twelve are spelled, and what makes no whole weeks is told in days."""
    assert time_of(Threshold("t", days, "d", {}, "own", "")) == told


def test_the_numbers_in_sentences_are_those_of_the_topic(folder: Path) -> None:
    """Where the data have other weeks, another age of adults or fewer scenarios, the cards say so."""
    file = folder / "topic.json"
    data = json.loads(file.read_text(encoding="utf-8"))
    for threshold, value in (("management-latest", 56), ("acute-duration", 35), ("adult-age", 17)):
        data["thresholds"][threshold]["value"] = value
    file.write_text(json.dumps(data), encoding="utf-8")
    knowledge = load(folder)
    assert "or when eight weeks of treatment bring" in _card(knowledge, {"code": "CPT 72148"}).detail
    child = _card(knowledge, {"code": "CPT 72100"}, birth_date="2012-06-01").detail
    assert "pain for more than five weeks is one in a child" in child
    assert "**Under 17:** the ACR has criteria" in child
    topic = knowledge.topic
    fewer = replace(topic, variants={number: variant for number, variant in topic.variants.items() if number != 5})
    open_card = _card(replace(knowledge, topic=fewer), {"code": "CPT 72148"}, not_delivered=list(KEYS))
    assert "which of the six scenarios applies is not settled" in open_card.detail


def test_empty_members_are_left_out_at_any_depth() -> None:
    """Null, empty strings, lists and objects go, false and zero stay."""
    value = {"a": None, "b": "", "c": [], "d": {"e": {}}, "f": False, "g": 0, "h": [None, {"i": []}, "x"]}
    assert without_empty(value) == {"f": False, "g": 0, "h": ["x"]}


E = {"id": "e"}


@pytest.mark.parametrize(
    ("sent", "left"),
    [
        ((["A", None, "B"], [None, E, None]), (["A", None, "B"], [None, E, None])),
        ((["A", "B"], [E]), (["A", "B"], [E, None])),
        ((["A", "", None, "B"], [None, {}, E, []]), (["A", None, "B"], [None, E, None])),
        (([None, None], [None, E]), (None, [E])),
        ((["A", None], [None, {}]), (["A"], None)),
        (("A", [None, E]), ("A", [E])),
    ],
    ids=["both", "fewer extensions", "a place without either", "no value", "no extension", "no list"],
)
def test_a_list_and_its_extensions_keep_their_places(sent: tuple[Any, Any], left: tuple[Any, Any]) -> None:
    """Only a place that has neither a value nor an extension goes, and it goes from both lists."""
    echoed = without_empty(dict(zip(("given", "_given"), sent, strict=True)))
    assert (echoed.get("given"), echoed.get("_given")) == left


def test_chart_text_in_the_gallery_cannot_format(knowledge: Knowledge) -> None:
    """The markup that a chart smuggles into a diagnosis is not on any card as markup."""
    tricky = {"id": "<img>", "code": ["ICD-10-CM C61", "text <img src=x> **now**"]}
    card = _card(knowledge, {"code": "CPT 72133"}, conditions=[ACUTE, tricky])
    assert "<" not in card.detail.replace("&lt;", "")
    assert r"\*\*now\*\*" in card.detail


@pytest.mark.parametrize("text", [None, "MRI L-spine"], ids=["nameless", "named"])
def test_an_id_in_the_request_cannot_format(knowledge: Knowledge, text: str | None) -> None:
    """Ids of orders, of what was found and of what could not be read stand in the detail as plain letters."""
    odd = "<i>*[a](http://x)*"
    order = {"code": ["CPT 72148", f"text {text}"] if text else "CPT 72148", "reasons": [LBP]}
    found = {"id": f"found{odd}", "code": "ICD-10-CM D05.11"}
    unread = {"id": f"unread{odd}", "code": "text a tumour?"}
    chart = {"birth_date": "1981-05-10", "conditions": [ACUTE, found, unread]}
    body = request_for({"order": order, "also_ordered": [{"code": "CPT 72100"}], "chart": chart})
    body["context"]["draftOrders"]["entry"][0]["resource"]["id"] = f"order{odd}"
    body["context"]["selections"] = []
    judged = Judge(knowledge, DEFAULTS).judge(parse_request(json.dumps(body).encode(), "order-select"), AS_OF)
    detail = judged.cards[0].detail
    inert = r"&lt;i&gt;\*\[a\](http\://x)\*"
    assert [f"{kind}{inert}" in detail for kind in ("order", "found", "unread")] == [True, True, True]
    assert odd not in detail


def test_codes_are_displayed_from_the_value_set_where_the_chart_has_no_words(knowledge: Knowledge) -> None:
    """A coding without text or display is named by our own label for it."""
    assert knowledge.vocabulary.label(Coding(ICD_10_CM, "C61"), "cancer") == "Malignant neoplasm of prostate"  # type: ignore[arg-type]
    card = _card(knowledge, {"code": "CPT 72133"}, conditions=[ACUTE, {"code": "ICD-10-CM C61"}])
    assert "Malignant neoplasm of prostate" in card.detail


def test_the_day_of_the_call_changes_nothing_for_a_dated_order(knowledge: Knowledge) -> None:
    """Equal input gives equal content on any later day, where nothing is dated between."""
    ruling = {
        "order": {"code": "CPT 72148", "reasons": [LBP]},
        "chart": {"birth_date": "1981-05-10", "conditions": [ACUTE]},
    }
    call = parse_request(json.dumps(request_for(ruling)).encode(), "order-select")
    judge = Judge(knowledge, Settings())
    assert judge.judge(call, AS_OF).cards == judge.judge(call, date(2026, 6, 1)).cards


WEAK_LEG = "ICD-10-CM M21.371"
PACEMAKER = {"code": "ICD-10-CM Z95.0"}
CHRONIC = {"code": LBP, "onset": "2025-10-01"}


def test_leg_weakness_speaks_for_what_its_own_variant_rates_best(knowledge: Knowledge) -> None:
    """Where it alone is known, an unknown age lends no study its rating: radiography is not named."""
    card = _card(knowledge, {"code": "CPT 72133", "reasons": [LBP, WEAK_LEG]}, birth_date=None, conditions=[PACEMAKER])
    assert card.summary.startswith("With leg weakness, lumbar CT without contrast may be appropriate;")
    assert [each.label for each in card.suggestions] == [
        "Replace by lumbar CT without contrast",
        "Replace by lumbar MRI without contrast",
    ]


def test_of_two_studies_rated_alike_the_one_that_no_scenario_disputes_is_named(knowledge: Knowledge) -> None:
    """With an age of 65 and a cancer, CT without contrast comes before radiography, which its variant disputes."""
    old = {"birth_date": "1948-01-01", "conditions": [ACUTE, PACEMAKER, {"code": "ICD-10-CM C61"}]}
    card = _card(knowledge, {"code": "CPT 72149"}, **old)
    assert card.summary.startswith("With an age of 65 or more, lumbar CT without contrast is usually appropriate;")
    assert card.suggestions[0].label == "Replace by lumbar CT without contrast"


@pytest.mark.parametrize(
    ("study", "condition", "said"),
    [
        ("CPT 72100", "R33.9", "usually not appropriate; if cauda equina syndrome is suspected, lumbar MRI now."),
        ("CPT 72132", "W01.0XXA", "usually not appropriate in every ACR scenario that is possible here."),
        ("CPT 72149", "W01.0XXA", "usually not appropriate in every ACR scenario of low back pain."),
    ],
    ids=["an emergency may be", "better elsewhere", "nowhere better"],
)
def test_a_rating_that_holds_whatever_is_open_is_said_of_no_more_than_that(
    knowledge: Knowledge, study: str, condition: str, said: str
) -> None:
    """Every scenario is spoken of only where each rates the study lowest; a possible emergency is named first."""
    card = _card(knowledge, {"code": study}, conditions=[ACUTE, {"code": f"ICD-10-CM {condition}"}])
    assert card.summary.endswith(f": {said}")


def test_what_is_known_speaks_first_where_something_else_is_open(knowledge: Knowledge) -> None:
    """Osteoporosis names its study although an infection, still open, would speak for the one that was ordered."""
    open_infection = {"code": "ICD-10-CM N39.0", "onset": "2026-02-20"}
    card = _card(knowledge, {"code": "CPT 72132"}, conditions=[ACUTE, {"code": "ICD-10-CM M81.0"}, open_infection])
    assert card.indicator is Indicator.INFO
    assert card.summary == (
        "Lumbar MRI without contrast is usually appropriate here; lumbar CT with contrast only if there is infection."
    )
    assert [each.label for each in card.suggestions] == ["Replace by lumbar MRI without contrast"]


def test_treatment_alone_names_no_study(knowledge: Knowledge) -> None:
    """After six weeks of treatment an MRI is for candidates of an intervention: the referral is asked for instead."""
    therapy = [{"code": "CPT 97110", "performed": "2026-01-05"}]
    card = _card(knowledge, {"code": "CPT 72149"}, conditions=[CHRONIC], procedures=therapy)
    assert [each.label for each in card.suggestions] == ["Add to the reasons: a surgical referral"]
    assert "MRI without contrast" not in card.summary


def test_a_fact_is_asked_for_where_it_leads_to_a_study(knowledge: Knowledge) -> None:
    """A referral names no study while the treatment before it is open, so that the card does not promise one."""
    drug = [{"code": "RxNorm 5640", "status": "completed", "authored": "2026-01-01"}]
    card = _card(knowledge, {"code": "CPT 72132"}, conditions=[CHRONIC], medications=drug)
    assert card.suggestions == ()
    assert "surgical referral" not in card.detail.partition("**Why**")[0]


@pytest.mark.parametrize("identity", [["x"], 5, {"a": 1}, True], ids=str)
def test_an_order_whose_id_is_no_text_is_not_named(knowledge: Knowledge, identity: Any) -> None:
    """No action refers to it, and no rating is written on it."""
    (judged,) = _judged(knowledge, {"code": "CPT 72148"}).orders
    assert isinstance(judged.appraisal, Appraisal)
    order = {**judged.draft.resource, "id": identity}
    for shape in SHAPES.values():
        card = build_card(knowledge.topic, judged.appraisal, Draft(order), shape=shape)
        assert card is not None
        assert (card.suggestions, card.associated_order) == ((), None)
    assert rating_action(knowledge.topic, judged.appraisal, order, lambda: "u") is None
