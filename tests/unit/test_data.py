"""The data and their linter: a fault is found, and named with its file and path."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cds_service.services import PREFETCH
from knowledge.__main__ import main
from knowledge.check_digits import has_loinc_digit, has_verhoeff_digit
from knowledge.checks import problems
from knowledge.guideline import AppropriatenessCategory, ReadingKind
from knowledge.knowledge import Knowledge
from knowledge.loading import LOW_BACK_PAIN, load
from knowledge.recognition import READERS
from knowledge.rendering import render
from knowledge.sources import ROOT, SCHEMAS, SUPPORTING, KnowledgeError

Json = dict[str, Any]
NOT, MAY, DISAGREE, USUALLY = AppropriatenessCategory


def _edit(file: Path, change: Callable[[Json], None]) -> None:
    data = json.loads(file.read_text(encoding="utf-8"))
    change(data)
    file.write_text(json.dumps(data), encoding="utf-8")


def test_the_shipped_data_are_sound() -> None:
    """The linter finds nothing in the data that ship."""
    assert list(problems(LOW_BACK_PAIN)) == []


def test_the_table_has_77_cells_with_the_published_totals(knowledge: Knowledge) -> None:
    """51 cells are usually not appropriate, 14 may be, 1 may be with disagreement, 11 are usually appropriate."""
    cells = [rating.category for variant in knowledge.topic.variants.values() for rating in variant.ratings.values()]
    assert {each: cells.count(each) for each in set(cells)} == {NOT: 51, MAY: 14, DISAGREE: 1, USUALLY: 11}


# A letter a variant, 1 to 7: n usually not, m may be, d the same with disagreement, a usually appropriate; and levels.
TABLE = {
    "radiography-lumbar-spine": ("nnmnaad", 3, 2),
    "mri-lumbar-spine-with-iv-contrast": ("nnnnnnn", 0, 0),
    "mri-lumbar-spine-without-and-with-iv-contrast": ("nnmaama", 0, 0),
    "mri-lumbar-spine-without-iv-contrast": ("nnaaaaa", 0, 0),
    "bone-scan-whole-body-with-spect": ("nnmnnnn", 3, 4),
    "ct-lumbar-spine-with-iv-contrast": ("nnnnnnm", 3, 4),
    "ct-lumbar-spine-without-iv-contrast": ("nnmmmam", 3, 4),
    "ct-lumbar-spine-without-and-with-iv-contrast": ("nnnnnnn", 4, 4),
    "ct-myelography-lumbar-spine": ("nnmmmmm", 4, None),
    "discography-and-post-discography-ct-lumbar-spine": ("nnnnnnn", 3, None),
    "fdg-pet-ct-whole-body": ("nnnnnnn", 4, 4),
}


def test_every_cell_and_every_level_is_as_published(knowledge: Knowledge) -> None:
    """Each of the 77 categories and of the 22 radiation levels is the portal's (document 69483, 2026-05-23)."""
    letters = dict(zip(AppropriatenessCategory, "nmda", strict=True))
    topic = knowledge.topic
    found = {
        procedure.id: (
            "".join(letters[variant.ratings[procedure.id].category] for variant in topic.variants.values()),
            procedure.adult.level,
            procedure.paediatric.level if procedure.paediatric is not None else None,
        )
        for procedure in topic.procedures.values()
    }
    assert found == TABLE


def test_the_table_is_the_2021_edition_and_not_the_one_before(knowledge: Knowledge) -> None:
    """The cells that tell 2021 from 2015 have their 2021 category."""
    expected = {
        (5, "radiography-lumbar-spine"): USUALLY,
        (5, "mri-lumbar-spine-without-iv-contrast"): USUALLY,
        (6, "ct-myelography-lumbar-spine"): MAY,
        (7, "bone-scan-whole-body-with-spect"): NOT,
        (7, "fdg-pet-ct-whole-body"): NOT,
        (3, "ct-lumbar-spine-with-iv-contrast"): NOT,
        (7, "radiography-lumbar-spine"): DISAGREE,
    }
    variants = knowledge.topic.variants
    found = {cell: variants[cell[0]].ratings[cell[1]].category for cell in expected}  # type: ignore[index]
    assert found == expected


def test_no_paediatric_level_is_invented(knowledge: Knowledge) -> None:
    """CT myelography and discography have no level for children, every other procedure has one."""
    missing = [procedure.id for procedure in knowledge.topic.procedures.values() if procedure.paediatric is None]
    assert missing == ["ct-myelography-lumbar-spine", "discography-and-post-discography-ct-lumbar-spine"]


def test_the_schema_knows_the_kinds_of_reading_that_there_are(knowledge: Knowledge) -> None:
    """A topic may name exactly the kinds that the code reads, and the one that ships has one of each."""
    assert set(READERS) == set(ReadingKind) - {ReadingKind.AGE, ReadingKind.DURATION}
    schema = json.loads((SCHEMAS / "topic.schema.json").read_text(encoding="utf-8"))
    assert schema["$defs"]["reading"]["properties"]["kind"]["enum"] == list(ReadingKind)
    concepts = [*knowledge.topic.concepts.values(), *knowledge.topic.notes.values()]
    assert {reading.kind for concept in concepts for reading in concept.readings} == set(ReadingKind)


def test_there_are_fifteen_portal_scenarios(knowledge: Knowledge) -> None:
    """The portal's fifteen scenarios are each named by exactly one variant."""
    scenarios = [scenario.id for variant in knowledge.topic.variants.values() for scenario in variant.scenarios]
    assert (len(scenarios), len(set(scenarios))) == (15, 15)


def test_the_bone_density_query_asks_for_the_codes_that_are_read() -> None:
    """The prefetch template of bone-density lists exactly the T-score codes of the value set."""
    data = json.loads((LOW_BACK_PAIN / "valuesets/bone-density-t-score.json").read_text(encoding="utf-8"))
    codes = {concept["code"] for concept in data["compose"]["include"][0]["concept"]}
    assert set(PREFETCH["bone-density"].split("code=")[1].split(",")) == codes


def test_the_review_tables_are_current(knowledge: Knowledge) -> None:
    """knowledge/README.md is what `python -m knowledge render` would write."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert render(knowledge, readme) == readme


def test_the_review_tables_show_what_keeps_the_topic_from_being_entered(knowledge: Knowledge) -> None:
    """Each closing rule is a row with its reason, in the order in which the rules are asked, that of children too."""
    rules = knowledge.topic.closed_when
    turned = replace(knowledge, topic=replace(knowledge.topic, closed_when=rules[::-1]))
    shown = render(turned, "").split("| closed when |")[1].split("\n\n")[0].splitlines()
    assert shown[2:] == [
        f"| duration is subacute-or-chronic, under 18 years of age | out-of-scope-indication | {rules[3].why} |",
        f"| (high-energy-trauma or other-indication), or it is not known | out-of-scope-indication | {rules[2].why} |",
        "| not (low-back-pain or cauda-equina-reason), or it is not known | no-low-back-pain-indication "
        f"| {rules[1].why} |",
        f"| (high-energy-trauma or other-indication) | out-of-scope-indication | {rules[0].why} |",
    ]


@pytest.mark.parametrize(("code", "good"), [("279039007", True), ("279039008", False), ("241645004", False)])
def test_a_snomed_code_carries_its_check_digit(code: str, good: bool) -> None:
    """A changed digit of a SNOMED CT code is noticed."""
    assert has_verhoeff_digit(code) is good


@pytest.mark.parametrize(("code", "good"), [("24968-0", True), ("24968-1", False)])
def test_a_loinc_code_carries_its_check_digit(code: str, good: bool) -> None:
    """A changed digit of a LOINC code is noticed."""
    assert has_loinc_digit(code) is good


def _value_set(name: str) -> str:
    return f"valuesets/{name}.json"


def _first_snomed(data: Json) -> Json:
    blocks = data["compose"]["include"]
    found: Json = next(block for block in blocks if "snomed" in block["system"])["concept"][0]
    return found


def _gaseous(data: Json) -> None:
    data["group"][0]["element"][0]["target"][0].update(comment="gaseous")


FAULTS: list[tuple[str, str, Callable[[Json], Any], str]] = [
    (
        "a check digit",
        _value_set("cauda-equina-syndrome"),
        lambda d: _first_snomed(d).update(code="192970009"),
        "digit",
    ),
    (
        "a wrongly written ICD-10-CM code",
        _value_set("fever"),
        lambda d: d["compose"]["include"][0]["concept"][0].update(code="R509"),
        "not written as ICD-10-CM is",
    ),
    (
        "a code in two exclusive sets",
        _value_set("low-velocity-trauma"),
        lambda d: _first_snomed(d).update(code="86591008"),
        "is in high-energy-trauma too",
    ),
    (
        "a look-alike that counts",
        _value_set("cancer"),
        lambda d: _first_snomed(d).update(code="700363003"),
        "is a look-alike that never counts",
    ),
    ("an id of another file", _value_set("fever"), lambda d: d.update(id="pyrexia"), "$.id"),
    ("a url twice", _value_set("fever"), lambda d: d.update(url=d["url"].replace("fever", "hiv")), "$.url"),
    (
        "a threshold that nothing uses",
        "topic.json",
        lambda d: d["thresholds"].update(idle=d["thresholds"]["adult-age"]),
        "$.thresholds.idle",
    ),
    (
        "a locator without its scenario",
        "topic.json",
        lambda d: d["variants"][0]["ratings"][0].update(locator="somewhere"),
        "$.variants[0].ratings[0].locator",
    ),
    (
        "a concept without rulings on all sides",
        "cases/scope.json",
        lambda d: d.update(rulings=d["rulings"][:1]),
        "no ruling in which high-energy-trauma is present",
    ),
    (
        "a cell without a ruling",
        "cases/matrix.json",
        lambda d: d["rulings"].pop(),
        "no ruling for the cell of variant 7",
    ),
    ("a ruling that the schema refuses", "cases/orders.json", lambda d: d["rulings"][0].update(colour="red"), "colour"),
    (
        "an order code under two keys",
        "orders.json",
        lambda d: d["keys"][1]["codes"].append(d["keys"][0]["codes"][0]),
        "two keys",
    ),
    (
        "a code below a look-alike",
        _value_set("cancer"),
        lambda d: d["compose"]["include"].append(
            {"system": "http://hl7.org/fhir/sid/icd-10-cm", "concept": [{"code": "Z80.0"}]}
        ),
        "Z80.0 (http://hl7.org/fhir/sid/icd-10-cm) is a look-alike",
    ),
    (
        "a supporting code that is excluded",
        _value_set("cancer" + SUPPORTING),
        lambda d: d["compose"]["include"].append(
            {"system": "http://snomed.info/sct", "concept": [{"code": "254701007"}]}
        ),
        "is excluded from cancer",
    ),
    (
        "a digit in a code that is sent",
        "topic.json",
        lambda d: d["concepts"][2]["record"].update(code="192970009"),
        "$.concepts[2].record: 192970009 fails",
    ),
    (
        "a study that is sent under another's code",
        "topic.json",
        lambda d: d["procedures"][0]["order_codes"][0].update(code="72148"),
        "$.procedures[0].order_codes[0]: 72148 is no order code of radiography",
    ),
    (
        "a fact that is recorded by another's code",
        "topic.json",
        lambda d: d["concepts"][2]["record"].update(code="64859006"),
        "$.concepts[2].record: 64859006 does not state cauda-equina",
    ),
    (
        "a locator of another row",
        "topic.json",
        lambda d: d["variants"][0]["ratings"][0].update(locator=d["variants"][0]["ratings"][1]["locator"]),
        "$.variants[0].ratings[0].locator: does not name the row Radiography",
    ),
    (
        "a locator of another variant",
        "topic.json",
        lambda d: d["variants"][0]["ratings"][0].update(
            locator=d["variants"][0]["ratings"][0]["locator"].replace("variant 1", "variant 3")
        ),
        "$.variants[0].ratings[0].locator: does not name variant 1",
    ),
    (
        "a window in years",
        "topic.json",
        lambda d: d["concepts"][4]["readings"][0].update(window="adult-age"),
        "$.concepts[4].readings[0].window: adult-age is no number of days",
    ),
    ("a variant that is not there", "topic.json", lambda d: d.update(decisive_variant=9), "there is no variant 9"),
    (
        "a note with the id of a concept",
        "topic.json",
        lambda d: d["notes"][0].update(id="cancer"),
        "cancer is the id of a concept too",
    ),
    (
        "a ruling on an unknown concept",
        "cases/orders.json",
        lambda d: d["rulings"][0]["expect"].setdefault("findings", {}).update(luck="present"),
        "no such concept: luck",
    ),
    ("a form of a drug", "rxnorm-products.json", _gaseous, "comment"),
    (
        "a supporting code that also decides",
        _value_set("cancer" + SUPPORTING),
        lambda d: d["compose"]["include"].append(
            {"system": "http://snomed.info/sct", "concept": [{"code": "363346000"}]}
        ),
        "is supporting here",
    ),
]


@pytest.mark.parametrize(("file", "change", "words"), [pytest.param(*fault[1:], id=fault[0]) for fault in FAULTS])
def test_the_linter_names_file_and_path(folder: Path, file: str, change: Callable[[Json], None], words: str) -> None:
    """Each kind of fault is reported with the file it stands in and words that lead to it."""
    _edit(folder / file, change)
    found = [problem for problem in problems(folder) if words in problem]
    assert found
    assert Path(file).parts[0] in found[0]


LOAD_FAULTS: list[tuple[str, Callable[[Json], Any], str]] = [
    ("a missing cell", lambda d: d["variants"][2]["ratings"].pop(), r"\$\.variants\[2\]\.ratings"),
    (
        "an unknown category",
        lambda d: d["variants"][0]["ratings"][0].update(category="fine"),
        r"ratings\[0\]\.category",
    ),
    ("an unknown concept", lambda d: d["variants"][4]["criterion"].update(has="luck"), "no such concept: luck"),
    ("an unknown threshold", lambda d: d["entry"].update(adult_age="age"), "no such threshold: age"),
    ("an unknown source", lambda d: d["thresholds"]["adult-age"].update(source="x"), "no such source: x"),
    ("an unknown value set", lambda d: d["concepts"][2]["readings"][0].update(value_set="x"), "no such value set: x"),
]


@pytest.mark.parametrize(("change", "words"), [pytest.param(*fault[1:], id=fault[0]) for fault in LOAD_FAULTS])
def test_a_topic_that_cannot_be_used_is_not_loaded(folder: Path, change: Callable[[Json], None], words: str) -> None:
    """Loading refuses a topic with a hole in it, and says where the hole is."""
    _edit(folder / "topic.json", change)
    with pytest.raises(KnowledgeError, match=words):
        load(folder)


def test_a_key_that_stands_twice_is_refused(folder: Path) -> None:
    """A duplicate key in a data file is an error, for one of its values would be lost."""
    file = folder / "orders.json"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('"title"', '"title": "x", "title"', 1), encoding="utf-8")
    with pytest.raises(KnowledgeError, match="twice"):
        load(folder)


def test_the_check_command_fails_on_a_fault(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m knowledge check` ends with 1 and prints the fault, and with 0 where there is none."""
    assert main(["check", "--topic", str(folder)]) == 0
    _edit(folder / "topic.json", lambda data: data["thresholds"]["adult-age"].update(source="nowhere"))
    assert main(["check", "--topic", str(folder)]) == 1
    assert "nowhere" in capsys.readouterr().out
