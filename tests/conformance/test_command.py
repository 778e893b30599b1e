"""The command cds-conformance: its options, its exit codes, its keys, and the coverage of the standard."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from conformance import __main__ as command
from conformance.tokens import Key, read_key
from tests.conformance.conftest import SMALL, serving, untitled
from tests.conformance.peer import ISSUER, Peer
from tests.serving import free_port

main = command.main


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
    with serving(Peer(untitled)) as base:
        assert main([base, *SMALL]) == 0
        assert "WARN  discovery.title  (SHOULD)" in capsys.readouterr().out
        assert main([base, "--strict", *SMALL]) == 1
        assert "Not met in a strict run: 1 warning" in capsys.readouterr().out


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
    known = {"base": good, "folder": tmp_path, "port": free_port()}
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
    port = free_port()
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
