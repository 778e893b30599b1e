"""The words of an order, for clients that send no code: read only where every word is understood."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from knowledge.findings import ProcedureId

_SEPARATORS = re.compile(r"[^a-z0-9]+")
_LONGEST = 200


def spelling(written: str) -> re.Pattern[str]:
    """Finds a spelling where no letter or digit touches it; a mark at its end is its own border."""
    border = r"(?![a-z0-9])" if written[-1].isalnum() else ""
    return re.compile(rf"(?<![a-z0-9]){re.escape(written)}{border}")


@dataclass(frozen=True, slots=True)
class OrderText:
    """The words by which orders for lumbar studies are named, and what they stand for."""

    spellings: tuple[tuple[re.Pattern[str], str], ...]
    """What is written with marks or blanks -> the word it stands for: ``w/o`` -> ``wo``."""
    regions: frozenset[str]
    modalities: Mapping[str, str]
    """Word -> modality."""
    with_contrast: frozenset[str]
    without_contrast: frozenset[str]
    fillers: frozenset[str]
    own_fillers: Mapping[str, frozenset[str]]
    """Modality -> words that may stand beside it alone."""
    studies: Mapping[tuple[str, str], tuple[ProcedureId, ...]]
    """Modality and contrast (``not-stated``, ``with``, ``without``, ``without-and-with``) -> procedures."""

    def read(self, texts: Iterable[str]) -> tuple[ProcedureId, ...]:
        """The procedures all the texts agree on; none where one of them holds a word that is not understood."""
        found = [self._read(text) for text in dict.fromkeys(texts)]
        if not found or () in found:
            return ()
        common = frozenset.intersection(*map(frozenset, found))
        return tuple(procedure for procedure in found[0] if procedure in common)

    def _read(self, text: str) -> tuple[ProcedureId, ...]:
        if len(text) > _LONGEST:
            return ()
        plain = text.lower()
        for written, word in self.spellings:
            plain = written.sub(f" {word} ", plain)
        words = [word for word in _SEPARATORS.split(plain) if word]
        modalities = {self.modalities[word] for word in words if word in self.modalities}
        if len(modalities) != 1 or not any(word in self.regions for word in words):
            return ()
        (modality,) = modalities
        beside = self.own_fillers.get(modality, frozenset())
        known = self.regions | self.with_contrast | self.without_contrast | self.fillers | beside
        if any(word not in known and word not in self.modalities for word in words):
            return ()
        contrast = self._contrast(words)
        return self.studies.get((modality, contrast), ()) if contrast else ()

    def _contrast(self, words: list[str]) -> str:
        """What is said of contrast; empty where it is named without a word for with or without."""
        given = not self.with_contrast.isdisjoint(words)
        withheld = not self.without_contrast.isdisjoint(words)
        if given and withheld:
            return "without-and-with"
        if given:
            return "with"
        if withheld:
            return "without"
        return "" if "contrast" in words else "not-stated"
