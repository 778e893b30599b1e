"""What prefetch did not bring, fetched from the client's FHIR server with the token it lent, under one deadline."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from threading import BoundedSemaphore, Lock
from typing import Any
from urllib.parse import quote, urljoin

from cds_service import metrics
from cds_service.addresses import Address, BadAddress, read_address
from cds_service.clients import Client
from cds_service.envelope import MOST_ENTRIES, HookRequest, entries_in
from cds_service.fetching import Budget, Deadline, Fetcher, FetchFailed
from cds_service.fhir_access import FhirAccess
from cds_service.json_in import parse_json
from cds_service.prefetch import next_page, read_prefetch
from cds_service.problems import Problem
from cds_service.services import PREFETCH
from knowledge.findings import PrefetchKey

Json = dict[str, Any]

# More pages than this hold more than a clinician's call can wait for.
MOST_PAGES = 20
# Each of our keys, and as many again of a client's own that have more pages.
_MOST_TASKS = 2 * len(PrefetchKey)
_FHIR_JSON = "application/fhir+json"
_SERVER = "the FHIR server"
MOST_CALLS = 8
"""Of one client that fetch at once, in each worker."""
MOST_WAITING = 8
"""Of one client that wait for their turn, at most until their deadline; what comes beyond is judged without a chart."""


class NotBrought(Exception):
    """Something was not brought; the message says why, and holds nothing of the patient, the server or the token."""


@dataclass(frozen=True, slots=True)
class Brought:
    """The value of one key as far as it was fetched, and why it is not more."""

    value: Json | None
    why: str | None = None


class FhirClient:
    """Asks FHIR servers for the charts of calls that came without."""

    def __init__(self, fetcher: Fetcher, seconds: float, size: int, aliases: Mapping[str, PrefetchKey] = {}) -> None:
        """``seconds`` and ``size`` (in bytes) hold for all that is fetched for one call together.

        ``aliases`` are a site's own names of prefetch keys.
        """
        self._fetcher = fetcher
        self._aliases = aliases
        self._seconds = seconds
        self._size = size
        self._turns: dict[str, BoundedSemaphore] = {}
        self._here: Counter[str] = Counter()
        """How many calls fetch or wait for their turn now, by the client's name."""
        self._counting = Lock()

    def complete(self, call: HookRequest, client: Client, began: float | None = None) -> HookRequest:
        """The call with the keys and pages that it lacked, or with the reasons why they could not be had.

        ``began``: when the call arrived, on the clock of `time.perf_counter`; what it waited since then it has no more.
        """
        if call.fhir is None:
            return call
        base = listed_base(call.fhir, client)
        if base is None:
            return replace(call, oddities=(*call.oddities, "fhirServer is not listed for this client"))
        rest = self._seconds if began is None else max(0.0, self._seconds - (time.perf_counter() - began))
        deadline = Deadline(rest)
        # What asks ends a little before who waits for it, so that what came until then is not lost with the rest.
        asking = _Asking(
            fetcher=self._fetcher,
            base=base,
            access=call.fhir,
            deadline=Deadline(0.9 * rest),
            size=Budget(self._size),
            entries=Budget(MOST_ENTRIES - entries_in(call.prefetch)),
        )
        tasks = dict(islice(_tasks(call, asking, self._aliases), _MOST_TASKS))
        if not tasks:
            return call
        with self._turn(client, deadline) as has_turn:
            late = not has_turn or not deadline.rest()
            brought = dict.fromkeys(tasks, _TOO_BUSY) if late else self._fetched(tasks, deadline)
        for each in brought.values():
            metrics.fhir_call("brought" if each.why is None else "in-part" if each.value is not None else "failed")
        # A page that came too late leaves what prefetch brought as it was, with its next page still to be had.
        values = {name: each.value for name, each in brought.items() if each.value is not None}
        missed = {name: each.why for name, each in brought.items() if each.why is not None}
        return replace(
            call,
            prefetch={**call.prefetch, **values},
            unfetched=missed,
            oddities=(*call.oddities, *(f"{_shown(name)}: {why}" for name, why in missed.items())),
        )

    def _fetched(self, tasks: Mapping[str, Callable[[], Brought]], deadline: Deadline) -> dict[str, Brought]:
        return {
            name: Brought(None, f"{_SERVER} {result.why.value}") if isinstance(result, FetchFailed) else result
            for name, result in self._fetcher.together(tasks, deadline).items()
        }

    @contextmanager
    def _turn(self, client: Client, deadline: Deadline) -> Iterator[bool]:
        """Whether the client got a turn in time: a silent server of one must not take the threads of all."""
        with self._counting:
            turns = self._turns.setdefault(client.name, BoundedSemaphore(MOST_CALLS))
            may_wait = self._here[client.name] < MOST_CALLS + MOST_WAITING
            self._here[client.name] += may_wait
        has_turn = may_wait and turns.acquire(timeout=deadline.rest())
        try:
            yield has_turn
        finally:
            if has_turn:
                turns.release()
            with self._counting:
                self._here[client.name] -= may_wait


_TOO_BUSY = Brought(None, "too many calls waited for FHIR servers")


def listed_base(access: FhirAccess, client: Client) -> Address | None:
    """The base URL of the server, if it may be asked for this client: listed as a whole, or on this machine."""
    try:
        base = read_address(access.server)
    except BadAddress:
        return None
    if base.query is not None or not base.is_safe:
        return None
    listed = any(base.same_place(read_address(each)) for each in client.fhir_servers)
    return base if listed or (client.fhir_on_loopback and base.is_loopback) else None


def _tasks(
    call: HookRequest, asking: _Asking, aliases: Mapping[str, PrefetchKey]
) -> Iterator[tuple[str, Callable[[], Brought]]]:
    """One task for each key that is not there or was asked for in part only, and for each value that has more pages.

    A key that holds an OperationOutcome is left alone: the client has tried, and says that it failed.
    """
    arrived = read_prefetch(call.prefetch, (), aliases).parts
    for key in PrefetchKey:
        if key not in arrived or arrived[key].narrowed:
            yield key.value, partial(asking.key, PREFETCH[key.value], call.patient_id)
    for name, value in call.prefetch.items():
        if isinstance(value, dict) and next_page(value) is not None:
            yield name, partial(asking.pages, value, replace(asking.base, written_path=f"{asking.base.path}/"))


def _shown(name: str) -> str:
    """Keys of ours by name; a client's own could hold anything."""
    return name if name in PREFETCH else "another key"


@dataclass(frozen=True, slots=True)
class _Asking:
    """Everything that one call asks of one server."""

    fetcher: Fetcher
    base: Address
    access: FhirAccess
    deadline: Deadline
    size: Budget
    entries: Budget

    def key(self, template: str, patient_id: str) -> Brought:
        """The resource or the Bundle of one prefetch template, with all its pages."""
        try:
            address = _filled(self.base, template, patient_id)
            return self.pages(self._resource(address), address)
        except NotBrought as failed:
            return Brought(None, str(failed))
        except FetchFailed as failed:
            return Brought(None, f"{_SERVER} {failed.why.value}")

    def pages(self, first: Json, address: Address) -> Brought:
        """A value together with the pages that follow it; ``address`` is where it came from."""
        whole = first
        try:
            for _ in range(MOST_PAGES):
                link = next_page(whole)
                if link is None:
                    return Brought(whole)
                address = _following(link, address, self.base)
                page = self._resource(address)
                if page.get("resourceType") != "Bundle":
                    raise NotBrought(f"{_SERVER} answered with no further page")
                whole = _joined(whole, page)
            raise NotBrought(f"there are more than {MOST_PAGES} pages")
        except NotBrought as failed:
            why = str(failed)
        except FetchFailed as failed:
            why = f"{_SERVER} {failed.why.value}"
        return Brought({**whole, "link": []}, f"more follows that was not fetched: {why}")

    def _resource(self, address: Address) -> Json:
        headers = {"Accept": _FHIR_JSON, "Authorization": f"Bearer {self.access.token.tell()}"}
        answer = self.fetcher.get(address, headers, self.deadline, self.size)
        if answer.status != 200:
            raise NotBrought(f"{_SERVER} answered {answer.status}")
        # Servers answer with pages for people when something is wrong, and some with XML when they please.
        if not _is_json(answer.media_type):
            raise NotBrought(f"{_SERVER} did not answer with JSON")
        try:
            value = parse_json(answer.body)
        except Problem:
            raise NotBrought(f"{_SERVER} did not answer with JSON that can be read") from None
        if not isinstance(value, dict) or not isinstance(value.get("resourceType"), str):
            raise NotBrought(f"{_SERVER} did not answer with a resource")
        self.entries.spend(len(_list(value.get("entry"))))
        return value


def _is_json(media_type: str) -> bool:
    """Any of the names that FHIR servers have had for JSON, or none."""
    return media_type in ("", "application/json", "application/json+fhir") or media_type.endswith("+json")


def _filled(base: Address, template: str, patient_id: str) -> Address:
    """The address of a template; an id stands in it as one value, whatever it holds."""
    path, question, query = template.partition("?")
    value = patient_id if not question else _escaped(patient_id)
    written = f"{path}{question}{query}".replace("{{context.patientId}}", quote(value, safe=""))
    try:
        address = read_address(f"{base.origin}{base.path}/{written}")
    except BadAddress:
        raise NotBrought("the patient's id cannot stand in an address") from None
    return address


def _escaped(value: str) -> str:
    """A search value in which nothing separates values (FHIR R4, Search, "Escaping Search Parameters")."""
    for mark in "\\$,|":
        value = value.replace(mark, f"\\{mark}")
    return value


def _following(link: object, address: Address, base: Address) -> Address:
    """The address of the next page, which stands under the same base."""
    here = f"{address.origin}{address.written_path}" + ("" if address.query is None else f"?{address.query}")
    try:
        following = read_address(urljoin(here, link) if isinstance(link, str) and link else link)
    except ValueError:
        raise NotBrought("the address of the next page cannot be read") from None
    if not following.is_under(base):
        raise NotBrought("the next page is not under the address of the FHIR server")
    return following


def _joined(whole: Json, page: Json) -> Json:
    """One Bundle of two pages, followed by what follows the second."""
    entries = [each for bundle in (whole, page) for each in _list(bundle.get("entry"))]
    return {**whole, "entry": entries, "link": page.get("link")}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
