"""Several drafts of one session: what one of them tells of the patient of another, and what is ordered already."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cards.card import Indicator
from cards.profiles import Profile
from cds_service.envelope import parse_request
from cds_service.judging import Judge, Judged
from cds_service.settings import Settings
from knowledge.appraisal import Appraisal, Undetermined
from knowledge.findings import ConceptId, Presence
from knowledge.knowledge import Knowledge
from tests.cases_as_fhir import AS_OF, concept, request_for

Json = dict[str, Any]

LBP, EMERGENCY = "ICD-10-CM M54.50", "ICD-10-CM G83.4"


@pytest.fixture
def judge(knowledge: Knowledge) -> Judge:
    return Judge(knowledge, Settings())


def _judged(
    judge: Judge,
    others: list[Json],
    reasons: tuple[str, ...] = (LBP,),
    code: str = "CPT 72100",
    conditions: tuple[str, ...] = (),
    **shaped: Any,
) -> Judged:
    """A radiograph, or another study, for these reasons, ordered together with others."""
    listed = [{"code": LBP, "onset": "2026-02-20"}, *({"code": each} for each in conditions)]
    story = {
        "order": {"code": code, "reasons": [*reasons]},
        "chart": {"birth_date": "1981-05-10", "conditions": listed},
    }
    request = request_for(story)
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


def test_a_reason_of_another_order_is_dated_as_the_orders_own_are(judge: Judge) -> None:
    """Urinary retention and a fall for which something else is ordered now are of now, for each order."""
    judged = _judged(judge, [_draft("CPT 76770", "ICD-10-CM R33.9"), _draft("CPT 73630", "ICD-10-CM W18.30XA", id="b")])
    assert _finding(judged, "cauda-equina")[0] is Presence.PRESENT
    assert _finding(judged, "low-velocity-trauma") == (Presence.PRESENT, ["ServiceRequest/b"])


@pytest.mark.parametrize(
    ("name", "code", "more", "presence"),
    [
        ("cancer", "ICD-10-CM C61", {}, Presence.PRESENT),
        ("cancer", "ICD-10-CM C61", {"verificationStatus": {"coding": [{"code": "refuted"}]}}, Presence.ABSENT),
        ("low-velocity-trauma", "ICD-10-CM W18.30XA", {}, Presence.PRESENT),
        ("low-velocity-trauma", "ICD-10-CM W18.30XA", {"onsetDateTime": "2024-03-01"}, Presence.ABSENT),
    ],
    ids=["cancer", "refuted", "fall", "fall of long ago"],
)
def test_a_contained_reason_of_another_order_is_read(
    judge: Judge, name: str, code: str, more: Json, presence: Presence
) -> None:
    """A Condition that the other order holds tells what it says, with its own status and its own date."""
    contained = {"resourceType": "Condition", "id": "c", "code": concept(code), **more}
    draft = _draft("CPT 71250", contained=[contained], reasonReference=[{"reference": "#c"}])
    assert _finding(_judged(judge, [draft]), name)[0] is presence


def test_what_changes_the_meaning_of_another_order_leaves_its_reasons_open(judge: Judge) -> None:
    """Behind a modifier extension a red flag is neither told nor passed over."""
    modified = {"modifierExtension": [{"url": "http://example.org/not", "valueBoolean": True}]}
    judged = _judged(judge, [_draft("CPT 70450", "ICD-10-CM C61", **modified)])
    assert _finding(judged, "cancer")[0] is Presence.UNKNOWN
    plain = _draft("CPT 70450", "ICD-10-CM C61", id="plain")
    for others in (
        [_draft("CPT 70450", "ICD-10-CM C61", **modified), plain],
        [plain, _draft("CPT 1", "ICD-10-CM C61", **modified)],
    ):
        assert _finding(_judged(judge, others), "cancer") == (Presence.PRESENT, ["ServiceRequest/plain"])


def test_a_red_flag_of_many_orders_is_told_once(judge: Judge) -> None:
    """Ever so many drafts for one reason make one entry for each order that is judged."""
    judged = _judged(judge, [_draft("CPT 71250", "ICD-10-CM C61", id=f"o{number}") for number in range(300)])
    assert _finding(judged, "cancer") == (Presence.PRESENT, ["ServiceRequest/o0"])


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


PACEMAKER = ("ICD-10-CM Z95.0",)


def test_what_is_ordered_already_is_not_ordered_once_more(judge: Judge) -> None:
    """Beside the MRI that a suspected cauda equina syndrome asks for, the radiograph can only go."""
    judged = _judged(judge, [_draft("CPT 72148", EMERGENCY)], (EMERGENCY,))
    assert _labels(judged) == ["Remove this imaging order"]
    assert "It is among the orders of this session already; this one can go." in judged.cards[0].detail
    shape = judge.shape(Profile.SANDBOX)  # which removes no order
    assert _judged(judge, [_draft("CPT 72148", EMERGENCY)], (EMERGENCY,), shape=shape).cards[0].suggestions == ()


def test_the_only_order_that_tells_of_a_red_flag_does_not_go(judge: Judge) -> None:
    """Were the radiograph removed, nobody would know why the MRI beside it is ordered."""
    judged = _judged(judge, [_draft("CPT 72148", LBP)], (LBP, EMERGENCY))
    assert _labels(judged) == []
    assert "stands on this order alone: add it there before this one goes" in judged.cards[0].detail


def test_an_order_whose_rating_is_open_does_not_go(knowledge: Knowledge) -> None:
    """Beside the study that osteoporosis asks for, one that an infection may yet ask for is not removed."""
    chart = ("ICD-10-CM M81.0", "ICD-10-CM N39.0")
    judged = _judged(Judge(knowledge, Settings()), [_draft("CPT 72148", LBP)], code="CPT 72132", conditions=chart)
    assert isinstance(judged.appraisals[0], Appraisal)
    assert isinstance(judged.appraisals[0].verdict, Undetermined)
    assert _labels(judged) == []
    assert "It is among the orders of this session already." in judged.cards[0].detail


def test_a_second_choice_that_is_ordered_is_not_offered(judge: Judge) -> None:
    """With a pacemaker CT comes first, and the MRI beside it only where it is not ordered yet."""
    told = {"reasons": (LBP, "ICD-10-CM M21.371"), "code": "CPT 72133", "conditions": PACEMAKER}
    assert _labels(_judged(judge, [], **told))[1:] == ["Replace by lumbar MRI without contrast"]
    assert len(_labels(_judged(judge, [_draft("CPT 72148", LBP, "ICD-10-CM M21.371")], **told))) == 1


@pytest.mark.parametrize("injection", ["CPT 62290", "CPT 72295"])
def test_a_part_of_the_study_itself_is_no_other_study(judge: Judge, injection: str) -> None:
    """The CT of a discography is no CT that was ordered beside it: in an emergency it is offered, and nothing goes."""
    told = {"reasons": (), "code": "CPT 72131", "conditions": PACEMAKER}
    judged = _judged(judge, [_draft(injection, EMERGENCY)], **told)
    assert judged.cards[0].indicator is Indicator.CRITICAL
    assert _labels(judged)[0] == "Replace by lumbar CT without contrast"
    assert "already" not in judged.cards[0].detail


@pytest.mark.parametrize(
    "other",
    [
        _draft("CPT 72149", EMERGENCY),
        _draft("LOINC 24968-0", EMERGENCY),
        _draft("CPT 72148", EMERGENCY, status="revoked"),
        _draft("CPT 72148", EMERGENCY, subject={"reference": "Patient/p2"}),
        _draft("CPT 72148", EMERGENCY, modifierExtension=[{"url": "http://example.org/not", "valueBoolean": True}]),
    ],
    ids=["another study", "contrast left open", "revoked", "another patient", "not to be read"],
)
def test_what_is_not_plainly_ordered_is_suggested(judge: Judge, other: Json) -> None:
    """Another study, one that may be several, and one that is not carried out for this patient take nothing away."""
    judged = _judged(judge, [other], (EMERGENCY,))
    assert _labels(judged) == ["Replace by lumbar MRI without contrast"]
    assert "already" not in judged.cards[0].detail
