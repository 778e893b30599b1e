"""Elements that are read without their model, where that would say nothing else."""

from __future__ import annotations

from datetime import date
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
from fhir.resources.R4B.condition import Condition
from fhir.resources.R4B.servicerequest import ServiceRequest

from cds_service.fhir_elements import DATE, Elements, Unreadable, span

_CONDITION = Elements.of(
    Condition,
    {"onsetDateTime": DATE, "onsetPeriod": {"start": DATE, "end": DATE}, "recordedDate": DATE},
)
_ORDER = Elements.of(ServiceRequest, {"authoredOn": DATE})
_WRITTEN: tuple[Any, ...] = (
    "2026-02-27",
    "2026-02-27T23:30:00Z",
    " 2026-02-27",
    "2026-02-27 ",
    "2026-02-30",
    "2026-02",
    "2026",
    "0000-01-01",
    "0001-01-01",
    "9999-12-31",
    "20260227",
    "2026-W09-5",
    "\u0662\u0660\u0662\u0666-02-27",
    "2026-02-27\n",
    "yesterday",
    "",
    None,
    20260227,
    True,
    ["2026-02-27"],
    {"start": "2026-02-27"},
)


@pytest.fixture
def through_the_model(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Reads as if nothing were plain."""

    def read(elements: Elements, resource: dict[str, Any]) -> Any:
        with monkeypatch.context() as patched:
            patched.setattr(Elements, "_days_alone", lambda *_: None)
            return _read(elements, resource)

    return read


def _read(elements: Elements, resource: dict[str, Any]) -> Any:
    try:
        found, dropped = elements.parse(resource)
    except Unreadable as error:
        return error.why
    return {name: repr(span(getattr(found, name))) for name in elements.read if name != "onsetPeriod"}, dropped


@pytest.mark.parametrize("onset", _WRITTEN, ids=repr)
def test_a_day_is_read_as_the_model_reads_it(onset: Any, through_the_model: Any) -> None:
    """Whatever stands where a date is due, alone or beside others, what is read of it is what the model reads."""
    for recorded, period in product(_WRITTEN, ({}, {"onsetPeriod": {"start": "2026-01-01"}})):
        resource = {"onsetDateTime": onset, "recordedDate": recorded, **period}
        assert _read(_CONDITION, resource) == through_the_model(_CONDITION, resource)
    for more in ({}, {"modifierExtension": [{"url": "https://example.org"}]}):
        order = {"authoredOn": onset, **more}
        assert _read(_ORDER, order) == through_the_model(_ORDER, order)


def test_whole_days_alone_need_no_model() -> None:
    """Most resources hold nothing else that is read, and none of them costs a model."""
    found, dropped = _CONDITION.parse({"onsetDateTime": "2026-02-27T08:00:00+01:00", "recordedDate": "2026-03-01"})
    assert isinstance(found, SimpleNamespace)
    assert (found.onsetDateTime, found.onsetPeriod, found.recordedDate) == (date(2026, 2, 27), None, date(2026, 3, 1))
    assert dropped == frozenset()
