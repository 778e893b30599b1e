"""``python -m tests.benchmarks.others NAME=URL ...``: services of others, which run already, in one run with ours."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.benchmarks import bodies, servers
from tests.benchmarks.client import ask_in_turn, post
from tests.benchmarks.inside import SERVICE
from tests.benchmarks.measuring import AT_ONCE, described, written
from tests.benchmarks.results import between, number, shown, table, told
from tests.benchmarks.rounds import Asked, Case, Rounds, Spread, repeated, run

Json = dict[str, Any]

HERE = Path(__file__).parent
BEGIN = "<!-- others: written by python -m tests.benchmarks.others --write-results -->"
END = "<!-- end of others -->"
BODIES = {"lean": bodies.lean, "EHR-like": bodies.ehr}
OURS = {1: "this service, 1 worker", 2: "this service, 2 workers, as shipped"}
_CONSTANT = "Flask view that answers a constant, 1 worker"


@dataclass(frozen=True, slots=True)
class Other:
    """A service that somebody else started; whose processes answer for it is not known."""

    name: str
    port: int
    path: str

    @classmethod
    def read(cls, text: str) -> Other:
        """``NAME=http://127.0.0.1:PORT/PATH``; raises ArgumentTypeError."""
        name, _, url = text.partition("=")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            port = None
        if not name or port is None or parts.scheme != "http" or parts.hostname != "127.0.0.1":
            raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=http://127.0.0.1:PORT/PATH")
        return cls(name, port, parts.path or "/")

    def cpu_seconds(self) -> float:
        return 0.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.others", description=__doc__)
    parser.add_argument("others", nargs="+", type=Other.read, metavar="NAME=URL", help="where each of them is called")
    parser.add_argument("--rounds", type=int, default=7, help="of each case (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each round, about (default %(default)s)")
    parser.add_argument("--calls", type=int, default=10_000, help="to each before the first round, so that what "
                        "compiles as it runs has done so (default %(default)s)")  # fmt: skip
    parser.add_argument("--write-results", action="store_true", help="write others.json and the README")
    options = parser.parse_args()
    figures = json.loads(written(measure(options.others, options.rounds, options.seconds, options.calls)))
    if options.write_results:
        readme = HERE / "README.md"
        (HERE / "others.json").write_text(written(figures), encoding="utf-8")
        readme.write_text(into(readme.read_text(encoding="utf-8"), figures), encoding="utf-8")
    print(text(figures))
    return 0


def measure(others: list[Other], rounds: int, seconds: float, calls: int) -> Json:
    """Calls a second of each, by body and by connections, and how many times theirs ours are in the same round."""
    machine = described()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        asked: dict[str, tuple[Asked, str]] = {
            _CONSTANT: (
                stack.enter_context(servers.running(servers.baseline(1), post("/constant", b"{}"), folder)),
                "/constant",
            )
        }
        for workers, name in OURS.items():
            settings = servers.settings(folder, f"store-{workers}")
            first = post(SERVICE, bodies.lean())
            ours = stack.enter_context(servers.running(servers.service(workers), first, folder, **settings))
            asked[name] = (ours, SERVICE)
        asked |= {other.name: (other, other.path) for other in others}
        cases = []
        for body, make in BODIES.items():
            for name, (server, path) in asked.items():
                request = post(path, make())
                ask_in_turn(server.port, [request] * calls)
                cases += [
                    Case(f"{body}, {connections}", name, server, repeated(request), connections=connections)
                    for connections in (1, AT_ONCE)
                ]
        found = run(cases, rounds, seconds, lambda word: print(word, file=sys.stderr, flush=True))
    places: dict[str, dict[str, Rounds]] = {}
    for each in found:
        places.setdefault(each.case.group, {})[each.case.name] = each
    return {
        "machine": machine,
        "rounds": rounds,
        "seconds": seconds,
        "calls_before": calls,
        "per_second": {
            group: {name: Spread.of(each.per_second for each in rounds.found) for name, rounds in by_name.items()}
            for group, by_name in places.items()
        },
        "ours_to_it": {
            group: {
                name: {ours: times(by_name[ours], rounds) for ours in OURS.values()}
                for name, rounds in by_name.items()
                if name not in OURS.values()
            }
            for group, by_name in places.items()
        },
    }


def times(ours: Rounds, theirs: Rounds) -> Spread:
    """How many times their throughput ours is, each round beside its own."""
    pairs = zip(ours.found, theirs.found, strict=True)
    return Spread.of(our.per_second / their.per_second for our, their in pairs)


def text(figures: Json) -> str:
    """The run as Markdown."""
    rates = [
        [name, *(shown(by_name[name]) for by_name in figures["per_second"].values())]
        for name in next(iter(figures["per_second"].values()))
    ]
    times = [
        [f"{ours}, to {name}", *(shown(by_name[name][ours]) for by_name in figures["ours_to_it"].values())]
        for name in next(iter(figures["ours_to_it"].values()))
        for ours in OURS.values()
    ]
    head = [
        f"{group} at once" if group.endswith(str(AT_ONCE)) else f"{group} connection" for group in figures["per_second"]
    ]
    return (
        f"{told(figures)} Before them {number(figures['calls_before'])} calls to each.\n\n"
        + table(["calls a second", *head], rates)
        + "\n\n"
        + table(["times", *head], times)
    )


def into(document: str, figures: Json) -> str:
    """A document with this run between its markers."""
    return between(document, BEGIN, text(figures), END)


if __name__ == "__main__":
    sys.exit(main())
