"""The build of the container without an engine: ``python -m tests.container`` runs its steps in a temporary venv."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parent.parent


def instructions(stage: int) -> list[tuple[str, str]]:
    """The instructions of one stage of the Dockerfile, in order; continued lines are joined."""
    text = re.sub(r"\\\n\s*", " ", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    stages: list[list[tuple[str, str]]] = []
    for line in lines:
        name, _, rest = line.partition(" ")
        if name == "FROM":
            stages.append([])
        stages[-1].append((name, rest))
    return stages[stage]


def of_kind(stage: int, kind: str) -> list[str]:
    return [rest for name, rest in instructions(stage) if name == kind]


def main() -> int:
    """Copy what is copied, run what is run, start what is started, and ask for its health; 0 when all of it worked."""
    with tempfile.TemporaryDirectory() as folder:
        source, venv, data = (Path(folder) / name for name in ("source", "cds", "data"))
        source.mkdir()
        data.mkdir()
        for copied in of_kind(0, "COPY"):
            *names, _ = shlex.split(copied)
            for name in names:
                if (ROOT / name).is_dir():
                    shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(ROOT / name, source / name)
        for command in of_kind(0, "RUN"):
            words = command.replace("/opt/cds", str(venv)).replace("python -m venv", f"{sys.executable} -m venv")
            print(f"RUN {command}", flush=True)
            subprocess.run(words, shell=True, check=True, cwd=source)
        # The source goes, as the first stage does: the second one has the venv alone.
        shutil.rmtree(source)
        return _start(venv, data)


def _start(venv: Path, data: Path) -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {"PATH": f"{venv / 'bin'}:{os.environ['PATH']}", "CDS_DATABASE_URL": f"sqlite:///{data}/cds.sqlite3"}
    command = ["cds-service", "serve", "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(command, env=environment, cwd=data) as process:
        try:
            return _healthy(port, process)
        finally:
            process.terminate()


def _healthy(port: int, process: subprocess.Popen[bytes]) -> int:
    for _ in range(120):
        try:
            for path in ("/health/ready", "/", "/guideline", "/try/patients/fall", "/static/try.js"):
                urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2).close()
        except OSError:
            if process.poll() is not None:
                return 1
            time.sleep(0.25)
        else:
            print("healthy: the pages, the patients and the store are all there")
            return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
