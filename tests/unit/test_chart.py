"""Reading FHIR: what real EHRs send is read, what cannot be read is a gap, and nothing is silently empty."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from cds_service.chart import ChartReader, read_chart
from cds_service.chart_settings import ChartSettings
from cds_service.prefetch import Delivered, read_prefetch
from cds_service.references import bare_id, relative
from knowledge.dates import DateSpan
from knowledge.findings import Certainty, Chart, Course, PrefetchKey
from knowledge.knowledge import Knowledge
from knowledge.vocabulary import CPT, _read_again

Json = dict[str, Any]

CANCER = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "C61"}]}
SUBJECT = {"reference": "Patient/p1"}
PREDNISONE = {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "198145"}]}


def _condition(**changes: Any) -> Json:
    base = {"resourceType": "Condition", "id": "c1", "code": CANCER, "subject": SUBJECT}
    return {name: value for name, value in {**base, **changes}.items() if value != "leave out"}


def _bundle(*resources: Json, **more: Any) -> Json:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": each} for each in resources], **more}


def _chart(knowledge: Knowledge, prefetch: Json, settings: ChartSettings | None = None) -> Chart:
    return read_chart(ChartReader(_delivered(prefetch), "p1", knowledge), settings or ChartSettings())


def _delivered(prefetch: Json) -> Delivered:
    return read_prefetch(prefetch, ())


def _conditions(knowledge: Knowledge, *resources: Json) -> Chart:
    return _chart(knowledge, {"conditions": _bundle(*resources)})


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("Patient/p1", "Patient/p1"),
        ("https://ehr.example.org/fhir/Patient/p1", "Patient/p1"),
        ("Patient/p1/_history/3", "Patient/p1"),
        ("urn:uuid:5b3c1f6e-9a4e-4f43-9c1d-0d9a4c0f7a11", "urn:uuid:5b3c1f6e-9a4e-4f43-9c1d-0d9a4c0f7a11"),
        ("#r1", "#r1"),
        ("Patient/" + "e.x-" * 50, "Patient/" + "e.x-" * 50),
        ("72148", ""),
        (None, ""),
        ({"reference": "x"}, ""),
    ],
)
def test_a_reference_is_compared_by_type_and_id(reference: object, name: str) -> None:
    """Relative, absolute and versioned references of one resource are one name, however long its id."""
    assert relative(reference) == name


def test_an_id_may_carry_its_type() -> None:
    """Some clients send patientId as Patient/123."""
    assert bare_id("Patient/123") == bare_id("123") == "123"


@pytest.mark.parametrize(
    ("value", "delivered"),
    [
        (None, True),
        (_bundle(), True),
        ({"resourceType": "Bundle", "total": 0}, True),
        ({"entry": []}, True),
        ({"resource": _bundle()}, True),
        ({"resourceType": "OperationOutcome", "issue": [{"severity": "warning", "code": "not-found"}]}, True),
        ({"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]}, False),
        (_bundle({"resourceType": "OperationOutcome", "issue": [{"severity": "warning"}]}), True),
        (_bundle({"resourceType": "OperationOutcome", "issue": [{"severity": "fatal"}]}), False),
        (_bundle(link=[{"relation": "next", "url": "https://x"}]), False),
        (_bundle(link=[{"relation": "self", "url": "https://x"}]), True),
        ({"resourceType": "Bundle", "entry": [{"fullUrl": "x"}]}, False),
        ({"resourceType": "Bundle", "entry": {}}, False),
        ("Patient/p1", False),
        ("<html>error</html>", False),
        ([], False),
        ({}, False),
    ],
)
def test_a_key_is_delivered_when_its_silence_means_something(knowledge: Knowledge, value: Any, delivered: bool) -> None:
    """Null and empty answers are known to be empty; failures, further pages and rubbish are not."""
    assert (PrefetchKey.CONDITIONS in _chart(knowledge, {"conditions": value}).delivered) is delivered


def test_a_key_that_is_not_there_is_not_delivered(knowledge: Knowledge) -> None:
    """Without its key a part of the chart is unseen."""
    assert _chart(knowledge, {}).delivered == frozenset()


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        ({"onsetDateTime": "2020-05"}, "2020-05"),
        ({"onsetDateTime": "2020-05-01T10:00:00"}, "2020-05-01"),
        ({"onsetDateTime": "2020-05-01T23:30:00-11:00"}, "2020-05-01"),
        ({"onsetDateTime": "2020-05-01 10:00"}, "2020-05-01"),
        ({"onsetPeriod": {"start": "2019-01-02", "end": "2020"}}, "2019-01-02"),
        ({"onsetString": "since childhood"}, None),
        ({"onsetDateTime": "2020-5-1"}, None),
        ({"onsetDateTime": "05/01/2020"}, None),
        ({"onsetDateTime": "2020-02-30"}, None),
        ({"onsetDateTime": ""}, None),
        ({"onsetDateTime": 2020}, None),
    ],
)
def test_a_bad_date_is_dropped_and_the_entry_is_kept(knowledge: Knowledge, changes: Json, start: str | None) -> None:
    """Dates are read as written, whatever their time and zone; one that is no date leaves an undated entry."""
    (entry,) = _conditions(knowledge, _condition(**changes)).entries
    assert (str(entry.start) if entry.start else None) == start


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"code": "leave out"}, "no code of a known system"),
        ({"code": {"text": "prostate cancer"}}, "no code of a known system"),
        ({"code": {"coding": [{"code": "C61"}]}}, "no code of a known system"),
        ({"code": {"coding": {"system": "x", "code": "y"}}}, "a code that cannot be read"),
        (
            {"code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-9-cm", "code": "185"}]}},
            "no code of a known system",
        ),
        (
            {"modifierExtension": [{"url": "http://x", "valueBoolean": True}]},
            "a modifier extension changes its meaning",
        ),
        ({"verificationStatus": {"coding": [{"code": "banana"}]}}, "its status cannot be read"),
        ({"verificationStatus": {"text": "confirmed"}}, "its status cannot be read"),
        ({"clinicalStatus": {"text": "active"}}, "its status cannot be read"),
        ({"clinicalStatus": 7}, "its status cannot be read"),
        ({"subject": {"reference": "Patient/other"}}, "another patient"),
        ({"onsetDateTime": "2024", "onsetPeriod": {"start": "2026-01-05"}}, "malformed beyond what can be read"),
        ({"abatementString": "long ago", "abatementDateTime": "2026"}, "malformed beyond what can be read"),
    ],
)
def test_what_cannot_be_read_is_a_gap_that_opens_its_key(knowledge: Knowledge, changes: Json, why: str) -> None:
    """An unreadable entry is named with its reference, and the silence of its key means nothing any more."""
    chart = _conditions(knowledge, _condition(**changes))
    assert [(gap.reference, gap.why) for gap in chart.gaps] == [("Condition/c1", why)]
    assert PrefetchKey.CONDITIONS not in chart.delivered
    assert all(entry.unread for entry in chart.entries)


@pytest.mark.parametrize(
    "changes",
    [
        {"_subject": {"id": "x"}, "vendor": {"a": [None]}, "text": {"div": 5}},
        {"code": {"coding": [None, *CANCER["coding"], {"system": "http://snomed.info/sct", "code": 5}]}},
        {"code": {"coding": [{**CANCER["coding"][0], "display": "", "vendor": 1, "userSelected": "yes"}]}},
        {"id": "urn:uuid:1_2", "recordedDate": None, "category": {"text": "problem"}},
        {"clinicalStatus": "active", "verificationStatus": "confirmed"},
        {"bodySite": [{"extension": [{"extension": [{}]}]}]},
    ],
)
def test_what_is_not_read_cannot_hurt(knowledge: Knowledge, changes: Json) -> None:
    """Unknown members, bad neighbours in a list and older shapes leave the entry standing."""
    chart = _conditions(knowledge, _condition(**changes))
    assert len(chart.entries) == 1
    assert chart.gaps == ()


@pytest.mark.parametrize(
    "changes",
    [{"modifierExtension": [{"url": "http://x"}]}, {"clinicalStatus": 7}, {"verificationStatus": {"text": "so so"}}],
)
def test_an_entry_of_which_only_the_codes_are_read_leaves_what_they_stand_for_open(
    knowledge: Knowledge, changes: Json
) -> None:
    """Known codes of an unreadable entry stay in the chart, marked as unread."""
    (entry,) = _conditions(knowledge, _condition(**changes)).entries
    assert (entry.unread, [coding.code for coding in entry.codings]) == (True, ["C61"])


def test_an_element_that_cannot_be_read_is_told_of_and_its_entry_stands(knowledge: Knowledge) -> None:
    """A bad onset is named as a gap, and neither dates its entry nor makes the key incomplete."""
    chart = _conditions(knowledge, _condition(onsetAge={"value": "<5"}, recordedDate="2026-01-01"))
    assert [(gap.why, gap.key) for gap in chart.gaps] == [("its onsetAge cannot be read", None)]
    assert [entry.date for entry in chart.entries] == [None]
    assert PrefetchKey.CONDITIONS in chart.delivered


def test_a_choice_of_which_one_element_can_be_read_is_read(knowledge: Knowledge) -> None:
    """Of two onsets one is refused for itself: the other stands, and the entry tells of the refused one."""
    chart = _conditions(knowledge, _condition(onsetDateTime="2024-13-01", onsetPeriod={"start": "2026-01-05"}))
    (entry,) = chart.entries
    assert (str(entry.start), entry.unread) == ("2026-01-05", False)
    assert entry.flaw == "its onsetDateTime cannot be read"


def test_an_irrelevant_entry_is_seen_and_says_nothing(knowledge: Knowledge) -> None:
    """A known code in none of our lists makes no entry and no gap."""
    code = {"coding": [{"system": "http://snomed.info/sct", "code": "38341003"}]}
    chart = _conditions(knowledge, _condition(code=code))
    assert (chart.entries, chart.gaps, PrefetchKey.CONDITIONS in chart.delivered) == ((), (), True)


def test_an_entry_in_error_is_no_gap_even_without_a_code(knowledge: Knowledge) -> None:
    """What is entered in error is dropped before anything else is asked of it."""
    wrong = {"coding": [{"code": "entered-in-error"}]}
    chart = _conditions(knowledge, _condition(verificationStatus=wrong, code={"text": "?"}))
    assert (chart.entries, chart.gaps) == ((), ())


def test_a_site_may_list_uncoded_entries_without_opening_their_key(knowledge: Knowledge) -> None:
    """With CDS_TEXT_ONLY_ENTRIES=listed a text-only entry is a gap and its key stays delivered."""
    settings = ChartSettings(uncoded_entries_are_listed_only=True)
    chart = _chart(knowledge, {"conditions": _bundle(_condition(code={"text": "x"}))}, settings)
    assert (len(chart.gaps), PrefetchKey.CONDITIONS in chart.delivered) == (1, True)


def test_another_patients_record_is_dropped_and_opens_the_key(knowledge: Knowledge) -> None:
    """A Patient with another id gives no birth date, and the patient counts as not delivered."""
    chart = _chart(knowledge, {"patient": {"resourceType": "Patient", "id": "other", "birthDate": "1950-01-01"}})
    assert (chart.birth_date, PrefetchKey.PATIENT in chart.delivered) == (None, False)


def test_an_onset_age_is_dated_by_the_birth_date(knowledge: Knowledge) -> None:
    """Age 30 stands for the year between the thirtieth and the thirty-first birthday."""
    patient = {"resourceType": "Patient", "id": "p1", "birthDate": "1980-02-29"}
    condition = _condition(onsetAge={"value": 30, "unit": "a", "code": "a"})
    chart = _chart(knowledge, {"patient": patient, "conditions": _bundle(condition)})
    assert chart.entries[0].start == DateSpan(date(2010, 3, 1), date(2011, 2, 28))


@pytest.mark.parametrize(
    ("status", "certainty"),
    [
        ("confirmed", Certainty.ASSERTED),
        ("unconfirmed", Certainty.SUSPECTED),
        ("provisional", Certainty.SUSPECTED),
        ("differential", Certainty.SUSPECTED),
        ("refuted", Certainty.REFUTED),
    ],
)
def test_the_verification_status_is_the_certainty(knowledge: Knowledge, status: str, certainty: Certainty) -> None:
    """Each verification status of FHIR has its certainty, and none at all is an assertion."""
    (entry,) = _conditions(knowledge, _condition(verificationStatus={"coding": [{"code": status}]})).entries
    (bare,) = _conditions(knowledge, _condition()).entries
    assert (entry.certainty, bare.certainty) == (certainty, Certainty.ASSERTED)


def _bounds(*repeats: Json) -> Json:
    return {"dosageInstruction": [{"timing": {"repeat": repeat}} for repeat in repeats]}


def _medication(knowledge: Knowledge, **changes: Any) -> Chart:
    base = {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "completed",
        "intent": "order",
        "subject": SUBJECT,
    }
    drug = {"medicationCodeableConcept": PREDNISONE, "authoredOn": "2026-01-01"}
    request = {name: value for name, value in {**base, **drug, **changes}.items() if value != "leave out"}
    return _chart(knowledge, {"medications": _bundle(request)})


@pytest.mark.parametrize(
    ("changes", "course"),
    [
        ({}, Course()),
        ({"dispenseRequest": {"expectedSupplyDuration": {"value": 30, "unit": "days"}}}, Course(30, 30)),
        (
            {"dispenseRequest": {"expectedSupplyDuration": {"value": 1, "code": "mo"}, "numberOfRepeatsAllowed": 2}},
            Course(91, 91),
        ),
        ({"dispenseRequest": {"expectedSupplyDuration": {"value": 1e308, "code": "a"}}}, Course()),
        ({"dispenseRequest": {"expectedSupplyDuration": {"value": -5, "code": "d"}}}, Course()),
        (
            {
                "dispenseRequest": {
                    "expectedSupplyDuration": {"value": 30, "code": "d"},
                    "numberOfRepeatsAllowed": 10**9,
                }
            },
            Course(36525, 36525),
        ),
        (
            {
                "dispenseRequest": {
                    "expectedSupplyDuration": {"value": 30, "code": "d"},
                    "numberOfRepeatsAllowed": 10**400,
                }
            },
            Course(36525, 36525),
        ),
        ({"dispenseRequest": {"validityPeriod": {"start": "2026-01-01", "end": "2027-01-01"}}}, Course()),
        (
            {
                "dosageInstruction": [
                    {
                        "timing": {
                            "repeat": {
                                "boundsRange": {"low": {"value": 2, "code": "wk"}, "high": {"value": 13, "code": "wk"}}
                            }
                        }
                    }
                ]
            },
            Course(14, 91),
        ),
        (
            {
                "dosageInstruction": [
                    {"timing": {"repeat": {"boundsPeriod": {"start": "2026-01-01", "end": "2026-01-10"}}}}
                ]
            },
            Course(begin=DateSpan.parse("2026-01-01"), end=DateSpan.parse("2026-01-10")),
        ),
        (_bounds({"boundsDuration": {"value": 30, "code": "d", "comparator": ">="}}), Course(30, 36525)),
        (_bounds({"boundsDuration": {"value": 100, "code": "d", "comparator": "<"}}), Course(0, 100)),
        (_bounds({"boundsRange": {"low": {"value": 30, "code": "d"}}}), Course(30, 36525)),
        (
            {"dispenseRequest": {"expectedSupplyDuration": {"value": 60, "code": "d", "comparator": ">"}}},
            Course(60, 36525),
        ),
        (_bounds({"boundsDuration": {"value": 9, "code": "d"}}, {"boundsPeriod": {"start": "2026-01-01"}}), Course()),
        (
            _bounds(
                {"boundsPeriod": {"start": "2026-01-01", "end": "2026-01-10"}},
                {"boundsPeriod": {"start": "2026-02-01", "end": "2026-02-10"}},
            ),
            Course(
                begin=DateSpan.parse("2026-01-01"),
                end=DateSpan.parse("2026-02-10"),
                periods=(
                    Course(begin=DateSpan.parse("2026-01-01"), end=DateSpan.parse("2026-01-10")),
                    Course(begin=DateSpan.parse("2026-02-01"), end=DateSpan.parse("2026-02-10")),
                ),
            ),
        ),
        ({"dosageInstruction": {"timing": {}}, "dispenseRequest": {"quantity": {"value": 5}}}, Course()),
    ],
)
def test_the_length_of_a_course_is_read_from_bounds_else_supply(
    knowledge: Knowledge, changes: Json, course: Course
) -> None:
    """Dosage bounds go before supply times repeats; a validity period is no length."""
    (entry,) = _medication(knowledge, **changes).entries
    assert entry.prescription is not None
    assert entry.prescription.course == course


def test_a_drug_behind_a_reference_is_resolved(knowledge: Knowledge) -> None:
    """A Medication that is contained or prefetched names the drug; one that is neither is a gap."""
    medication = {"resourceType": "Medication", "id": "med1", "code": PREDNISONE}
    by_reference = {"medicationCodeableConcept": "leave out", "medicationReference": {"reference": "#med1"}}
    contained = _medication(knowledge, contained=[medication], **by_reference)
    assert len(contained.entries) == 1
    missing = _medication(knowledge, **by_reference)
    assert [gap.why for gap in missing.gaps] == ["its drug is a reference that does not resolve"]
    assert PrefetchKey.MEDICATIONS not in missing.delivered


def test_a_resource_of_an_older_fhir_version_opens_its_key(knowledge: Knowledge) -> None:
    """A DSTU2 MedicationOrder is named as not read, and the medications are incomplete."""
    order = {"resourceType": "MedicationOrder", "id": "o1", "status": "active"}
    chart = _chart(knowledge, {"medications": _bundle(order)})
    assert ([gap.reference for gap in chart.gaps], PrefetchKey.MEDICATIONS in chart.delivered) == (
        ["MedicationOrder/o1"],
        False,
    )


@pytest.mark.parametrize(
    "value", [{"valueQuantity": {"value": "<5", "unit": "Cel"}}, {"valueQuantity": {"value": "warm"}}]
)
def test_an_observation_whose_value_cannot_be_read_is_a_gap(knowledge: Knowledge, value: Json) -> None:
    """A value that is no number is not read as silence."""
    code = {"coding": [{"system": "http://loinc.org", "code": "8310-5"}]}
    observation = {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "code": code,
        "subject": SUBJECT,
        **value,
    }
    chart = _chart(knowledge, {"observations": _bundle(observation)})
    assert [gap.why for gap in chart.gaps] == ["its value cannot be read"]


@pytest.mark.parametrize(
    ("system", "code"),
    [
        ("https://hl7.org/fhir/sid/icd-10-cm", "C79.51"),
        ("http://hl7.org/fhir/sid/icd-10-cm|2024", "C79.51"),
        ("http://hl7.org/fhir/sid/ICD-10-CM/", "C79.51"),
        ("URN:OID:2.16.840.1.113883.6.90", "C79.51"),
        ("2.16.840.1.113883.6.90", "C79.51"),
        ("http://snomed.info/sct/731000124108/version/20240901", "94222008"),
        ("HTTPS://SNOMED.INFO/SCT", "94222008"),
    ],
)
def test_a_system_is_known_however_its_name_is_written(knowledge: Knowledge, system: str, code: str) -> None:
    """A red flag under another spelling of its system counts, beside a code that says nothing too."""
    harmless = {"system": "http://snomed.info/sct", "code": "38341003"}
    chart = _conditions(knowledge, _condition(code={"coding": [harmless, {"system": system, "code": code}]}))
    (entry,) = chart.entries
    assert knowledge.vocabulary.knows(entry.codings)
    assert chart.gaps == ()


@pytest.mark.parametrize(
    ("system", "code"),
    [
        ("http://hl7.org/fhir/sid/icd-10-cm-local", "C79.51"),
        ("http://snomed.info/sctx", "94222008"),
        ("2.16.840", "C79.51"),
    ],
)
def test_a_name_that_only_begins_like_a_systems_is_another(knowledge: Knowledge, system: str, code: str) -> None:
    """A site's own system that resembles a known one stays its own, and alone it is a gap."""
    chart = _conditions(knowledge, _condition(code={"coding": [{"system": system, "code": code}]}))
    assert (chart.entries, len(chart.gaps)) == ((), 1)


def test_a_drug_that_is_named_twice_is_a_gap(knowledge: Knowledge) -> None:
    """Of medication[x] a resource has one: beside a code that says nothing a reference may lead to prednisone."""
    harmless = {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "314076"}]}
    drug = {"resourceType": "Medication", "id": "m", "code": PREDNISONE}
    request = {
        "resourceType": "MedicationRequest",
        "id": "r1",
        "status": "active",
        "intent": "order",
        "subject": SUBJECT,
        "contained": [drug],
        "medicationCodeableConcept": harmless,
        "medicationReference": {"reference": "#m"},
    }
    chart = _chart(knowledge, {"medications": _bundle(request)})
    assert [gap.why for gap in chart.gaps] == ["it names its drug twice"]
    assert PrefetchKey.MEDICATIONS not in chart.delivered
    alone = {name: value for name, value in request.items() if name != "medicationReference"}
    assert _chart(knowledge, {"medications": _bundle(alone)}).gaps == ()


@pytest.mark.parametrize(
    ("key", "kind", "status", "codings"),
    [
        ("procedures", "Procedure", "aborted", [None, {"system": CPT, "code": "99213"}]),
        ("referrals", "ServiceRequest", "suspended", [{"system": CPT, "code": "72148"}]),
    ],
)
def test_what_concerns_nobody_is_passed_over_whatever_its_status(
    knowledge: Knowledge, key: str, kind: str, status: str, codings: list[Json | None]
) -> None:
    """An entry whose codes say nothing in its kind of resource is no gap for a status that cannot be read."""
    entry = {"resourceType": kind, "id": "x1", "status": status, "subject": SUBJECT, "code": {"coding": codings}}
    chart = _chart(knowledge, {key: _bundle(entry)})
    assert (chart.entries, chart.gaps) == ((), ())


def test_a_code_of_any_length_is_not_remembered(knowledge: Knowledge) -> None:
    """Megabytes that are sent for a code are gone when they are answered."""
    before = _read_again.cache_info().currsize
    for number in range(5):
        code = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": f"{number}" + "x" * 100_000}]}
        _conditions(knowledge, _condition(code=code))
    assert _read_again.cache_info().currsize == before


def test_an_observation_of_an_instant_has_its_day(knowledge: Knowledge) -> None:
    """FHIR lets the moment be an instant as well as a date: it is read as well."""
    observation = {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8310-5"}]},
        "subject": SUBJECT,
        "effectiveInstant": "2026-02-27T23:30:00.123Z",
        "valueQuantity": {"value": 39.1, "code": "Cel"},
    }
    (entry,) = _chart(knowledge, {"observations": _bundle(observation)}).entries
    assert str(entry.start) == "2026-02-27"


def test_keys_under_other_names_are_recognised_by_their_resources(knowledge: Knowledge) -> None:
    """A client's own key that holds Conditions stands for conditions, but not beside the real key."""
    assert PrefetchKey.CONDITIONS in _chart(knowledge, {"item3": _bundle(_condition())}).delivered
    failed = {"resourceType": "OperationOutcome", "issue": [{"severity": "error"}]}
    assert (
        PrefetchKey.CONDITIONS
        not in _chart(knowledge, {"conditions": failed, "item3": _bundle(_condition())}).delivered
    )


def test_what_could_not_be_fetched_is_told_in_one_order(knowledge: Knowledge) -> None:
    """Two workers tell of the same failures in the same words: in the order in which they are told."""
    unfetched = {key.value: "too slow" for key in reversed(PrefetchKey)}
    chart = read_chart(ChartReader(read_prefetch({}, (), unfetched=unfetched), "p1", knowledge))
    assert [gap.reference for gap in chart.gaps] == list(unfetched)
