"""``python -m knowledge check`` lints the data; ``python -m knowledge render`` writes the review tables."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from knowledge.checks import problems
from knowledge.loading import LOW_BACK_PAIN, load
from knowledge.rendering import write
from knowledge.sources import ROOT, KnowledgeError


def main(arguments: list[str] | None = None) -> int:
    """0 when the data are sound, 1 when they are not."""
    parser = argparse.ArgumentParser(prog="python -m knowledge", description=__doc__)
    parser.add_argument("command", choices=("check", "render"))
    parser.add_argument("--topic", type=Path, default=LOW_BACK_PAIN, help="the topic's folder (default: %(default)s)")
    options = parser.parse_args(arguments)
    if options.command == "check":
        found = list(problems(options.topic))
        print("\n".join(found) if found else f"{options.topic}: sound")
        return 1 if found else 0
    try:
        write(load(options.topic), ROOT / "README.md")
    except KnowledgeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
