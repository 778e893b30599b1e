"""``python -m tests.benchmarks``: the service as shipped beside constant views, interleaved, as ratios of one run.

CPU per request is user and system time of the whole process tree, which other work on the machine changes least; the
rates and latencies are those of one connection that asks and waits.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks import bodies

SERVICE = "/cds-services/lumbar-imaging-order-select"
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    """A server under test, alone on its port."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    seconds_to_start: float

    @property
    def tree(self) -> list[int]:
        """Its process and all below it."""
        found = [self.process.pid]
        for process in found:
            children = Path(f"/proc/{process}/task/{process}/children")
            found += [int(child) for child in children.read_text().split()] if children.exists() else []
        return found

    def cpu_seconds(self) -> float:
        ticks = 0
        for process in self.tree:
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / _TICKS

    def pss_mib(self) -> float:
        lines = [
            line for process in self.tree for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        ]
        return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


@dataclass
class Measured:
    """What the rounds of one target came to."""

    cpu_ms: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)

    def row(self, base: Measured) -> dict[str, float]:
        centiles = statistics.quantiles(self.latencies_ms, n=100)
        cpu, rate = statistics.median(self.cpu_ms), statistics.median(self.rates)
        return {
            "cpu_ms": cpu,
            "cpu_spread_ms": max(self.cpu_ms) - min(self.cpu_ms),
            "requests_per_second": rate,
            "p50_ms": centiles[49],
            "p95_ms": centiles[94],
            "p99_ms": centiles[98],
            "p99_to_p50": centiles[98] / centiles[49],
            "throughput_to_base_by_cpu": statistics.median(base.cpu_ms) / cpu,
            "throughput_to_base_by_rate": rate / statistics.median(base.rates),
        }


@contextmanager
def started(name: str, command: list[str], environment: dict[str, str]) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    began = time.monotonic()
    with subprocess.Popen(
        [each.replace("PORT", str(port)) for each in command],
        env={**os.environ, **environment},
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            while not _answers(port):
                time.sleep(0.02)
            yield Server(name, process, port, time.monotonic() - began)
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        connection.request("GET", "/health/live")
        good = connection.getresponse().status == 200
        connection.close()
    except OSError:
        return False
    return good


def one_round(server: Server, path: str, body: bytes, seconds: float, into: Measured) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    headers = {"Content-Type": "application/json"}
    number, cpu, began = 0, server.cpu_seconds(), time.perf_counter()
    while (now := time.perf_counter()) - began < seconds:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        response.read()
        if response.status != 200:
            raise SystemExit(f"{server.name} answered {response.status}")
        into.latencies_ms.append((time.perf_counter() - now) * 1000)
        number += 1
    elapsed = time.perf_counter() - began
    into.cpu_ms.append((server.cpu_seconds() - cpu) / number * 1000)
    into.rates.append(number / elapsed)
    connection.close()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.5, help="of each round (default %(default)s)")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    sizes = {name: getattr(bodies, name)() for name in ("order_only", "lean", "ehr", "large")}
    gunicorn = ["-m", "gunicorn", "-k", "gthread", "--threads", "4", "--preload", "-b", "127.0.0.1:PORT"]
    workers = str(options.workers)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        base = stack.enter_context(
            started("base", [sys.executable, *gunicorn, "-w", workers, "tests.benchmarks.baseline:app"], {})
        )
        environment = {"CDS_DATABASE_URL": f"sqlite:///{folder}/store.sqlite3", "CDS_RATE_LIMIT": "off"}
        command = [sys.executable, "-m", "cds_service", "serve", "--port", "PORT", "--workers", workers]
        ours = stack.enter_context(started("service", command, environment))
        targets = [
            (server, path, size)
            for size in sizes
            for server, path in ((base, "/constant"), (base, "/parsed"), (ours, SERVICE))
        ]
        found = {(path, size): Measured() for _, path, size in targets}
        for number in range(options.rounds + 1):
            # The first round warms up and is thrown away; each round has an order of its own.
            random.Random(number).shuffle(targets)
            for server, path, size in targets:
                into = found[path, size] if number else Measured()
                one_round(server, path, sizes[size], options.seconds if number else 0.3, into)
        figures = {
            size: {path: found[path, size].row(found["/constant", size]) for path in ("/parsed", SERVICE)}
            for size in sizes
        }
        summary = {
            "start_ms": {server.name: server.seconds_to_start * 1000 for server in (base, ours)},
            "pss_mib": {server.name: server.pss_mib() for server in (base, ours)},
        }
    print(
        f"one connection, {workers} worker(s), {options.rounds} rounds; ratios are to the constant view of the same run"
    )
    for size, rows in figures.items():
        for path, row in rows.items():
            shown = "  ".join(f"{name} {value:.2f}" for name, value in row.items())
            print(f"{size:>10} {len(sizes[size]):>8} B  {path.rsplit('/', 1)[-1]:<28} {shown}")
    print(json.dumps(summary))
    if options.json is not None:
        options.json.write_text(json.dumps({"bodies": figures, **summary}, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
