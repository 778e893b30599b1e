"""What a patient's data leave behind: nothing, in any output of a whole run."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cases_as_fhir import request_for
from tests.functional.securing import table
from tests.functional.test_fhir_client import KEY_OF_PATH
from tests.functional.test_service import FEEDBACK, PLAIN, SELECT, SIGN
from tests.loopback import Loopback, send, serving
from tests.minting import mint
from tests.serving import free_port, service

Json = dict[str, Any]

# Everything that names a patient, a person, an order, or opens something: each unlike anything else that is written.
SECRETS = {
    "patient": "pat-7f3a91",
    "order": "ord-51c0de",
    "condition": "cond-a1b2c3",
    "user": "prac-90210x",
    "encounter": "enc-33445566",
    "instance": "0c8f7d0e-5b5e-4a43-9a55-1f2e3d4c5b6a",
    "family": "Featherstonehaugh",
    "given": "Xanthippe",
    "phone": "555-0199-8877",
    "birth": "1987-11-23",
    "onset": "2026-02-19",
    "text": "worried-about-her-sister",
    "note": "please-call-at-home",
    "access": "access-token-5e5e5e",
    "jti": "jti-77aa88bb",
    "comment": "she-told-me-in-private",
    "path": "path-with-a-name",
    "query": "query-with-a-name",
    "agent": "agent-with-a-name",
    "member": "member-with-a-name",
    "page": "page-cursor-1a2b",
    "server": "tenant-of-mrs-f",
}
CODES = ["M54.50", "M5450", "72148"]


class Run:
    """A service with its EHR beside it, and everything that came back as an error."""

    def __init__(self, base: str, fhir: str) -> None:
        self.base = base
        self.fhir = fhir
        self.errors: list[str] = []
        self.tokens: list[str] = []
        self.statuses: list[int] = []

    def post(self, path: str, body: bytes, token: str | None = None, **headers: str) -> Json:
        second = int(time.time())
        claims = {"iat": second, "exp": second + 60, "jti": f"{SECRETS['jti']}-{len(self.tokens)}"}
        token = token or mint(path.partition("?")[0], base=self.base, claims=claims)
        self.tokens.append(token)
        sent = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **headers}
        try:
            with urllib.request.urlopen(urllib.request.Request(self.base + path, body, sent), timeout=20) as answer:
                self.statuses.append(answer.status)
                told: Json = json.load(answer)
                return told
        except urllib.error.HTTPError as error:
            with error:
                self.statuses.append(error.code)
                self.errors.append(f"{error.headers}{error.read().decode()}")
                return {}


def _call(run: Run, prefetch: bool, hook: str = "order-select") -> Json:
    body = request_for(PLAIN, hook=hook)
    text = json.dumps(body).replace("order-1", SECRETS["order"]).replace("Patient/p1", f"Patient/{SECRETS['patient']}")
    body = json.loads(text.replace("1981-05-10", SECRETS["birth"]).replace("2026-02-20", SECRETS["onset"]))
    body["hookInstance"] = SECRETS["instance"]
    body["fhirServer"] = run.fhir
    body["fhirAuthorization"] = {
        "access_token": SECRETS["access"],
        "token_type": "Bearer",
        "expires_in": 60,
        "scope": "patient/*.rs",
        "subject": "cds",
    }
    context = body["context"]
    context |= {"patientId": SECRETS["patient"], "userId": f"Practitioner/{SECRETS['user']}"}
    context["encounterId"] = SECRETS["encounter"]
    order = context["draftOrders"]["entry"][0]["resource"]
    order |= {"note": [{"text": SECRETS["note"]}], "vendor": {SECRETS["member"]: 1}}
    chart = body["prefetch"]
    chart["patient"] |= {
        "id": SECRETS["patient"],
        "name": [{"family": SECRETS["family"], "given": [SECRETS["given"]]}],
        "telecom": [{"value": SECRETS["phone"]}],
    }
    condition = chart["conditions"]["entry"][0]["resource"]
    condition |= {"id": SECRETS["condition"]}
    condition["code"]["text"] = SECRETS["text"]
    if not prefetch:
        del body["prefetch"]
    made: Json = body
    return made


@pytest.fixture
def run(tmp_path: Path) -> Iterator[tuple[Run, Any, Loopback]]:
    """A secured service under two workers, and a FHIR server that breaks some of its promises."""
    values: Json = {}

    def answer(it: Any) -> None:
        kind = it.path.removeprefix(f"/{SECRETS['server']}/").partition("?")[0].partition("/")[0]
        key = "observations" if kind == "Observation" else KEY_OF_PATH[kind]
        echoed = f"no {it.path} for {SECRETS['family']}".encode()
        match key:
            case "medications":
                send(it, echoed, 403, "text/html")
            case "procedures":
                send(it, echoed)
            case "referrals":
                there = f"http://127.0.0.1:1/{SECRETS['page']}"
                link = [{"relation": "next", "url": there}]
                send(it, json.dumps({**values[key], "link": link}).encode())
            case _:
                send(it, json.dumps(values[key]).encode())

    base = f"http://127.0.0.1:{(port := free_port())}"
    with serving(answer) as ehr:
        fhir = f"{ehr.url}/{SECRETS['server']}"
        (tmp_path / "clients.toml").write_text(table(fhir_servers=[fhir]), encoding="utf-8")
        here = Run(base, fhir)
        values |= _call(here, prefetch=True)["prefetch"]
        settings = {"CDS_CLIENTS": "clients.toml", "CDS_PUBLIC_URL": base}
        with service(tmp_path, port=port, **settings) as served:
            yield here, served, ehr


def test_nothing_of_a_patient_is_left_behind(run: tuple[Run, Any, Loopback], tmp_path: Path) -> None:
    """After good, fetched, broken, forged and replayed calls, no log, error or database file holds any of it."""
    here, served, ehr = run
    answers = [
        here.post(SELECT, json.dumps(_call(here, prefetch=True)).encode()),
        here.post(SIGN, json.dumps(_call(here, prefetch=True, hook="order-sign")).encode()),
        here.post(SELECT, json.dumps(_call(here, prefetch=False)).encode(), **{"User-Agent": SECRETS["agent"]}),
    ]
    assert [len(answer["cards"]) for answer in answers] == [1, 1, 1]
    assert SECRETS["text"] in json.dumps(answers[0])  # the clinician is told; nobody else is
    assert {asked.headers["authorization"] for asked in ehr.asked} == {f"Bearer {SECRETS['access']}"}
    item = {
        "card": answers[0]["cards"][0]["uuid"],
        "outcome": "overridden",
        "outcomeTimestamp": "2026-03-02T10:00:00Z",
        "overrideReason": {"reason": {"code": "x", "system": "http://x"}, "userComment": SECRETS["comment"]},
    }
    bad = {**item, "outcome": SECRETS["family"]}
    here.post(FEEDBACK, json.dumps({"feedback": [item, bad, SECRETS["comment"]]}).encode())
    here.post(FEEDBACK, json.dumps({"feedback": [bad], SECRETS["member"]: SECRETS["family"]}).encode())
    good = json.dumps(_call(here, prefetch=True))
    here.post(f"{SELECT}?name={SECRETS['query']}", good.encode())
    for broken in (
        good[:-5],
        good.replace('"hook": "order-select"', f'"hook": "{SECRETS["family"]}"'),
        good.replace('"hookInstance"', f'"{SECRETS["member"]}": 1, "{SECRETS["member"]}": 2, "hookInstance"'),
        good.replace(f'"patientId": "{SECRETS["patient"]}"', f'"patientId": ["{SECRETS["patient"]}"]'),
        "[" * 300 + good,
    ):
        here.post(SELECT, broken.encode())
    here.post(SELECT, good.encode(), **{"Content-Type": f"text/{SECRETS['family']}"})
    here.post(f"/cds-services/{SECRETS['path']}", good.encode())
    here.post(f"/{SECRETS['path']}", good.encode())
    here.post(SELECT, good.encode(), token=here.tokens[0])
    here.post(SELECT, good.encode(), token=f"{here.tokens[0]}x")
    assert here.statuses == [200] * 4 + [400, 200] + [400] * 5 + [415, 404, 404, 401, 401]
    raw = f"POST {SELECT} HTTP/1.1\r\nHost: x\r\nAuthorization Bearer {here.tokens[0]}\r\n\r\n{SECRETS['family']}"
    here.errors.append(served.exchange(raw.encode()).decode())
    assert served.stop() == 0

    outputs = {"errors": "\n".join(here.errors), "log": served.said}
    for file in tmp_path.glob("*.sqlite3*"):
        outputs[file.name] = file.read_bytes().decode("latin-1")
    assert len(outputs) >= 3
    assert len(here.errors) == 12
    assert served.said.count('"route":"/cds-services/<service>"') > 10
    parts = [part for token in here.tokens for part in token.split(".")[1:] if len(part) > 20]
    never = [*SECRETS.values(), *CODES, *parts]
    assert [(where, secret) for where, text in outputs.items() for secret in never if secret in text] == []


def test_the_secrets_would_be_found() -> None:
    """Each secret is in what the run sends, so that its absence means something."""
    sent = json.dumps(_call(Run("http://x", f"http://x/{SECRETS['server']}"), prefetch=True))
    elsewhere = {"jti", "comment", "path", "query", "agent", "page"}
    assert {name for name, secret in SECRETS.items() if secret not in sent} == elsewhere
