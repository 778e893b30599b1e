"""One real order through the real service: started on a free loopback port, asked, and stopped again."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from importlib.resources import files
from typing import Any

_PATIENCE = 60


class DemoError(Exception):
    """The service did not come up, or did not answer."""


def example_request() -> bytes:
    """An order-select request with a chart, as an EHR would send it: ten days of low back pain, a lumbar MRI."""
    return files("cds_service").joinpath("examples/acute-low-back-pain.json").read_bytes()


def run(tell: Callable[[str], None], *, stay: bool) -> None:
    """Start the service, post the example, and tell what came back; raises DemoError.

    ``stay``: somebody is there, and the service goes on for the browser until it is interrupted.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    # Its feedback goes into a folder that is thrown away: trying out leaves nothing behind.
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            [sys.executable, "-m", "cds_service", "serve", "--port", str(port), "--workers", "1"],
            env={**os.environ, "CDS_AUTH": "open", "CDS_DATABASE_URL": f"sqlite:///{folder}/demo.sqlite3"},
            stderr=subprocess.DEVNULL,
        ) as process,
    ):
        try:
            _wait(f"{base}/health/ready", process)
            tell(_told(base, _post(f"{base}/cds-services/lumbar-imaging-order-select", example_request())))
            if stay:
                tell(f"\nNow in a browser: {base}/ (eighteen patients to try), {base}/guideline. Ctrl-C ends it.")
                process.wait()
        except KeyboardInterrupt:
            tell("")
        finally:
            process.terminate()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise DemoError("the service did not start; `cds-service serve` says why")


def _post(url: str, body: bytes) -> dict[str, Any]:
    call = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(call, timeout=_PATIENCE) as response:
            answer: dict[str, Any] = json.load(response)
    except urllib.error.HTTPError as error:
        raise DemoError(f"the service answered {error.code}") from None
    return answer


def _told(base: str, answer: dict[str, Any]) -> str:
    lines = [f"POST {base}/cds-services/lumbar-imaging-order-select", "A lumbar MRI for ten days of low back pain.", ""]
    for card in answer["cards"]:
        lines += [f"[{card['indicator'].upper()}] {card['summary']}", "", card["detail"], ""]
        lines += [f"  ( {suggestion['label']} )" for suggestion in card.get("suggestions", [])]
    (appraisal,) = answer["extension"]["lumbar-imaging-cds.appraisals"]
    lines += [
        "",
        f"Appraisal: {appraisal['verdict']} {appraisal['category']}, variant {appraisal['variants']['established']}",
    ]
    return "\n".join(lines)
