"""What is said in parts: of a panel, over a period, in two drafts that are one study."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from cds_service.chart import ChartReader
from cds_service.codings import MOST_CODINGS, codings_of
from cds_service.judging import Judge
from cds_service.order_reasons import ReasonReader, Reasons
from cds_service.raw_resources import each_apart
from knowledge.appraisal import Appraisal
from knowledge.findings import Coding, ConceptId, PrefetchKey, Presence
from knowledge.orders import OrderCodes
from knowledge.vocabulary import read_coding
from tests.cases_as_fhir import PATIENT, concept, request_for
from tests.judging import appraisal_of, judged_of, only_order, presence_of

Json = dict[str, Any]

LBP = "ICD-10-CM M54.50"
CAUDA_EQUINA = "ICD-10-CM G83.4"
FEVER = {"code": concept("LOINC 8310-5"), "valueQuantity": {"value": 39.2, "code": "Cel", "unit": "Cel"}}
SUBJECT = {"reference": f"Patient/{PATIENT}"}


def _request(*conditions: Json, code: str = "CPT 72148", reasons: tuple[str, ...] = (LBP,)) -> Json:
    pain = {"code": LBP, "onset": "2026-02-20"}
    chart = {"birth_date": "1981-05-10", "conditions": [pain, *conditions]}
    return request_for({"order": {"code": code, "reasons": list(reasons)}, "chart": chart}, hook="order-sign")


def _add_draft(request: Json, code: str, **changes: Any) -> None:
    draft = {**only_order(request), "id": "other", "code": concept(code), **changes}
    request["context"]["draftOrders"]["entry"].append({"resource": draft})


def _panel(**changes: Any) -> Json:
    panel = {"resourceType": "Observation", "id": "o1", "status": "final", "subject": SUBJECT}
    panel |= {"code": concept("LOINC 85353-1"), "effectiveDateTime": "2026-03-01", "component": [FEVER]}
    return panel | changes


@pytest.mark.parametrize("element", ["reasonReference", "supportingInfo"])
@pytest.mark.parametrize("is_contained", [True, False])
def test_components_of_a_panel_that_an_order_names_are_read(judge: Judge, element: str, is_contained: bool) -> None:
    """39.2 degrees within the vital signs that are the reason of an order are a fever."""
    request = _request()
    assert presence_of(judge, request, "infection") == "absent"
    order = only_order(request)
    order[element] = [{"reference": "#o1" if is_contained else "Observation/o1"}]
    if is_contained:
        order["contained"] = [_panel()]
    else:
        request["context"]["draftOrders"]["entry"].append({"resource": _panel()})
    assert presence_of(judge, request, "infection") == "present"


def test_what_may_change_the_meaning_of_a_panel_changes_that_of_its_components() -> None:
    """A component cannot take back its panel's modifierExtension, and gets nothing of it that is not read."""
    odd = {f"x{number}": number for number in range(1000)}
    (_, panel), (_, component) = each_apart(
        [_panel(modifierExtension=[{"url": "x"}], component=[{**FEVER, "modifierExtension": []}], **odd)],
        lambda reference, within: None,
    )
    assert component["modifierExtension"] == panel["modifierExtension"]
    assert len(component) < 12


HARMLESS = {"code": concept("LOINC 8867-4"), "valueQuantity": {"value": 72, "code": "/min"}}


@pytest.mark.parametrize(
    ("component", "gaps"),
    [
        ([HARMLESS, None, {}], []),
        ([], []),
        (None, []),
        ([{"valueQuantity": {"value": 39.2, "code": "Cel"}}], ["no code of a known system"]),
        ([{"code": {"text": "temperature"}, "valueString": "hot"}], ["no code of a known system"]),
        ([HARMLESS, "39.2 Cel"], ["a code that cannot be read"]),
        ([[HARMLESS]], ["a code that cannot be read"]),
        ("39.2 Cel", ["a code that cannot be read"]),
        (39.2, ["a code that cannot be read"]),
        ([{**HARMLESS, "component": "39.2 Cel"}], ["a code that cannot be read"]),
    ],
)
@pytest.mark.parametrize("is_a_reason", [False, True])
def test_a_component_that_cannot_be_read_is_a_gap_as_an_observation_is(
    judge: Judge, component: Any, gaps: list[str], is_a_reason: bool
) -> None:
    """Without a code, or in no shape of a component, it leaves its key incomplete, or a reason of the order unread."""
    request = _request()
    panel = {"resource": _panel(component=component)}
    if is_a_reason:
        request["context"]["draftOrders"]["entry"].append(panel)
        only_order(request)["supportingInfo"] = [{"reference": "Observation/o1"}]
        assert presence_of(judge, request, "infection") == ("unknown" if gaps else "absent")
    else:
        request["prefetch"]["observations"]["entry"].append(panel)
        chart = judged_of(judge, request).chart
        assert [gap.why for gap in chart.gaps] == gaps
        assert (PrefetchKey.OBSERVATIONS in chart.delivered) is not bool(gaps)


@pytest.mark.parametrize("depth", [1, 2, 60])
def test_components_within_components_are_read(judge: Judge, depth: int) -> None:
    """39.2 degrees are a fever however deep in a panel they stand, under whatever its components are about."""
    component = FEVER
    for _ in range(depth):
        component = {**HARMLESS, "component": [component]}
    request = _request()
    request["prefetch"]["observations"]["entry"].append({"resource": _panel(component=[component])})
    assert presence_of(judge, request, "infection") == "present"


def _member(identity: str, **changes: Any) -> Json:
    return {"resourceType": "Observation", "id": identity, "status": "final", "subject": SUBJECT, **changes}


def _naming(*identities: str) -> Json:
    return {"hasMember": [{"reference": f"#{identity}"} for identity in identities]}


WARM = _member("warm", **FEVER)


@pytest.mark.parametrize(
    ("members", "contained", "presence"),
    [
        (_naming("warm"), [WARM], "present"),
        ({"hasMember": {"reference": "#warm"}}, [WARM], "present"),
        (_naming(), [WARM], "absent"),
        (_naming("lost"), [WARM], "lost"),
        ({"hasMember": [None, "#warm", {"reference": 7}]}, [WARM], "absent"),
        ({"hasMember": [None, {"reference": "#"}]}, [WARM], "lost"),
        ({"hasMember": [{"reference": "QuestionnaireResponse/q"}]}, [WARM], "absent"),
        (_naming("warm"), [{**WARM, "valueQuantity": {"value": 36.5, "code": "Cel"}}], "absent"),
        (_naming("warm"), [{**WARM, "status": "cancelled"}], "absent"),
        (_naming("warm"), [{**WARM, "valueQuantity": "hot"}], "unknown"),
        (_naming("round"), [_member("round", **HARMLESS, **_naming("round", "o1", "warm")), WARM], "present"),
        (_naming("inner"), [_member("inner", **HARMLESS, component=[FEVER])], "present"),
    ],
)
@pytest.mark.parametrize("where", ["chart", "reason", "contained reason"])
def test_contained_members_of_a_panel_are_read(
    judge: Judge, where: str, members: Json, contained: list[Json], presence: str
) -> None:
    """39.2 degrees in a member that a panel, or one of its members, contains are a fever at the time of the panel.

    One that is lost leaves open what a reason says, and is a gap in the chart.
    """
    request = _request()
    panel = _panel(component=[], **members)
    holder = only_order(request) if where == "contained reason" else panel
    holder["contained"] = contained
    if where == "chart":
        request["prefetch"]["observations"]["entry"].append({"resource": panel})
    elif where == "reason":
        request["context"]["draftOrders"]["entry"].append({"resource": panel})
        only_order(request)["reasonReference"] = [{"reference": "Observation/o1"}]
    else:
        holder["contained"] = [panel, *contained]
        only_order(request)["reasonReference"] = [{"reference": "#o1"}]
    if presence == "lost":
        presence = "absent" if where == "chart" else "unknown"
        assert len(judged_of(judge, request).chart.gaps) == (where == "chart")
    assert presence_of(judge, request, "infection") == presence


@pytest.mark.parametrize(
    ("time", "presence"),
    [({}, "present"), ({"effectivePeriod": {"start": "2025-12-01", "end": "2025-12-01"}}, "absent")],
)
def test_a_member_with_a_time_of_its_own_is_of_that_time(judge: Judge, time: Json, presence: str) -> None:
    """A temperature of last year is none of yesterday for being named by a panel of yesterday."""
    request = _request()
    panel = _panel(**_naming("warm"), component=[], contained=[{**WARM, **time}])
    request["prefetch"]["observations"]["entry"].append({"resource": panel})
    assert presence_of(judge, request, "infection") == presence


@pytest.mark.parametrize(
    "parts", [{"component": [{**FEVER, "id": "c1"}]}, {**_naming("warm"), "component": [], "contained": [WARM]}]
)
def test_a_part_of_a_panel_stands_under_the_id_of_its_panel(judge: Judge, parts: Json) -> None:
    """Whoever looks for a fever within vital signs is led to the vital signs, which can be looked up."""
    request = _request()
    request["prefetch"]["observations"]["entry"].append({"resource": _panel(**parts)})
    (evidence,) = appraisal_of(judge, request).findings[ConceptId("infection")].evidence
    assert evidence.reference == "Observation/o1"


def test_what_is_named_many_times_is_read_once(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither references to one panel nor panels with the same members multiply what is read for an order."""
    asked: list[str] = []
    told = ChartReader.read_reason

    def counting(reader: ChartReader, resource: Json, reference: str) -> Any:
        asked.append(reference)
        return told(reader, resource, reference)

    monkeypatch.setattr(ChartReader, "read_reason", counting)
    request = _request()
    names = [f"m{number}" for number in range(50)]
    panels = [_panel(id=f"p{number}", component=[], **_naming(*names)) for number in range(50)]
    only_order(request)["contained"] = [*panels, *(_member(name, **FEVER) for name in names)]
    only_order(request)["supportingInfo"] = [{"reference": f"#p{number % 50}"} for number in range(500)]
    assert presence_of(judge, request, "infection") == "present"
    assert len(asked) == 100


@pytest.mark.parametrize(
    ("period", "presence"),
    [
        ({"start": "2026-02-28", "end": "2026-03-01"}, "present"),
        ({"start": "2026-02-10", "end": "2026-03-01"}, "unknown"),
        ({"start": "2026-02-01"}, "unknown"),
        ({"start": "2020", "end": "2026-03-01"}, "unknown"),
        ({"start": "2026-03-05", "end": "2026-03-01"}, "unknown"),
        ({"start": "2026-01-01", "end": "2026-01-20"}, "absent"),
    ],
)
def test_a_measurement_over_a_period_may_be_of_any_of_its_days(judge: Judge, period: Json, presence: str) -> None:
    """A temperature over a period that reaches into the last days leaves infection open; one that ended before, not."""
    request = _request()
    observation = {"resourceType": "Observation", "id": "o", "status": "final", "subject": SUBJECT, **FEVER}
    request["prefetch"]["observations"]["entry"].append({"resource": {**observation, "effectivePeriod": period}})
    assert presence_of(judge, request, "infection") == presence


@pytest.mark.parametrize("injection", ["CPT 72265", "CPT 62284"])
def test_a_reason_for_one_half_of_a_study_is_one_for_the_study(judge: Judge, injection: str) -> None:
    """Suspected cauda equina syndrome as the reason of a myelogram's injection is that of the CT myelography too."""
    request = _request(code="CPT 72132")
    _add_draft(request, injection)
    assert presence_of(judge, request, "cauda-equina") == "absent"
    request["context"]["draftOrders"]["entry"][1]["resource"]["reasonCode"] = [concept(CAUDA_EQUINA)]
    assert presence_of(judge, request, "cauda-equina") == "present"
    assert appraisal_of(judge, request).order.procedures == ("ct-myelography-lumbar-spine",)


@pytest.mark.parametrize(
    ("mains", "injections", "components"),
    [
        (["a"], ["other"], ("ServiceRequest/other",)),
        (["a"], [None], ()),
        (["a"], ["other", "other"], ()),
        (["a", "b"], ["other"], ()),
        (["a", "b", "c", "d"], ["other"], ()),
        ([None, "b"], ["other"], ()),
    ],
)
def test_a_reason_for_a_part_is_one_for_every_study_it_may_belong_to(
    judge: Judge, mains: list[str | None], injections: list[str | None], components: tuple[str, ...]
) -> None:
    """Cauda equina syndrome is the reason of both CTs beside one injection; it goes along with neither, or unnamed."""
    request = _request(code="CPT 72132")
    order, reason = only_order(request), [concept(LBP), concept(CAUDA_EQUINA)]
    told = [(identity, "CPT 72132", order["reasonCode"], f"{number}") for number, identity in enumerate(mains)]
    told += [(identity, "CPT 72265", reason, f"{number}") for number, identity in enumerate(injections)]
    request["context"]["draftOrders"]["entry"] = [
        {"resource": {**order, "id": identity, "code": concept(code), "reasonCode": reasons, "note": note}}
        for identity, code, reasons, note in told
    ]
    judged = judged_of(judge, request)
    assert len(judged.orders) == len(mains)
    for each in judged.orders:
        assert isinstance(each.appraisal, Appraisal)
        assert each.appraisal.findings[ConceptId("cauda-equina")].presence is Presence.PRESENT
        assert each.draft.components == components
        evidence = [shown.reference for shown in each.appraisal.findings[ConceptId("cauda-equina")].evidence]
        assert evidence == ["order.reasonCode[1]"]


@pytest.mark.parametrize(("reasons", "presence"), [([LBP], "unknown"), ([CAUDA_EQUINA], "present"), ([], "absent")])
def test_reasons_for_a_part_of_many_studies_are_not_read_for_each(
    judge: Judge, monkeypatch: pytest.MonkeyPatch, reasons: list[str], presence: str
) -> None:
    """A hundred thousand reasons of one injection beside five hundred CTs cost what five hundred CTs cost."""
    asked: list[Json] = []
    told = ReasonReader.read

    def counting(reasons: ReasonReader, order: Json) -> Reasons:
        asked.append(order)
        return told(reasons, order)

    monkeypatch.setattr(ReasonReader, "read", counting)
    request = _request(code="CPT 72132")
    for number in range(9):
        _add_draft(request, "CPT 72132", id=f"o{number}", note=f"{number}")
    _add_draft(request, "CPT 72265", reasonCode=[concept(each) for each in reasons])
    appraisals = judged_of(judge, request).appraisals
    assert len(appraisals) == 10
    assert max(Counter(order["id"] for order in asked).values()) == 2  # for the order itself, and for the session
    for each in appraisals:
        assert isinstance(each, Appraisal)
        assert each.findings[ConceptId("cauda-equina")].presence.value == presence


@pytest.mark.parametrize(
    "changes", [{"doNotPerform": True}, {"subject": {"reference": "Patient/another"}}, {"status": "revoked"}]
)
def test_a_draft_that_is_not_carried_out_makes_no_other_study(judge: Judge, changes: Json) -> None:
    """A CT stays what it is beside the injection of a myelogram that is not to be done, or is another patient's."""
    alone = _request({"code": CAUDA_EQUINA}, code="CPT 72132")
    beside = _request({"code": CAUDA_EQUINA}, code="CPT 72132")
    _add_draft(beside, "CPT 72265", **changes)
    (expected,) = judged_of(judge, alone).orders
    order = next(each for each in judged_of(judge, beside).orders if each.draft.resource["id"] == "order-1")
    assert expected.card is not None
    assert expected.card.indicator.value == "critical"
    assert order.card is not None
    assert (order.card.indicator, order.card.summary) == (expected.card.indicator, expected.card.summary)


def test_what_drafts_cost_does_not_grow_with_codes_that_are_not_ours(
    judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of fifty drafts with fifty foreign codes is held against the codes of studies alone."""
    beside: list[int] = []
    told = OrderCodes.is_component_beside

    def counting(codes: OrderCodes, codings: Any, others: Any) -> bool:
        beside.append(len(others))
        return told(codes, codings, others)

    monkeypatch.setattr(OrderCodes, "is_component_beside", counting)
    request = _request(code="CPT 72132")
    for number in range(50):
        _add_draft(request, "CPT 72132", id=f"o{number}")
        draft = request["context"]["draftOrders"]["entry"][-1]["resource"]
        draft["code"]["coding"] += [{"system": "urn:site", "code": f"{number}-{code}"} for code in range(50)]
        draft["code"]["coding"] += [
            {"system": "http://loinc.org", "code": f"{1000 + number}-{code % 10}"} for code in range(50)
        ]
    judged_of(judge, request)
    assert len(beside) >= 50
    assert max(beside) == 1


def test_a_concept_with_more_codings_than_any_has_is_not_read() -> None:
    """So many of one concept, which many references may name, are taken as codings that could be any."""
    codings = [{"system": "http://loinc.org", "code": "8310-5"}] * (MOST_CODINGS + 1)
    assert codings_of({"coding": codings[1:]}).readable == (Coding("http://loinc.org", "8310-5"),)
    assert codings_of({"coding": codings}) == ((), True)


@pytest.mark.parametrize(
    ("system", "code"),
    [
        ("http://www.nlm.nih.gov/research/umls/rxnorm", "0008640"),
        ("http://www.nlm.nih.gov/research/umls/rxnorm", "\uff18\uff16\uff14\uff10"),
        ("http://loinc.org", "08310-5"),
        ("http://loinc.org", "\uff18310-5"),
        ("http://snomed.info/sct", "36334600\u0660"),
    ],
)
def test_a_code_in_digits_of_its_own_is_none_of_its_system(system: str, code: str) -> None:
    """Zeros before it, or digits of another script, make a code one that cannot be read, not one that says nothing."""
    assert read_coding(system, code) is None


def test_a_version_may_stand_apart_from_its_system() -> None:
    """A blank before the bar changes no system."""
    assert read_coding("http://snomed.info/sct |2023", "363346000") == Coding("http://snomed.info/sct", "363346000")


def test_an_age_with_a_sign_before_it_tells_no_days(judge: Judge) -> None:
    """Retention of urine since more than ten years of age may be of today."""
    since = {"value": 10, "code": "a", "system": "http://unitsofmeasure.org"}
    for comparator, presence in ((None, "absent"), (">", "unknown")):
        request = _request({"code": "ICD-10-CM R33.9"})
        retention = request["prefetch"]["conditions"]["entry"][-1]["resource"]
        retention.pop("onsetDateTime", None)
        retention["onsetAge"] = {**since, **({"comparator": comparator} if comparator else {})}
        assert presence_of(judge, request, "cauda-equina") == presence


@pytest.mark.parametrize("where", ["drafts", "chart", "nowhere"])
@pytest.mark.parametrize(("element", "lost"), [("reasonReference", "unknown"), ("supportingInfo", "unknown")])
def test_members_of_a_panel_that_an_order_names_are_looked_for(
    judge: Judge, where: str, element: str, lost: str
) -> None:
    """A fever that a panel names as its member is a reason with it; a member that is nowhere leaves infection open."""
    request = _request()
    fever = {"resourceType": "Observation", "id": "w", "status": "final", "subject": SUBJECT, **FEVER}
    panel = _panel(hasMember=[{"reference": "Observation/w"}])
    del panel["component"]
    only_order(request)[element] = [{"reference": "Observation/o1"}]
    drafts, chart = request["context"]["draftOrders"]["entry"], request["prefetch"]["observations"]["entry"]
    drafts.append({"resource": panel})
    if where != "nowhere":
        (drafts if where == "drafts" else chart).append({"resource": fever | {"effectiveDateTime": "2026-03-01"}})
    assert presence_of(judge, request, "infection") == (lost if where == "nowhere" else "present")


def test_a_part_in_a_sites_own_code_is_passed_over_in_what_goes_with_an_order(judge: Judge) -> None:
    """The place where blood pressure was taken, in a local code, opens nothing as supportingInfo, but as a reason."""
    for element, presence in (("supportingInfo", "absent"), ("reasonReference", "unknown")):
        request = _request()
        local = {"code": concept("local 4711"), "valueString": "left arm"}
        request["context"]["draftOrders"]["entry"].append({"resource": _panel(component=[local])})
        only_order(request)[element] = [{"reference": "Observation/o1"}]
        assert presence_of(judge, request, "infection") == presence


def test_a_blank_before_a_reference_into_an_order_changes_nothing(judge: Judge) -> None:
    """The members of a panel within an order are found there however the panel is named."""
    for reference in ("#o1", " #o1"):
        request = _request()
        only_order(request)["contained"] = [_panel(component=[], **_naming("warm")), WARM]
        only_order(request)["reasonReference"] = [{"reference": reference}]
        assert presence_of(judge, request, "infection") == "present"
