"""How far our lists reach, looked up by the spelling of a coding."""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import Any

import pytest

from cds_service.chart import ChartReader, read_chart
from cds_service.prefetch import read_prefetch
from cds_service.raw_resources import CODE_OF
from cds_service.silence import Silence
from knowledge import extent
from knowledge.extent import Spellings
from knowledge.findings import Chart
from knowledge.loading import Knowledge
from knowledge.vocabulary import CPT, ICD_10_CM, ICD_10_PCS, RXNORM, SNOMED_CT
from tests.cases_as_fhir import PATIENT

PRESSURE = (ICD_10_CM, "I10")
SPELLED = (
    PRESSURE,
    (ICD_10_CM, "M54.50"),
    (ICD_10_CM, "IMO0002"),
    (ICD_10_CM, "?"),
    (SNOMED_CT, "SCT254837009"),
    (SNOMED_CT, "38341003"),
    (RXNORM, "314076"),
    (RXNORM, "8640"),
    (CPT, "72148"),
    (ICD_10_PCS, "0SB20ZZ"),
    ("urn:oid:1.2.3", "4711"),
    ("urn:oid:1.2.3", 4711),
    (7, "4711"),
    (None, "4711"),
    (None, None),
)


class _LookedInto(Spellings):
    """Says of every coding that it has to be looked into."""

    def __missing__(self, spelled: tuple[object, object]) -> bool | None:
        return None


def _chart(knowledge: Knowledge, resources: list[Any]) -> Chart:
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": each} for each in resources]}
    return read_chart(ChartReader(read_prefetch({"conditions": bundle}, ()), PATIENT, knowledge))


@pytest.mark.parametrize("kind", CODE_OF)
def test_what_is_passed_over_by_its_spelling_says_nothing_when_read(
    knowledge: Knowledge, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever codings an entry has, it comes to the same entries and gaps as when each is looked into."""
    resources = [
        {
            "resourceType": kind,
            "id": f"{number}",
            "status": "final" if kind in ("Observation", "DiagnosticReport") else "completed",
            CODE_OF[kind]: {"coding": [{"system": system, "code": code} for system, code in codings]},
            "subject": {"reference": f"Patient/{PATIENT}"},
        }
        for number, codings in enumerate(combinations_with_replacement(SPELLED, 2))
    ]
    short = [_chart(knowledge, [each]) for each in resources]
    looked_into = _LookedInto(knowledge.vocabulary, knowledge.orders, of_drugs=False)
    for name in ("_spellings", "_drug_spellings"):
        monkeypatch.setattr(Silence, name, property(lambda silence: looked_into, lambda silence, value: None), False)
    assert short == [_chart(knowledge, [each]) for each in resources]


def test_a_spelling_is_looked_into_once(knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a spelling says is remembered, for as many and as long ones as the field sends."""
    spellings = Spellings(knowledge.vocabulary, knowledge.orders, of_drugs=False)
    monkeypatch.setattr(extent, "MOST_SPELLINGS", 2)
    said = [spellings[spelled] for spelled in (PRESSURE, (ICD_10_CM, "M54.50"), ("urn:local", "1"), PRESSURE)]
    assert said == [True, None, False, True]
    assert list(spellings) == [PRESSURE, (ICD_10_CM, "M54.50")]
    monkeypatch.setattr(extent, "MOST_SPELLINGS", 100)
    assert spellings["urn:local", "x" * 1000] is False
    assert len(spellings) == 2


@pytest.mark.parametrize(("of_drugs", "told"), [(True, [True, False]), (False, [True, True])])
def test_a_drug_is_passed_over_only_in_rxnorm(knowledge: Knowledge, of_drugs: bool, told: list[bool]) -> None:
    """Lists of drugs are in RxNorm alone: a drug's code of another system may be one of them."""
    spellings = Spellings(knowledge.vocabulary, knowledge.orders, of_drugs=of_drugs)
    assert [spellings[RXNORM, "314076"], spellings[SNOMED_CT, "38341003"]] == told
