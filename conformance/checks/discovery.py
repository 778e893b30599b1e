"""What a service says of itself at GET {baseUrl}/cds-services."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

from conformance.check import Fault, Group, Omit, Skip
from conformance.exchange import Node, shown
from conformance.paths import empties, json_path
from conformance.session import DISCOVERY, Session

GROUP = Group("discovery", "Discovery")

_TOKENS = re.compile(r"\{\{(.*?)\}\}")
_PLAIN_TOKEN = re.compile(
    r"^(?:context\.[A-Za-z][A-Za-z0-9_]*|user(?:Practitioner|PractitionerRole|Patient|RelatedPerson)Id)$"
)
_SEMVER = re.compile(r"^\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?$")
# Versions that the pages and change logs of the hooks name (HL7/cds-hooks-library, input/pagecontent).
_PUBLISHED = {"order-select": {"1.0", "1.0.0", "1.0.1", "1.0.2"}, "order-sign": {"1.0", "1.0.0", "1.1", "1.1.0"}}
_NEVER_IN_SUBSET = re.compile(r"^(?:_include|_revinclude|_has|_filter|_query|_text|_content|_list|_contained)\b")
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@GROUP.check("https")
def https(session: Session) -> Iterator[Fault]:
    """The service is reached over https."""
    parts = urlsplit(session.wire.base)
    if parts.scheme == "http" and parts.hostname in _LOOPBACK:
        raise Omit("the service was called on this machine itself, where no network lies between")
    if parts.scheme != "https":
        yield session.discovery.fault("URL", session.wire.base)


@GROUP.check("path")
def path(session: Session) -> Iterator[Fault]:
    """Discovery answers 200 at exactly {baseUrl}/cds-services, without a redirect."""
    if session.discovery.status != 200:
        yield session.discovery.fault("status", str(session.discovery.status))


@GROUP.check("media-type")
def media_type(session: Session) -> Iterator[Fault]:
    """The discovery document is sent as JSON."""
    if session.discovery.media_type != "application/json":
        yield session.discovery.fault("header Content-Type", shown(session.discovery.headers.get("content-type", "")))


@GROUP.check("services-array")
def services_array(session: Session) -> Iterator[Fault]:
    """The discovery document holds a list named services, of objects."""
    services = session.discovery.answer["services"]
    if not isinstance(services, list):
        yield session.discovery.fault("$.services", shown(services))
        return
    for number, each in enumerate(services):
        if not isinstance(each, dict):
            yield session.discovery.fault(f"$.services[{number}]", shown(each))


@GROUP.check("required-members")
def required_members(session: Session) -> Iterator[Fault]:
    """Each service has the strings hook, id and description."""
    for service in session.listed():
        for name in ("hook", "id", "description"):
            if not isinstance(service.value.get(name), str):
                yield service.fault("missing" if name not in service.value else shown(service.value[name]), name)


@GROUP.check("title")
def title(session: Session) -> Iterator[Fault]:
    """Each service has a title."""
    for service in session.listed():
        if "title" not in service.value:
            yield service.fault("missing", "title")


@GROUP.check("listed-once")
def listed_once(session: Session) -> Iterator[Fault]:
    """A service is listed once for a hook; the same id may only come again for another hook."""
    seen = set()
    for service in session.listed():
        pair = (str(service.value.get("id")), str(service.value.get("hook")))
        if pair in seen:
            yield service.fault(f"{pair[0]} for {pair[1]} a second time", "id")
        seen.add(pair)


@GROUP.check("nothing-empty")
def nothing_empty(session: Session) -> Iterator[Fault]:
    """Nothing in the discovery document is null or empty, but the list of services."""
    for place, value in empties(session.discovery.answer):
        if place != ("services",):
            yield session.discovery.fault(json_path(place), shown(value))


def _templates(session: Session) -> list[Node]:
    found = [prefetch for service in session.listed() if (prefetch := service.member("prefetch"))]
    if not found:
        raise Skip("no service asks for prefetch")
    return [
        Node(prefetch.exchange, (*prefetch.path, key), template)
        for prefetch in found
        if isinstance(prefetch.value, dict)
        for key, template in prefetch.value.items()
    ]


@GROUP.check("prefetch-form")
def prefetch_form(session: Session) -> Iterator[Fault]:
    """Prefetch is an object of query templates, each a string."""
    templates = _templates(session)
    for service in session.listed():
        prefetch = service.member("prefetch")
        if prefetch and prefetch.value is not None and not isinstance(prefetch.value, dict):
            yield prefetch.fault(shown(prefetch.value))
    for template in templates:
        if template.value is not None and not isinstance(template.value, str):
            yield template.fault(shown(template.value))


@GROUP.check("prefetch-tokens")
def prefetch_tokens(session: Session) -> Iterator[Fault]:
    """A token in a template is {{context.member}} or one of the four user ids; 3.0 also allows FHIRPath."""
    for template in _templates(session):
        if not isinstance(template.value, str):
            continue
        for token in _TOKENS.findall(template.value):
            if not (token.strip() if session.version == "3.0" else _PLAIN_TOKEN.match(token)):
                yield template.fault(f"the token {{{{{token}}}}}")
        if "{{" in _TOKENS.sub("", template.value) or "}}" in _TOKENS.sub("", template.value):
            yield template.fault(f"braces without a partner in {shown(template.value)}")


@GROUP.check("prefetch-subset")
def prefetch_subset(session: Session) -> Iterator[Fault]:
    """Templates keep to the recommended subset: reads, simple searches, no modifier but :in, no chain, no include."""
    for template in _templates(session):
        if isinstance(template.value, str):
            yield from (template.fault(seen) for seen in _beyond_the_subset(template.value))


def _beyond_the_subset(template: str) -> Iterator[str]:
    kind, question, query = template.partition("?")
    if question and "/" in kind:
        yield f"a search that is not on a type: {kind}"
    for name, _ in parse_qsl(query, keep_blank_values=True):
        if _NEVER_IN_SUBSET.match(name):
            yield f"the parameter {name}"
        elif "." in name:
            yield f"the chained parameter {name}"
        elif ":" in name and not name.endswith(":in"):
            yield f"the modifier in {name}"


@GROUP.check("version")
def version(session: Session) -> Iterator[Fault]:
    """Where a service names the version of the standard, it does so as a semantic version."""
    yield from _judge_member(session, "version", lambda value, hook: bool(_SEMVER.match(value)))


@GROUP.check("hook-version")
def hook_version(session: Session) -> Iterator[Fault]:
    """Where a service names the version of its hook, it is one that was published."""
    yield from _judge_member(session, "hookVersion", lambda value, hook: value in _PUBLISHED.get(hook, {value}))


def _judge_member(session: Session, name: str, good: object) -> Iterator[Fault]:
    assert callable(good)
    found = [(service, node) for service in session.listed() if (node := service.member(name))]
    if not found:
        raise Skip(f"no service has the member {name}")
    for service, node in found:
        if isinstance(node.value, str) and node.value and not good(node.value, str(service.value.get("hook"))):
            yield node.fault(shown(node.value))


@GROUP.check("stable")
def stable(session: Session) -> Iterator[Fault]:
    """Discovery says the same when it is asked again."""
    again = session.get(DISCOVERY, "again")
    if (again.status, again.answer) != (session.discovery.status, session.discovery.answer):
        yield again.fault("body", f"status {again.status}, and not the document of a moment before")
