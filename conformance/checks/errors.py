"""Error answers, all that this run has seen: what they say, and what they must not."""

from __future__ import annotations

import re
from collections.abc import Iterator

from conformance import bodies
from conformance.check import Fault, Group, Skip
from conformance.checks.whole import deviations
from conformance.exchange import Exchange, shown
from conformance.session import Session

GROUP = Group("errors", "Error answers")

_TRACES = re.compile(
    r"Traceback \(most recent call last\)|^\s+File \"[^\"]+\", line \d+"  # Python
    r"|^\s*at [\w.$<>]+\([\w.]*(?::\d+)?\)|Exception in thread"  # Java
    r"|^\s*at .+\(?/[^\s)]+:\d+:\d+\)?"  # JavaScript
    r"|^\s*at [\w.`<>]+\(.*\) in .+:line \d+"  # .NET
    r"|goroutine \d+ \[|\.rb:\d+:in [`']|\.php\(\d+\)",
    re.MULTILINE,
)
_SHOWN_TRACE = 80


def _errors(session: Session) -> list[Exchange]:
    found = [each for each in session.exchanges if each.status >= 400]
    if not found:
        raise Skip("no error answer was seen")
    return found


def _explaining(session: Session) -> list[Exchange]:
    """Error answers but those to HEAD-like calls and to bad tokens, which say nothing on purpose."""
    found = [each for each in _errors(session) if each.status not in (401, 403)]
    if not found:
        raise Skip("no error answer but refusals of tokens was seen")
    return found


def _outcome(exchange: Exchange) -> bool:
    return isinstance(exchange.answer, dict) and exchange.answer.get("resourceType") == "OperationOutcome"


@GROUP.check("operation-outcome")
def operation_outcome(session: Session) -> Iterator[Fault]:
    """An error answer carries an OperationOutcome that says what was wrong."""
    for each in _explaining(session):
        if not _outcome(each):
            yield each.fault("body", f"{each.status} with {shown(each.text) if each.body else 'nothing'}")


@GROUP.check("operation-outcome-form")
def operation_outcome_form(session: Session) -> Iterator[Fault]:
    """An OperationOutcome has issues, each with severity and code from FHIR's lists."""
    found = [each for each in _explaining(session) if _outcome(each)]
    if not found:
        raise Skip("no error answer carries an OperationOutcome")
    for each in found:
        for place, why in deviations("operation-outcome", each.answer, session.version):
            yield each.fault(place, why)


@GROUP.check("no-trace")
def no_trace(session: Session) -> Iterator[Fault]:
    """No error answer shows a stack trace."""
    for each in _errors(session):
        # In JSON the lines of a trace stand in one string.
        text = each.text.replace("\\n", "\n").replace("\\t", "\t")
        if trace := _TRACES.search(text):
            yield each.fault("body", shown(trace[0].strip()[:_SHOWN_TRACE]))


@GROUP.check("no-patient-data")
def no_patient_data(session: Session) -> Iterator[Fault]:
    """No error answer repeats ids, names or comments of the request."""
    for each in _errors(session):
        if canary := bodies.CANARY.search(each.text):
            around = each.text[max(0, canary.start() - 30) : canary.end() + 30]
            if bodies.TOKEN not in around:
                yield each.fault("body", f"{shown(around)}, which was in the request")


@GROUP.check("no-access-token")
def no_access_token(session: Session) -> Iterator[Fault]:
    """No answer, good or bad, repeats the access token that the client gave."""
    for each in session.exchanges:
        if bodies.TOKEN in each.text:
            yield each.fault("body", "the access token of fhirAuthorization")
