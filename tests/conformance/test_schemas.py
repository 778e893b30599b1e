"""The schemas and their vectors, and the requests that the kit itself sends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from conformance import bodies
from conformance.requirements import document
from conformance.schemas import VERSIONS, UnknownSchemaError, Version, names, schema, validator

CONFORMANCE = Path(__file__).parents[2] / "conformance"
VECTORS = sorted((CONFORMANCE / "vectors").glob("*.json"))
HOOKS = ("order-select", "order-sign", "patient-view", "encounter-start", "encounter-discharge")


def _vectors() -> Iterator[tuple[str, Version, str, Any, bool]]:
    """Message, version, description, data, and whether the data are valid."""
    for file in VECTORS:
        for group in json.loads(file.read_text(encoding="utf-8")):
            version, name = group["schema"]["$ref"].removesuffix(".schema.json").rsplit("/", 2)[1:]
            for each in group["tests"]:
                yield name, version, each["description"], each["data"], each["valid"]


@pytest.mark.parametrize(
    ("name", "version", "data", "valid"),
    [
        pytest.param(name, version, data, valid, id=f"{name} {version}: {why}")
        for name, version, why, data, valid in _vectors()
    ],
)
def test_a_vector_is_judged_as_it_says(name: str, version: Version, data: Any, valid: bool) -> None:
    """The schema of a message takes the valid data of its vectors and refuses the others."""
    assert validator(name, version).is_valid(data) is valid


def test_every_schema_has_valid_and_invalid_vectors() -> None:
    """Each schema, in each version that has one of its own, is held by data of both kinds."""
    kinds = {(name, version, valid) for name, version, _, _, valid in _vectors()}
    own = {
        (file.name.removesuffix(".schema.json"), file.parent.name)
        for version in VERSIONS
        for file in (CONFORMANCE / "schemas" / version).glob("*.schema.json")
    }
    assert kinds == {(name, version, valid) for name, version in own for valid in (True, False)}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", names())
def test_a_schema_is_sound_and_finds_what_it_refers_to(name: str, version: Version) -> None:
    """Each schema is one by the 2020-12 draft, and every $ref in it leads to a schema of this package."""
    found = schema(name, version)
    Draft202012Validator.check_schema(found)
    resolver = validator(name, version)._resolver
    for reference in _references(found):
        assert resolver.lookup(reference).contents


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from ([value["$ref"]] if "$ref" in value else [])
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def test_what_3_0_does_not_change_is_the_schema_of_2_0_1() -> None:
    """Asked for 3.0, a message that 3.0 leaves alone gets its schema of 2.0.1, and one that it changes its own."""
    assert schema("feedback", "3.0") == schema("feedback")
    assert schema("action", "3.0") != schema("action")


def test_a_schema_that_there_is_not_is_named() -> None:
    """Asking for another name says which there are."""
    with pytest.raises(UnknownSchemaError, match="carte: no such schema; there are action, card"):
        schema("carte")


@pytest.mark.parametrize("hook", HOOKS)
def test_the_kits_own_requests_are_valid(hook: str) -> None:
    """Each request that the kit sends as a good one, prefetch included, meets the schema of requests."""
    templates = {"patient": "Patient/{{context.patientId}}", "conditions": "Condition?patient={{context.patientId}}"}
    for body in bodies.own(hook):
        sent = bodies.fresh(body.value, prefetch=bodies.prefetch_for(templates, body.value["context"]))
        assert list(validator("request").iter_errors(sent)) == []
        assert sent["hook"] == hook


def test_requests_have_their_own_schema_for_a_hook_of_another_kind() -> None:
    """The kit has no request for a hook it does not know."""
    assert bodies.own("org.example.other") == []


@pytest.mark.parametrize(
    ("template", "ids"),
    [
        ("Patient/{{context.patientId}}", ["kit-canary-patient"]),
        ("Patient/{{context.userId}}", None),
        ("Condition?patient={{context.patientId}}&code=279039007", ["kit-canary-condition-1"]),
        ("Condition?patient={{context.patientId}}&code=http://snomed.info/sct|38341003", ["kit-canary-condition-2"]),
        ("Observation?patient={{context.patientId}}&category=vital-signs&_sort=-date", ["kit-canary-observation-1"]),
        ("Observation?patient={{context.patientId}}&category=laboratory", []),
        ("Procedure?patient={{context.patientId}}", []),
        ("Condition?patient={{context.patientId}}&onset-date=gt2020", None),
        ("Condition?patient={{context.patientId}}&x={{today()}}", None),
        ("Encounter/{{context.nothing}}", None),
    ],
)
def test_prefetch_is_what_a_client_with_a_small_chart_would_send(template: str, ids: list[str] | None) -> None:
    """A simple template is answered from the kit's chart, and a key that the kit cannot satisfy is left out."""
    answer = bodies.prefetch_for({"key": template}, {"patientId": "kit-canary-patient", "userId": "Practitioner/1"})
    if ids is None:
        assert answer == {}
    elif "?" in template:
        assert [entry["resource"]["id"] for entry in answer["key"].get("entry", [])] == ids
        assert answer["key"]["total"] == len(ids)
    else:
        assert [answer["key"]["id"]] == ids


def test_the_requirements_meet_their_schema() -> None:
    """Every row of requirements.json has id, actor, strength, text and url, and either checks or a reason for none."""
    rules = json.loads((CONFORMANCE / "schemas" / "requirements.schema.json").read_text(encoding="utf-8"))
    checker = Draft202012Validator(rules, format_checker=Draft202012Validator.FORMAT_CHECKER)
    assert list(checker.iter_errors(document())) == []
    broken = {**document(), "requirements": [{**document()["requirements"][0], "why_none": "both"}]}
    assert not checker.is_valid(broken)
