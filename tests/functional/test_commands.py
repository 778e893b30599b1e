"""The commands and the settings, and the service as it is really started."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cds_service.__main__ import main
from cds_service.order_reasons import MOST_REASONS
from cds_service.settings import Settings, SettingsError, table
from tests.cases_as_fhir import request_for
from tests.serving import free_port

ROOT = Path(__file__).parent.parent.parent
LBP = "ICD-10-CM M54.50"
PLAIN = {
    "order": {"code": "CPT 72148", "reasons": [LBP]},
    "chart": {"birth_date": "1981-05-10", "conditions": [{"code": LBP, "onset": "2026-02-20"}]},
}


@pytest.fixture
def request_file(tmp_path: Path) -> Path:
    file = tmp_path / "request.json"
    file.write_text(json.dumps(request_for(PLAIN)), encoding="utf-8")
    return file


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("CDS_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_evaluate_prints_the_card_as_a_person_reads_it(request_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The card's indicator, summary, detail and buttons are printed."""
    assert main(["evaluate", str(request_file), "--today", "2026-03-02"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("[WARNING] Lumbar MRI without contrast: usually not appropriate")
    assert "( Remove this imaging order )" in shown


def test_explain_prints_the_whole_chain(request_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Entries, concepts with state and evidence, variants with why, verdict, and the cell with its locator."""
    assert main(["evaluate", str(request_file), "--explain", "--today", "2026-03-02"]) == 0
    shown = capsys.readouterr().out
    for words in (
        "entry Condition/conditions-0",
        "duration: present (acute)",
        "cancer: absent, by silence",
        "1 established, because of duration [3194291",
        "2 ruled-out",
        "VERDICT rated usually-not-appropriate: floor and ceiling agree",
        'usually-not-appropriate <- ACR topic 141, variant 1 (portal scenario 3194291), row "MRI lumbar spine without',
    ):
        assert words in shown


def test_evaluate_as_json_prints_the_answer(request_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--json prints what the service would send."""
    assert main(["evaluate", str(request_file), "--json", "--today", "2026-03-02"]) == 0
    assert json.loads(capsys.readouterr().out)["cards"][0]["indicator"] == "warning"


def test_evaluate_spells_numbers_as_the_service_does(request_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A number of the order is printed as it was written, and the whole is JSON."""
    request = request_for({"order": {"code": "CPT 72133", "reasons": [LBP, "ICD-10-CM C61"]}, "chart": {}})
    order = request["context"]["draftOrders"]["entry"][0]["resource"]
    order["extension"] = [{"url": "http://example.org/x", "valueDecimal": "HERE"}]
    for written in ("1.10", "1E5", "1e999", "0.1000000000000000000000001"):
        request_file.write_text(json.dumps(request).replace('"HERE"', written), encoding="utf-8")
        assert main(["evaluate", str(request_file), "--json", "--today", "2026-03-02"]) == 0
        shown = capsys.readouterr().out
        assert f'"valueDecimal": {written}\n' in shown
        json.loads(shown)


def test_evaluate_says_that_a_request_is_refused_while_it_is_judged(
    request_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is only found to be too much while it is judged ends with 1 and its reason too."""
    request = json.loads(request_file.read_text(encoding="utf-8"))
    order = request["context"]["draftOrders"]["entry"][0]["resource"]
    order["contained"] = [{"resourceType": "Condition", "id": f"c{number}"} for number in range(MOST_REASONS + 1)]
    order["reasonReference"] = [{"reference": f"#c{number}"} for number in range(MOST_REASONS + 1)]
    request_file.write_text(json.dumps(request), encoding="utf-8")
    assert main(["evaluate", str(request_file)]) == 1
    assert capsys.readouterr().err.startswith(f"{request_file}: More than {MOST_REASONS} resources")


def test_evaluate_ends_quietly_when_its_reader_has_seen_enough(request_file: Path) -> None:
    """A pipe that is closed early is no error."""
    command = [sys.executable, "-m", "cds_service", "evaluate", str(request_file), "--explain"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 0


def test_evaluate_says_what_is_wrong_with_a_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A request that the service would refuse ends with 1 and its reason, a missing file with 2."""
    file = tmp_path / "bad.json"
    file.write_text('{"hook": "order-select"}', encoding="utf-8")
    assert main(["evaluate", str(file)]) == 1
    assert "the members hook, context are required" in capsys.readouterr().err
    assert main(["evaluate", str(tmp_path / "none.json")]) == 2


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"CDS_RATE_ON_ORDER_ALONE": "yes"}, "CDS_RATE_ON_ORDER_ALONE: 'yes' is not on or off"),
        ({"CDS_MAX_BODY": "12"}, "CDS_MAX_BODY: '12' is not a number of bytes"),
        ({"CDS_MAX_BODY": "1_000_0"}, "CDS_MAX_BODY: '1_000_0' is not a number of bytes"),
        ({"CDS_DATABASE_URL": "here"}, "CDS_DATABASE_URL: 'here' is not a SQLAlchemy URL"),
        ({"CDS_COLOUR": "red"}, "CDS_COLOUR: no such setting"),
    ],
)
def test_a_bad_setting_is_refused_by_name(environment: dict[str, str], words: str) -> None:
    """An unknown CDS_ variable or a bad value is an error that names it."""
    with pytest.raises(SettingsError, match=re.escape(words)):
        Settings.from_environment(environment)


def test_settings_are_read_from_the_environment() -> None:
    """Each variable reaches its setting, and nothing else does."""
    chosen = {
        "CDS_RATE_ON_ORDER_ALONE": "on",
        "CDS_TEXT_ONLY_ENTRIES": "listed",
        "CDS_OPTIONAL_CARDS": "on",
        "PATH": "x",
    }
    settings = Settings.from_environment({**chosen, "CDS_MAX_BODY": "5000", "CDS_DATABASE_URL": "sqlite://"})
    assert settings == Settings("sqlite://", 5000, True, True, True)
    assert Settings.from_environment({}) == Settings()


def test_every_setting_is_in_the_manual() -> None:
    """The operator's manual holds the table of settings as `cds_service.settings.table` makes it."""
    assert table() in (ROOT / "cds_service" / "OPERATING.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (["--host", "0.0.0.0"], {}, "not a loopback address"),
        (["--port", "0"], {}, "--port"),
        (["--workers", "0"], {}, "--workers"),
        ([], {"CDS_NONSENSE": "1"}, "CDS_NONSENSE"),
        ([], {"CDS_DATABASE_URL": "sqlite:////nowhere/at/all.sqlite3"}, "CDS_DATABASE_URL"),
        ([], {"CDS_DATABASE_URL": "nosuch://x"}, "CDS_DATABASE_URL"),
    ],
)
def test_serve_refuses_to_start_in_one_line(
    arguments: list[str],
    environment: dict[str, str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What keeps the service from starting is said in one line, with exit code 2."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main(["serve", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


def test_serve_refuses_to_start_on_damaged_knowledge(tmp_path: Path) -> None:
    """Where a value set was cut short, the service ends with 2 and one line that names the file and the place."""
    shutil.copytree(ROOT / "knowledge", tmp_path / "knowledge")
    damaged = tmp_path / "knowledge" / "low_back_pain" / "valuesets" / "cauda-equina-syndrome.json"
    data = json.loads(damaged.read_text(encoding="utf-8"))
    data["compose"]["include"] = data["compose"]["include"][:1]
    damaged.write_text(json.dumps(data), encoding="utf-8")
    command = [sys.executable, "-m", "cds_service", "serve", "--port", str(free_port())]
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    (line,) = ended.stderr.splitlines()
    assert (ended.returncode, ended.stdout) == (2, "")
    assert line.startswith(f"cds-service: {damaged}: $.compose.include: holds ")


def test_serve_says_that_its_port_is_taken(tmp_path: Path) -> None:
    """Where another listens already, the service ends with 2, and its last line names the port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "cds_service", "serve", "--port", str(port)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        ended = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1] == f"cds-service: 127.0.0.1, port {port}: cannot be listened on"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The service as `cds-service serve` starts it, on a free port."""
    port = free_port()
    command = [sys.executable, "-m", "cds_service", "serve", "--port", str(port), "--workers", "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE) as process:
        base = f"http://127.0.0.1:{port}"
        for _ in range(200):
            try:
                urllib.request.urlopen(f"{base}/health/ready", timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield base, process
        if process.poll() is None:
            process.terminate()
        process.wait(timeout=40)


def _post(url: str, body: Any) -> Any:
    call = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(call, timeout=10) as response:
        return json.loads(response.read())


def test_the_service_serves_under_gunicorn_and_stops_when_told(
    served: tuple[str, subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    """As an operator starts it, it answers hooks and feedback, logs one line a request, and ends cleanly."""
    base, process = served
    service = f"{base}/cds-services/lumbar-imaging-order-select"
    (card,) = _post(service, request_for(PLAIN))["cards"]
    assert card["indicator"] == "warning"
    item = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": "2026-03-02T10:00:00Z"}
    assert _post(f"{service}/feedback", {"feedback": [item]}) == {}
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=40)
    assert process.returncode == 0
    lines = [json.loads(line) for line in log.decode().splitlines() if line.startswith("{")]
    assert [line["status"] for line in lines if line.get("service")] == [200, 200]
    assert (tmp_path / "lumbar-imaging-cds.sqlite3").exists()


def test_the_demo_shows_a_real_card_and_stops(capsys: pytest.CaptureFixture[str]) -> None:
    """`cds-service demo` starts the service, posts the packaged order over HTTP, and prints its card."""
    assert main(["demo"]) == 0
    shown = capsys.readouterr().out
    assert "[WARNING] Lumbar MRI without contrast: usually not appropriate for acute low back pain" in shown
    assert "Appraisal: rated usually-not-appropriate, variant [1]" in shown


def test_the_readme_and_ci_run_the_same_test_command() -> None:
    """The README holds one line that sets up and runs the suite, and CI runs that very line."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (line,) = [line for line in readme.splitlines() if line.startswith("python3 -m venv .venv") and "pytest" in line]
    assert line.endswith(".venv/bin/python -m pytest -n 2")
    assert "README.md" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_demo_stays_for_the_browser_until_it_is_interrupted() -> None:
    """`cds-service demo --stay` shows the card, serves the pages at the address it prints, and ends with Ctrl-C."""
    command = [sys.executable, "-u", "-m", "cds_service", "demo", "--stay"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as demo:
        assert demo.stdout is not None
        lines = iter(demo.stdout.readline, "")
        address = next(line for line in lines if "in a browser" in line).split()[4]
        with urllib.request.urlopen(address, timeout=10) as page:
            assert page.headers["Content-Type"].startswith("text/html")
        os.killpg(demo.pid, signal.SIGINT)
        assert demo.wait(30) == 0
