"""A run as people and machines read it: text, JSON, JUnit XML, and one HTML page that needs nothing beside it."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from itertools import groupby
from typing import Any
from xml.etree import ElementTree

from jinja2 import Environment, PackageLoader, StrictUndefined

from conformance.check import Fault, Outcome
from conformance.checks import CRD, GROUPS
from conformance.kit import Report, Result

MOST_SIGHTS, MOST_CALLS = 8, 3
FORMATS = ("text", "json", "junit", "html")

_TITLES = {group.name: group.title for group in (*GROUPS, CRD)}
_WIDTH = 100
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Report, form: str, strict: bool = False) -> str:
    """The report in one of ``FORMATS``."""
    text = {"text": as_text, "json": as_json, "junit": as_junit, "html": as_html}[form](report, strict)
    # An answer may hold what XML and UTF-8 cannot, or a terminal obeys: it is shown as a JSON escape.
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def verdict(report: Report, strict: bool) -> str:
    """The whole run in one sentence."""
    failed = sum(each.unmet and each.strength == "shall" for each in report.results)
    warned = sum(each.unmet and each.strength == "should" for each in report.results)
    asked = sum(each.outcome in (Outcome.PASS, Outcome.FAIL, Outcome.ERROR) for each in report.results)
    warnings = f"{warned} warning{'' if warned == 1 else 's'}"
    if report.met(strict):
        return f"Met: nothing that is required fails in {asked} checks; {warnings}"
    if not failed:
        return f"Not met in a strict run: {warnings} in {asked} checks"
    return f"Not met: {failed} of {asked} checks fail on what is required; {warnings}"


def word(result: Result) -> str:
    """The outcome as the reports name it: a SHOULD that fails is a warning."""
    return "warn" if result.outcome is Outcome.FAIL and result.strength == "should" else result.outcome.value


def worst_first(results: Iterable[Result]) -> list[Result]:
    """What is unmet, the SHALLs before the SHOULDs."""
    return sorted((each for each in results if each.unmet), key=lambda each: each.strength != "shall")


def by_group(results: Iterable[Result]) -> list[tuple[str, list[Result]]]:
    """The results under the titles of their groups."""
    return [(_TITLES[name], list(found)) for name, found in groupby(results, key=lambda each: each.group)]


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen at a place, and in which calls."""

    where: str
    seen: str
    calls: tuple[str, ...]

    @property
    def shown_calls(self) -> list[str]:
        """The first calls, and how many more there are."""
        more = len(self.calls) - MOST_CALLS
        return [*self.calls[:MOST_CALLS], *([f"and {more} more calls"] if more > 0 else [])]


def sights(faults: Iterable[Fault]) -> list[Sight]:
    """The faults with those put together that are alike in all but the call."""
    found: dict[tuple[str, str], list[str]] = {}
    for fault in faults:
        found.setdefault((fault.where, fault.seen), []).append(fault.call)
    return [Sight(where, seen, tuple(calls)) for (where, seen), calls in found.items()]


def as_text(report: Report, strict: bool = False) -> str:
    return "\n".join(_lines(report, strict)) + "\n"


def _lines(report: Report, strict: bool) -> Iterator[str]:
    yield f"CDS Hooks {report.version} conformance of {report.base}"
    yield f"{report.when:%Y-%m-%d %H:%M} UTC, {report.calls} calls in {report.seconds:.1f} s"
    yield ""
    for name, hook, requests in report.services:
        yield f"  service   {name} ({hook}): {', '.join(requests) or 'no request for this hook'}"
    if report.profile:
        yield f"  profile   {report.profile}"
    yield f"  seen      {_number(report.cards, 'card')} in {_number(report.answers, 'answer')} to good requests"
    for note in report.notes:
        yield from _wrapped("note", note)
    yield f"  verdict   {verdict(report, strict)}"
    yield ""
    yield "          " + "".join(f"{outcome.value:>7}" for outcome in Outcome)
    for strength in ("shall", "should"):
        counts = (report.count(outcome, strength) for outcome in Outcome)
        yield f"  {strength:<8}" + "".join(f"{number:>7}" for number in counts)
    for result in worst_first(report.results):
        yield ""
        yield from _explained(result)
    if report.rows:
        yield ""
        yield f"{report.profile}, row by row"
        for row in report.rows:
            reason = f": {row.reason}" if row.reason else ""
            yield from _hanging(f"  {row.outcome.value:<6}{row.row.id} ({row.row.section}, {row.row.kind}){reason}")
    for title, results in by_group(report.results):
        yield ""
        yield title
        for (shown, reason), alike in groupby(results, key=lambda each: (word(each), each.reason)):
            named = [each.check for each in alike]
            if reason and len(named) > 1:
                yield from _hanging(f"  {shown:<6}{len(named)} checks, {named[0]} to {named[-1]}: {reason}")
            else:
                yield from (f"  {shown:<6}{name}" for name in named if not reason)
                yield from _hanging(f"  {shown:<6}{named[0]}: {reason}") if reason else ()


def _number(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _wrapped(head: str, text: str) -> list[str]:
    return _hanging(f"  {head:<10}{text}", 12)


def _hanging(text: str, indent: int = 10) -> list[str]:
    """Lines of at most 100 columns, whose later ones are indented; addresses stay whole."""
    return textwrap.wrap(text, _WIDTH, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)


def _explained(result: Result) -> Iterator[str]:
    yield f"{word(result).upper()}  {result.check}  ({result.strength.upper()})"
    yield from _wrapped("asks", result.asks)
    if result.reason:
        yield from _wrapped("seen", result.reason)
    found = sights(result.faults)
    for sight in found[:MOST_SIGHTS]:
        yield from _wrapped("seen", f"{sight.where}: {sight.seen}")
        for call in sight.shown_calls:
            yield from _wrapped("", f"in {call}" if not call.startswith("and ") else call)
    if len(found) > MOST_SIGHTS:
        yield from _wrapped("", f"and {len(found) - MOST_SIGHTS} more")
    for row in result.requirements:
        yield from _wrapped("why", f"{row.id}: {row.text} {row.url}")


def as_json(report: Report, strict: bool = False) -> str:
    return json.dumps(plain(report, strict), indent=2, ensure_ascii=False) + "\n"


def plain(report: Report, strict: bool = False) -> dict[str, Any]:
    """The report as JSON values; nothing is cut."""
    return {
        "base": report.base,
        "cdsHooks": report.version,
        "when": report.when.isoformat(timespec="seconds"),
        "seconds": round(report.seconds, 2),
        "services": [{"id": name, "hook": hook, "requests": list(sent)} for name, hook, sent in report.services],
        "calls": report.calls,
        "answers": report.answers,
        "cards": report.cards,
        "notes": list(report.notes),
        "met": report.met(strict),
        "strict": strict,
        "results": [
            {
                "check": each.check,
                "asks": each.asks,
                "strength": each.strength,
                "outcome": each.outcome.value,
                **({"reason": each.reason} if each.reason else {}),
                **({"faults": [asdict(fault) for fault in each.faults]} if each.faults else {}),
                "requirements": [{"id": row.id, "url": row.url} for row in each.requirements],
            }
            for each in report.results
        ],
        **(
            {
                "profile": {
                    "title": report.profile,
                    "rows": [
                        {
                            "id": each.row.id,
                            "section": each.row.section,
                            "kind": each.row.kind,
                            "outcome": each.outcome.value,
                            **({"reason": each.reason} if each.reason else {}),
                        }
                        for each in report.rows
                    ],
                }
            }
            if report.profile
            else {}
        ),
    }


def as_junit(report: Report, strict: bool = False) -> str:
    """JUnit XML, a suite for each group. A warning counts as skipped, with its text, unless the run is strict."""
    root = ElementTree.Element("testsuites", name=f"CDS Hooks {report.version} conformance of {report.base}")
    for title, results in by_group(report.results):
        suite = ElementTree.SubElement(root, "testsuite", name=title, tests=str(len(results)))
        tally = {"failures": 0, "errors": 0, "skipped": 0}
        for each in results:
            case = ElementTree.SubElement(suite, "testcase", classname=each.group, name=each.check)
            text = "\n".join(_explained(each))
            if each.outcome is Outcome.ERROR:
                tally["errors"] += 1
                ElementTree.SubElement(case, "error", message=each.reason).text = text
            elif each.outcome is Outcome.FAIL and (strict or each.strength == "shall"):
                tally["failures"] += 1
                ElementTree.SubElement(case, "failure", message=each.asks).text = text
            elif each.outcome is Outcome.FAIL:
                tally["skipped"] += 1
                ElementTree.SubElement(case, "skipped", message=f"warning: {each.asks}").text = text
            elif each.outcome is not Outcome.PASS:
                tally["skipped"] += 1
                ElementTree.SubElement(case, "skipped", message=each.reason)
        suite.attrib.update({name: str(number) for name, number in tally.items()})
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def as_html(report: Report, strict: bool = False) -> str:
    return str(_page().render(report=report, strict=strict))


@cache
def _page() -> Any:
    environment = Environment(
        loader=PackageLoader("conformance"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        verdict=verdict,
        word=word,
        worst_first=worst_first,
        by_group=by_group,
        sights=sights,
        most=MOST_SIGHTS,
        outcomes=list(Outcome),
    )
    return environment.get_template("report.html")
