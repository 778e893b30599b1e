"""The run: discover a service, judge it by every check, and gather what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import httpx

from conformance.bodies import Body, fresh
from conformance.check import Check, Fault, NoAnswer, Omit, Outcome, Skip
from conformance.checks import CRD, GROUPS
from conformance.checks.whole import deviations
from conformance.exchange import Wire
from conformance.profiles import Profile, Row
from conformance.requirements import Requirement, Strength, strength, verified_by
from conformance.schemas import Version
from conformance.session import CannotRun, Session, choose, discover, plain_base, refuse_locked
from conformance.tokens import GOOD_SET, Key, KeySetServer, Signer, es384_key

ISSUER = "https://cds-conformance.example"


@dataclass(frozen=True, slots=True)
class Trust:
    """How the kit proves who it is: keys, and how the service gets their public halves."""

    keys: tuple[Key, ...]
    issuer: str = ISSUER
    jku: str | None = None
    """The address of the key set; the kit's own server where it is None."""
    send_jku: bool = True
    port: int = 0


@dataclass(frozen=True, slots=True)
class Options:
    """What to test, and how."""

    url: str
    version: Version = "2.0.1"
    services: tuple[str, ...] = ()
    requests: tuple[Body, ...] = ()
    profile: Profile | None = None
    trust: Trust | None = None
    limit: float = 10.0
    large: int = 2_000_000
    ca_file: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one check."""

    check: str
    group: str
    asks: str
    strength: Strength
    requirements: tuple[Requirement, ...]
    outcome: Outcome
    reason: str = ""
    """Why there is no verdict, for skip, omit and error."""
    faults: tuple[Fault, ...] = ()

    @property
    def unmet(self) -> bool:
        return self.outcome in (Outcome.FAIL, Outcome.ERROR)


@dataclass(frozen=True, slots=True)
class RowResult:
    """What came of one row of a profile."""

    row: Row
    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run."""

    base: str
    version: Version
    when: datetime
    seconds: float
    services: tuple[tuple[str, str, tuple[str, ...]], ...]
    """Id, hook, and the names of the requests that were sent as good ones."""
    calls: int
    answers: int
    cards: int
    notes: tuple[str, ...]
    results: tuple[Result, ...]
    profile: str | None = None
    rows: tuple[RowResult, ...] = ()

    def count(self, outcome: Outcome, strength: Strength | None = None) -> int:
        return sum(each.outcome is outcome and strength in (None, each.strength) for each in self.results)

    def met(self, strict: bool = False) -> bool:
        """Whether no SHALL, and in a strict run no SHOULD, is unmet."""
        return not any(each.unmet and (strict or each.strength == "shall") for each in self.results)


def run(
    options: Options,
    transport: httpx.BaseTransport | None = None,
    clock: Callable[[], float] = time.monotonic,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Report:
    """Test the service at a URL; raises CannotRun where there is nothing to test."""
    begun, when = clock(), now()
    base = plain_base(options.url)
    with ExitStack() as stack:
        key_sets, signer = _trusted(options.trust, stack)
        wire = Wire(base, options.limit, signer, options.ca_file, transport, clock)
        stack.callback(wire.close)
        try:
            discovery = discover(wire)
        except NoAnswer as error:
            raise CannotRun(f"{base}: cannot be reached ({error})") from None
        services = choose(discovery, options.services, options.requests)
        session = Session(wire, options.version, discovery, services, key_sets, options.large, [discovery])
        _knock(session)
        groups = (*GROUPS[:-1], CRD, GROUPS[-1]) if options.profile else GROUPS
        results = tuple(judge(check, session) for group in groups for check in group.checks)
        cards = len(_or_none(session.cards))
        return Report(
            base=base,
            version=options.version,
            when=when,
            seconds=clock() - begun,
            services=tuple((each.id, each.hook, tuple(body.name for body in each.good)) for each in services),
            calls=len(session.exchanges),
            answers=len(_or_none(session.answered)),
            cards=cards,
            notes=tuple(_notes(options, session)),
            results=results,
            profile=options.profile.title if options.profile else None,
            rows=tuple(row_results(options.profile, results, cards)) if options.profile else (),
        )


def _trusted(trust: Trust | None, stack: ExitStack) -> tuple[KeySetServer | None, Signer | None]:
    if trust is None:
        return None, None
    try:
        server = stack.enter_context(KeySetServer(trust.keys, es384_key(), trust.port))
    except OSError as error:
        raise CannotRun(f"the key set cannot be served on port {trust.port} ({error.strerror})") from None
    jku = (trust.jku or server.base + GOOD_SET) if trust.send_jku else None
    return server, Signer(trust.issuer, trust.keys, jku)


def _knock(session: Session) -> None:
    """Make the first good call, and stop where it is refused for its token."""
    for service in session.services[:1]:
        for body in service.good[:1]:
            try:
                refuse_locked(session.call(service, body.name, fresh(body.value)), session.wire)
            except NoAnswer:
                return


def judge(check: Check, session: Session) -> Result:
    """Run one check; what it found is kept in the session for the checks that come after."""
    blank = Result(
        check.id, check.group, check.asks, strength(check.id, session.version), verified_by(check.id), Outcome.PASS
    )
    try:
        faults = tuple(dict.fromkeys(check.judge(session)))
    except Skip as reason:
        return replace(blank, outcome=Outcome.SKIP, reason=str(reason))
    except Omit as reason:
        return replace(blank, outcome=Outcome.OMIT, reason=str(reason))
    except NoAnswer as reason:
        return replace(blank, outcome=Outcome.ERROR, reason=str(reason))
    session.named.update((fault.call, fault.where) for fault in faults)
    return replace(blank, outcome=Outcome.FAIL if faults else Outcome.PASS, faults=faults)


def row_results(profile: Profile, results: tuple[Result, ...], cards: int) -> Iterator[RowResult]:
    """Each row of a profile with what its checks came to; one that is skipped in part passes where cards were seen."""
    by_check = {each.check: each for each in results}
    for row in profile.rows:
        if row.omitted:
            yield RowResult(row, Outcome.OMIT, row.omitted)
            continue
        judged = [by_check[check] for check in row.checks]
        unmet = [each for each in judged if each.unmet]
        skipped = [each for each in judged if each.outcome in (Outcome.SKIP, Outcome.OMIT)]
        if unmet:
            outcome = Outcome.FAIL if any(each.outcome is Outcome.FAIL for each in unmet) else Outcome.ERROR
            yield RowResult(row, outcome, ", ".join(each.check for each in unmet))
        elif skipped and (len(skipped) == len(judged) or not cards):
            yield RowResult(row, Outcome.SKIP, skipped[0].reason)
        else:
            nothing = ", ".join(each.check for each in skipped)
            yield RowResult(row, Outcome.PASS, f"nothing to judge for {nothing}" if nothing else "")


def _or_none(find: Callable[[], Sequence[object]]) -> Sequence[object]:
    try:
        return find()
    except (Skip, NoAnswer):
        return []


def _notes(options: Options, session: Session) -> Iterator[str]:
    hooks = {service.hook for service in session.services}
    for service in session.services:
        if not service.good:
            yield f"{service.id}: no request for the hook {service.hook}; give one with --request"
    for body in options.requests:
        if body.value.get("hook") not in hooks:
            yield f"{body.name}: no tested service answers its hook, {body.value.get('hook')}; it was not sent"
        odd = list(dict.fromkeys(deviations("request", body.value, options.version)))
        if odd:
            more = f", and {len(odd) - 1} more" if len(odd) > 1 else ""
            yield f"{body.name}: not what the standard describes at {': '.join(odd[0])}{more}"
