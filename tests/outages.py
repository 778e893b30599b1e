"""The service as an operator starts it, in processes that a test may kill and start again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.serving import ROOT, free_port

SELECT = "/cds-services/lumbar-imaging-order-select"
FEEDBACK = f"{SELECT}/feedback"


@dataclass
class Served:
    """`cds-service serve`, on a free port, with these settings; ends with the block, kindly where it still runs."""

    folder: Path
    settings: dict[str, str]
    workers: int = 1
    port: int = field(default_factory=free_port)
    log: str = ""
    """What it wrote, once it has ended."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *raised: object) -> None:
        if self.process.poll() is None:
            self.stop()

    def start(self) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CDS_")}
        command = [sys.executable, "-m", "cds_service", "serve", "--port", str(self.port), "--workers"]
        with (self.folder / f"log-{self.port}").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, str(self.workers)],
                cwd=self.folder,
                env={**kept, "PYTHONPATH": str(ROOT), **self.settings},
                stderr=log,
            )

    def wait(self, patience: float = 90) -> Self:
        """Until it answers."""
        deadline = time.monotonic() + patience
        while True:
            try:
                if self.get("/health/live")[0] == 200:
                    return self
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"it did not start: {self.read_log()}") from None
            time.sleep(0.05)

    def stop(self) -> int:
        """Tell it to end, and wait until it has; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=40)
        self.log = self.read_log()
        return code

    def kill(self) -> None:
        """The whole service, at once: it is halted first, so that it starts no worker in the meantime."""
        self.process.send_signal(signal.SIGSTOP)
        for worker in self.worker_ids():
            kill(worker)
        self.process.kill()
        self.process.wait(timeout=10)

    def worker_ids(self) -> list[int]:
        try:
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="ascii")
        except OSError:
            return []
        return [int(each) for each in children.split()]

    def read_log(self) -> str:
        return (self.folder / f"log-{self.port}").read_text(encoding="utf-8")

    def get(self, path: str) -> tuple[int, str]:
        return self._ask(urllib.request.Request(f"http://127.0.0.1:{self.port}{path}"))

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        """Status and JSON of the answer; OSError where there is none."""
        url, kind = f"http://127.0.0.1:{self.port}{path}", {"Content-Type": "application/json"}
        status, text = self._ask(urllib.request.Request(url, json.dumps(body).encode(), kind))
        return status, json.loads(text)

    def _ask(self, call: urllib.request.Request) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(call, timeout=20) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


def kill(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return
