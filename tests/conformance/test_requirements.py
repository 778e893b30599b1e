"""The requirements and the checks hold each other, and nothing comes in through the back door."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from jsonschema import Draft202012Validator

from conformance import profiles
from conformance.checks import all_checks
from conformance.requirements import README, document, requirements, strength, verified_by, with_coverage

ROOT = Path(__file__).parents[2]
HOSTS = {
    "cds-hooks.hl7.org",
    "build.fhir.org",
    "hl7.org",
    "github.com",
    "cds-hooks.org",
    "fhir.epic.com",
    "www.rfc-editor.org",
}


def test_every_check_is_named_by_a_requirement_and_every_named_check_exists() -> None:
    """No check is without a reason, and no requirement rests on a check that is not there."""
    assert {check for row in requirements() for check in row.checks} == set(all_checks())


def test_ids_are_unique_and_stand_in_their_sections() -> None:
    """A requirement is found by its id, whose letter is its section."""
    ids = [row.id for row in requirements()]
    assert len(ids) == len(set(ids))
    assert list(dict.fromkeys(each[0] for each in ids)) == list(document()["sections"])


def test_every_requirement_names_a_public_source() -> None:
    """Each url is one of the standard, of its repositories, or of a client's own documentation."""
    assert {urlsplit(row.url).hostname for row in requirements()} <= HOSTS


def test_every_check_says_what_it_asks_in_a_sentence() -> None:
    """What a check asks begins with a capital letter, ends with a full stop, and fits on a line or two."""
    for check in all_checks().values():
        assert check.asks[:1].isupper(), check.id
        assert check.asks.endswith((".", ")")), check.id
        assert len(check.asks) < 160, check.id


@pytest.mark.parametrize(
    ("check", "in_2", "in_3"),
    [
        ("cards.summary-length", "shall", "shall"),
        ("discovery.title", "should", "should"),
        ("suggestions.delete-target", "should", "shall"),
        ("system-actions.description", "shall", "should"),
        ("cards.uuid-form", "should", "shall"),
        ("calls.malformed-json", "should", "should"),
    ],
)
def test_a_check_is_as_strong_as_the_version_makes_it(check: str, in_2: str, in_3: str) -> None:
    """A check is a SHALL where the version asked for says SHALL, and a warning otherwise."""
    assert (strength(check, "2.0.1"), strength(check, "3.0")) == (in_2, in_3)
    assert verified_by(check)


def test_the_coverage_table_is_current() -> None:
    """The README shows the table that the requirements give; `cds-conformance coverage --write` renews it."""
    readme = README.read_text(encoding="utf-8")
    assert with_coverage(readme) == readme
    assert all(f"[{row.id}]({row.url})" in readme for row in requirements())


@pytest.mark.parametrize("name", profiles.NAMES)
def test_the_rows_of_a_profile_rest_on_checks_that_there_are(name: str) -> None:
    """A profile meets its schema, and each of its rows names checks of the kit, or says why it is left out."""
    file = ROOT / "conformance" / "profiles" / f"{name}.json"
    rules = json.loads((ROOT / "conformance" / "schemas" / "profile.schema.json").read_text(encoding="utf-8"))
    found = json.loads(file.read_text(encoding="utf-8"))
    assert list(Draft202012Validator(rules).iter_errors(found)) == []
    profile = profiles.load(name)
    assert {check for row in profile.rows for check in row.checks} <= set(all_checks())
    assert {check for row in profile.rows for check in row.checks} >= {
        check for check in all_checks() if check.startswith(f"{name}.")
    }


def _imports(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module}
    return found


def test_the_kit_stands_alone() -> None:
    """The kit imports neither our service nor what it is built on: a service is known by its URL alone."""
    imported = {module for file in (ROOT / "conformance").rglob("*.py") for module in _imports(file)}
    strangers = {"cds_service", "cards", "knowledge", "flask", "fhir", "sqlalchemy", "gunicorn", "werkzeug", "orjson"}
    assert {module.partition(".")[0] for module in imported} & strangers == set()


def test_our_service_takes_nothing_from_the_kit_but_schemas() -> None:
    """The service, the cards and the knowledge import conformance.schemas and nothing else of the kit."""
    ours = [file for package in ("cds_service", "cards", "knowledge") for file in (ROOT / package).rglob("*.py")]
    taken = {module for file in ours for module in _imports(file) if module.partition(".")[0] == "conformance"}
    assert taken <= {"conformance.schemas"}
