"""The service as an operator starts it, for the tests that need real workers and real sockets."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent


@dataclass
class Served:
    """A running service."""

    port: int
    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def said(self) -> str:
        """Everything that it wrote to standard output and standard error."""
        return (self.folder / "said.log").read_text(encoding="utf-8")

    @property
    def workers(self) -> list[str]:
        """The process ids of its workers."""
        return Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()

    def exchange(self, sent: bytes) -> bytes:
        """What comes back for these bytes until the connection is closed."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as sock:
            with suppress(OSError):  # it may be refused while it is still being sent
                sock.sendall(sent)
            got = b""
            with suppress(OSError):
                while data := sock.recv(65_536):
                    got += data
            return got

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=40)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def service(folder: Path, *, before: str = "", port: int = 0, workers: int = 2, **settings: str) -> Iterator[Served]:
    """`cds-service serve` with these settings; ``before`` is Python that runs first."""
    port = port or free_port()
    arguments = ["serve", "--port", str(port), "--workers", str(workers)]
    start = f"{before}\nfrom cds_service.__main__ import main\nraise SystemExit(main({arguments}))"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CDS_")}
    environment |= {"PYTHONPATH": str(ROOT), **settings}
    with (folder / "said.log").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-c", start], cwd=folder, env=environment, stdout=said, stderr=subprocess.STDOUT
        )
        served = Served(port, process, folder)
        try:
            for _ in range(200):
                try:
                    urllib.request.urlopen(f"{served.base}/health/ready", timeout=1).close()
                    break
                except OSError:
                    time.sleep(0.1)
            yield served
        finally:
            if process.poll() is None:
                served.stop()
