"""Dates, logic, codes, orders and verdicts, each on its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from knowledge.appraisal import (
    NoCriteriaApply,
    Rated,
    Undetermined,
    Verdict,
    VerdictWords,
    appraise,
    appraise_order,
    in_words,
)
from knowledge.criteria import AllOf, AnyOf, Criterion, Has, Not, Suggests, evaluate, open_concepts
from knowledge.dates import DateSpan, Within, age_on, place
from knowledge.findings import Chart, Coding, ConceptId, Entry, Finding, Kind, OrderedProcedure, Presence, ProcedureId
from knowledge.guideline import AppropriatenessCategory, NoCriteriaReason
from knowledge.inference import Standing, VariantMatch, match_variants
from knowledge.knowledge import Knowledge
from knowledge.orders import ConflictingCodes, Study
from knowledge.vocabulary import (
    CPT,
    ICD_10_CM,
    LOINC,
    RXNORM,
    SNOMED_CT,
    Strength,
    at_or_above,
    is_sequela,
    may_be_any,
    read_coding,
)

A, B = ConceptId("a"), ConceptId("b")
TRUE = Finding(A, Presence.PRESENT)
FALSE = Finding(A, Presence.ABSENT)
OPEN = Finding(A, Presence.UNKNOWN)
NOT, MAY, DISAGREE, USUALLY = AppropriatenessCategory


@pytest.mark.parametrize(
    ("written", "first", "last"),
    [
        ("2024", date(2024, 1, 1), date(2024, 12, 31)),
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29)),
        ("2024-02-29", date(2024, 2, 29), date(2024, 2, 29)),
    ],
)
def test_a_written_date_stands_for_all_its_days(written: str, first: date, last: date) -> None:
    """A year and a month stand for every one of their days, and are shown as they were written."""
    span = DateSpan.parse(written)
    assert (span.earliest, span.latest, str(span)) == (first, last, written)


@pytest.mark.parametrize("written", ["2024-2-1", "2023-02-29", "24", "", "2024-13", "2024-01-01T00:00:00Z", "٢٠٢٤"])
def test_what_is_no_fhir_date_is_refused(written: str) -> None:
    """A date that is not written as FHIR writes it raises ValueError."""
    with pytest.raises(ValueError, match=r"."):
        DateSpan.parse(written)


def test_a_span_across_the_edge_of_a_window_straddles_it() -> None:
    """A span is inside, outside, or across a window whose both ends belong to it."""
    first, last = date(2026, 1, 10), date(2026, 1, 20)
    assert place(DateSpan(first, last), first, last) is Within.INSIDE
    assert place(DateSpan(date(2026, 1, 9), first), first, last) is Within.STRADDLES
    assert place(DateSpan.on(date(2026, 1, 9)), first, last) is Within.OUTSIDE


def test_someone_born_on_the_29th_of_february_ages_on_the_first_of_march() -> None:
    """Completed years turn on the birthday, in a common year on 1 March for 29 February."""
    assert (age_on(date(1960, 2, 29), date(2025, 2, 28)), age_on(date(1960, 2, 29), date(2025, 3, 1))) == (64, 65)


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        (AllOf((Has(A), Has(B))), {"TT": True, "TF": False, "TU": None, "UF": False, "UU": None}),
        (AnyOf((Has(A), Has(B))), {"TF": True, "FF": False, "TU": True, "FU": None, "UU": None}),
        (Not(Has(A)), {"TT": False, "FT": True, "UT": None}),
        (Suggests(A, of=B), {"TT": None, "UT": None, "FT": False}),
    ],
)
def test_criteria_follow_kleene(criterion: Criterion, expected: dict[str, bool | None]) -> None:
    """False decides a conjunction and true a disjunction whatever is unknown; a suggestion never makes true."""
    states = {"T": Presence.PRESENT, "F": Presence.ABSENT, "U": Presence.UNKNOWN}
    for letters, truth in expected.items():
        findings = {A: Finding(A, states[letters[0]]), B: Finding(B, states[letters[1]])}
        assert evaluate(criterion, findings) is truth, letters


def test_a_concept_that_is_not_found_is_unknown() -> None:
    """Silence is a value: what is not among the findings is neither true nor false."""
    assert evaluate(Has(A), {}) is None
    assert open_concepts(AllOf((Has(A), Suggests(B, of=A))), {B: Finding(B, Presence.PRESENT)}) == (A,)


@pytest.mark.parametrize(
    ("system", "code", "expected"),
    [
        ("http://hl7.org/fhir/sid/icd-10-cm", "m54.50", Coding(ICD_10_CM, "M5450")),
        ("http://hl7.org/fhir/sid/icd-10", "M545", Coding(ICD_10_CM, "M545")),
        ("urn:oid:2.16.840.1.113883.6.90", "M54.5-", Coding(ICD_10_CM, "M545")),
        ("http://snomed.info/sct", " 279039007 ", Coding(SNOMED_CT, "279039007")),
        ("http://snomed.info/sct/", "279039007", Coding(SNOMED_CT, "279039007")),
        ("http://loinc.org/", "30679-5", Coding(LOINC, "30679-5")),
        ("http://snomed.info/sct", "16650241000119101", Coding(SNOMED_CT, "16650241000119101")),
        ("https://bluebutton.cms.gov/resources/codesystem/hcpcs", "72148", Coding(CPT, "72148")),
        ("http://hl7.org/fhir/sid/icd-10-cm", "IMO0002", None),
        ("http://snomed.info/sct", "banana", None),
        ("http://hl7.org/fhir/sid/icd-9-cm", "724.2", None),
        ("", "72148", None),
        (None, "72148", None),
        ("http://snomed.info/sct", 279039007, None),
    ],
)
def test_a_code_is_read_with_its_system(system: object, code: object, expected: Coding | None) -> None:
    """Known systems are read under each of their names; what has no known system or shape is no code."""
    assert read_coding(system, code) == expected


@pytest.mark.parametrize(
    ("system", "code", "expected"),
    [
        (ICD_10_CM, "IMO0002", False),
        ("http://hl7.org/fhir/sid/icd-10", " IMO0002 ", False),
        (SNOMED_CT, "SCT363346000", True),
        (RXNORM, "RX8640", True),
        (LOINC, "LN8310", True),
        (CPT, "CPT72148", True),
        ("urn:oid:1.2.3", "IMG72148", False),
        (ICD_10_CM, ["IMO0002"], True),
    ],
)
def test_letters_before_digits_stand_for_nothing_in_icd_10_cm_alone(
    system: object, code: object, expected: bool
) -> None:
    """A code with the name of its system before it may be any code; IMO0002 is known to be none."""
    assert read_coding(system, code) is None
    assert may_be_any(system, code) is expected


def test_the_longest_code_of_a_value_set_decides(knowledge: Knowledge) -> None:
    """Z85.828 is excluded although Z85 counts, and R33.0 although R33.9 does."""
    look = knowledge.vocabulary.matches
    assert look(Coding(ICD_10_CM, "Z853")) == {"cancer": Strength.INCLUDED}
    assert look(Coding(ICD_10_CM, "Z85828")) == {}
    assert look(Coding(ICD_10_CM, "R339")) == {"sphincter-disturbance": Strength.INCLUDED}
    assert look(Coding(ICD_10_CM, "R330")) == {}


def test_a_product_is_in_the_sets_of_its_ingredient(knowledge: Knowledge) -> None:
    """A tacrolimus capsule is an immunosuppressant by its ingredient; the dental paste is a local product."""
    look = knowledge.vocabulary.matches
    assert look(Coding(RXNORM, "198377")) == {"immunosuppressant": Strength.INCLUDED}
    assert knowledge.vocabulary.is_local([Coding(RXNORM, "1085728")])
    assert not knowledge.vocabulary.is_local([Coding(RXNORM, "198377")])


def test_sequelae_and_branches_are_told_by_the_code() -> None:
    """The seventh character S is a sequela, and a finer ICD-10-CM code lies below its category."""
    assert is_sequela(Coding(ICD_10_CM, "W1830XS"))
    assert not is_sequela(Coding(ICD_10_CM, "W1830XA"))
    assert Coding(ICD_10_CM, "C50") in at_or_above(Coding(ICD_10_CM, "C50911"))
    assert at_or_above(Coding(ICD_10_CM, "C50")) == (Coding(ICD_10_CM, "C50"),)
    assert at_or_above(Coding(SNOMED_CT, "254701007")) == (Coding(SNOMED_CT, "254701007"),)


def test_codes_of_one_order_are_intersected(knowledge: Knowledge) -> None:
    """Open and stated contrast give the stated study, contradiction gives none, unknown codes are passed over."""
    orders = knowledge.orders
    without = ProcedureId("mri-lumbar-spine-without-iv-contrast")
    cpt, open_contrast = Coding(CPT, "72148"), Coding(LOINC, "24968-0")
    assert orders.resolve([cpt, open_contrast, Coding(CPT, "99999")]) == Study((without,))
    assert isinstance(orders.resolve([cpt, Coding(CPT, "72158")]), ConflictingCodes)
    assert isinstance(orders.resolve([cpt, Coding(LOINC, "36059-4")]), ConflictingCodes)
    assert orders.resolve([Coding(CPT, "70551")]) is None
    assert orders.resolve([Coding(CPT, "78815")]) == Study(())


def test_an_order_is_a_component_only_where_each_of_its_studies_is(knowledge: Knowledge) -> None:
    """A myelogram beside a CT is a part of it; with a radiograph in the same order it is an order of its own."""
    myelogram, radiograph, ct = Coding(CPT, "72265"), Coding(CPT, "72100"), Coding(CPT, "72132")
    is_component = knowledge.orders.is_component_beside
    assert is_component([myelogram, Coding(CPT, "99999")], [ct])
    assert not is_component([myelogram, radiograph], [ct])
    assert not is_component([myelogram], [radiograph])
    assert not is_component([Coding(CPT, "99999")], [ct])


def _matches(established: tuple[int, ...] = (), possible: tuple[int, ...] = ()) -> tuple[VariantMatch, ...]:
    def standing(number: int) -> Standing:
        if number in established:
            return Standing.ESTABLISHED
        return Standing.POSSIBLE if number in possible else Standing.RULED_OUT

    return tuple(VariantMatch(number, standing(number), (), ()) for number in range(1, 8))


XR = ProcedureId("radiography-lumbar-spine")
MRI = ProcedureId("mri-lumbar-spine-without-iv-contrast")
MRI_W = ProcedureId("mri-lumbar-spine-with-iv-contrast")


@pytest.mark.parametrize(
    ("procedures", "established", "possible", "verdict"),
    [
        ((XR,), (7,), (), Rated(DISAGREE)),
        ((XR,), (3, 7), (), Rated(MAY)),
        ((XR,), (7,), (3,), Rated(MAY)),
        ((XR,), (6, 7), (), Rated(USUALLY)),
        ((XR,), (4, 6), (5,), Rated(NOT)),
        ((XR,), (), (4,), Rated(NOT)),
        ((MRI,), (), (1, 2), Rated(NOT)),
        ((MRI,), (), (), NoCriteriaApply(NoCriteriaReason.NO_VARIANT)),
    ],
)
def test_the_verdict_follows_floor_and_ceiling(
    knowledge: Knowledge, procedures: tuple[ProcedureId, ...], established: Any, possible: Any, verdict: Any
) -> None:
    """Best over the variants that hold, cauda equina alone, the disagreement label only where all agree on it."""
    assert appraise(knowledge.topic, procedures, _matches(established, possible)) == verdict


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (Rated(DISAGREE), VerdictWords("rated", *["may-be-appropriate-disagreement"] * 3)),
        (Undetermined(NOT, MAY, (A,)), VerdictWords("undetermined", None, NOT.value, MAY.value, ("a",))),
        (Undetermined(None, MAY, ()), VerdictWords("undetermined", None, None, MAY.value)),
        (NoCriteriaApply(NoCriteriaReason.NO_VARIANT), VerdictWords("no-criteria-apply", reason="no-variant")),
    ],
)
def test_a_verdict_has_one_set_of_words(verdict: Verdict, words: VerdictWords) -> None:
    """What is rated is its own floor and ceiling; what is undetermined has no category, and not always a floor."""
    assert in_words(verdict) == words


def test_an_open_set_has_the_worst_floor_and_the_best_ceiling(knowledge: Knowledge) -> None:
    """An order that stands for a set is undetermined by its contrast alone where its procedures differ."""
    verdict = appraise(knowledge.topic, (MRI, MRI_W), _matches((7,)))
    assert verdict == Undetermined(NOT, USUALLY, (), only_contrast=True)


def test_without_a_variant_that_holds_there_is_no_floor(knowledge: Knowledge) -> None:
    """A possible variant above the lowest category leaves an order without a floor."""
    assert appraise(knowledge.topic, (MRI,), _matches((), (3,))) == Undetermined(None, USUALLY, ())


def test_the_first_rule_that_closes_the_topic_is_the_reason(knowledge: Knowledge) -> None:
    """High-energy trauma without low back pain is out of scope, and without an indication by the rules turned round."""
    trauma = Entry("order.reasonCode[0]", Kind.REASON, (Coding(SNOMED_CT, "86591008"),), is_reason=True, on_order=True)
    order, today = OrderedProcedure("order", (MRI,), reasons=(trauma,), has_reasons=True), date(2026, 3, 3)
    elsewhere, no_pain, *others = knowledge.topic.closed_when
    turned = replace(knowledge, topic=replace(knowledge.topic, closed_when=(no_pain, elsewhere, *others)))
    found = [appraise_order(each, Chart("Patient/1"), order, today).verdict for each in (knowledge, turned)]
    assert found == [
        NoCriteriaApply(NoCriteriaReason.OUT_OF_SCOPE_INDICATION),
        NoCriteriaApply(NoCriteriaReason.NO_LOW_BACK_PAIN_INDICATION),
    ]


def test_the_portal_scenario_is_named_only_where_it_is_settled(knowledge: Knowledge) -> None:
    """Two risks of one variant leave its finer scenario open; one settles it."""

    def scenario(*present: str) -> str | None:
        findings = {ConceptId(name): Finding(ConceptId(name), Presence.PRESENT) for name in present}
        match = next(each for each in match_variants(knowledge.topic, findings) if each.variant == 6)
        return match.scenario.id if match.scenario else None

    assert scenario("osteoporosis") == "3194306"
    assert scenario("osteoporosis", "elderly") is None
