"""The servers under test: processes of their own, and what the system says that they use."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.client import NotAnswered, Request, ask_in_turn
from tests.minting import ISSUER, PUBLIC_URL, key_set
from tests.serving import free_port

ROOT = Path(__file__).parent.parent.parent
_TICKS = os.sysconf("SC_CLK_TCK")
_LONGEST_START = 60.0


@dataclass(frozen=True, eq=False)
class Server:
    """A server under test, alone on its port."""

    process: subprocess.Popen[bytes]
    port: int
    start_ms: float
    """From the command to the first 200 on a POST."""

    @property
    def tree(self) -> list[int]:
        """Its process and all below it."""
        found = [self.process.pid]
        for process in found:
            children = Path(f"/proc/{process}/task/{process}/children")
            found += [int(child) for child in children.read_text().split()] if children.exists() else []
        return found

    def cpu_seconds(self) -> float:
        """User and system time of the tree."""
        ticks = 0
        for process in self.tree:
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / _TICKS

    def pss_mib(self) -> float:
        """Its memory, what processes share counted once."""
        lines = [
            line for process in self.tree for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        ]
        return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


@contextmanager
def running(command: list[str], first: Request, folder: Path, **environment: str) -> Iterator[Server]:
    """A server while it runs, once it answered ``first``; ``PORT`` in the command is where it shall listen."""
    port = free_port()
    # Its modules are compiled once, as they are where it was installed, and not anew at each start.
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("CDS_") and name != "PYTHONDONTWRITEBYTECODE"
    }
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *(each.replace("PORT", str(port)) for each in command)],
        env={**inherited, "PYTHONPATH": str(ROOT), **environment},
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not _answers(port, first):
            if process.poll() is not None or time.perf_counter() - began > _LONGEST_START:
                raise SystemExit(f"{' '.join(command)} did not start")
            time.sleep(0.002)
        yield Server(process, port, (time.perf_counter() - began) * 1000)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def _answers(port: int, first: Request) -> bool:
    try:
        return bool(ask_in_turn(port, [first]))
    except (ConnectionError, NotAnswered):
        return False


def baseline(workers: int, kind: str = "gthread") -> list[str]:
    """The command that starts the baseline views, with as many threads as the service has."""
    threads = ["--threads", "4", "--keep-alive", "5"] if kind == "gthread" else []
    where = ["--preload", "-b", "127.0.0.1:PORT", "-w", str(workers)]
    return ["-m", "gunicorn", "-k", kind, *threads, *where, "tests.benchmarks.baseline:app"]


def service(workers: int) -> list[str]:
    """The command that starts the service as shipped."""
    return ["-m", "cds_service", "serve", "--port", "PORT", "--workers", str(workers)]


def settings(folder: Path, name: str) -> dict[str, str]:
    """A store of its own; no limit of rate, and of size only for the largest body."""
    return {
        "CDS_DATABASE_URL": f"sqlite:///{folder / name}.sqlite3",
        "CDS_RATE_LIMIT": "off",
        "CDS_MAX_BODY": "50000000",
    }


def secured(folder: Path) -> dict[str, str]:
    """Settings that ask for a token of the tests' client."""
    table = {"issuer": ISSUER, "jwks": key_set("es", "rs")}
    lines = [f"{name} = {json.dumps(value)}" for name, value in table.items()]
    clients = folder / "clients.toml"
    clients.write_text("\n".join(["[[clients]]", *lines, ""]), encoding="utf-8")
    return {"CDS_CLIENTS": str(clients), "CDS_PUBLIC_URL": PUBLIC_URL}
