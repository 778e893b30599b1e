"""The service over HTTP: what every client may rely on."""

from __future__ import annotations

import copy
import gc
import io
import json
import logging
import sqlite3
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder, TestResponse

from cds_service.demo import example_request
from cds_service.upkeep import contents
from cds_service.visit import GATHERED
from tests.cases_as_fhir import KEYS, request_for

Json = dict[str, Any]

SELECT = "/cds-services/lumbar-imaging-order-select"
SIGN = "/cds-services/lumbar-imaging-order-sign"
LBP = "ICD-10-CM M54.50"
PLAIN = {
    "order": {"code": "CPT 72148", "reasons": [LBP]},
    "chart": {"birth_date": "1981-05-10", "conditions": [{"code": LBP, "onset": "2026-02-20"}]},
}
APPRAISALS = "lumbar-imaging-cds.appraisals"


def _request(**changes: Any) -> Json:
    return {**request_for(PLAIN), **changes}


def _sandbox(code: str | None, reason: str | None = "279039007") -> Json:
    """A request as the public CDS Hooks sandbox sends it from its imaging tab."""
    coding = {"system": "http://www.ama-assn.org/go/cpt", "code": code, "display": "study"} if code else {}
    reasons = [{"coding": [{"system": "http://snomed.info/sct", "code": reason, "display": "x"}], "text": "x"}]
    order = {
        "resourceType": "ServiceRequest",
        "id": "example-request-id",
        "status": "draft",
        "intent": "plan",
        "code": {"coding": [coding]},
        "subject": {"reference": "Patient/smart-1288992"},
        "reasonCode": reasons if reason else [],
    }
    return {
        "hookInstance": "b1d2c5d6-5f0e-4a35-8f63-1d0b4f5d0c02",
        "hook": "order-select",
        "fhirServer": "https://launch.smarthealthit.org/v/r2/fhir",
        "context": {
            "patientId": "smart-1288992",
            "userId": "Practitioner/COREPRACTITIONER1",
            "selections": ["ServiceRequest/example-request-id"],
            "draftOrders": {"resourceType": "Bundle", "entry": [{"resource": order}]},
        },
    }


def _answer(client: FlaskClient, body: Any, path: str = SELECT) -> Json:
    response = client.post(path, json=body)
    assert response.status_code == 200, response.text
    answer: Json = json.loads(response.data)
    return answer


def _outcome(response: TestResponse) -> str:
    assert response.mimetype == "application/fhir+json"
    outcome = json.loads(response.data)
    assert outcome["resourceType"] == "OperationOutcome"
    text: str = outcome["issue"][0]["diagnostics"]
    return text


def test_discovery_lists_both_hooks_with_their_prefetch(client: FlaskClient) -> None:
    """Both services are listed with distinct ids and the eight prefetch keys of the contract."""
    services = json.loads(client.get("/cds-services").data)["services"]
    assert {(each["id"], each["hook"]) for each in services} == {
        ("lumbar-imaging-order-select", "order-select"),
        ("lumbar-imaging-order-sign", "order-sign"),
    }
    for service in services:
        assert tuple(service["prefetch"]) == KEYS
        assert all("{{context.patientId}}" in template for template in service["prefetch"].values())
        assert service["title"]
        assert service["description"]


@pytest.mark.parametrize(
    ("code", "reason", "verdict", "indicator"),
    [
        ("72148", "279039007", "undetermined", "info"),
        ("72133", "279039007", "rated", "warning"),
        ("72148", None, "no-criteria-apply", None),
        (None, None, None, None),
        (None, "279039007", None, None),
        ("70544", "27355003", None, None),
    ],
)
def test_the_sandboxs_requests_get_their_outcome(
    client: FlaskClient, code: str | None, reason: str | None, verdict: str | None, indicator: str | None
) -> None:
    """Without a chart an MRI is undetermined, a CT without and with contrast is rated, and the rest is silent."""
    answer = _answer(client, _sandbox(code, reason))
    appraisals = answer.get("extension", {}).get(APPRAISALS, [])
    assert [each["verdict"] for each in appraisals] == ([verdict] if verdict else [])
    assert [card["indicator"] for card in answer["cards"]] == ([indicator] if indicator else [])


def test_rating_on_the_order_alone_warns_on_the_sandboxs_mri(make_app: Callable[..., Flask]) -> None:
    """With CDS_RATE_ON_ORDER_ALONE the sandbox's MRI for low back pain is rated and warned on."""
    answer = _answer(make_app(rate_on_order_alone=True).test_client(), _sandbox("72148"))
    assert answer["extension"][APPRAISALS][0]["category"] == "usually-not-appropriate"
    assert answer["cards"][0]["indicator"] == "warning"


def test_the_appraisal_has_the_members_of_the_contract(client: FlaskClient) -> None:
    """An appraisal names its order, verdict, procedures, category, bounds, variants, findings and guideline."""
    (appraisal,) = _answer(client, _request())["extension"][APPRAISALS]
    findings = {each["concept"]: each for each in appraisal.pop("findings")}
    category = "usually-not-appropriate"
    assert appraisal == {
        "order": "ServiceRequest/order-1",
        "verdict": "rated",
        "procedures": ["mri-lumbar-spine-without-iv-contrast"],
        "category": category,
        "floor": category,
        "ceiling": category,
        "variants": {"established": [1]},
        "guideline": "acr-low-back-pain@2021",
    }
    assert findings["low-back-pain"]["evidence"] == ["order.reasonCode[0]"]
    assert findings["cancer"] == {"concept": "cancer", "presence": "absent", "assumed": True}


def test_a_card_has_the_members_of_the_standard(client: FlaskClient) -> None:
    """Uuids, source with topic, selection behaviour beside suggestions, coded override reasons, absolute links."""
    (card,) = _answer(client, _request())["cards"]
    named = "uuid summary detail indicator source suggestions selectionBehavior overrideReasons links"
    assert set(card) == set(named.split())
    assert set(card["source"]) == {"label", "url", "topic"}
    assert set(card["source"]["topic"]) == {"system", "code", "display"}
    assert all(each["uuid"] and each["label"] and each["actions"] for each in card["suggestions"])
    assert card["selectionBehavior"] == "at-most-one"
    assert all(set(reason) == {"system", "code", "display"} for reason in card["overrideReasons"])
    assert [link["type"] for link in card["links"]] == ["absolute"]


def test_nothing_null_and_nothing_empty_leaves_the_service(client: FlaskClient) -> None:
    """No answer holds a null, an empty string, list or object, but an empty list of cards."""

    def empties(value: Any, path: str = "$") -> list[str]:
        if value is None or value in ("", [], {}):
            return [] if path == "$.cards" else [path]
        inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        return [found for name, each in inner for found in empties(each, f"{path}.{name}")]

    body = _sandbox("72133")
    order = body["context"]["draftOrders"]["entry"][0]["resource"]
    order |= {"note": [], "extension": [{}], "quantityQuantity": None, "patientInstruction": ""}
    for each in (body, _sandbox(None), _sandbox("70544"), _request()):
        assert empties(_answer(client, each)) == []


def test_equal_input_gets_equal_content(client: FlaskClient) -> None:
    """The same request twice gets the same answer but for the uuids of its cards and suggestions."""

    def content(answer: Json) -> str:
        for card in answer["cards"]:
            for named in (card, *card["suggestions"]):
                assert named.pop("uuid")
        return json.dumps(answer)

    assert content(_answer(client, _request())) == content(_answer(client, _request()))


def test_an_update_repeats_the_order_to_the_letter(client: FlaskClient) -> None:
    """Numbers keep their spelling and unknown members stay; only the code of the order changes."""
    body = _request()
    order = body["context"]["draftOrders"]["entry"][0]["resource"]
    order["code"]["coding"][0]["code"] = "72133"
    order["quantityQuantity"] = {"value": "NUMBER"}
    order["vendor"] = {"count": "BIG", "zero": "MINUS"}
    order["reasonCode"].append({"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "C61"}]})
    text = json.dumps(body).replace('"NUMBER"', "1.50").replace('"BIG"', "123456789012345678901234567890")
    response = client.post(SELECT, data=text.replace('"MINUS"', "-0"), content_type="application/json")
    assert b'"value":1.50' in response.data
    assert b'"count":123456789012345678901234567890' in response.data
    assert b'"zero":-0' in response.data
    resource = json.loads(response.data)["cards"][0]["suggestions"][0]["actions"][0]["resource"]
    assert {name for name in order if resource.get(name) != order[name]} == {"code", "quantityQuantity", "vendor"}
    assert list(resource) == list(order)


def _two_orders() -> Json:
    body = _request()
    entries = body["context"]["draftOrders"]["entry"]
    second = copy.deepcopy(entries[0])
    second["resource"] |= {"id": "order-2", "code": {"coding": [{"system": "http://loinc.org", "code": "24972-2"}]}}
    entries.append(second)
    return body


def test_several_orders_get_a_card_each_that_names_its_study(client: FlaskClient) -> None:
    """Two judged orders give two cards, each naming its own study and acting on its own draft."""
    body = _two_orders()
    body["context"]["selections"].append("ServiceRequest/order-2")
    cards = _answer(client, body)["cards"]
    assert ["MRI" in cards[0]["summary"], "radiography" in cards[1]["summary"]] == [True, True]
    deleted = [card["suggestions"][0]["actions"][0]["resourceId"] for card in cards]
    assert deleted == ["ServiceRequest/order-1", "ServiceRequest/order-2"]


@pytest.mark.parametrize(
    ("selections", "judged"),
    [
        (["ServiceRequest/order-2"], ["ServiceRequest/order-2"]),
        (["https://ehr.example.org/fhir/ServiceRequest/order-2/_history/1"], ["ServiceRequest/order-2"]),
        (["ServiceRequest/gone"], ["ServiceRequest/order-1", "ServiceRequest/order-2"]),
        (["72148"], ["ServiceRequest/order-1", "ServiceRequest/order-2"]),
        ([], ["ServiceRequest/order-1", "ServiceRequest/order-2"]),
        (None, ["ServiceRequest/order-1", "ServiceRequest/order-2"]),
        (["MedicationRequest/m1"], []),
    ],
)
def test_selections_are_honoured(client: FlaskClient, selections: Any, judged: list[str]) -> None:
    """Selected drafts alone are judged; where none resolves all are; a selected medication judges nothing."""
    body = _two_orders()
    body["context"]["selections"] = selections
    medication = {"resourceType": "MedicationRequest", "id": "m1", "status": "draft"}
    body["context"]["draftOrders"]["entry"].append({"resource": medication})
    appraisals = _answer(client, body).get("extension", {}).get(APPRAISALS, [])
    assert [each["order"] for each in appraisals] == judged


def test_order_sign_judges_every_draft(client: FlaskClient) -> None:
    """Signing looks at all drafts, whatever selections say."""
    body = _two_orders() | {"hook": "order-sign"}
    assert len(_answer(client, body, SIGN)["cards"]) == 2


def test_a_code_in_the_billing_options_counts(client: FlaskClient) -> None:
    """A CPT code that stands only in the billing-options extension is the order's code."""
    body = _request()
    billing = {
        "url": "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/ext-billing-options",
        "valueCodeableConcept": {"coding": [{"system": "http://www.ama-assn.org/go/cpt", "code": "72148"}]},
    }
    order = body["context"]["draftOrders"]["entry"][0]["resource"]
    order["code"] = {"coding": [{"system": "http://snomed.info/sct", "code": "113091000"}], "extension": [billing]}
    assert _answer(client, body)["extension"][APPRAISALS][0]["verdict"] == "rated"


def test_a_procedure_request_of_an_older_fhir_is_not_judged(client: FlaskClient) -> None:
    """A lumbar study as a ProcedureRequest is named as an unreadable order, without a card."""
    body = _request()
    body["context"]["draftOrders"]["entry"][0]["resource"]["resourceType"] = "ProcedureRequest"
    del body["context"]["selections"]
    answer = _answer(client, body)
    assert (answer["cards"], answer["extension"][APPRAISALS][0]["reason"]) == ([], "unreadable-order")


@pytest.mark.parametrize(
    "path", [SELECT, f"{SELECT}/", SELECT.replace("/cds-services/", "/cds-services//"), f"{SELECT}//"]
)
def test_slashes_are_never_redirected(client: FlaskClient, path: str) -> None:
    """Doubled and trailing slashes are served as the plain path."""
    assert client.post(path, json=_request()).status_code == 200


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda body: body.pop("hook"), "the members hook, context are required"),
        (lambda body: body.pop("context"), "the members hook, context are required"),
        (lambda body: body.update(hook="order-sign"), "answers the hook order-select"),
        (lambda body: body.update(hook=7), "$.hook: must be of type string"),
        (lambda body: body["context"].pop("patientId"), "$.context: the members patientId, draftOrders are required"),
        (lambda body: body["context"].update(patientId=7), "$.context.patientId: must be of type string"),
        (lambda body: body["context"].update(patientId=""), "$.context.patientId: must not be empty"),
        (lambda body: body["context"].update(draftOrders=[]), "$.context.draftOrders: must be of type object"),
        (lambda body: body["context"].update(draftOrders={"medicationName": "x"}), "must be a Bundle"),
        (lambda body: body["context"].update(draftOrders={"resourceType": "ServiceRequest"}), "must be a Bundle"),
    ],
)
def test_a_request_without_its_essentials_is_refused_in_words(
    client: FlaskClient, change: Callable[[Json], Any], words: str
) -> None:
    """400 names the place and what is asked there, and repeats nothing of the request."""
    body = _request()
    change(body)
    response = client.post(SELECT, json=body)
    assert response.status_code == 400
    assert words in _outcome(response)


@pytest.mark.parametrize(
    "changes",
    [
        {"hookInstance": None},
        {"hookInstance": "abc"},
        {"prefetch": None},
        {"prefetch": "x"},
        {"fhirAuthorization": None},
        {"extension": {"com.example": {"a": 1}}},
        {"unknown": [1]},
    ],
)
def test_what_a_call_can_do_without_is_passed_over(client: FlaskClient, changes: Json) -> None:
    """Missing, null and unknown members that are not essential do not refuse a call."""
    assert client.post(SELECT, json=_request(**changes)).status_code == 200


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"\xef\xbb\xbf{}", "byte-order mark"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"hook": 1, "hook": 2}', "same key twice"),
        (b'{"a": NaN}', "not JSON (line 1, column 7)"),
        (b'{"a": "\\u0000"}', "NUL"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b"[" * 201 + b"]" * 201, "200 levels"),
        (b'{"a": ' * 100_000, "200 levels"),
        (b'{"a": ' + b"9" * 5000 + b"}", "too long"),
    ],
)
def test_only_clean_json_is_read(client: FlaskClient, body: bytes, words: str) -> None:
    """Each kind of unclean JSON is refused with 400 and a sentence that says what is wrong."""
    response = client.post(SELECT, data=body, content_type="application/json")
    assert response.status_code == 400
    assert words in _outcome(response)


def test_two_hundred_levels_and_escaped_brackets_are_accepted(client: FlaskClient) -> None:
    """Depth counts brackets of JSON, not those inside strings."""
    body = _request(extension={"text": "[{" * 300})
    assert client.post(SELECT, json=body).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/cds-services/other", 404),
        ("POST", "/cds-services/other/feedback", 404),
        ("GET", "/nothing", 404),
        ("GET", "/cds-services/other", 404),
        ("DELETE", "/cds-services/other/feedback", 404),
        ("GET", f"{SELECT}/feedback", 405),
        ("GET", SELECT, 405),
        ("PUT", "/cds-services", 405),
    ],
)
def test_wrong_addresses_and_methods_are_told(client: FlaskClient, method: str, path: str, status: int) -> None:
    """404 and 405 carry an OperationOutcome and the leave for browsers to read it."""
    response = client.open(path, method=method, json={})
    assert response.status_code == status
    assert _outcome(response)
    assert response.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("application/fhir+json", 200),
        ("", 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/xml", 415),
    ],
)
def test_json_may_have_several_names_and_no_other(client: FlaskClient, kind: str, status: int) -> None:
    """JSON under any of its media types, or none, is read; other media types get 415."""
    headers = {"Content-Type": kind} if kind else {}
    response = client.post(SELECT, data=json.dumps(_request()), headers=headers)
    assert response.status_code == status


def test_a_body_above_the_limit_gets_413(make_app: Callable[..., Flask]) -> None:
    """The operator's limit is kept, and the answer is an OperationOutcome."""
    response = make_app(max_body=1000).test_client().post(SELECT, json=_request())
    assert response.status_code == 413
    assert "longer" in _outcome(response)


def test_five_megabytes_are_accepted(client: FlaskClient) -> None:
    """A chart of five megabytes is read."""
    filler = {"resourceType": "Basic", "id": "b", "text": "x" * 5_000_000}
    body = _request()
    body["prefetch"]["conditions"]["entry"].append({"resource": filler})
    assert client.post(SELECT, json=body).status_code == 200


@pytest.mark.parametrize("path", ["/cds-services", SELECT, f"{SELECT}/feedback"])
def test_a_preflight_is_answered_without_authentication(client: FlaskClient, path: str) -> None:
    """OPTIONS tells a browser that it may call with its headers, and never with credentials."""
    response = client.options(path, headers={"Origin": "https://x", "Access-Control-Request-Method": "POST"})
    assert response.status_code == 204
    assert "Authorization" in response.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize(
    ("path", "methods"),
    [("/cds-services", "GET, HEAD, OPTIONS"), (SELECT, "OPTIONS, POST"), (f"{SELECT}/feedback", "OPTIONS, POST")],
)
def test_a_plain_options_tells_which_methods_an_address_answers(client: FlaskClient, path: str, methods: str) -> None:
    """Each time that it is asked, and whatever was asked there before."""
    client.post(path)
    for _ in range(2):
        assert ", ".join(sorted(client.options(path).headers["Allow"].split(", "))) == methods


class _Sent(io.BytesIO):
    """What a client sent; it is known when it is gone."""


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (SELECT, None, 200),
        (SELECT, b"{", 400),
        ("/elsewhere", None, 404),
        ("/cds-services", None, 405),
        (SELECT, b"", 500),
    ],
)
@pytest.mark.parametrize("is_gathered", [False, True])
def test_what_was_sent_is_gone_with_the_answer(
    make_app: Callable[..., Flask],
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    body: bytes | None,
    status: int,
    is_gathered: bool,
) -> None:
    """No circle of objects holds a request, whatever its answer: they would add up until garbage is looked for."""

    def choke(*_: object, **__: object) -> None:
        raise RuntimeError

    if status == 500:
        monkeypatch.setattr("cds_service.order_hooks.parse_request", choke)
    app = make_app()
    data = json.dumps(_request()).encode() if body is None else body
    environ = EnvironBuilder(path, method="POST", data=data, content_type="application/json").get_environ()
    environ["wsgi.input"] = _Sent(data)
    if is_gathered:
        environ[GATHERED] = data
    sent = weakref.ref(environ["wsgi.input"])
    statuses: list[str] = []
    gc.disable()
    try:
        b"".join(app(environ, lambda status, headers, fault=None: statuses.append(status) or (lambda _: None)))
        del environ
        assert sent() is None
    finally:
        gc.enable()
    assert statuses[0].startswith(str(status))


def test_an_unexpected_fault_is_a_500_without_its_message(
    make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug answers browsers too, with an OperationOutcome, and logs kind and place, never the data it choked on."""

    def choke(*_: object, **__: object) -> None:
        raise RuntimeError("Jane Q Public")

    monkeypatch.setattr("cds_service.judging.read_chart", choke)
    response = make_app().test_client().post(SELECT, json=_request())
    assert response.status_code == 500
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "Public" not in response.text
    assert "RuntimeError" in caplog.text
    assert "Public" not in caplog.text


def test_no_patient_is_in_the_log(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    """One line a request says what was judged, and holds no id, name, code or date of the chart."""
    body = _request()
    body["context"]["patientId"] = "secret-patient"
    secrets = [
        "secret-patient",
        "secret-order",
        "Secretname",
        "1981-05-10",
        "M54.50",
        "M5450",
        "Practitioner",
        "2026-02-20",
    ]
    order = body["context"]["draftOrders"]["entry"][0]["resource"]
    order |= {"id": "secret-order", "subject": {"reference": "Patient/secret-patient"}}
    body["context"]["selections"] = ["ServiceRequest/secret-order"]
    body["prefetch"]["patient"] |= {"id": "secret-patient", "name": [{"family": "Secretname"}]}
    for entry in body["prefetch"]["conditions"]["entry"]:
        entry["resource"]["subject"]["reference"] = "Patient/secret-patient"
    with caplog.at_level(logging.INFO):
        assert len(_answer(client, body)["cards"]) == 1
        client.post(SELECT, json={**body, "hook": "Secretname"})
        client.get("/Secretname")
    lines = [json.loads(record.message) for record in caplog.records if record.name == "cds_service.request"]
    assert [line["status"] for line in lines] == [200, 400, 404]
    assert lines[0]["orders"][0]["category"] == "usually-not-appropriate"
    assert [secret for secret in secrets if secret in caplog.text] == []


FEEDBACK = f"{SELECT}/feedback"
ACCEPTED = {
    "card": "c-1",
    "outcome": "accepted",
    "acceptedSuggestions": [{"id": "s-1"}],
    "outcomeTimestamp": "2026-03-02T10:00:00Z",
}
OVERRIDDEN = {"card": "c-2", "outcome": "overridden", "outcomeTimestamp": "2026-03-02T10:00:00Z"}
REASON = {"reason": {"code": "x", "system": "http://x"}, "userComment": "Mrs Public"}


@pytest.mark.parametrize(
    "item",
    [ACCEPTED, OVERRIDDEN, {**OVERRIDDEN, "overrideReason": REASON}, {**OVERRIDDEN, "overrideReasons": REASON}],
)
def test_feedback_is_stored_once(make_app: Callable[..., Flask], item: Json) -> None:
    """Each form of feedback is acknowledged with {} and stored, and storing it again changes nothing."""
    app = make_app()
    for _ in range(2):
        response = app.test_client().post(FEEDBACK, json={"feedback": [item]})
        assert (response.status_code, json.loads(response.data)) == (200, {})
    assert contents(app.extensions["store"]).feedback == 1


def test_bad_feedback_is_named_and_good_is_kept(make_app: Callable[..., Flask]) -> None:
    """In a batch the bad items are named by their index, and the good ones are stored."""
    app = make_app()
    bad = [
        7,
        {**ACCEPTED, "acceptedSuggestions": []},
        {**OVERRIDDEN, "outcome": "liked"},
        {**OVERRIDDEN, "card": "x" * 257},
    ]
    response = app.test_client().post(FEEDBACK, json={"feedback": [ACCEPTED, *bad]})
    assert response.status_code == 200
    told = [issue["diagnostics"] for issue in json.loads(response.data)["issue"]]
    assert [text.split(":")[0] for text in told] == [f"feedback[{number}]" for number in (1, 2, 3, 4)]
    assert contents(app.extensions["store"]).feedback == 1


@pytest.mark.parametrize("body", [[ACCEPTED], ACCEPTED, {"feedback": []}, {"feedback": {}}, {"feedback": [7]}])
def test_feedback_without_a_usable_item_is_refused(client: FlaskClient, body: Any) -> None:
    """A bare item or list, and a list of nothing usable, get 400."""
    assert client.post(FEEDBACK, json=body).status_code == 400


def test_a_store_that_fails_gives_503_on_feedback_and_cards_all_the_same(
    make_app: Callable[..., Flask], tmp_path: Path
) -> None:
    """Nothing is acknowledged that is not stored, readiness tells it, and the hooks keep answering."""
    app = make_app()
    with closing(sqlite3.connect(tmp_path / "store.sqlite3")) as database:
        database.execute("DROP TABLE feedback")
    client = app.test_client()
    response = client.post(FEEDBACK, json={"feedback": [ACCEPTED]})
    assert (response.status_code, response.headers["Retry-After"]) == (503, "30")
    assert client.get("/health/ready").status_code == 503
    assert client.get("/health/live").status_code == 200
    assert client.post(SELECT, json=_request()).status_code == 200


def test_a_ready_service_says_so(client: FlaskClient) -> None:
    """With its store at hand the service is ready."""
    assert client.get("/health/ready").status_code == 200


_ODD = [None, 7, True, "", "x", [], [None], {}, {"a": {}}, {"coding": None}, 10**30, 1e308]


@pytest.mark.parametrize("odd", _ODD, ids=[str(number) for number in range(len(_ODD))])
def test_no_odd_value_anywhere_breaks_the_service(client: FlaskClient, odd: Any) -> None:
    """Whatever stands in place of any member of orders and chart, the answer is 200, or 400 in words."""

    def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        if path:
            yield path
        inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for name, each in inner:
            yield from places(each, (*path, name))

    base = json.loads(example_request())
    base["context"]["draftOrders"]["entry"][0]["resource"]["reasonCode"] = [{"coding": [{"system": "x", "code": "y"}]}]
    for path in list(places(base)):
        body = copy.deepcopy(base)
        parent: Any = body
        for step in path[:-1]:
            parent = parent[step]
        parent[path[-1]] = odd
        response = client.post(SELECT, data=json.dumps(body), content_type="application/json")
        assert response.status_code in (200, 400), path
        assert response.status_code == 200 or _outcome(response)


def test_a_chunked_body_is_read(client: FlaskClient) -> None:
    """A body without a Content-Length is read when the server ends it."""
    data = json.dumps(_request()).encode()
    response = client.post(
        SELECT,
        input_stream=io.BytesIO(data),
        content_type="application/json",
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert response.status_code == 200
