"""The pages for people: try it, read the guideline, read the report.

What they are made with is loaded for whoever asks first: answering hooks needs none of it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, current_app, render_template, request

from cds_service.envelope import parse_request
from cds_service.json_in import parse_json
from cds_service.json_out import to_json
from cds_service.judging import Judge
from cds_service.operators import admit, keep_private
from cds_service.passage import refuse_other_media, visit
from cds_service.problems import bad_request, not_found
from cds_service.settings import Settings
from cds_service.store import Store
from knowledge.findings import ConceptId
from knowledge.guideline import Topic
from knowledge.knowledge import Knowledge

if TYPE_CHECKING:
    from cds_service.guideline_page import GuidelinePage
    from cds_service.trying import Study
    from knowledge.code_search import CodeIndex

# Nothing from another host, no script or style in the page itself, no frame around it.
_POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"

_LONGEST_QUERY = 100
_MOST_CODES = 200


def guideline_blueprint(knowledge: Knowledge) -> Blueprint:
    """The guideline page, the search of its codes, and what all pages are drawn with."""
    blueprint = Blueprint(
        "guideline", __name__, static_folder="static", static_url_path="/static", template_folder="templates"
    )
    blueprint.after_request(_guard)

    @cache
    def index() -> CodeIndex:
        from knowledge.code_search import index_codes

        return index_codes(knowledge)

    @cache
    def page() -> GuidelinePage:
        from cds_service.guideline_page import guideline_page

        return guideline_page(knowledge, index())

    @blueprint.get("/guideline")
    def guideline() -> str:
        return render_template("guideline.html", page=page(), tries="try_it" in current_app.blueprints)

    @blueprint.get("/guideline/codes")
    def codes() -> Response:
        from cds_service.guideline_page import hits_json

        words, concept = request.args.get("q", ""), request.args.get("concept", "")
        if len(words) > _LONGEST_QUERY:
            raise bad_request(f"q is longer than {_LONGEST_QUERY} characters.")
        if concept and concept not in {**knowledge.topic.concepts, **knowledge.topic.notes}:
            raise bad_request("concept is none of the concepts on the guideline page.")
        hits = index().search(words, ConceptId(concept) if concept else None, _limit())
        return _json({"query": words, "total": hits.total, "codes": hits_json(knowledge, hits)})

    return blueprint


def try_blueprint(judge: Judge, today: Callable[[], date], new_uuid: Callable[[], str]) -> Blueprint:
    """The try-it page with its synthetic patients, and the explanation of any request."""
    blueprint = Blueprint("try_it", __name__, template_folder="templates")
    blueprint.after_request(_guard)

    @cache
    def ordered() -> dict[str, Study]:
        from cds_service.trying import studies

        return studies(judge.knowledge)

    @cache
    def choices() -> bytes:
        from cds_service.trying import choices_of

        return to_json(choices_of(judge.knowledge))

    @blueprint.get("/")
    def try_it() -> str:
        return render_template("try.html", topic=judge.knowledge.topic, tries=True)

    @blueprint.get("/try/choices")
    def offered() -> Response:
        return Response(choices(), mimetype="application/json")

    @blueprint.get("/try/patients/<patient>")
    def patient_request(patient: str) -> Response:
        from cds_service.patients import patients
        from cds_service.trying import first_request

        found = patients().get(patient)
        if found is None:
            raise not_found("There is no such patient; GET /try/choices lists them.")
        return _json(first_request(found, ordered()[found.study], today(), new_uuid()))

    @blueprint.post("/try/explain")
    def explain() -> Response:
        from cds_service.explanation import explained

        refuse_other_media(visit())
        body = request.get_data(cache=False)
        value = parse_json(body)
        hook = "order-sign" if isinstance(value, dict) and value.get("hook") == "order-sign" else "order-select"
        call = parse_request(body, hook)
        return _json(explained(judge.knowledge.topic, judge.judge(call, today())).json())

    return blueprint


def report_blueprint(store: Store, topic: Topic, settings: Settings, now: Callable[[], datetime]) -> Blueprint:
    """GET /reports, for those whom the settings admit."""
    blueprint = Blueprint("reports", __name__)
    blueprint.before_request(lambda: admit(settings.reports, settings.reports_token))
    blueprint.after_request(keep_private)

    @blueprint.get("/reports")
    def reports() -> Response:
        from cds_service.report_page import answer

        return answer(store, topic, settings, now)

    return blueprint


def _guard(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", _POLICY)
    response.headers.setdefault("Cache-Control", "no-cache")
    return response


def _json(value: Any) -> Response:
    return Response(to_json(value), mimetype="application/json", headers={"Cache-Control": "no-store"})


def _limit() -> int:
    text = request.args.get("limit", "20")
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and 1 <= int(text) <= _MOST_CODES):
        raise bad_request(f"limit is not a whole number from 1 to {_MOST_CODES}.")
    return int(text)
