"""What a request comes to, without HTTP: for the tests of reading."""

from __future__ import annotations

import json
from typing import Any

from cds_service.envelope import parse_request
from cds_service.judging import Judge, Judged
from knowledge.appraisal import Appraisal
from knowledge.findings import ConceptId
from tests.cases_as_fhir import AS_OF

Json = dict[str, Any]


def judged_of(judge: Judge, request: Json) -> Judged:
    """The request as bytes, read and judged as of the tests' day."""
    return judge.judge(parse_request(json.dumps(request).encode(), request["hook"]), AS_OF)


def appraisal_of(judge: Judge, request: Json) -> Appraisal:
    """Of the one order that is judged."""
    (found,) = judged_of(judge, request).appraisals
    assert isinstance(found, Appraisal)
    return found


def presence_of(judge: Judge, request: Json, concept: str) -> str:
    """Of a concept or a note."""
    found = appraisal_of(judge, request)
    return {**found.findings, **found.reading.notes}[ConceptId(concept)].presence.value


def only_order(request: Json) -> Json:
    """The first draft of a request."""
    order: Json = request["context"]["draftOrders"]["entry"][0]["resource"]
    return order
