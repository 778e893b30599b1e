"""Damaged knowledge is refused before it can answer, and the refusal names the file and the place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from knowledge.__main__ import main
from knowledge.checks import problems
from knowledge.loading import load
from knowledge.sources import KnowledgeError

Json = dict[str, Any]
Change = Callable[[Json], Any]

TOPIC, ORDERS, PRODUCTS, CONTENTS = "topic.json", "orders.json", "rxnorm-products.json", "contents.json"
CANCER, MATRIX = "valuesets/cancer.json", "cases/matrix.json"


def _damage(folder: Path, file: str, change: Change | None) -> Path:
    """Change what a file holds; remove it where there is no change."""
    damaged = folder / file
    if change is None:
        damaged.unlink()
        return damaged
    data = json.loads(damaged.read_text(encoding="utf-8"))
    change(data)
    damaged.write_text(json.dumps(data), encoding="utf-8")
    return damaged


def _threshold(name: str, value: Any) -> Change:
    return lambda data: data["thresholds"][name].update(value=value)


def _fever(**by_unit: float) -> Change:
    return lambda data: data["thresholds"]["fever-temperature"]["by_unit"].update(by_unit)


def _concept(data: Json, name: str) -> Json:
    found: Json = next(each for each in data["concepts"] if each["id"] == name)
    return found


def _reading(concept: str, place: int, *lost: str, **changed: Any) -> Change:
    def change(data: Json) -> None:
        reading = _concept(data, concept)["readings"][place]
        reading.update(changed)
        for name in lost:
            del reading[name]

    return change


def _criterion(variant: int, kind: str, lost: str) -> Change:
    """A variant's criterion without its part about one concept."""

    def change(data: Json) -> None:
        criterion = data["variants"][variant - 1]["criterion"]
        criterion[kind] = [each for each in criterion[kind] if lost not in json.dumps(each)]

    return change


def _without_closing(lost: str) -> Change:
    """The closing rules without what they ask of one concept."""

    def change(data: Json) -> None:
        for rule in data["entry"]["closed_when"]:
            criterion = rule["criterion"]
            if "any" in criterion:
                criterion["any"] = [each for each in criterion["any"] if each["has"] != lost]

    return change


def _category(variant: int, place: int, category: str) -> Change:
    return lambda data: data["variants"][variant - 1]["ratings"][place].update(category=category)


def _without_procedure(data: Json) -> None:
    data["procedures"].pop(0)
    for variant in data["variants"]:
        variant["ratings"].pop(0)


# What is damaged, in which file (None removes it), at which place it is reported, and in which words.
REFUSED: list[tuple[str, str, Change | None, str, str]] = [
    ("an empty value set", CANCER, lambda d: d["compose"].update(include=[]), "$.compose.include", "non-empty"),
    (
        "a block of no codes",
        CANCER,
        lambda d: d["compose"]["include"][0].update(concept=[]),
        "$.compose.include[0].concept",
        "non-empty",
    ),
    (
        "a criterion of nothing",
        TOPIC,
        lambda d: d["variants"][6]["criterion"].update(any=[]),
        "$.variants[6].criterion.any",
        "non-empty",
    ),
    ("a value set of nothing", CANCER, lambda d: d.clear(), "$", "'resourceType' is a required property"),
    (
        "a value set cut short",
        CANCER,
        lambda d: d["compose"]["include"][0]["concept"].pop(),
        "$.compose.include",
        "holds 6235 codes; contents.json says 6236",
    ),
    (
        "excludes that went missing",
        CANCER,
        lambda d: d["compose"].pop("exclude"),
        "$.compose.exclude",
        "holds 0 codes; contents.json says 151",
    ),
    ("no supporting file", "valuesets/cancer-supporting.json", None, "$", "is missing"),
    ("no deciding file", CANCER, None, "$", "is missing"),
    ("no look-alikes", "valuesets/look-alikes.json", None, "$", "is missing"),
    ("no products", PRODUCTS, lambda d: d["group"][0].update(element=[]), "$.group[0].element", "non-empty"),
    ("a file of no products", PRODUCTS, lambda d: d.clear(), "$", "'resourceType' is a required property"),
    ("a lost product", PRODUCTS, lambda d: d["group"][0]["element"].pop(), "$.group", "holds 536 products"),
    ("a lost order code", ORDERS, lambda d: d["keys"][0]["codes"].pop(), "$.keys", "holds 361 order codes"),
    ("a lost order key", ORDERS, lambda d: d["keys"].pop(), "$.keys", "holds 20 order keys"),
    ("a lost contents file", CONTENTS, None, "$", "cannot be read"),
    ("a lost variant", TOPIC, lambda d: d["variants"].pop(2), "$.variants", "variant 3 is missing"),
    ("a lost last variant", TOPIC, lambda d: d["variants"].pop(), "$.variants", "variant 7 is missing"),
    (
        "a variant that the table does not have",
        TOPIC,
        lambda d: d["variants"].append({**d["variants"][6], "number": 8, "scenarios": [{"id": "1", "name": "new"}]}),
        "$.variants",
        "variant 8 is not one of the table",
    ),
    (
        "a variant twice",
        TOPIC,
        lambda d: d["variants"].append(d["variants"][6]),
        "$.variants",
        "7 stands here twice",
    ),
    (
        "a decisive variant that is not there",
        TOPIC,
        lambda d: d.update(decisive_variant=9),
        "$.decisive_variant",
        "there is no variant 9",
    ),
    (
        "a remaining variant that is not there",
        TOPIC,
        lambda d: d.update(remaining_variants=[1, 8]),
        "$.remaining_variants",
        "there is no variant 8",
    ),
    (
        "a decisive variant that remains",
        TOPIC,
        lambda d: d.update(decisive_variant=2),
        "$.remaining_variants",
        "variant 2 is the decisive one",
    ),
    (
        "a flipped rating",
        TOPIC,
        _category(4, 3, "usually-not-appropriate"),
        "$.variants[3].ratings[3].category",
        "the table says usually-appropriate for mri-lumbar-spine-without-iv-contrast in variant 4",
    ),
    (
        "letters of each other",
        TOPIC,
        lambda d: d["table"]["letters"].update(a="may-be-appropriate"),
        "$.variants[2].ratings[3].category",
        "the table says may-be-appropriate",
    ),
    (
        "a letter too few",
        TOPIC,
        lambda d: d["table"]["rows"].update({"fdg-pet-ct-whole-body": "nnnnnn"}),
        "$.table.rows.fdg-pet-ct-whole-body",
        "6 letters for 7 variants",
    ),
    (
        "a letter of no category",
        TOPIC,
        lambda d: d["table"]["rows"].update({"fdg-pet-ct-whole-body": "nnnnnnx"}),
        "$.table.rows.fdg-pet-ct-whole-body",
        "no category has the letter x",
    ),
    (
        "a lost row",
        TOPIC,
        lambda d: d["table"]["rows"].pop("fdg-pet-ct-whole-body"),
        "$.table.rows",
        "no row for fdg-pet-ct-whole-body",
    ),
    (
        "a row of no procedure",
        TOPIC,
        lambda d: d["table"]["rows"].update(ultrasound="nnnnnnn"),
        "$.table.rows.ultrasound",
        "there is no such procedure",
    ),
    (
        "a radiation level without radiation",
        TOPIC,
        lambda d: d["procedures"][0].update(adult=0),
        "$.procedures[0].adult",
        "level 0, but the study is ionising",
    ),
    (
        "a level with another's symbols",
        TOPIC,
        lambda d: d["radiation_levels"]["adult"][3].update(display="☢"),
        "$.radiation_levels.adult[3]",
        "is not level 3 with 3 symbols",
    ),
    ("negative days", TOPIC, _threshold("infection-window", -5), "$.thresholds['infection-window'].value", "minimum"),
    ("no days", TOPIC, _threshold("fever-window", 0), "$.thresholds['fever-window'].value", "minimum of 1"),
    ("endless days", TOPIC, _threshold("infection-window", 1e9), "$.thresholds['infection-window'].value", "maximum"),
    ("half days", TOPIC, _threshold("fever-window", 2.5), "$.thresholds['fever-window'].value", "'integer'"),
    ("a number that is none", TOPIC, _threshold("fever-window", float("nan")), "$", "NaN is not a number"),
    ("elderly at 500", TOPIC, _threshold("elderly-age", 500), "$.thresholds['elderly-age'].value", "maximum"),
    ("elderly at 20", TOPIC, _threshold("elderly-age", 20), "$.thresholds['elderly-age'].value", "minimum of 50"),
    ("adult at 3", TOPIC, _threshold("adult-age", 3), "$.thresholds['adult-age'].value", "minimum of 16"),
    ("dense bones", TOPIC, _threshold("osteoporosis-t-score", 100), "$.thresholds['osteoporosis-t-score'].value", "-1"),
    ("a filtration of 500", TOPIC, _threshold("contrast-gfr", 500), "$.thresholds['contrast-gfr'].value", "of 90"),
    ("fever at 5", TOPIC, _fever(Cel=5), "$.thresholds['fever-temperature'].by_unit.Cel", "minimum of 37.5"),
    (
        "two fevers",
        TOPIC,
        _fever(Cel=39),
        "$.thresholds.fever-temperature.by_unit",
        "39 Cel is not 100.4 [degF]",
    ),
    (
        "a fever in one unit",
        TOPIC,
        lambda d: d["thresholds"]["fever-temperature"]["by_unit"].pop("[degF]"),
        "$.thresholds['fever-temperature'].by_unit",
        "'[degF]' is a required property",
    ),
    (
        "a unit that is not read",
        TOPIC,
        lambda d: d["observations"]["units"].pop("[degF]"),
        "$.thresholds.fever-temperature.by_unit",
        "no observation is read in [degF]",
    ),
    (
        "a unit without bounds",
        TOPIC,
        lambda d: d["thresholds"]["fever-window"].update(unit="fortnight"),
        "$.thresholds['fever-window'].unit",
        "'fortnight' is not one of",
    ),
    (
        "an acute pain longer than a chronic one",
        TOPIC,
        _threshold("acute-duration", 90),
        "$.concepts[1].readings[0].acute",
        "acute-duration is not less than chronic-duration",
    ),
    (
        "management that ends before it begins",
        TOPIC,
        _threshold("management-latest", 400),
        "$.concepts[14].readings[0].to",
        "management-latest is not less than management-earliest",
    ),
    (
        "more days of steroids than are looked at",
        TOPIC,
        _threshold("steroid-days", 400),
        "$.concepts[10].readings[2].days",
        "steroid-days is not less than steroid-window",
    ),
    (
        "elderly as soon as adult",
        TOPIC,
        _reading("elderly", 0, at_least="adult-age"),
        "$.concepts[12].readings[0].at_least",
        "adult-age is not less than adult-age",
    ),
    (
        "an age in days",
        TOPIC,
        lambda d: d["entry"].update(adult_age="fever-window"),
        "$.entry.adult_age",
        "fever-window is no number of years",
    ),
    ("a lost value set", TOPIC, _reading("cancer", 0, "value_set"), "$.concepts[5].readings[0]", "not valid under any"),
    ("a lost limit", TOPIC, _reading("infection", 4, "at_least"), "$.concepts[7].readings[4]", "not valid under any"),
    ("a lost window", TOPIC, _reading("chronic-steroid-use", 2, "window"), "$.concepts[10].readings[2]", "'window'"),
    (
        "a lost reading",
        TOPIC,
        lambda d: _concept(d, "infection")["readings"].pop(0),
        "$.concepts",
        "no concept reads the value set spinal-infection",
    ),
    (
        "a red flag that silence denies",
        TOPIC,
        lambda d: _concept(d, "cancer").update(silence="absent"),
        "$.concepts[5].silence",
        "'absent' is not of type 'object'",
    ),
    (
        "silence that is not spoken of",
        TOPIC,
        lambda d: _concept(d, "high-energy-trauma").pop("silence"),
        "$.concepts[16]",
        "'silence' is a required property",
    ),
    (
        "a red flag that is none any more",
        TOPIC,
        lambda d: _concept(d, "cancer").update(red_flag=False),
        "$.concepts[5].red_flag",
        "True was expected",
    ),
    (
        "a red flag that no variant holds by",
        TOPIC,
        _criterion(7, "any", "immunosuppression"),
        "$.concepts[8]",
        "immunosuppression is a red flag, and no variant holds by it",
    ),
    (
        "a fact that leads nowhere",
        TOPIC,
        _criterion(6, "any", "elderly"),
        "$.variants[0].criterion",
        "elderly rules the variant out, and leads to no other",
    ),
    (
        "a red flag that is not ruled out",
        TOPIC,
        _criterion(1, "all", "motor-deficit"),
        "$.variants[0].criterion",
        "does not ask that motor-deficit be absent, which is a red flag",
    ),
    (
        "a fact that is not ruled out",
        TOPIC,
        _criterion(2, "all", "prior-lumbar-surgery"),
        "$.variants[1].criterion",
        "does not ask that prior-lumbar-surgery be absent, which establishes variant 5",
    ),
    (
        "a variant that asks for nothing",
        TOPIC,
        lambda d: d["variants"][0]["criterion"]["all"].pop(0),
        "$.variants[0].criterion",
        "asks for nothing that must be present",
    ),
    (
        "any duration",
        TOPIC,
        lambda d: d["variants"][0]["criterion"]["all"][0].pop("value"),
        "$.variants[0].criterion",
        "does not say which duration",
    ),
    (
        "a remaining variant that is not listed",
        TOPIC,
        lambda d: d.update(remaining_variants=[1]),
        "$.remaining_variants",
        "variant 2 asks that others do not hold",
    ),
    (
        "a scenario twice",
        TOPIC,
        lambda d: d["variants"][5]["scenarios"].append(d["variants"][5]["scenarios"][0]),
        "$.variants",
        "scenario 3194307 stands here twice",
    ),
    (
        "a lost scenario",
        TOPIC,
        lambda d: d["variants"][6]["scenarios"].pop(),
        "$.variants[6].ratings[0].locator",
        "names scenario 3194309, which the variant does not list",
    ),
    (
        "a red flag that is read on the order alone",
        TOPIC,
        lambda d: _concept(d, "cauda-equina")["readings"].pop(1),
        "$.concepts[3].readings",
        "no other concept reads the value set saddle-anesthesia",
    ),
    (
        "silence about drugs that were not delivered",
        TOPIC,
        lambda d: _concept(d, "immunosuppression")["silence"]["needs"].remove("medications"),
        "$.concepts[8].silence.needs",
        "medications is not listed, where medication looks",
    ),
    (
        "a suspected red flag that does not count",
        TOPIC,
        lambda d: _concept(d, "cancer").update(suspected_counts=False),
        "$.concepts[5].suspected_counts",
        "True was expected",
    ),
    ("a lost past", TOPIC, _reading("cancer", 0, "past"), "$.concepts[5].readings[0]", "'past' is a required property"),
    (
        "a concept that nothing asks for",
        TOPIC,
        _without_closing("other-indication"),
        "$.concepts[17]",
        "no variant asks for other-indication",
    ),
    (
        "a value that the duration never has",
        TOPIC,
        lambda d: d["variants"][0]["criterion"]["all"][0].update(value="acutely"),
        "$.variants[0].criterion.all[0].value",
        "'acutely' is not one of",
    ),
    *(
        (
            f"a lost closing rule {place}",
            TOPIC,
            lambda d, place=place: d["entry"]["closed_when"].pop(place),
            "$.entry.closed_when",
            "holds 3 closing rules; contents.json says 4",
        )
        for place in range(4)
    ),
    ("no exclusive sets", CONTENTS, lambda d: d.update(exclusive=[]), "$.exclusive", "non-empty"),
    (
        "an exclusive set that is not there",
        CONTENTS,
        lambda d: d["exclusive"].append(["fever", "luck"]),
        "$.exclusive[8]",
        "no such value set: luck",
    ),
    (
        "look-alikes that are not there",
        CONTENTS,
        lambda d: d.update(never_counts="luck"),
        "$.never_counts",
        "no such value set: luck",
    ),
    (
        "a set kept apart that is not there",
        CONTENTS,
        lambda d: d.update(not_read=["luck"]),
        "$.not_read",
        "no such value set: luck",
    ),
    (
        "a set kept apart that is read",
        TOPIC,
        lambda d: d["notes"][1]["readings"][0].update(value_set="body-weight"),
        "$.concepts",
        "a concept reads body-weight, which contents.json keeps apart",
    ),
    ("no closing rule", TOPIC, lambda d: d["entry"].update(closed_when=[]), "$.entry.closed_when", "non-empty"),
    (
        "a closing rule of nothing",
        TOPIC,
        lambda d: d["entry"]["closed_when"][0]["criterion"].update(any=[]),
        "$.entry.closed_when[0].criterion.any",
        "non-empty",
    ),
    (
        "a closing rule without a reason",
        TOPIC,
        lambda d: d["entry"]["closed_when"][0].pop("reason"),
        "$.entry.closed_when[0]",
        "'reason' is a required property",
    ),
    (
        "a closing rule about what is not there",
        TOPIC,
        lambda d: d["entry"]["closed_when"][3].update(criterion={"has": "luck"}),
        "$.entry.closed_when[3].criterion",
        "no such concept: luck",
    ),
    (
        "children with pain of any duration",
        TOPIC,
        lambda d: d["entry"]["closed_when"][3]["criterion"].pop("value"),
        "$.entry.closed_when[3].criterion",
        "does not say which duration",
    ),
]


@pytest.mark.parametrize(
    ("file", "change", "path", "words"), [pytest.param(*damage[1:], id=damage[0]) for damage in REFUSED]
)
def test_damaged_knowledge_is_not_loaded(folder: Path, file: str, change: Change | None, path: str, words: str) -> None:
    """Loading refuses the damage in one line with its file and its place, and `check` says the same first."""
    damaged = _damage(folder, file, change)
    with pytest.raises(KnowledgeError) as refused:
        load(folder)
    said = str(refused.value)
    assert said.startswith(f"{damaged}: {path}: ")
    assert words in said
    assert len(said.splitlines()) == 1
    assert next(problems(folder)) == said


def test_a_lost_procedure_is_not_loaded(folder: Path) -> None:
    """A procedure that went missing with all its ratings is refused, for its order codes lead nowhere."""
    damaged = _damage(folder, TOPIC, _without_procedure)
    with pytest.raises(KnowledgeError, match="not a procedure of the table: radiography-lumbar-spine"):
        load(folder)
    assert damaged.parent == folder


def test_a_file_that_is_not_declared_is_not_loaded(folder: Path) -> None:
    """A value set that came without a line in contents.json is refused."""
    stray = folder / "valuesets" / "luck.json"
    stray.write_text((folder / CANCER).read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(KnowledgeError) as refused:
        load(folder)
    assert str(refused.value) == f"{stray}: $: is not listed in contents.json"


RULINGS: list[tuple[str, Json, str, str]] = [
    ("variant", {"established": [9]}, "established", "no such variant: 9"),
    ("procedure", {"procedures": ["ultrasound"]}, "procedures", "no such procedure: ultrasound"),
    ("category", {"category": "fine"}, "category", "'fine' is not one of"),
    ("concept", {"findings": {"luck": "present"}}, "findings", "no such concept: luck"),
    ("missing concept", {"missing": ["luck"]}, "missing", "no such concept: luck"),
    ("note", {"notes": ["luck"]}, "notes", "no such note: luck"),
    ("reason", {"reason": "weather"}, "reason", "no such reason: weather"),
]


@pytest.mark.parametrize(("expected", "member", "words"), [pytest.param(*each[1:], id=each[0]) for each in RULINGS])
def test_a_ruling_names_only_what_the_topic_has(
    folder: Path, capsys: pytest.CaptureFixture[str], expected: Json, member: str, words: str
) -> None:
    """`check` fails on a ruling about what is not there, with its file and its place; the service need not read it."""
    damaged = _damage(folder, MATRIX, lambda data: data["rulings"][3]["expect"].update(expected))
    assert main(["check", "--topic", str(folder)]) == 1
    said = [line for line in capsys.readouterr().out.splitlines() if words in line]
    assert said[0].startswith(f"{damaged}: $.rulings[3].expect.{member}: ")
    load(folder)


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("cases/silence.json", None, "holds 0 rulings"),
        ("cases/windows.json", lambda data: data["rulings"].pop(), "contents.json says"),
    ],
)
def test_rulings_do_not_go_missing_unseen(
    folder: Path, capsys: pytest.CaptureFixture[str], file: str, change: Change | None, words: str
) -> None:
    """`check` fails where a file of cases is gone, or holds fewer rulings than were declared."""
    damaged = _damage(folder, file, change)
    assert main(["check", "--topic", str(folder)]) == 1
    assert any(
        line.startswith(f"{damaged}: $.rulings: ") and words in line for line in capsys.readouterr().out.splitlines()
    )
