"""The cards themselves: what a clinician reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from conformance import bodies
from conformance.check import Fault, Group, Skip
from conformance.exchange import Node, shown
from conformance.paths import empties, json_path, walk
from conformance.session import Session, cards_of

GROUP = Group("cards", "Cards")

LONGEST_SUMMARY = 139
INDICATORS = ("info", "warning", "critical")
_UUID = re.compile(r"^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$", re.IGNORECASE)
_CODE = re.compile(r"(?ms)^ {0,3}(`{3,}|~{3,}).*?^ {0,3}\1[`~]*\s*$|(`+)(?!`).+?(?<!`)\2(?!`)")
# A tag or a comment that is not escaped; <https://...> and <a@b.example> are links of Markdown.
_HTML = re.compile(r"(?<!\\)<(?:/?[A-Za-z][A-Za-z0-9-]*(?:\s[^<>]*)?/?|!--.*?--)>", re.DOTALL)
_UNIQUE_NAME = re.compile(r"[.:/]")


def raw_html(markdown: str) -> str | None:
    """The first HTML tag or comment in a Markdown text, outside of code; None where there is none."""
    found = _HTML.search(_CODE.sub(" ", markdown))
    return found[0] if found else None


def is_absolute_url(value: Any) -> bool:
    """Whether a value is an http or https URL with a host and without blanks."""
    if not isinstance(value, str) or re.search(r"\s", value):
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def lacking(node: Node, *names: str) -> Iterator[Fault]:
    """Faults for members that are not there; what is there but empty or of another type is judged elsewhere."""
    return (node.fault("missing", name) for name in names if name not in node.value)


@GROUP.check("nothing-empty")
def nothing_empty(session: Session) -> Iterator[Fault]:
    """Nothing in an answer is null or an empty string, list or object, but the list of cards."""
    for each in session.answered():
        for place, value in empties(each.answer):
            if place != ("cards",):
                yield each.fault(json_path(place), shown(value))


@GROUP.check("required-members")
def required_members(session: Session) -> Iterator[Fault]:
    """A card has summary, indicator and source, and the source has a label."""
    for card in session.cards():
        yield from lacking(card, "summary", "indicator", "source")
        source = card.member("source")
        if source and isinstance(source.value, dict) and source.value:
            yield from lacking(source, "label")


@GROUP.check("summary-length")
def summary_length(session: Session) -> Iterator[Fault]:
    """A summary is shorter than 140 characters."""
    for card in session.cards():
        summary = card.value.get("summary")
        if isinstance(summary, str) and len(summary) > LONGEST_SUMMARY:
            yield card.fault(f"{len(summary)} characters: {shown(summary)}", "summary")


@GROUP.check("summary-one-line")
def summary_one_line(session: Session) -> Iterator[Fault]:
    """A summary is one sentence of plain text, on one line and without HTML."""
    for card in session.cards():
        summary = card.value.get("summary")
        if isinstance(summary, str) and (len(summary.splitlines()) > 1 or raw_html(summary)):
            yield card.fault(shown(summary), "summary")


@GROUP.check("indicator")
def indicator(session: Session) -> Iterator[Fault]:
    """An indicator is info, warning or critical."""
    for card in session.cards():
        value = card.value.get("indicator")
        if isinstance(value, str) and value and value not in INDICATORS:
            yield card.fault(shown(value), "indicator")


@GROUP.check("detail-without-html")
def detail_without_html(session: Session) -> Iterator[Fault]:
    """Detail is Markdown without raw HTML, which some clients render and others show as text."""
    found = [card for card in session.cards() if isinstance(card.value.get("detail"), str)]
    if not found:
        raise Skip("no card has a detail")
    for card in found:
        if html := raw_html(card.value["detail"]):
            yield card.fault(shown(html), "detail")


@GROUP.check("escapes-the-chart")
def escapes_the_chart(session: Session) -> Iterator[Fault]:
    """HTML in the texts of an order or a chart does not come back as HTML in a card's detail."""
    session.cards()
    for service in session.callable_services():
        each = session.call(service, "HTML in the texts of codes", bodies.with_markup(service.request))
        cards = cards_of(each.answer)
        for number, card in enumerate(cards if isinstance(cards, list) else []):
            detail = card.get("detail") if isinstance(card, dict) else None
            if isinstance(detail, str) and raw_html(detail) and bodies.MARK in _CODE.sub(" ", detail):
                yield each.fault(f"$.cards[{number}].detail", f"the tag {bodies.MARK} of the request, unescaped")


@GROUP.check("source-urls")
def source_urls(session: Session) -> Iterator[Fault]:
    """The url and the icon of a source are absolute URLs."""
    found = [
        part
        for card in session.cards()
        if (source := card.member("source"))
        for name in ("url", "icon")
        if (part := source.member(name))
    ]
    if not found:
        raise Skip("no source has a url or an icon")
    yield from (part.fault(shown(part.value)) for part in found if part.value and not is_absolute_url(part.value))


@GROUP.check("topic")
def topic(session: Session) -> Iterator[Fault]:
    """The topic of a source is a Coding, with code and system."""
    found = [part for card in session.cards() if (source := card.member("source")) and (part := source.member("topic"))]
    if not found:
        raise Skip("no source has a topic")
    for part in found:
        if isinstance(part.value, dict):
            if part.value:
                yield from lacking(part, "code", "system")
        elif part.value:
            yield part.fault(shown(part.value))


@GROUP.check("uuid")
def uuid(session: Session) -> Iterator[Fault]:
    """A card has a uuid, without which there is no feedback on it."""
    for card in session.cards():
        yield from lacking(card, "uuid")


@GROUP.check("uuid-form")
def uuid_form(session: Session) -> Iterator[Fault]:
    """The uuids of cards and suggestions are UUIDs."""
    for node in _with_uuid(session):
        value = node.value["uuid"]
        if isinstance(value, str) and value and not _UUID.match(value):
            yield node.fault(shown(value), "uuid")


@GROUP.check("uuid-unique")
def uuid_unique(session: Session) -> Iterator[Fault]:
    """No two cards, and no two suggestions, of these answers share a uuid."""
    seen = set()
    for node in _with_uuid(session):
        value = node.value["uuid"]
        if isinstance(value, str) and value:
            if value in seen:
                yield node.fault(f"{value} a second time", "uuid")
            seen.add(value)


def _with_uuid(session: Session) -> list[Node]:
    nodes = [node for card in session.cards() for node in (card, *card.objects("suggestions"))]
    found = [node for node in nodes if "uuid" in node.value]
    if not found:
        raise Skip("no card and no suggestion has a uuid")
    return found


def _override_reasons(session: Session) -> list[Node]:
    return session.parts("overrideReasons", "override reason", session.cards())


@GROUP.check("override-reasons")
def override_reasons(session: Session) -> Iterator[Fault]:
    """An override reason has code, system and display (cds-resp-4)."""
    for reason in _override_reasons(session):
        yield from lacking(reason, "code", "system", "display")


def _links(session: Session) -> list[Node]:
    return session.parts("links", "link", session.cards())


@GROUP.check("link-members")
def link_members(session: Session) -> Iterator[Fault]:
    """A link has label, url and type."""
    for link in _links(session):
        yield from lacking(link, "label", "url", "type")


@GROUP.check("link-type")
def link_type(session: Session) -> Iterator[Fault]:
    """A link is of type absolute or smart."""
    for link in _links(session):
        value = link.value.get("type")
        if value and value not in ("absolute", "smart"):
            yield link.fault(shown(value), "type")


@GROUP.check("link-url")
def link_url(session: Session) -> Iterator[Fault]:
    """The url of a link is absolute."""
    for link in _links(session):
        value = link.value.get("url")
        if value and not is_absolute_url(value):
            yield link.fault(shown(value), "url")


@GROUP.check("link-app-context")
def link_app_context(session: Session) -> Iterator[Fault]:
    """Only a link of type smart has an appContext (cds-resp-3)."""
    for link in _links(session):
        if link.value.get("appContext") and link.value.get("type") == "absolute":
            yield link.fault(shown(link.value["appContext"]), "appContext")


def _extensions(session: Session) -> list[Node]:
    """Every CDS Hooks extension: those of FHIR resources, and what an extension itself holds, are other matters."""
    whole = [session.discovery, *session.answered()]
    found = [
        Node(exchange, place, value)
        for exchange in whole
        for place, value in walk(exchange.answer)
        if place and place[-1] == "extension" and not {"resource", "prefetch", "extension"} & set(place[:-1])
    ]
    if not found:
        raise Skip("no extension was seen")
    return found


@GROUP.check("extension-form")
def extension_form(session: Session) -> Iterator[Fault]:
    """An extension, outside of FHIR resources, is a JSON object."""
    for extension in _extensions(session):
        if extension.value and not isinstance(extension.value, dict):
            yield extension.fault(shown(extension.value))


@GROUP.check("extension-names")
def extension_names(session: Session) -> Iterator[Fault]:
    """The members of an extension have names that nobody else will choose, such as those of a reversed domain."""
    for extension in _extensions(session):
        for name in extension.value if isinstance(extension.value, dict) else ():
            if not _UNIQUE_NAME.search(name):
                yield extension.fault("the name alone", name)
