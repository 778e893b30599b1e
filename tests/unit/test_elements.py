"""What is read of resources without their models, where those would say the same."""

from __future__ import annotations

import random
from datetime import date
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
from jiter import LosslessFloat

from cds_service import fhir_models
from cds_service.elements import DATE, NUMBER, Elements, Unreadable
from cds_service.fhir_dates import span

_DAYS: tuple[Any, ...] = (
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
_OTHERS: tuple[Any, ...] = (
    *(
        0,
        39.1,
        LosslessFloat(b"39.10"),
        -2.5,
        1e-9,
        1e15,
        10**30,
        True,
        False,
        "39.1",
        "true",
        "Cel",
        "degC",
        "\u00b0C",
    ),
    *("[degF]", "<", "<=", ">=", "about", " < ", "two words", "\u00a0", "a\nb", "", None, [], {}, [1], {"value": 1}),
)
_ALL = (
    fhir_models.PATIENT,
    fhir_models.CONDITION,
    fhir_models.PROCEDURE,
    fhir_models.MEDICATION_REQUEST,
    fhir_models.MEDICATION_STATEMENT,
    fhir_models.OBSERVATION,
    fhir_models.ORDER,
    fhir_models.REPORT,
)


def _parsed(elements: Elements, resource: dict[str, Any]) -> Any:
    try:
        found, dropped = elements.parse(resource)
    except Unreadable as error:
        return error.why
    return _values(found, elements.read), dropped


def _values(found: Any, read: Any) -> Any:
    """What is read, whether it came through a model or not."""
    if found is None:
        return None
    if isinstance(read, list):
        return [_values(each, read[0]) for each in found]
    if isinstance(read, dict):
        return {name: _values(getattr(found, name), inner) for name, inner in read.items()}
    if read == DATE:
        return repr(span(found))
    return float(found) if read == NUMBER else found


def _through_the_model(monkeypatch: pytest.MonkeyPatch, elements: Elements, resource: dict[str, Any]) -> Any:
    def never(*_: object) -> Any:
        raise ValueError

    with monkeypatch.context() as patched:
        patched.setattr("cds_service.elements.read_plainly", never)
        return _parsed(elements, resource)


@pytest.mark.parametrize("onset", _DAYS, ids=repr)
def test_a_day_is_read_as_the_model_reads_it(onset: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever stands where a date is due, alone or beside others, what is read of it is what the model reads."""
    for recorded, period in product(_DAYS, ({}, {"onsetPeriod": {"start": "2026-01-01"}})):
        resource = {"onsetDateTime": onset, "recordedDate": recorded, **period}
        assert _parsed(fhir_models.CONDITION, resource) == _through_the_model(
            monkeypatch, fhir_models.CONDITION, resource
        )
    for more in ({}, {"modifierExtension": [{"url": "https://example.org"}]}):
        order = {"authoredOn": onset, **more}
        assert _parsed(fhir_models.ORDER, order) == _through_the_model(monkeypatch, fhir_models.ORDER, order)


@pytest.mark.parametrize("elements", _ALL, ids=lambda elements: elements.model.__name__)
def test_whatever_stands_in_an_element_is_read_as_the_model_reads_it(
    elements: Elements, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of resources filled by chance, rightly and wrongly, the same is read without the model as through it."""
    chance = random.Random(7)

    def filled(read: Any, odd: float) -> Any:
        if chance.random() < odd:
            return chance.choice((*_OTHERS, *_DAYS))
        if isinstance(read, list):
            return [filled(read[0], odd) for _ in range(chance.choice((0, 1, 1, 2)))]
        if isinstance(read, dict):
            return {name: filled(inner, odd) for name, inner in read.items() if chance.random() < 0.5}
        likely = {"date": _DAYS[:2], "number": (2, 39.1), "flag": (True, False), "code": ("<", "wk"), "text": ("Cel",)}
        return chance.choice(likely[read])

    plain = 0
    for number in range(400):
        resource = filled(elements.read, 0.0 if number % 2 else 0.15)
        if not isinstance(resource, dict):
            continue
        expected = _through_the_model(monkeypatch, elements, resource)
        assert _parsed(elements, resource) == expected, resource
        if not isinstance(expected, str):
            plain += isinstance(elements.parse(resource)[0], SimpleNamespace)
    assert plain > 50


def test_what_is_plain_needs_no_model() -> None:
    """Days, numbers and simple words are most of what is read, and none of them costs a model."""
    found, dropped = fhir_models.CONDITION.parse(
        {"onsetDateTime": "2026-02-27T08:00:00+01:00", "recordedDate": "2026-03-01"}
    )
    assert isinstance(found, SimpleNamespace)
    assert (found.onsetDateTime, found.onsetPeriod, found.recordedDate) == (date(2026, 2, 27), None, date(2026, 3, 1))
    assert dropped == frozenset()
