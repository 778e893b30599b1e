"""The codings of CodeableConcepts, read once for each spelling: charts repeat their codes, and so do patients."""

from __future__ import annotations

from typing import Any, NamedTuple

from knowledge.findings import Coding
from knowledge.vocabulary import may_be_any, read_coding


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
        return Codings((), _has_malformed_coding(concept))
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
    return Codings(tuple(dict.fromkeys(read)), _has_malformed_coding(concept))


def _has_malformed_coding(concept: Any) -> bool:
    """Whether a CodeableConcept holds a coding that could be any: of no shape, or no code of its known system."""
    if concept is not None and not isinstance(concept, dict):
        return True
    found = concept.get("coding") if concept is not None else None
    if found is not None and not isinstance(found, list):
        return True
    return any(_is_malformed(coding) for coding in found or [] if coding not in (None, {}))


def _is_malformed(coding: Any) -> bool:
    if not isinstance(coding, dict):
        return True
    system, code = coding.get("system"), coding.get("code")
    return read_coding(system, code) is None and may_be_any(system, code)
