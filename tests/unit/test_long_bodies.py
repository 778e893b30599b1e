"""Long bodies are read piece by piece, and come to what they come to as a whole."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from cds_service import envelope, json_in, long_bodies
from cds_service.chart import ChartReader
from cds_service.envelope import MOST_ENTRIES, parse_request
from cds_service.json_in import DEEPEST, parse_json
from cds_service.judging import Judge, Judged
from cds_service.long_bodies import LONG, Entries, parse_long
from cds_service.prefetch import SILENT, Delivered, read_prefetch
from cds_service.problems import Problem
from cds_service.silence import Silence
from knowledge.appraisal import Appraisal
from knowledge.findings import ConceptId, PrefetchKey
from tests.cases_as_fhir import AS_OF, PATIENT, concept, request_for, rulings, today_of

Json = dict[str, Any]

LBP = "ICD-10-CM M54.50"
STORY = {
    "order": {"code": "CPT 72148", "reasons": [LBP]},
    "chart": {"birth_date": "1981-05-10", "conditions": [{"code": LBP, "onset": "2026-02-20"}]},
}
SUBJECT = {"reference": f"Patient/{PATIENT}"}
FEVER = {"code": concept("LOINC 8310-5"), "valueQuantity": {"value": 39.2, "code": "Cel", "unit": "Cel"}}


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two entries are many, and three are parsed in two goes."""
    monkeypatch.setattr(long_bodies, "_FEWEST", 2)
    monkeypatch.setattr(long_bodies, "_AT_ONCE", 2)


def _entry(number: int, code: str = "ICD-10-CM I10", **changes: Any) -> Json:
    """A Condition that concerns nobody."""
    resource = {"resourceType": "Condition", "id": f"x{number}", "subject": SUBJECT, "code": concept(code)}
    return {"fullUrl": f"https://ehr.example.org/Condition/x{number}", "resource": {**resource, **changes}}


def _long(*entries: Json, key: str = "conditions") -> Json:
    """A request whose part of the chart ends with 600 entries that say nothing, and these."""
    request = request_for(STORY)
    bundle = request["prefetch"].setdefault(key, {"resourceType": "Bundle", "type": "searchset", "entry": []})
    bundle["entry"] += [*map(_entry, range(600)), *entries]
    return request


def _written(request: Json) -> bytes:
    body = json.dumps(request).encode()
    assert len(body) > LONG
    return body


def _in_pieces(value: Any) -> list[Json]:
    """The Bundles whose entries are still to be parsed."""
    prefetch = value.get("prefetch") if isinstance(value, dict) else None
    bundles = prefetch.values() if isinstance(prefetch, dict) else []
    return [each for each in bundles if isinstance(each, dict) and isinstance(each.get("entry"), Entries)]


def _whole(value: Any) -> Any:
    """With every entry parsed."""
    for bundle in _in_pieces(value):
        bundle["entry"] = list(bundle["entry"])
    return value


def _come_to(body: bytes, *, in_pieces: bool) -> object:
    """The value, or why there is none."""
    try:
        return _whole(parse_long(body)[0]) if in_pieces else parse_json(body)
    except Problem as problem:
        return problem.status, problem.message


def test_a_long_body_comes_to_the_same_value() -> None:
    """Each entry is there in its place, however often it is asked for, and all else is as it was."""
    body = _written(_long())
    value, rest = parse_long(body)
    entries = value["prefetch"]["conditions"]["entry"]
    assert isinstance(entries, Entries)
    assert len(rest) < 2_000
    expected = parse_json(body)["prefetch"]["conditions"]["entry"]
    assert [list(entries), list(entries), len(entries), entries[7]] == [expected, expected, 601, expected[7]]
    assert _whole(value) == parse_json(body)


PAIR = '{"resource":{"a":[1,{"b":"c"}]}},{"resource":{"a":"\\u0022"}},{"x":"y"}'
ODD = [
    f'{{"prefetch":{{"k":{{"entry":[{PAIR}]}}}}}}',
    f'{{"prefetch":{{"k":{{"entry":[{PAIR}]}},"l":{{"entry":[{PAIR}]}}}}}}',
    f'{{"prefetch":{{"k":{{"entry":[{PAIR}]}},"k":{{"entry":[{PAIR}]}}}}}}',
    f'{{"prefetch":{{"k":{{"entry":[{PAIR}],"entry":[{PAIR},{PAIR}]}}}}}}',
    f'{{"prefetch":{{"k":{{"entry":[0]}}}},"prefetch":{{"k":{{"entry":[{PAIR}]}}}}}}',
    f'{{"prefetch":{{"k":{{"entry":[{PAIR}]}}}},"prefetch":{{"k":{{"entry":[0]}}}}}}',
    f'{{"context":[{PAIR}],"prefetch":{{"k":{{"entry":[{PAIR}]}}}}}}',
    f'{{"prefetch":{{"k":{{"e\\u006etry":[{PAIR}]}}}}}}',
    f'{{"prefetch":{{"k":{{"entry":[{PAIR}],"resourceType":"Parameters"}}}}}}',
    f'{{"prefetch":{{"k":{{"entry":[{PAIR}],"resource":{{}}}}}}}}',
    f'{{"prefetch":{{"k":{{"entry":[{PAIR}],"resourceType":"Bundle"}},"p":null,"q":{{}}}}}}',
    f'{{"prefetch":{{"k":{{"entry":[{PAIR}]}},"p":7}}}}',
    f'{{"prefetch":{{"k":{{"entry":[{PAIR.replace("},{", "}, {")}]}}}}}}',
    f'{{"prefetch":{{"k":{{"entry":[{PAIR.replace("},{", "} ,{", 1)}]}}}}}}',
    f'{{"prefetch":{{"k":{{"entry":[{PAIR},{{"a":1,"a":1}}]}}}}}}',
    f'{{"prefetch":{{"k":{{"entry":[{PAIR},{{"a":"\\u0000"}}]}}}}}}',
    f'{{"prefetch":{{"k":{{"entry":[{PAIR},{{"a":"\\ud800"}}]}}}}}}',
    f'{{"prefetch":{{"k":{{"entry":[{PAIR},{{"a":NaN}}]}}}}}}',
    f'{{"prefetch":{{"k":{{"entry":[{PAIR},{"[" * (DEEPEST - 4)}{"]" * (DEEPEST - 4)}]}}}}}}',
    f'{{"prefetch":{{"k":{{"entry":[{PAIR},{"[" * (DEEPEST - 3)}{"]" * (DEEPEST - 3)}]}}}}}}',
    f'{{"prefetch":{{"k":{{"entry":[{PAIR},{"[" * (DEEPEST - 5)}1{"]" * (DEEPEST - 5)}]}}}}}}',
    f'{{"prefetch":{{"k":{{"entry":[{PAIR},{"[" * (DEEPEST - 4)}1{"]" * (DEEPEST - 4)}]}}}}}}',
    f'\n{{"prefetch":{{"k":{{"entry":[{PAIR},\n{{"a" 1}}]}}}}}}',
    f'{{"prefetch":{{"k":{{"entry":[{PAIR}]}}}}}} {{}}',
    f'[{{"prefetch":{{"k":{{"entry":[{PAIR}]}}}}}}]',
    f'\ufeff{{"prefetch":{{"k":{{"entry":[{PAIR}]}}}}}}',
]


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("text", ODD)
def test_what_is_odd_is_refused_or_read_in_the_same_words(text: str) -> None:
    """Keys that come twice, lists that look alike, levels, marks and faults: in pieces as in one."""
    body = text.encode()
    assert _come_to(body, in_pieces=True) == _come_to(body, in_pieces=False)


@pytest.mark.usefixtures("short")
def test_no_damage_comes_to_something_else_in_pieces() -> None:
    """Of 20,000 bodies cut, joined and changed at random, each comes to the same value or the same refusal."""
    chance = random.Random(11)
    found = {"read": 0, "in pieces": 0, "refused": 0}
    for _ in range(20_000):
        text = bytearray(chance.choice(ODD).encode())
        for _ in range(chance.randrange(3)):
            at, to = sorted(chance.randrange(len(text)) for _ in range(2))
            to = min(to, at + chance.choice([1, 5, 60]))
            piece = chance.choice([b"", bytes(text[at:to]), bytes(chance.choice(text) for _ in range(2))])
            where = chance.randrange(len(text))
            text[where : where + chance.choice([0, 0, 1, 40])] = piece
            if len(text) < 2:
                text += b"{}"
        body = bytes(text)
        expected = _come_to(body, in_pieces=False)
        assert _come_to(body, in_pieces=True) == expected
        if isinstance(expected, tuple):
            found["refused"] += 1
        else:
            found["in pieces" if _in_pieces(parse_long(body)[0]) else "read"] += 1
    assert min(found.values()) > 1_000


def _judged(judge: Judge, body: bytes, hook: str = "order-select", today: Any = AS_OF) -> Judged:
    return judge.judge(parse_request(body, hook), today)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("shape", ["plain", "ehr", "contained", "foreign-keys"])
def test_every_ruling_is_judged_the_same_in_pieces(judge: Judge, shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The chart that is read, its gaps with their numbers, and every verdict: with 3 entries more that say nothing."""
    compared = 0
    for _, ruling in rulings():
        request = request_for(ruling, shape)
        for bundle in request["prefetch"].values():
            if isinstance(bundle, dict) and isinstance(bundle.get("entry"), list):
                bundle["entry"][1:1] = [_entry(0), {"resource": {"resourceType": "Condition"}}, _entry(1, id=None)]
        body = json.dumps(request).encode()
        told = []
        for longest in (len(body), 0):
            monkeypatch.setattr(envelope, "LONG", longest)
            told.append(_judged(judge, body, today=today_of(ruling)))
        assert told[0] == told[1]
        compared += 1
    assert compared > 300


def _delivered(judge: Judge, body: bytes) -> Delivered:
    call = parse_request(body, "order-select")
    says_nothing = Silence(judge.knowledge, PATIENT).says_nothing
    return read_prefetch(call.prefetch, (), says_nothing=says_nothing)


def test_what_says_nothing_is_not_held_and_can_be_found_again(judge: Judge) -> None:
    """A reference to an entry that was let go leads to it, under its id and under its fullUrl."""
    delivered = _delivered(judge, _written(_long()))
    references, resources = delivered.references, delivered.parts[PrefetchKey.CONDITIONS].resources
    assert [each is SILENT for each in resources] == [False] + [True] * 600
    for name in ("Condition/x7", "https://ehr.example.org/Condition/x7"):
        found = references.resolve(name)
        assert found == _entry(7)["resource"]
        assert references.resolve(name) is found
        assert references.resolve("Condition/x7") is found
    assert references.resolve("Condition/x600") is None


@pytest.mark.parametrize(
    ("entry", "name", "presence"),
    [
        (_entry(600, "ICD-10-CM G83.4"), "cauda-equina", "present"),
        (_entry(600, "ICD-10-CM C79.51"), "cancer", "present"),
        ({"resource": {"resourceType": "Condition", "id": "x600", "subject": SUBJECT}}, "cauda-equina", "unknown"),
        (_entry(600, "ICD-10-CM G83.4", subject={"reference": "Patient/another"}), "cauda-equina", "unknown"),
        (_entry(600), "cauda-equina", "absent"),
    ],
)
def test_the_last_of_many_entries_is_read(judge: Judge, entry: Json, name: str, presence: str) -> None:
    """A red flag behind 600 entries is seen, and so is an entry that cannot be read."""
    (found,) = _judged(judge, _written(_long(entry))).appraisals
    assert isinstance(found, Appraisal)
    assert found.findings[ConceptId(name)].presence.value == presence


def test_what_stands_within_an_entry_that_says_nothing_is_read(judge: Judge) -> None:
    """A fever among the components of a panel whose own code concerns nobody is a fever."""
    panel = {"resourceType": "Observation", "id": "o", "status": "final", "subject": SUBJECT}
    panel |= {"code": concept("LOINC 85353-1"), "effectiveDateTime": "2026-03-01", "component": [FEVER]}
    (found,) = _judged(judge, _written(_long({"resource": panel}, key="observations"))).appraisals
    assert isinstance(found, Appraisal)
    assert found.findings[ConceptId("infection")].presence.value == "present"


def test_a_gap_has_its_number_although_others_are_let_go(judge: Judge) -> None:
    """What cannot be read is named by its place among all that came."""
    nameless = {"resource": {"resourceType": "Condition", "subject": SUBJECT}}
    judged = _judged(judge, _written(_long(nameless)))
    assert [gap.reference for gap in judged.chart.gaps] == ["conditions[601]"]


def test_what_a_bundle_says_of_itself_is_held_against_what_was_let_go(judge: Judge) -> None:
    """A total is compared with all matches, and a count that is too small is a gap."""
    for total, complete in ((601, True), (602, False)):
        request = _long()
        request["prefetch"]["conditions"]["total"] = total
        assert _delivered(judge, _written(request)).parts[PrefetchKey.CONDITIONS].complete is complete


def test_too_many_entries_are_counted_and_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the limit a long body is refused as any other."""
    assert MOST_ENTRIES > 600
    monkeypatch.setattr(envelope, "MOST_ENTRIES", 601)
    with pytest.raises(Problem) as refused:
        parse_request(_written(_long()), "order-select")
    assert refused.value.status == 413


def test_more_values_than_are_read_are_refused_at_sight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries that are parsed later count among the values of the body."""
    monkeypatch.setattr(json_in, "_MOST_MARKS", 4_000)
    with pytest.raises(Problem) as refused:
        parse_long(_written(_long()))
    assert refused.value.status == 413


def test_numbers_of_a_draft_keep_their_spelling_in_a_long_body(monkeypatch: pytest.MonkeyPatch) -> None:
    """The echo of an order writes 1.50 as it came, and the chart is not read once more for it."""
    texts: list[bytes] = []
    written = envelope.parse_json_as_written
    monkeypatch.setattr(
        envelope, "parse_json_as_written", lambda text, zeros: (texts.append(text), written(text, zeros=zeros))[1]
    )
    request = _long()
    order = request["context"]["draftOrders"]["entry"][0]["resource"]
    order["quantityQuantity"] = {"value": 123456}
    body = _written(request).replace(b"123456", b"1.50")
    (draft,) = parse_request(body, "order-select").drafts
    assert str(draft.resource["quantityQuantity"]["value"]) == "1.50"
    assert [len(text) < 3_000 for text in texts] == [True]


def test_a_call_that_lends_access_is_read_as_a_whole() -> None:
    """What is fetched is joined to lists of entries as they are."""
    request = _long()
    request["fhirServer"] = "https://ehr.example.org/r4"
    request["fhirAuthorization"] = {"access_token": "t", "token_type": "Bearer", "expires_in": 300, "scope": "s"}
    request["fhirAuthorization"]["subject"] = "cds"
    call = parse_request(_written(request), "order-select")
    assert isinstance(call.prefetch["conditions"]["entry"], list)
    assert call.fhir is not None


def test_a_fault_in_an_entry_is_told_with_its_place_in_the_body(judge: Judge) -> None:
    """The refusal is that of a short body, and the chart is not judged without the entry, in whatever it came."""
    body = _written(_long())
    bundle = b'"conditions": {"resourceType": "Bundle", '
    other = body.replace(bundle, b'"conditions": {"resourceType": "Parameters", ')
    beside = body.replace(bundle, b'"conditions": {"resource": {"resourceType": "Bundle"}, ')
    assert len({body, other, beside}) == 3
    for whose, broken, words in (
        (body, b'"x599" 1', "not JSON (line 1, column"),
        (body, b'"x599", "id": 1', "the same key twice"),
        (other, b'"x599", "id": 1', "the same key twice"),
        (beside, b'"x599", "id": 1', "the same key twice"),
    ):
        at = whose.rindex(b'"x599"')
        damaged = whose[:at] + broken + whose[at + 6 :]
        with pytest.raises(Problem) as whole:
            parse_json(damaged)
        with pytest.raises(Problem) as pieces:
            _judged(judge, damaged)
        assert pieces.value.message == whole.value.message
        assert words in pieces.value.message


def test_the_judge_lets_go_what_says_nothing(judge: Judge) -> None:
    """Of a long chart it holds the pain and the metastasis, and no more."""
    reader = judge.reader(parse_request(_written(_long(_entry(600, "ICD-10-CM C79.51"))), "order-select"), AS_OF)
    assert isinstance(reader, ChartReader)
    held = [each.get("id") for each in reader.delivered.parts[PrefetchKey.CONDITIONS].resources if each is not SILENT]
    assert held[-1] == "x600"
    assert len(held) == 2


@pytest.mark.usefixtures("short")
def test_many_lists_are_found_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is looked for behind the one before it, and none any more where one is not as it is due."""
    looked: list[int] = []
    place = long_bodies._place

    def counting(body: bytes, pieces: Any, after: int) -> Any:
        looked.append(after)
        return place(body, pieces, after)

    monkeypatch.setattr(long_bodies, "_place", counting)
    bundles = [f'"k{number}":{{"entry":[{{"a":"b"}},{{"a":"b"}}]}}' for number in range(50)]
    body = f'{{"prefetch":{{{",".join(bundles)}}}}}'.encode()
    assert len(_in_pieces(parse_long(body)[0])) == 50
    assert looked == sorted(looked)
    assert len({*looked}) == 50
    looked.clear()
    assert _in_pieces(parse_long(body.replace(b"},{", b"} ,{"))[0]) == []
    assert len(looked) == 1
