"""The gallery: what clinicians read, for about twenty patients. ``python -m tests.gallery`` renders it anew."""

from __future__ import annotations

import json
from pathlib import Path

from cds_service.envelope import parse_request
from cds_service.explain import read_aloud
from cds_service.judging import Judge
from cds_service.settings import Settings
from knowledge.loading import load_low_back_pain
from tests.cases_as_fhir import AS_OF, request_for

DATA = Path(__file__).parent / "data"
GALLERY = DATA / "gallery.md"


def render() -> str:
    """Every patient's cards as a person reads them, under the patient's story."""
    judge = Judge(load_low_back_pain(), Settings())
    parts = ["# The gallery of cards", "Rendered by `python -m tests.gallery`; read every sentence when it changes."]
    for patient in json.loads((DATA / "gallery.json").read_text(encoding="utf-8"))["patients"]:
        call = parse_request(json.dumps(request_for(patient)).encode(), "order-select")
        parts += [f"## {patient['title']}", read_aloud(judge.judge(call, AS_OF).cards)]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    GALLERY.write_text(render(), encoding="utf-8")
