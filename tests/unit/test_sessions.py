"""Several drafts of one session: what one of them tells of the patient of another, and what is ordered already."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cards.profiles import Profile
from cds_service.envelope import parse_request
from cds_service.judging import Judge, Judged
from cds_service.settings import Settings
from knowledge.appraisal import Appraisal
from knowledge.findings import ConceptId, Presence
from knowledge.knowledge import Knowledge
from tests.cases_as_fhir import AS_OF, concept, request_for

Json = dict[str, Any]

LBP, EMERGENCY = "ICD-10-CM M54.50", "ICD-10-CM G83.4"
STORY = {
    "order": {"code": "CPT 72100", "reasons": [LBP]},
    "chart": {"birth_date": "1981-05-10", "conditions": [{"code": LBP, "onset": "2026-02-20"}]},
}


@pytest.fixture
def judge(knowledge: Knowledge) -> Judge:
    return Judge(knowledge, Settings())


def _judged(judge: Judge, others: list[Json], reasons: tuple[str, ...] = (LBP,), **shaped: Any) -> Judged:
    """A radiograph for these reasons, ordered together with others."""
    request = request_for({**STORY, "order": {**STORY["order"], "reasons": [*reasons]}})
    entries = request["context"]["draftOrders"]["entry"]
    entries += [{"resource": other} for other in others]
    return judge.judge(parse_request(json.dumps(request).encode(), "order-select"), AS_OF, **shaped)


def _draft(code: str, *reasons: str, **more: Any) -> Json:
    return {
        "resourceType": "ServiceRequest",
        "id": "other",
        "status": "draft",
        "intent": "order",
        "code": concept(code),
        "subject": {"reference": "Patient/p1"},
        "reasonCode": [concept(reason) for reason in reasons],
        **more,
    }


def _finding(judged: Judged, name: str) -> tuple[Presence, list[str]]:
    appraisal = judged.appraisals[0]
    assert isinstance(appraisal, Appraisal)
    found = appraisal.findings[ConceptId(name)]
    return found.presence, [evidence.reference for evidence in found.evidence]


@pytest.mark.parametrize("code", ["CPT 72148", "CPT 71250", "SNOMED 306265007"], ids=["MRI", "chest", "referral"])
def test_a_red_flag_is_documented_whichever_order_names_it(judge: Judge, code: str) -> None:
    """A cancer that is the reason of one order is known where another order of the session is judged."""
    judged = _judged(judge, [_draft(code, LBP, "ICD-10-CM C61")])
    assert _finding(judged, "cancer") == (Presence.PRESENT, ["ServiceRequest/other"])
    assert judged.cards == []


def test_when_the_reason_of_another_order_began_is_not_known(judge: Judge) -> None:
    """Urinary retention as the reason of another order is no emergency of this one, and is not passed over."""
    judged = _judged(judge, [_draft("CPT 76770", "ICD-10-CM R33.9")])
    assert _finding(judged, "cauda-equina")[0] is Presence.UNKNOWN


@pytest.mark.parametrize(
    "more",
    [
        {"subject": {"reference": "Patient/p2"}},
        {"status": "revoked"},
        {"doNotPerform": True},
        {"reasonCode": "C61"},
        {"reasonCode": [None, "C61", {"text": "C61"}]},
    ],
    ids=str,
)
def test_what_is_not_to_be_carried_out_for_the_patient_tells_nothing(judge: Judge, more: Json) -> None:
    """Orders for others, denied or revoked, and reasons that are no codes, are no statement about this patient."""
    judged = _judged(judge, [_draft("CPT 72148", "ICD-10-CM C61", **more)])
    assert _finding(judged, "cancer") == (Presence.ABSENT, [])


def test_an_orders_own_reasons_are_not_told_twice(judge: Judge) -> None:
    """Beside another draft, what the order says for itself stands where it says it."""
    judged = _judged(judge, [_draft("CPT 71250", LBP)], (LBP, "ICD-10-CM C61"))
    assert _finding(judged, "cancer") == (Presence.PRESENT, ["order.reasonCode[1]"])


def _labels(judged: Judged) -> list[str]:
    return [suggestion.label for suggestion in judged.cards[0].suggestions]


def test_what_is_ordered_already_is_not_ordered_once_more(judge: Judge) -> None:
    """Beside the MRI that a suspected cauda equina syndrome asks for, the radiograph can only go."""
    judged = _judged(judge, [_draft("CPT 72148", EMERGENCY)], (EMERGENCY,))
    assert _labels(judged) == ["Remove this imaging order"]
    assert "It is among the orders of this session already" in judged.cards[0].detail
    shape = judge.shape(Profile.SANDBOX)  # which removes no order
    assert _judged(judge, [_draft("CPT 72148", EMERGENCY)], (EMERGENCY,), shape=shape).cards[0].suggestions == ()


@pytest.mark.parametrize(
    "other",
    [
        _draft("CPT 72149", EMERGENCY),
        _draft("LOINC 24968-0", EMERGENCY),
        _draft("CPT 72148", EMERGENCY, status="revoked"),
        _draft("CPT 72148", EMERGENCY, subject={"reference": "Patient/p2"}),
    ],
    ids=["another study", "contrast left open", "revoked", "another patient"],
)
def test_what_is_not_plainly_ordered_is_suggested(judge: Judge, other: Json) -> None:
    """Another study, one that may be several, and one that is not carried out for this patient take nothing away."""
    judged = _judged(judge, [other], (EMERGENCY,))
    assert _labels(judged) == ["Replace by lumbar MRI without contrast"]
    assert "already" not in judged.cards[0].detail
