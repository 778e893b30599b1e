"""The command cds-conformance: its options, its exit codes, and its reports."""

from __future__ import annotations

import json
import re
import socket
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from conformance import __main__ as command
from conformance import profiles
from conformance import report as reports
from conformance.check import Outcome
from conformance.checks import GROUPS, all_checks
from conformance.kit import Options, run
from conformance.tokens import Key, read_key
from tests.conformance.conftest import Judge, StoppedClock, serving
from tests.conformance.peer import BASE, ISSUER, Answer, Call, Peer

SMALL = ["--large-body", "50000"]
main = command.main


def _untitled(call: Call, answer: Answer) -> None:
    """A service that only a SHOULD is against."""
    if call.method == "GET" and call.path == "/cds-services":
        del answer.body["services"][0]["title"]


def _long_summary(call: Call, answer: Answer) -> None:
    if call.service and answer.status == 200 and answer.body["cards"]:
        answer.body["cards"][0]["summary"] = "x" * 140


@pytest.fixture(scope="module")
def good() -> Iterator[str]:
    with serving(Peer()) as base:
        yield base


@pytest.fixture(scope="module")
def broken() -> Iterator[str]:
    with serving(Peer(_long_summary)) as base:
        yield base


def test_a_service_that_meets_all_is_met(good: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, and the text report says what was tested, how many cards were seen, and the verdict."""
    assert main([f"{good}/cds-services/", "--service", "peer-sign", *SMALL]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"CDS Hooks 2.0.1 conformance of {good}\n")
    assert "peer-sign (order-sign): the kit's imaging order, the kit's medication order" in text
    assert "peer-select" not in text
    assert "4 cards in 2 answers to good requests" in text
    assert "Met: nothing that is required fails" in text
    assert "omit  18 checks, tokens.no-token to tokens.challenge: tokens were not tested" in text
    assert max(map(len, text.splitlines())) <= 100


def test_a_service_that_breaks_a_shall_is_unmet(broken: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, and the report explains: what is asked, in which call, where, what was seen, and why it is asked."""
    assert main([broken, "--service", "peer-select", *SMALL]) == 1
    text = capsys.readouterr().out
    explained = text[text.index("FAIL  cards.summary-length  (SHALL)") : text.index("\nDiscovery")]
    explained = re.sub(r"\s+", " ", explained)
    for words in (
        "asks A summary is shorter than 140 characters.",
        "in POST /cds-services/peer-select, the kit's imaging order",
        'seen $.cards[0].summary: 140 characters: "xxx',
        "why G4: A card has a summary of one sentence, shorter than 140 characters.",
        "https://cds-hooks.hl7.org/2.0/#card-attributes",
    ):
        assert words in explained


def test_a_warning_counts_only_in_a_strict_run(capsys: pytest.CaptureFixture[str]) -> None:
    """A SHOULD that fails is a warning with exit code 0, and with --strict it is exit code 1."""
    with serving(Peer(_untitled)) as base:
        assert main([base, *SMALL]) == 0
        assert "WARN  discovery.title  (SHOULD)" in capsys.readouterr().out
        assert main([base, "--strict", *SMALL]) == 1
        assert "Not met in a strict run: 1 warning" in capsys.readouterr().out


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["{base}", "--service", "nobody"],
            "--service nobody: there is no such service; {base}/cds-services lists peer-s",
        ),
        (["{base}/elsewhere"], "{base}/elsewhere/cds-services answered 404 without a list of services"),
        (["http://127.0.0.1:{port}"], "http://127.0.0.1:{port}: cannot be reached"),
        (["ftp://127.0.0.1"], "not an http or https URL"),
        (["127.0.0.1:8080"], "not an http or https URL"),
        ([], "URL"),
        (["{base}", "--format", "pdf"], "--format"),
        (["{base}", "--profile", "pas"], "--profile"),
        (["{base}", "--cds-hooks", "1.0"], "--cds-hooks"),
        (["{base}", "--timeout", "0"], "--timeout: 0 is no number of seconds"),
        (["{base}", "--large-body", "1"], "--large-body: 1 is no number of bytes"),
        (["{base}", "--request", "{folder}/none.json"], "--request {folder}/none.json: No such file"),
        (["{base}", "--request", "{folder}/bad.json"], "--request {folder}/bad.json: not JSON"),
        (["{base}", "--request", "{folder}/list.json"], "--request {folder}/list.json: not an object with a hook"),
        (["{base}", "--request", "{folder}/hook.json"], "--request {folder}/hook.json: its context is not an object"),
        (["{base}", "--jwt-key", "{folder}/bad.json"], "--jwt-key {folder}/bad.json: no private key in PEM form"),
        (["{base}", "--jwt-key", "{folder}/none.pem"], "--jwt-key {folder}/none.pem: No such file"),
        (["{base}", "--jwt", "--jwt-port", "70000"], "--jwt-port"),
        (["{base}", "--ca-file", "{folder}/none.pem"], "--ca-file {folder}/none.pem: No such file"),
        (["{base}", "--output", "{folder}/none/report.txt", *SMALL], "--output {folder}/none/report.txt: No such file"),
        (["jwks"], "jwks: name the private keys"),
        (["coverage", "--fix"], "the only option is --write"),
    ],
)
def test_what_keeps_the_kit_from_running_is_said_in_one_line(
    arguments: list[str], words: str, good: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, nothing on standard output, and one line that says what is wrong and where."""
    (tmp_path / "bad.json").write_text("{", encoding="utf-8")
    (tmp_path / "list.json").write_text("[]", encoding="utf-8")
    (tmp_path / "hook.json").write_text('{"hook": "order-sign"}', encoding="utf-8")
    known = {"base": good, "folder": tmp_path, "port": _free_port()}
    assert main([each.format(**known) for each in arguments]) == 2
    told = capsys.readouterr()
    (line,) = told.err.splitlines()
    assert line.startswith("cds-conformance: ")
    assert words.format(**known) in line
    assert told.out == ""


def test_a_service_that_demands_a_token_is_not_judged_without_one(
    keys: tuple[Key, Key], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2: a refusal of the kit is no fault of the service, with no key and with one it was not told of."""
    with serving(Peer(keys=keys, jku="https://ehr.example.org/jwks.json")) as base:
        assert main([base]) == 2
        assert "it demands a token; give --jwt-key or --jwt" in capsys.readouterr().err
        assert main([base, "--jwt", "--jwt-port", "0"]) == 2
        refused = capsys.readouterr().err
        assert "refused the kit's token with 401" in refused
        assert "try once more in ten seconds" in refused


def _pem(key: Key) -> bytes:
    return key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def test_keys_of_the_testers_sign_the_calls(
    keys: tuple[Key, Key], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --jwt-key a service that trusts these keys is judged, and `jwks` prints their public halves alone."""
    files = []
    for key in keys:
        file = tmp_path / f"{key.algorithm}.pem"
        file.write_bytes(_pem(key))
        files.append(str(file))
    assert main(["jwks", *files]) == 0
    published = json.loads(capsys.readouterr().out)["keys"]
    assert [(key["kty"], key["alg"]) for key in published] == [("EC", "ES384"), ("RSA", "RS384")]
    assert not {"d", "p", "q", "k"} & {member for key in published for member in key}

    known = tuple(read_key(Path(file).read_bytes()) for file in files)
    assert [key.kid for key in known] == [key["kid"] for key in published]
    peer = Peer(keys=known, jku="https://ehr.example.org/jwks.json")
    with serving(peer) as base:
        peer.base = base
        given = ["--jwt-key", *files, "--jwt-issuer", ISSUER, "--jwt-jku", peer.jku, "--jwt-port", "0"]
        assert main([base, *given, *SMALL]) == 0
    text = capsys.readouterr().out
    assert "  pass  tokens.foreign-jku" in text
    assert "  pass  tokens.rs384" in text


def test_new_keys_are_served_to_a_service_that_fetches_them(
    keys: tuple[Key, Key], capsys: pytest.CaptureFixture[str]
) -> None:
    """With --jwt the kit makes its keys and serves them at the port it names, where the service can get them."""
    port = _free_port()
    peer = Peer(keys=keys[:1], fetches=lambda jku: jku == f"http://127.0.0.1:{port}/jwks.json")
    with serving(peer) as base:
        peer.base = base
        assert main([base, "--jwt", "--jwt-issuer", ISSUER, "--jwt-port", str(port), *SMALL]) == 0
    text = capsys.readouterr().out
    assert "  pass  tokens.es384" in text
    assert "  pass  tokens.rs384" in text
    assert "  pass  tokens.foreign-jku" in text


def test_a_port_that_is_taken_keeps_the_kit_from_running(good: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the key set cannot be served, the run says so instead of sending tokens that nobody can verify."""
    port = good.rpartition(":")[2]
    assert main([good, "--jwt", "--jwt-port", port]) == 2
    assert f"the key set cannot be served on port {port}" in capsys.readouterr().err


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
        _untitled(call, answer)
        _long_summary(call, answer)

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
    text = reports.as_html(judge(Peer(_long_summary), services=("peer-select",)))
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


class _Stubborn(httpx.BaseTransport):
    """Leaves one address without an answer."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.peer = httpx.WSGITransport(Peer())

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == self.path:
            raise httpx.ReadTimeout("")
        return self.peer.handle_request(request)


def test_a_call_without_an_answer_is_an_error_that_says_so() -> None:
    """Where no answer comes in time, the checks that need it end in error, and the service is not met."""
    transport = _Stubborn("/cds-services/peer-select/feedback")
    report = run(Options(BASE, services=("peer-select",)), transport=transport, clock=StoppedClock())
    errors = {each.check: each.reason for each in report.results if each.outcome is Outcome.ERROR}
    assert "feedback.accepted" in errors
    assert "no whole answer within 10 seconds" in errors["feedback.accepted"]
    assert not report.met()
    assert ElementTree.fromstring(reports.as_junit(report)).find(".//error") is not None


def test_an_answer_that_drips_is_cut_off_at_the_limit(judge: Judge) -> None:
    """The time limit holds for a whole call, however its bytes come."""
    clock = StoppedClock()

    def slow(call: Call, answer: Answer) -> None:
        if call.service and b"MedicationRequest" in call.body:
            clock.time += 11

    report = judge(Peer(slow), services=("peer-select",), clock=clock)
    errors = {each.check for each in report.results if each.outcome is Outcome.ERROR}
    assert "calls.good-answer" in errors


def test_a_service_without_guidance_is_not_praised_for_its_cards(judge: Judge) -> None:
    """Where every list of cards is empty, the checks of cards are skipped for that reason, and none is counted."""

    def silent(call: Call, answer: Answer) -> None:
        if call.service and answer.status == 200:
            answer.body = {"cards": []}

    report = judge(Peer(silent), services=("peer-select",), profile=profiles.load("crd"))
    told = {each.check: each for each in report.results}
    rows = {row.row.id: row.outcome for row in report.rows}
    assert rows["crd_service_response_validation"] is Outcome.SKIP
    assert rows["crd_discovery_endpoint_test"] is Outcome.PASS
    assert told["cards.summary-length"].outcome is Outcome.SKIP
    assert told["cards.summary-length"].reason.startswith("no card was seen")
    assert told["suggestions.label"].outcome is Outcome.SKIP
    assert report.cards == 0
    assert report.met()


def test_a_service_without_feedback_is_not_blamed(judge: Judge) -> None:
    """Feedback is optional: 404 there skips its checks."""

    def none(call: Call, answer: Answer) -> None:
        if call.is_feedback:
            answer.status = 404

    report = judge(Peer(none), services=("peer-select",))
    told = {each.check: each.outcome for each in report.results}
    assert {outcome for check, outcome in told.items() if check.startswith("feedback.")} == {Outcome.SKIP}
    assert told["cors.preflight-feedback"] is Outcome.SKIP


def test_a_hook_that_the_kit_has_no_request_for_is_noted(judge: Judge) -> None:
    """A service of another hook is not called, and the report says that it needs --request."""

    def other(call: Call, answer: Answer) -> None:
        if call.method == "GET" and call.path == "/cds-services":
            answer.body["services"] = [{**answer.body["services"][0], "hook": "order-dispatch"}]

    report = judge(Peer(other))
    assert report.notes == ("peer-select: no request for the hook order-dispatch; give one with --request",)
    told = {each.check: each for each in report.results}
    assert told["calls.good-answer"].outcome is Outcome.SKIP
    assert "give others with --request" in told["calls.good-answer"].reason


def test_a_testers_request_that_is_not_valid_is_noted(
    good: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is amiss in a tester's request, or that nobody answers it, is said, and is no fault of the service."""
    orders = {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "MedicationRequest", "id": ""}}]}
    context = {"patientId": "p1", "userId": "Practitioner/1", "draftOrders": orders}
    (tmp_path / "a.json").write_text(json.dumps({"hook": "order-sign", "context": context}), encoding="utf-8")
    (tmp_path / "b.json").write_text(json.dumps({"hook": "other", "context": {"a": 1}}), encoding="utf-8")
    assert main([good, "--request", str(tmp_path / "a.json"), str(tmp_path / "b.json"), *SMALL]) == 0
    text = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert re.search(r"a\.json: not what the standard describes at \$\.\S+: .+, and 2 more", text)
    assert "b.json: no tested service answers its hook, other; it was not sent" in text


def test_a_redirect_of_discovery_is_followed_and_told(judge: Judge) -> None:
    """A service that answers discovery elsewhere is judged all the same, and fails on its path alone."""
    peer = Peer()

    def moved(environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/cds-services" and environ["REQUEST_METHOD"] == "GET":
            start_response("301 .", [("Location", "/cds-services/"), ("Access-Control-Allow-Origin", "*")])
            return [b""]
        environ["PATH_INFO"] = environ["PATH_INFO"].removesuffix("/")
        return peer(environ, start_response)

    told = {each.check: each for each in judge(moved, services=("peer-select",)).results}
    assert told["discovery.path"].outcome is Outcome.FAIL
    assert told["discovery.path"].faults[0].seen == "301"
    assert told["cards.summary-length"].outcome is Outcome.PASS


def test_the_coverage_command_tells_and_renews_a_stale_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`coverage` fails on a README whose table is not that of the requirements, and --write renews it."""
    readme = tmp_path / "README.md"
    readme.write_text(
        "Before\n<!-- coverage: begin -->\noutdated table\n<!-- coverage: end -->\nAfter\n", encoding="utf-8"
    )
    monkeypatch.setattr(command, "README", readme)
    assert main(["coverage"]) == 1
    assert "coverage --write" in capsys.readouterr().out
    assert main(["coverage", "--write"]) == 0
    assert main(["coverage"]) == 0
    text = readme.read_text(encoding="utf-8")
    assert text.startswith("Before\n")
    assert text.endswith("After\n")
    assert "outdated table" not in text


def test_the_readme_names_every_option() -> None:
    """An option that the command takes is told in the kit's README."""
    told = command.README.read_text(encoding="utf-8")
    options = {option for action in command._parser()._actions for option in action.option_strings}
    assert {option for option in options if f"`{option}" not in told} == {"-h", "--help"}


def test_the_arguments_are_those_of_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Called as a console script, it reads sys.argv."""
    monkeypatch.setattr(sys, "argv", ["cds-conformance", "nowhere"])
    assert main() == 2
    assert "nowhere: not an http or https URL" in capsys.readouterr().err
