"""The search of codes: by code, by prefix, by word, by product."""

from __future__ import annotations

import pytest

from knowledge.code_search import CodeIndex, index_codes
from knowledge.findings import ConceptId
from knowledge.knowledge import Knowledge
from knowledge.vocabulary import Strength


@pytest.fixture(scope="module")
def index(knowledge: Knowledge) -> CodeIndex:
    return index_codes(knowledge)


@pytest.mark.parametrize(
    ("words", "code", "concept", "strength"),
    [
        ("C61", "C61", "cancer", Strength.INCLUDED),
        ("c61", "C61", "cancer", Strength.INCLUDED),
        ("C50.911", "C50", "cancer", Strength.INCLUDED),
        ("m54.5", "M545", "low-back-pain", Strength.INCLUDED),
        ("M54.50", "M545", "low-back-pain", Strength.INCLUDED),
        ("R50.2", "R502", "infection", None),
        ("L02.1", "L02", "infection", Strength.SUPPORTING),
        ("fever", "386661006", "infection", Strength.INCLUDED),
        ("FEVER unspecified", "R509", "infection", Strength.INCLUDED),
        ("198145", "8640", "chronic-steroid-use", Strength.INCLUDED),
        ("279039007", "279039007", "low-back-pain", Strength.INCLUDED),
    ],
)
def test_the_best_answer_comes_first(
    index: CodeIndex, words: str, code: str, concept: str, strength: Strength | None
) -> None:
    """A code finds itself, else what stands for all below it; a word what is named by it; a product its ingredient."""
    first = index.search(words).entries[0]
    assert (first.coding.code, first.strength) == (code, strength)
    assert concept in first.concepts


def test_an_order_code_says_what_it_orders(index: CodeIndex) -> None:
    """72148 speaks of no concept and orders the MRI without contrast."""
    (entry,) = index.search("72148").entries
    assert (entry.value_set, entry.concepts, entry.procedures) == (None, (), ("mri-lumbar-spine-without-iv-contrast",))


def test_a_prefix_finds_the_codes_below_it(index: CodeIndex) -> None:
    """Z95 is in no list, and shows the codes of heart devices that begin with it, and nothing else."""
    found = [entry.coding.code for entry in index.search("Z95.").entries]
    assert "Z950" in found
    assert all(code.startswith("Z95") for code in found)


@pytest.mark.parametrize("words", ["", "   ", "I10", "%", "' OR 1=1", "<b>", "x" * 100])
def test_what_no_list_holds_finds_nothing(index: CodeIndex, words: str) -> None:
    """Hypertension, an empty search and nonsense find nothing."""
    assert index.search(words).total == 0


def test_a_concept_alone_lists_its_codes(index: CodeIndex) -> None:
    """Without words the codes of one concept are listed, and only those; the limit cuts the list, not the count."""
    hits = index.search("", ConceptId("prior-lumbar-surgery"), limit=5)
    assert len(hits.entries) == 5
    assert hits.total > 30
    assert {entry.concepts for entry in hits.entries} == {("prior-lumbar-surgery",)}


def test_every_value_set_with_a_meaning_is_found_under_its_concept(index: CodeIndex, knowledge: Knowledge) -> None:
    """Only lists that never speak of a concept are without one: body weight and the look-alikes."""
    homeless = {entry.value_set for entry in index.entries if not entry.concepts and entry.value_set is not None}
    assert homeless == {"body-weight", "look-alikes"}
