"""The service without HTTP, from bytes to bytes: through the application, through its functions, and by stages."""

from __future__ import annotations

import gc
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any

from cards.build import Draft, build_card
from cards.profiles import SHAPES, Profile
from cds_service.answer import compose
from cds_service.application import close, create_app
from cds_service.chart import read_chart
from cds_service.draft_orders import read_orders
from cds_service.envelope import parse_request
from cds_service.figures import Folder
from cds_service.json_in import parse_json
from cds_service.json_out import to_json
from cds_service.judging import Judge
from cds_service.logs import log_as_json
from cds_service.session import session_referrals
from cds_service.settings import Settings
from cds_service.visit import GATHERED
from knowledge.appraisal import Appraisal, appraise
from knowledge.findings import OrderedProcedure
from knowledge.inference import match_variants
from knowledge.loading import load_low_back_pain
from knowledge.recognition import recognise
from tests.cases_as_fhir import AS_OF

HOOK = "order-select"
SERVICE = "/cds-services/lumbar-imaging-order-select"
_SHAPE = SHAPES[Profile.SPEC]

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Any]


def through(application: Wsgi, path: str, body: bytes) -> bytes:
    """The answer of a WSGI application to a POST of JSON; raises ValueError where it is not a 200."""
    told: list[str] = []
    environ = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(body),
        "wsgi.errors": None,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        GATHERED: body,
    }
    answer = application(environ, lambda status, headers, fault=None: told.append(status))
    try:
        found = b"".join(answer)
    finally:
        if hasattr(answer, "close"):
            answer.close()
    if told != ["200 OK"]:
        raise ValueError(f"{path} answered {told}")
    return found


@contextmanager
def application(today: Callable[[], date] = lambda: AS_OF) -> Iterator[Wsgi]:
    """The application as `serve` wires it: a store, figures shared by files, and a log that goes nowhere."""
    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        handlers = list(logging.root.handlers)
        with redirect_stderr(nowhere):
            log_as_json()
        figures = Folder.make()
        app = create_app(Settings(database_url=f"sqlite:///{folder}/store.sqlite3", rate_limit=None), today)
        try:
            gc.collect()
            gc.freeze()
            yield app.wsgi_app
        finally:
            gc.unfreeze()
            close(app)
            figures.remove()
            logging.root.handlers[:] = handlers


@dataclass(frozen=True, slots=True)
class Stage:
    """One step from the body to the answer, on what the steps before it made."""

    name: str
    run: Callable[[], Any]


def stages(body: bytes, today: date = AS_OF) -> list[Stage]:
    """The steps of one call in their order; the body holds one order that gets a card."""
    judge = Judge(load_low_back_pain(), Settings())
    knowledge, settings, numbers = judge.knowledge, judge.settings, count(1)
    topic = knowledge.topic

    def new_uuid() -> str:
        return f"00000000-0000-4000-8000-{next(numbers):012}"

    call = parse_request(body, HOOK)

    def chart() -> Any:
        fresh = judge.reader(call)
        return read_chart(fresh, settings.chart, session_referrals(call, fresh))

    judged = judge.judge(call, today, _SHAPE)
    (order,) = read_orders(call, judge.reader(call), knowledge, read_text=True)
    ordered, seen, appraisal = order.ordered, chart(), judged.appraisals[0]
    if not (isinstance(ordered, OrderedProcedure) and isinstance(appraisal, Appraisal)):
        raise TypeError("the order of this body is not judged")
    vocabulary, orders = knowledge.vocabulary, knowledge.orders
    findings = recognise(seen, ordered, today, today, topic, vocabulary, orders).findings
    matches = match_variants(topic, findings)
    draft = Draft(order.resource, one_of_several=False, therapy_ordered=False)

    def answer() -> Any:
        return compose(topic, judged, call, settings.anyone, _SHAPE, new_uuid)

    composed = answer().json
    return [
        Stage("parse JSON", lambda: parse_json(body)),
        Stage("parse JSON and envelope", lambda: parse_request(body, HOOK)),
        Stage("orders", lambda: read_orders(call, judge.reader(call), knowledge, read_text=True)),
        Stage("chart", chart),
        Stage("findings", lambda: recognise(seen, ordered, today, today, topic, vocabulary, orders)),
        Stage("inference", lambda: match_variants(topic, findings)),
        Stage("appraisal", lambda: appraise(topic, ordered.procedures, matches)),
        Stage("card", lambda: build_card(topic, appraisal, draft, settings.cards, _SHAPE)),
        Stage("answer", answer),
        Stage("JSON out", lambda: to_json(composed)),
        Stage("bytes to bytes", judging(judge, body, today, new_uuid)),
    ]


def judging(judge: Judge, body: bytes, today: date, new_uuid: Callable[[], str]) -> Callable[[], bytes]:
    """One judgement from bytes to bytes, without Flask, store, figures and log."""
    topic, client = judge.knowledge.topic, judge.settings.anyone

    def judgement() -> bytes:
        call = parse_request(body, HOOK)
        judged = judge.judge(call, today, _SHAPE)
        return to_json(compose(topic, judged, call, client, _SHAPE, new_uuid).json)

    return judgement
