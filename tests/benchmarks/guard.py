"""``python -m tests.benchmarks.guard``: fails where a judgement costs much more than it did, on any machine.

What is compared is a ratio of CPU times in one process: judging the EHR-like body through the WSGI application, with
store, figures and log, to parsing the same body in a view that judges nothing. Both are done by turns in many short
rounds, so that whatever else the machine does meets both; the median of the rounds is held against a recorded ratio
with a margin. An instruction count would vary less, but the counters of the processor are not there on most virtual
machines, which CI runs on.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks import baseline, bodies
from tests.benchmarks.inside import SERVICE, application, through
from tests.benchmarks.measuring import described

RECORD = Path(__file__).parent / "guard.json"
MARGIN = 1.5
"""How much more than recorded is still let pass: more than machines and versions differ, and less than twice."""
_ROUNDS = 60
_JUDGEMENTS = 12
_PARSES = 80


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.guard", description=__doc__)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--record", action="store_true", help="write the ratio that is measured as the one to hold")
    what.add_argument("--selftest", action="store_true", help="judge each call twice, and see that the guard fails")
    options = parser.parse_args()
    measured = ratio(judgements_for_one=2 if options.selftest else 1)
    if options.record:
        told = {"ratio": round(measured, 2), **{name: described()[name] for name in ("date", "processor", "python")}}
        RECORD.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    holds, words = verdict(measured, json.loads(RECORD.read_text(encoding="utf-8"))["ratio"])
    print(words)
    if options.selftest:
        print("twice the work is noticed" if not holds else "twice the work is NOT noticed")
        return int(holds)
    return int(not holds)


def verdict(measured: float, recorded: float) -> tuple[bool, str]:
    """Whether a measured ratio is within the margin of the recorded one, and that in words."""
    budget = recorded * MARGIN
    holds = measured <= budget
    words = f"a judgement costs {measured:.2f} times the parsing view; recorded {recorded:.2f}, budget {budget:.2f}"
    if measured < recorded / MARGIN:
        return True, f"{words}: good, and much less than before: record it with --record"
    return holds, f"{words}: {'good' if holds else 'too slow'}"


def ratio(judgements_for_one: int = 1, rounds: int = _ROUNDS) -> float:
    """The CPU time of a judgement in that of the parsing view: the median of the rounds."""
    body = bodies.ehr()
    with application() as app:

        def judge() -> None:
            for _ in range(judgements_for_one):
                through(app, SERVICE, body)

        def parse() -> None:
            through(baseline.app.wsgi_app, "/parsed", body)

        _cpu(judge, _JUDGEMENTS)
        _cpu(parse, _PARSES)
        return statistics.median(_once(judge, parse) for _ in range(rounds))


def _once(judge: Callable[[], Any], parse: Callable[[], Any]) -> float:
    """One round: half of the parses before the judgements, and half after."""
    before = _cpu(parse, _PARSES // 2)
    judging = _cpu(judge, _JUDGEMENTS)
    return (judging / _JUDGEMENTS) / ((before + _cpu(parse, _PARSES // 2)) / _PARSES)


def _cpu(call: Callable[[], Any], number: int) -> float:
    """CPU seconds of the process, its other threads' included."""
    began = time.process_time()
    for _ in range(number):
        call()
    return time.process_time() - began


if __name__ == "__main__":
    sys.exit(main())
