"""``python -m tests.benchmarks.options``: the service under other options of Gunicorn than those it is shipped with."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from cds_service.logs import log_as_json
from cds_service.server import Server
from cds_service.settings import Settings
from tests.benchmarks import bodies, servers
from tests.benchmarks.client import post
from tests.benchmarks.inside import SERVICE
from tests.benchmarks.results import number, table
from tests.benchmarks.rounds import Case, Rounds, Spread, repeated, run

VARIANTS: dict[str, dict[str, Any]] = {
    "as shipped: own worker, 4 threads": {},
    "1 thread": {"threads": 1},
    "2 threads": {"threads": 2},
    "8 threads": {"threads": 8},
    "16 threads": {"threads": 16},
    "Gunicorn's threaded worker": {"worker_class": "gthread"},
    "Gunicorn's sync worker": {"worker_class": "sync", "threads": 1},
    "without preload": {"preload_app": False},
}
_WORKERS = 2
_AT_ONCE = 16


class Varied(Server):
    """The service with some of Gunicorn's options changed."""

    def __init__(self, port: int, changed: dict[str, Any]) -> None:
        self._changed = changed
        super().__init__("127.0.0.1", port, _WORKERS, Settings.from_environment(os.environ))

    def load_config(self) -> None:
        super().load_config()
        for name, value in self._changed.items():
            self.cfg.set(name, value)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.options", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each round (default %(default)s)")
    parser.add_argument("--serve", nargs=2, metavar=("PORT", "JSON"), help="be one of the servers")
    options = parser.parse_args()
    if options.serve is not None:
        log_as_json()
        Varied(int(options.serve[0]), json.loads(options.serve[1])).run()
        return 0
    print(_shown(_measured(options.rounds, options.seconds)))
    return 0


def _measured(rounds: int, seconds: float) -> dict[str, tuple[Rounds, Rounds, float]]:
    """For each variant: one connection, sixteen at once, and memory in MiB after that."""
    request = post(SERVICE, bodies.ehr())
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        started = {}
        for place, (name, changed) in enumerate(VARIANTS.items()):
            command = ["-m", "tests.benchmarks.options", "--serve", "PORT", json.dumps(changed)]
            environment = servers.settings(folder, f"store-{place}")
            started[name] = stack.enter_context(servers.running(command, request, folder, **environment))
        cases = [
            Case(name, str(connections), server, repeated(request), connections=connections)
            for name, server in started.items()
            for connections in (1, _AT_ONCE)
        ]
        found = run(cases, rounds, seconds, lambda word: print(word, file=sys.stderr, flush=True))
        places = {(each.case.group, each.case.name): each for each in found}
        return {
            name: (places[name, "1"], places[name, str(_AT_ONCE)], server.pss_mib()) for name, server in started.items()
        }


def _shown(found: dict[str, tuple[Rounds, Rounds, float]]) -> str:
    rows = [
        [
            name,
            *(number(Spread.of(getattr(each, figure) for each in one.found).median) for figure in ("p50_ms", "p99_ms")),
            *(
                number(Spread.of(getattr(each, figure) for each in many.found).median)
                for figure in ("per_second", "p50_ms", "p99_ms", "cpu_ms")
            ),
            number(memory),
        ]
        for name, (one, many, memory) in found.items()
    ]
    head = ["two workers", "one connection: p50 ms", "p99 ms", "sixteen: calls a second", "p50 ms", "p99 ms"]
    return table([*head, "CPU ms a call", "PSS MiB"], rows)


if __name__ == "__main__":
    sys.exit(main())
