"""Dates that charts write by halves: dated only by the telling, begun without an end, ended on some day."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.cases_as_fhir import concept, request_for

Json = dict[str, Any]

LBP = "ICD-10-CM M54.50"
PREDNISONE, TACROLIMUS, RISEDRONATE, IBUPROFEN = "RxNorm 198145", "RxNorm 198377", "RxNorm 73056", "RxNorm 5640"


def _presence(client: FlaskClient, key: str, resource: Json, concept_id: str, as_of: str = "2026-03-02") -> str:
    pain = {"code": LBP, "onset": "2025-11-20"}
    told = {
        "as_of": as_of,
        "order": {"code": "CPT 72148", "reasons": [LBP]},
        "chart": {"birth_date": "1981-05-10", "conditions": [pain]},
    }
    request = copy.deepcopy(request_for(told))
    resource = {"id": "x", "subject": {"reference": "Patient/p1"}, **resource}
    request["prefetch"][key]["entry"].append({"resource": resource})
    answer = json.loads(client.post("/cds-services/lumbar-imaging-order-select", json=request).data)
    (appraisal,) = answer["extension"]["lumbar-imaging-cds.appraisals"]
    (found,) = [each["presence"] for each in appraisal["findings"] if each["concept"] == concept_id]
    return str(found)


def _statement(drug: str, asserted: str, status: str = "active") -> Json:
    return {
        "resourceType": "MedicationStatement",
        "status": status,
        "medicationCodeableConcept": concept(drug),
        "dateAsserted": asserted,
    }


@pytest.mark.parametrize(
    ("statement", "concept_id", "presence"),
    [
        (_statement(TACROLIMUS, "2026-03-02"), "immunosuppression", "present"),
        (_statement(PREDNISONE, "2026-02-20"), "chronic-steroid-use", "unknown"),
        (_statement(RISEDRONATE, "2026-03-02"), "osteoporosis", "unknown"),
        (_statement(IBUPROFEN, "2026-02-20"), "six-weeks-management", "unknown"),
        (_statement(TACROLIMUS, "2025-02-20", "completed"), "immunosuppression", "absent"),
        (_statement(TACROLIMUS, "2026-02-20", "completed"), "immunosuppression", "unknown"),
    ],
)
def test_the_day_a_drug_was_told_of_is_not_the_day_it_was_begun(
    client: FlaskClient, statement: Json, concept_id: str, presence: str
) -> None:
    """A statement dated only by dateAsserted is a drug without a date; one over before the window says nothing."""
    assert _presence(client, "medications", statement, concept_id) == presence


@pytest.mark.parametrize(
    ("drug", "status", "authored", "begun", "concept_id", "presence"),
    [
        (PREDNISONE, "active", "2026-02-20", "2025-05-01", "chronic-steroid-use", "present"),
        (PREDNISONE, "active", "2025-05-01", "2026-02-20", "chronic-steroid-use", "absent"),
        (TACROLIMUS, "stopped", "2025-09-13", "2026-02-20", "immunosuppression", "present"),
        (TACROLIMUS, "stopped", "2025-09-13", "2025-09-13", "immunosuppression", "absent"),
    ],
)
def test_a_dosage_that_has_begun_and_names_no_end_is_open_ended(
    client: FlaskClient, drug: str, status: str, authored: str, begun: str, concept_id: str, presence: str
) -> None:
    """A boundsPeriod with a start alone dates the course, whenever the prescription was written."""
    request = {
        "resourceType": "MedicationRequest",
        "status": status,
        "intent": "order",
        "medicationCodeableConcept": concept(drug),
        "authoredOn": authored,
        "dosageInstruction": [{"timing": {"repeat": {"boundsPeriod": {"start": begun}}}}],
    }
    assert _presence(client, "medications", request, concept_id) == presence


@pytest.mark.parametrize(
    ("abatement", "presence"), [("2026-02-05", "absent"), ("2026-02", "present"), ("2026-02-20", "present")]
)
def test_an_abatement_that_may_lie_ahead_does_not_end_a_condition(
    client: FlaskClient, abatement: str, presence: str
) -> None:
    """As of 10 February a weight loss that abated some day in February is current."""
    loss = {
        "resourceType": "Condition",
        "code": concept("ICD-10-CM R63.4"),
        "onsetDateTime": "2026-01-05",
        "abatementDateTime": abatement,
    }
    assert _presence(client, "conditions", loss, "unexplained-weight-loss", as_of="2026-02-10") == presence


@pytest.mark.parametrize(("refuted", "presence"), [("ICD-10-CM G83", "unknown"), ("ICD-10-CM G82", "present")])
def test_a_refuted_category_contests_what_lies_below_it(client: FlaskClient, refuted: str, presence: str) -> None:
    """Cauda equina syndrome is contested by its refuted category, although no list holds that; by another it is not."""
    order = {"code": "CPT 72148", "reasons": [LBP]}
    status = {"code": refuted, "verification": "refuted"}
    told = {"order": order, "chart": {"birth_date": "1981-05-10", "conditions": [{"code": "ICD-10-CM G83.4"}, status]}}
    answer = json.loads(client.post("/cds-services/lumbar-imaging-order-select", json=request_for(told)).data)
    (appraisal,) = answer["extension"]["lumbar-imaging-cds.appraisals"]
    assert {each["concept"]: each["presence"] for each in appraisal["findings"]}["cauda-equina"] == presence
