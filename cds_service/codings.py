"""The codings of CodeableConcepts, read once for each spelling: charts repeat their codes, and so do patients."""

from __future__ import annotations

from typing import Any, NamedTuple

from cds_service.fhir_elements import has_malformed_coding
from knowledge.findings import Coding
from knowledge.vocabulary import read_coding


class Codings(NamedTuple):
    """What the codings of one concept come to."""

    readable: tuple[Coding, ...]
    """In order, each once."""
    malformed: bool
    """One of them could be any code."""


MOST_CODINGS = 200
"""Of one concept; one that claims more, and that many references may name, is not read."""

_remembered: dict[tuple[tuple[object, object], ...], Codings] = {}
_MOST_REMEMBERED = 10_000
_LONGEST_REMEMBERED = 400
"""In letters, of all systems and codes of a concept together: what the field sends has half of that."""


def codings_of(concept: Any) -> Codings:
    """The codings of a raw CodeableConcept, whatever it is."""
    listed = concept.get("coding") if isinstance(concept, dict) else None
    if not isinstance(listed, list):
        return Codings((), has_malformed_coding(concept))
    if len(listed) > MOST_CODINGS:
        return Codings((), malformed=True)
    try:
        spelled = tuple([(each.get("system"), each.get("code")) for each in listed])
        found = _remembered.get(spelled)
    except (AttributeError, TypeError):  # a coding that is no object, or a code that is no text
        return _read(concept, listed)
    if found is None:
        found = _read(concept, listed)
        if len(_remembered) < _MOST_REMEMBERED and len(str(spelled)) <= _LONGEST_REMEMBERED:
            _remembered[spelled] = found
    return found


def _read(concept: Any, listed: list[Any]) -> Codings:
    read = [
        coding
        for each in listed
        if isinstance(each, dict) and (coding := read_coding(each.get("system"), each.get("code")))
    ]
    return Codings(tuple(dict.fromkeys(read)), has_malformed_coding(concept))
