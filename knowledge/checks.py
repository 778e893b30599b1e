"""Everything that can be found wrong with a topic: what is refused at start, every code's digits, and the rulings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from knowledge.check_digits import fault_of
from knowledge.completeness import missing_parts
from knowledge.coverage import uncovered
from knowledge.loading import build
from knowledge.soundness import composed, unsound
from knowledge.sources import Fault, KnowledgeError, Sources, read_sources


def problems(folder: Path) -> Iterator[str]:
    """Every fault of a topic's folder, each with its file and path; none when the data are sound."""
    try:
        sources = read_sources(folder)
        yield from map(str, missing_parts(sources))
        knowledge = build(sources)
    except KnowledgeError as error:
        yield str(error)
        return
    yield from map(str, unsound(sources, knowledge.topic, knowledge.vocabulary, knowledge.orders))
    yield from map(str, _codes(sources))
    yield from uncovered(sources)


def _codes(sources: Sources) -> Iterator[Fault]:
    """Every code of every value set is written as its system writes codes, and stands there once."""
    for name, data in sources.value_sets.items():
        file = sources.value_set_file(name)
        seen: set[tuple[str, str]] = set()
        for where, system, code, _ in composed(data):
            wrong = fault_of(system, code)
            if wrong:
                yield Fault(file, where, wrong)
            if (system, code) in seen:
                yield Fault(file, where, f"{code} stands here twice")
            seen.add((system, code))
