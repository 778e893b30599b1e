"""The codings of CodeableConcepts, read once for each spelling."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service import codings
from cds_service.chart import ChartReader, read_chart
from cds_service.codings import Codings, codings_of
from cds_service.prefetch import read_prefetch
from knowledge.findings import Coding, PrefetchKey
from knowledge.knowledge import Knowledge
from knowledge.vocabulary import ICD_10_CM

PAIN = {"system": ICD_10_CM, "code": "M54.50"}
LOCAL = {"system": "urn:oid:1.2.3", "code": "4711"}
READ = Coding(ICD_10_CM, "M5450")


@pytest.fixture(autouse=True)
def remembered(monkeypatch: pytest.MonkeyPatch) -> dict[Any, Codings]:
    """What is remembered: nothing, before each test."""
    empty: dict[Any, Codings] = {}
    monkeypatch.setattr(codings, "_remembered", empty)
    return empty


@pytest.mark.parametrize(
    ("concept", "readable", "malformed"),
    [
        ({"coding": [PAIN]}, (READ,), False),
        ({"coding": [PAIN, LOCAL, PAIN]}, (READ,), False),
        ({"coding": [PAIN, {"system": ICD_10_CM, "code": "?"}]}, (READ,), True),
        ({"coding": [PAIN, {"system": ICD_10_CM, "code": ["M54.50"]}]}, (READ,), True),
        ({"coding": [PAIN, {"system": ICD_10_CM, "code": 7}]}, (READ,), True),
        ({"coding": [PAIN, "M54.50"]}, (READ,), True),
        ({"coding": [PAIN, None, {}]}, (READ,), False),
        ({"coding": PAIN}, (), True),
        ({"text": "back pain"}, (), False),
        ({}, (), False),
        (None, (), False),
        ("M54.50", (), True),
    ],
)
def test_a_concept_is_read_alike_the_first_time_and_later(
    concept: Any, readable: tuple[Coding, ...], malformed: bool
) -> None:
    """Whatever stands where a concept is due, it comes to the same whether it was seen before or not."""
    assert [codings_of(concept), codings_of(concept)] == [Codings(readable, malformed)] * 2


def test_a_display_is_not_part_of_what_is_remembered(remembered: dict[Any, Codings]) -> None:
    """Two spellings of a display are one entry, and no display is kept in memory."""
    codings_of({"coding": [{**PAIN, "display": "Low back pain"}]})
    codings_of({"coding": [{**PAIN, "display": "of J. Doe"}]})
    assert remembered == {((ICD_10_CM, "M54.50"),): Codings((READ,), False)}


def test_what_is_remembered_is_bounded(remembered: dict[Any, Codings], monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither many concepts nor long ones fill the memory; they are read all the same."""
    monkeypatch.setattr(codings, "_MOST_REMEMBERED", 2)
    for number in range(5):
        assert codings_of({"coding": [PAIN, {"system": "urn:local", "code": str(number)}]}).readable == (READ,)
    assert codings_of({"coding": [PAIN, {"system": "urn:local", "code": "x" * 1000}]}).readable == (READ,)
    assert len(remembered) == 2
    remembered.clear()
    codings_of({"coding": [PAIN, {"system": "urn:local", "code": "x" * 1000}]})
    assert remembered == {}


@pytest.mark.parametrize("beside", [[], [LOCAL]])
def test_a_modifier_on_the_code_is_seen_on_what_concerns_nobody(knowledge: Knowledge, beside: list[Any]) -> None:
    """A Condition that no value set knows leaves its list incomplete where its code has a modifier extension."""
    code = {"coding": [{"system": ICD_10_CM, "code": "I10"}, *beside]}
    changed = {**code, "modifierExtension": [{"url": "http://example.org/modifier", "valueBoolean": True}]}
    found = []
    for each in (code, changed):
        condition = {"resourceType": "Condition", "id": "c1", "code": each, "subject": {"reference": "Patient/p1"}}
        bundle = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": condition}]}
        chart = read_chart(ChartReader(read_prefetch({"conditions": bundle}, ()), "p1", knowledge))
        found.append(PrefetchKey.CONDITIONS in chart.delivered)
    assert found == [True, False]
