"""What is measured: the servers that are started, the cases that they are asked, and the figures of a run."""

from __future__ import annotations

import json
import os
import platform
import random
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, date, datetime
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

from cds_service.judging import Judge
from cds_service.settings import Settings
from knowledge.loading import load_low_back_pain
from tests.benchmarks import baseline, bodies, servers
from tests.benchmarks.client import Request, post
from tests.benchmarks.inside import SERVICE, application, judging, through
from tests.benchmarks.rounds import Case, Rounds, Spread, fresh, repeated, run
from tests.benchmarks.servers import Server, running
from tests.cases_as_fhir import AS_OF
from tests.minting import mint

Json = dict[str, Any]

SIZES = {"order only": bodies.order_only, "lean": bodies.lean, "ehr": bodies.ehr}
CONDITIONS = (0, 1_000, 5_000, 20_000)
ALGORITHMS = {"ES384": "es", "RS384": "rs"}
AT_ONCE = 16
STARTS = 5
_FEEDBACK = f"{SERVICE}/feedback"
_LIBRARIES = (
    *("flask", "werkzeug", "gunicorn", "jiter", "orjson", "pydantic", "fhir.resources", "fhir-core"),
    *("jsonschema", "sqlalchemy", "prometheus-client", "pyjwt", "cryptography"),
)


def measure(rounds: int, seconds: float, tell: Callable[[str], None]) -> Json:
    """One run, whole."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        machine = described()
        tell("starts")
        starts = _starts(folder)
        with ExitStack() as stack:
            started = _start(stack, folder)
            found = run(_cases(started), rounds, seconds, tell)
            memory = {place: server.pss_mib() for place, server in started.items()}
    groups = _by_group(found)
    tell("in process")
    return {
        "machine": machine,
        "rounds": rounds,
        "seconds": seconds,
        "starts_ms": starts,
        "pss_mib": memory,
        "groups": groups,
        "microseconds_a_condition": _marginal(found),
        "two_workers_to_one": _two_to_one(found),
        "in_process": _in_process(rounds, seconds),
    }


def described() -> Json:
    """The day, the machine and what runs on it; the load tells whether it was quiet."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in _LIBRARIES},
    }


def _start(stack: ExitStack, folder: Path) -> dict[str, Server]:
    plain = post("/constant", b"{}")
    call = post(SERVICE, bodies.lean())
    found = {
        f"constant, {workers} worker{'s' * (workers > 1)}": stack.enter_context(
            running(servers.baseline(workers), plain, folder)
        )
        for workers in (1, 2)
    }
    found["constant, sync"] = stack.enter_context(running(servers.baseline(1, "sync"), plain, folder))
    for workers in (1, 2):
        for kind, extra in (("service", {}), ("service with tokens", servers.secured(folder))):
            name = f"{kind}, {workers} worker{'s' * (workers > 1)}"
            first = _with_token(bodies.lean(), "es")() if extra else call
            environment = {**servers.settings(folder, name), **extra}
            found[name] = stack.enter_context(running(servers.service(workers), first, folder, **environment))
    return found


def _starts(folder: Path) -> Json:
    """From the command to the first 200 on a POST: with no store yet, and with the one of the last start."""
    first = post(SERVICE, bodies.lean())
    taken: dict[str, list[float]] = {"constant": [], "service, first start": [], "service": []}
    for number in range(STARTS):
        environment = servers.settings(folder, f"start-{number}")
        kinds = [
            ("constant", servers.baseline(2), post("/constant", b"{}"), {}),
            ("service, first start", servers.service(2), first, environment),
            ("service", servers.service(2), first, environment),
        ]
        for name, command, request, variables in kinds:
            with running(command, request, folder, **variables) as server:
                taken[name].append(server.start_ms)
    return {name: Spread.of(each) for name, each in taken.items()}


def _cases(started: dict[str, Server]) -> list[Case]:
    base, ours, trusting = (
        started[f"{kind}, 1 worker"] for kind in ("constant", "service", "service with tokens")
    )  # fmt: skip
    cases = []
    for size, make in SIZES.items():
        cases += _beside(size, make(), base, ours)
        if size != "order only":
            body = make()
            cases.append(Case(size, "constant, sync", started["constant, sync"], repeated(post("/constant", body))))
            cases += [
                Case(size, f"service, {algorithm}", trusting, fresh(_with_token(body, key)))
                for algorithm, key in ALGORITHMS.items()
            ]
    for conditions in CONDITIONS:
        cases += _beside(_of(conditions), bodies.large(conditions), base, ours)
    item = bodies.feedback("card")
    cases += [
        Case("feedback", "constant", base, repeated(post("/constant", item))),
        Case("feedback", "service", ours, fresh(_feedback())),
    ]
    body = bodies.ehr()
    for workers in ("1 worker", "2 workers"):
        place = f"constant, {workers}"
        at_once: list[tuple[str, Callable[[int], Any]]] = [
            (place, repeated(post("/constant", body))),
            (f"service, {workers}", repeated(post(SERVICE, body))),
            (f"service with tokens, {workers}", fresh(_with_token(body, "es"))),
        ]
        cases += [Case("ehr, at once", name, started[name], make, place, AT_ONCE) for name, make in at_once]
    return cases


def _beside(group: str, body: bytes, base: Server, ours: Server) -> list[Case]:
    return [
        Case(group, "constant", base, repeated(post("/constant", body))),
        Case(group, "parsed", base, repeated(post("/parsed", body))),
        Case(group, "service", ours, repeated(post(SERVICE, body))),
    ]


def _of(conditions: int) -> str:
    return f"{conditions} conditions"


def _with_token(body: bytes, key: str) -> Callable[[], Request]:
    """Calls with a token each, which are used once."""
    numbers = count(1)

    def make() -> Request:
        now = int(time.time())
        claims = {"iat": now, "exp": now + 600, "jti": f"{key}-{now}-{random.getrandbits(64)}-{next(numbers)}"}
        return post(SERVICE, body, mint(SERVICE, key, claims=claims))

    return make


def _feedback() -> Callable[[], Request]:
    cards = count(1)
    return lambda: post(_FEEDBACK, bodies.feedback(f"card-{next(cards)}"))


def _by_group(found: list[Rounds]) -> Json:
    places = {(each.case.group, each.case.name): each for each in found}
    groups: Json = {}
    for each in found:
        base = places[each.case.group, each.case.base]
        groups.setdefault(each.case.group, {})[each.case.name] = each.figures(base)
    return groups


def _marginal(found: list[Rounds]) -> Json:
    """Microseconds of CPU for each Condition more, in the same round, beside what reading and parsing it takes."""
    places = {(each.case.group, each.case.name): each.found for each in found}
    return {
        name: {
            str(number): Spread.of(
                (most.cpu_ms - none.cpu_ms) * 1000 / number
                for most, none in zip(places[_of(number), name], places[_of(0), name], strict=True)
            )
            for number in CONDITIONS[1:]
        }
        for name in ("constant", "parsed", "service")
    }


def _two_to_one(found: list[Rounds]) -> Json:
    rates = {each.case.name: each.found for each in found if each.case.group == "ehr, at once"}
    return {
        kind: Spread.of(
            two.per_second / one.per_second
            for two, one in zip(rates[f"{kind}, 2 workers"], rates[f"{kind}, 1 worker"], strict=True)
        )
        for kind in ("constant", "service", "service with tokens")
    }


def _in_process(rounds: int, seconds: float) -> Json:
    """Judgements a second on one core, by CPU time, interleaved."""
    judge = Judge(load_low_back_pain(), Settings())
    with application(date.today) as app:
        ways: dict[str, Callable[[], bytes]] = {}
        for size, make in SIZES.items():
            body = make()
            ways[f"{size}, functions"] = judging(judge, body, AS_OF, lambda: "00000000-0000-4000-8000-000000000001")
            ways[f"{size}, application"] = _through(app, SERVICE, body)
            ways[f"{size}, constant view"] = _through(baseline.app.wsgi_app, "/constant", body)
        taken: dict[str, list[float]] = {name: [] for name in ways}
        order = list(ways)
        for number in range(rounds + 1):
            random.Random(number).shuffle(order)
            for name in order:
                rate = _per_second(ways[name], seconds / 2 if number else 0.1)
                if number:
                    taken[name].append(rate)
    return {name: Spread.of(each) for name, each in taken.items()}


def _through(app: Any, path: str, body: bytes) -> Callable[[], bytes]:
    return lambda: through(app, path, body)


def _per_second(call: Callable[[], bytes], seconds: float) -> float:
    number, cpu, began = 0, time.process_time(), time.perf_counter()
    while time.perf_counter() - began < seconds:
        call()
        number += 1
    return number / (time.process_time() - cpu)


def plain(figures: Any) -> Any:
    """Figures as JSON holds them."""
    if isinstance(figures, Spread):
        return {name: float(f"{getattr(figures, name):.4g}") for name in ("median", "least", "most")}
    if isinstance(figures, dict):
        return {name: plain(each) for name, each in figures.items()}
    return float(f"{figures:.4g}") if isinstance(figures, float) else figures


def written(figures: Json) -> str:
    return json.dumps(plain(figures), indent=1) + "\n"
