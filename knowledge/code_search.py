"""Finding a code in the vocabulary: which concept it speaks of, and whether it decides, supports or is excluded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from knowledge.findings import Coding, ConceptId, ProcedureId, ValueSetId
from knowledge.guideline import Concept, ConceptReading
from knowledge.knowledge import Knowledge
from knowledge.vocabulary import ICD_10_CM, Strength, ValueSet, at_or_above


@dataclass(frozen=True, slots=True)
class CodeEntry:
    """One line of a value set, or one order code."""

    coding: Coding
    display: str
    value_set: ValueSetId | None
    """None for an order code."""
    title: str
    strength: Strength | None
    """None: excluded from its value set."""
    below: bool
    """It stands for every code below it."""
    concepts: tuple[ConceptId, ...] = ()
    procedures: tuple[ProcedureId, ...] = ()
    """What an order code orders."""


@dataclass(frozen=True, slots=True)
class Hits:
    """What a search found, the best first, and how much there was."""

    entries: tuple[CodeEntry, ...]
    total: int


@dataclass(frozen=True, slots=True)
class CodeIndex:
    """Every code of a topic, ready to be searched."""

    entries: tuple[CodeEntry, ...]
    products: dict[str, Coding]
    """RxNorm products -> their ingredient, which is what the value sets hold."""

    def search(self, words: str, concept: ConceptId | None = None, limit: int | None = None) -> Hits:
        """The entries whose code begins with ``words``, covers it, or whose name holds every word.

        Codes may be written with or without dots and in any case; an empty search lists a concept's codes.
        """
        asked = " ".join(words.casefold().split())
        if not asked and concept is None:
            return Hits((), 0)
        code = _plain(asked)
        product = self.products.get(code)
        ranked = []
        for entry in self.entries:
            if concept is not None and concept not in entry.concepts:
                continue
            rank = _rank(entry, asked, code, product)
            if rank is not None:
                ranked.append((rank, entry))
        # A stable sort: within a rank the order of the data.
        ranked.sort(key=lambda each: each[0])
        return Hits(tuple(entry for _, entry in ranked[:limit]), len(ranked))


def index_codes(knowledge: Knowledge) -> CodeIndex:
    """Every code of every value set, and every order code, each with what it speaks of."""
    about = _concepts_by_value_set(knowledge)
    entries = [
        replace(entry, concepts=about.get(value_set.id, ()))
        for value_set in knowledge.vocabulary.value_sets.values()
        for entry in _lines(value_set)
    ]
    for coding, code in knowledge.orders.codes.items():
        strength = Strength.SUPPORTING if code.weak else Strength.INCLUDED
        entries.append(CodeEntry(coding, code.display, None, "Orders", strength, False, procedures=code.procedures))
    products = {product.code: made.coding for product, made in knowledge.vocabulary.ingredients.items()}
    return CodeIndex(tuple(entries), products)


def value_sets_of(concept: Concept) -> dict[ValueSetId, ConceptReading]:
    """The value sets a concept is read from, each with the first reading that uses it."""
    found: dict[ValueSetId, ConceptReading] = {}
    for reading in concept.readings:
        named = [*reading.value_sets, *reading.plain, *reading.fallback]
        named += [reading.route_needed] if reading.route_needed is not None else []
        for value_set in named:
            found.setdefault(value_set, reading)
    return found


def _concepts_by_value_set(knowledge: Knowledge) -> dict[ValueSetId, tuple[ConceptId, ...]]:
    found: dict[ValueSetId, tuple[ConceptId, ...]] = {}
    for concept in (*knowledge.topic.concepts.values(), *knowledge.topic.notes.values()):
        if not concept.internal:
            for value_set in value_sets_of(concept):
                found[value_set] = (*found.get(value_set, ()), concept.id)
    return found


def _lines(value_set: ValueSet) -> Iterator[CodeEntry]:
    for code, strength in value_set.branches.items():
        coding = Coding(ICD_10_CM, code)
        display = value_set.displays.get(coding, "")
        yield CodeEntry(coding, display, value_set.id, value_set.title, strength, True)
    for coding, strength in value_set.members.items():
        if coding.system == ICD_10_CM and value_set.branches.get(coding.code, False) == strength:
            continue  # the branch of the same code says it already
        display = value_set.displays.get(coding, "")
        yield CodeEntry(coding, display, value_set.id, value_set.title, strength, False)


def _plain(words: str) -> str:
    return words.replace(".", "").rstrip("-").upper()


_SHORTEST_CODE = 2
Rank = tuple[int, bool, int]


def _rank(entry: CodeEntry, asked: str, code: str, product: Coding | None) -> Rank | None:
    """How well an entry answers, the lowest best; None where it does not.

    Within one kind of answer what decides comes before what does not, and a short name before a long one.
    """
    order = (entry.strength is not Strength.INCLUDED, len(entry.display))
    if not asked:
        return (3 if entry.below else 4, *order)
    if product is not None and entry.coding == product:
        return (0, *order)
    if len(code) >= _SHORTEST_CODE and code.isascii() and code[-1:].isalnum():
        if entry.coding.code == code:
            return (0, *order)
        if entry.below and entry.coding in at_or_above(Coding(ICD_10_CM, code)):
            return (1, *order)
        if entry.coding.code.startswith(code):
            return (2, *order)
    named = f"{entry.display} {entry.title} {' '.join(entry.concepts)}".casefold()
    if all(word in named for word in asked.split()):
        by_name = all(word in entry.display.casefold() for word in asked.split())
        return (3 if by_name else 4, *order)
    return None
