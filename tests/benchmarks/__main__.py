"""``python -m tests.benchmarks``: the service as shipped beside views that judge nothing, as ratios of one run."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.benchmarks.measuring import measure, written


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="of each case (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=1.5, help="of each round, about (default %(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    figures = measure(options.rounds, options.seconds, lambda word: print(word, file=sys.stderr, flush=True))
    if options.json is not None:
        options.json.write_text(written(figures), encoding="utf-8")
    print(written(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
