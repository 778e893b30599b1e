"""The reports of cds-conformance: text, JSON, JUnit and HTML, each whole and safe to look at."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from conformance import __main__ as command
from conformance import report as reports
from conformance.checks import GROUPS, all_checks
from tests.conformance.conftest import SMALL, Judge, long_summary, untitled
from tests.conformance.peer import Answer, Call, Peer

main = command.main


def test_the_json_report_holds_everything(broken: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--format json has each check once, with its outcome, its requirements, and every fault."""
    assert main([broken, "--format", "json", "--profile", "crd", *SMALL]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [each["check"] for each in told["results"]] == sorted(all_checks(), key=_run_order)
    (failure,) = [each for each in told["results"] if each["outcome"] == "fail"]
    assert failure["check"] == "cards.summary-length"
    assert failure["faults"][0]["where"] == "$.cards[0].summary"
    assert failure["requirements"] == [{"id": "G4", "url": "https://cds-hooks.hl7.org/2.0/#card-attributes"}]
    assert told["met"] is False
    assert told["cards"] == 8
    rows = {(row["id"], row["section"]): row for row in told["profile"]["rows"]}
    assert rows["crd_service_response_validation", "3 Hooks"]["outcome"] == "fail"
    assert rows["crd_service_response_validation", "3 Hooks"]["reason"] == "cards.summary-length"
    assert rows["crd_coverage_info_system_action_received", "3 Hooks"]["outcome"] == "omit"
    assert "payer's role" in rows["crd_coverage_info_system_action_received", "3 Hooks"]["reason"]


def _run_order(check: str) -> tuple[int, int]:
    ordered = [group.name for group in GROUPS[:-1]] + ["crd", GROUPS[-1].name]
    return ordered.index(check.partition(".")[0]), list(all_checks()).index(check)


def test_the_junit_report_counts_what_a_build_server_counts(judge: Judge) -> None:
    """A SHALL is a failure with its explanation, a warning is skipped with its text, and in a strict run a failure."""

    def both(call: Call, answer: Answer) -> None:
        untitled(call, answer)
        long_summary(call, answer)

    report = judge(Peer(both))
    root = ElementTree.fromstring(reports.as_junit(report))
    assert [case.get("name") for case in root.iter("testcase")] == [each.check for each in report.results]
    (failure,) = root.iter("failure")
    assert failure.get("message") == "A summary is shorter than 140 characters."
    assert "$.cards[0].summary" in (failure.text or "")
    skipped = [case for case in root.iter("skipped") if (case.get("message") or "").startswith("warning:")]
    assert [case.get("message") for case in skipped] == ["warning: Each service has a title."]
    assert sum(int(suite.get("failures", "0")) for suite in root) == 1
    strict = ElementTree.fromstring(reports.as_junit(report, strict=True))
    assert sum(int(suite.get("failures", "0")) for suite in strict) == 2


class _Page(HTMLParser):
    """What a test wants to know of an HTML page."""

    void = frozenset({"meta", "br", "link", "img", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_html_report_is_one_page_that_needs_nothing_beside_it(judge: Judge) -> None:
    """It is well-formed, loads nothing, runs no script, knows its language, heads its tables, and knows the dark."""
    text = reports.as_html(judge(Peer(long_summary), services=("peer-select",)))
    page = _Page(text)
    assert page.open == []
    assert {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "object", "form"} == set()
    assert not any({"src", "srcset", "onclick"} & set(attributes) for _, attributes in page.tags)
    assert "url(" not in text
    assert "@import" not in text
    assert "prefers-color-scheme: dark" in text
    assert ("html", {"lang": "en"}) in page.tags
    assert all("scope" in attributes for tag, attributes in page.tags if tag == "th")
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {(attributes.get("href") or "")[1:] for _, attributes in page.tags if _is_inside(attributes)}
    assert targets == {"cards.summary-length"}
    assert targets <= set(ids)
    for words in ("Not met: 1 of", "A summary is shorter than 140 characters.", "$.cards[0].summary", "4 cards in 2"):
        assert words in text


def _is_inside(attributes: dict[str, str | None]) -> bool:
    return (attributes.get("href") or "").startswith("#")


def test_what_a_service_says_is_no_markup_in_the_report(judge: Judge) -> None:
    """A hostile answer is shown as text in HTML, and does not break XML."""

    def hostile(call: Call, answer: Answer) -> None:
        if call.service and answer.status == 200 and answer.body["cards"]:
            answer.body["cards"][0]["indicator"] = "</code><script>alert(1)</script>\x00\x9b31m\ud800"

    report = judge(Peer(hostile), services=("peer-select",))
    told = {form: reports.render(report, form) for form in reports.FORMATS}
    assert "<script" not in told["html"]
    assert "&lt;script&gt;" in told["html"]
    assert ElementTree.fromstring(told["junit"]).find(".//failure") is not None
    assert json.loads(told["json"])["met"] is False
    assert all(not {"\x00", "\x9b"} & set(text) and text.encode("utf-8") for text in told.values())


@pytest.mark.parametrize("form", reports.FORMATS)
def test_a_report_goes_into_a_file(
    form: str, judge: Judge, tmp_path: Path, capsys: pytest.CaptureFixture[str], good: str
) -> None:
    """With --output the file holds the whole report, and standard output the verdict alone."""
    file = tmp_path / "report"
    assert main([good, "--service", "peer-select", "--format", form, "--output", str(file), *SMALL]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("Met: ")
    assert "cards.summary-length" in file.read_text(encoding="utf-8")


def test_many_faults_are_cut_in_text_and_whole_in_json(judge: Judge) -> None:
    """A text report shows the first eight faults of a check and how many more there are."""

    def many(call: Call, answer: Answer) -> None:
        if call.service and answer.status == 200 and answer.body["cards"]:
            answer.body["cards"] *= 5
            answer.body["cards"] = [{**card, "indicator": "hard-stop"} for card in answer.body["cards"]]

    report = judge(Peer(many), services=("peer-select",))
    (result,) = [each for each in report.results if each.check == "cards.indicator"]
    assert len(result.faults) == 20
    assert "and 12 more" in reports.as_text(report)
    assert reports.as_json(report).count("hard-stop") == 20
