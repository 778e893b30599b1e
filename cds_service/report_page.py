"""The report for people: one HTML page that stands alone, as a file or as GET /reports answers it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache

from flask import Response, request
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from cards.override_reasons import OVERRIDE_REASONS
from cds_service import metrics
from cds_service.problems import LATER, bad_request, unavailable
from cds_service.report import Report, build_report
from cds_service.report_choices import By, Format
from cds_service.report_facts import NONE, Scope, gather
from cds_service.report_formats import count_text, heading, printable, share_text, to_csv, to_json, to_text
from cds_service.settings import Settings
from cds_service.store import Store, StoreError
from knowledge.guideline import Topic

log = logging.getLogger("cds_service")

# Nothing is loaded and nothing runs, whatever stands in the data.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
_MOST_SUPPRESSED = 1_000


@dataclass(frozen=True, slots=True)
class Words:
    """What people call the things whose ids the report counts."""

    topic: Topic

    def of(self, name: str, value: str) -> str:
        """The value of a key as a person reads it."""
        match name:
            case "procedure":
                procedures = {str(each.id): each.name for each in self.topic.procedures.values()}
                return " or ".join(procedures.get(each, each) for each in value.split(" or "))
            case "reason":
                known_reasons = {f"{each.coding.system}|{each.coding.code}": each.display for each in OVERRIDE_REASONS}
                return known_reasons.get(value, "No reason given" if value == NONE else printable(value))
            case "concept":
                concepts = {str(each.id): each.label for each in self.topic.concepts.values()}
                return concepts.get(value, value)
            case "verdict" | "outcome" | "suggestion" | "kind":
                return value.replace("-", " ")
            case _:
                return printable(value)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("cds_service"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )


def to_html(report: Report, topic: Topic, *, form: bool = False) -> str:
    """A page without scripts and without anything from another host; ``form``: with fields to choose the period."""
    from cds_service.report_plots import plots  # and with it pygal, for whoever looks at a page

    words = Words(topic)
    drawn = {name: (plot, Markup(plot.svg)) for name, plot in plots(report, words.of).items()}
    return (
        _environment()
        .get_template("report.html")
        .render(
            report=report,
            heading=heading(report),
            plots=drawn,
            words=words.of,
            count=count_text,
            share=share_text,
            form=form,
        )
    )


WRITERS: dict[str, tuple[str, Callable[[Report, Topic], str]]] = {
    Format.HTML: ("text/html", to_html),
    Format.JSON: ("application/json", lambda report, topic: to_json(report)),
    Format.CSV: ("text/csv", lambda report, topic: to_csv(report)),
    Format.TEXT: ("text/plain", lambda report, topic: to_text(report)),
}
"""The formats of a report: media type and writer."""


def answer(store: Store, topic: Topic, settings: Settings, now: Callable[[], datetime]) -> Response:
    """The report that the request asks for; raises Problem."""
    kind = request.args.get("format", "html")
    if kind not in WRITERS:
        raise bad_request(f"format is one of {', '.join(WRITERS)}.")
    below = max(settings.suppress_below, _number("suppress-below"))
    scope = Scope(_day("since"), _day("until"), request.args.get("client") or None)
    if scope.is_reversed:
        raise bad_request("until is a day before since.")
    by = _period()
    try:
        report = build_report(gather(store, scope), scope, by, below, now())
    except StoreError as error:
        metrics.store_failed("report")
        log.error("the report could not be made: %s", error)
        raise unavailable("The store cannot be read now.", LATER) from None
    media, write = WRITERS[kind]
    body = to_html(report, topic, form=True) if kind == Format.HTML else write(report, topic)
    return Response(body, content_type=f"{media}; charset=utf-8", headers={"Content-Security-Policy": _POLICY})


def _day(name: str) -> date | None:
    given = request.args.get(name, "")
    try:
        return date.fromisoformat(given) if given else None
    except ValueError:
        raise bad_request(f"{name} is a day such as 2026-03-02.") from None


def _number(name: str) -> int:
    given = request.args.get(name, "") or "0"
    if not (given.isascii() and given.isdigit() and len(given) <= 4 and int(given) <= _MOST_SUPPRESSED):
        raise bad_request(f"{name} is a number from 0 to {_MOST_SUPPRESSED}.")
    return int(given)


def _period() -> By | None:
    given = request.args.get("by", "")
    try:
        return By(given) if given else None
    except ValueError:
        raise bad_request(f"by is one of {', '.join(By)}.") from None
