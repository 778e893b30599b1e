"""``python -m tests.benchmarks``: the service as shipped beside views that judge nothing, as ratios of one run."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tests.benchmarks.measuring import measure, written
from tests.benchmarks.plot import draw
from tests.benchmarks.results import into, text

HERE = Path(__file__).parent


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="of each case (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=1.5, help="of each round, about (default %(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--plot", type=Path, help="draw them here, as SVG")
    parser.add_argument("--write-results", action="store_true", help="write results.json, results.svg and the README")
    parser.add_argument("--of", type=Path, metavar="JSON", help="show this run again, and measure nothing")
    options = parser.parse_args()
    if options.of is not None:
        told = options.of.read_text(encoding="utf-8")
    else:
        told = written(measure(options.rounds, options.seconds, lambda word: print(word, file=sys.stderr, flush=True)))
    figures = json.loads(told)
    targets = {options.json: told, options.plot: draw(figures)}
    if options.write_results:
        readme = HERE / "README.md"
        targets |= {HERE / "results.json": told, HERE / "results.svg": draw(figures)}
        targets[readme] = into(readme.read_text(encoding="utf-8"), figures)
    for file, content in targets.items():
        if file is not None:
            file.write_text(content, encoding="utf-8")
    print(text(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
