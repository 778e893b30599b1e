"""The draft orders of a call: which are lumbar studies, which are to be judged, and what they say."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from typing import Any

from cds_service.chart import ChartReader
from cds_service.codings import codings_of
from cds_service.elements import Unreadable
from cds_service.entries import read_order
from cds_service.envelope import Draft, HookRequest
from cds_service.json_access import reference_of, text_of, texts_of, word
from cds_service.order_codes import order_codings
from cds_service.order_reasons import REASONS, ReasonReader
from cds_service.raw_resources import is_denied
from cds_service.references import relative
from knowledge.appraisal import NotJudged, NotJudgedReason
from knowledge.findings import Coding, OrderedProcedure, ProcedureId
from knowledge.knowledge import Knowledge
from knowledge.orders import ConflictingCodes, Study
from knowledge.values import hot_dataclass

Json = dict[str, Any]

DRAFTS = {"draft", "active", "on-hold"}
_ORDERS = ("ServiceRequest", "ProcedureRequest", "DiagnosticOrder")


@hot_dataclass(frozen=True, slots=True)
class DraftOrder:
    """A draft for a lumbar study: what it orders, or why it is not judged; and the resource as it was sent."""

    resource: Json
    ordered: OrderedProcedure | NotJudged
    components: tuple[str, ...] = ()
    """``Type/id`` of the drafts that are parts of the same study."""
    nameable: bool = True
    """No other draft has its id."""
    ordered_beside: frozenset[ProcedureId] = frozenset()
    """The studies that drafts of the session plainly order, this one's own among them."""


@hot_dataclass(frozen=True, slots=True)
class _Imaging:
    draft: Draft
    reference: str
    codings: tuple[Coding, ...]
    by_text: tuple[ProcedureId, ...]
    """What its words stand for, where it has no code of a known system."""
    goes_on: bool
    """It is to be carried out, for the patient of the call."""
    spelling: str
    """The same for another that says the same; empty where there is no other draft."""


@hot_dataclass(frozen=True, slots=True)
class _Part:
    """A draft that may be a part of a study."""

    imaging: _Imaging
    is_its_own: bool
    """It is a part of no other study and has an id of its own: it goes where its study goes."""
    is_read: bool
    """It may be a part of few studies, so that its reasons are read for each."""


def read_orders(
    request: HookRequest, reader: ChartReader, knowledge: Knowledge, *, read_text: bool = True
) -> list[DraftOrder]:
    """The lumbar studies among the drafts that are to be judged, in the order they were sent.

    ``read_text``: a draft without a code of a known system is read by its words.
    """
    several = len(request.drafts) > 1
    drafts = [(name, draft, _spelled(draft.resource) if several else "") for name, draft in numbered(request)]
    selected = _selected(request, [reference for reference, _, _ in drafts])
    imaging = [
        each
        for reference, draft, spelling in drafts
        if (each := _imaging(reader, reference, draft, spelling, knowledge, read_text=read_text)) is not None
    ]
    ours = knowledge.orders.codes.keys()
    live = Counter(coding for each in imaging if each.goes_on for coding in ours & set(each.codings))
    components = _components(imaging, Counter(reference for reference, _, _ in drafts), knowledge)
    namesakes: defaultdict[str, set[str]] = defaultdict(set)
    for reference, _, spelling in drafts:
        namesakes[reference].add(spelling)
    beside = [_others(each, live) for each in imaging]
    plain = (_plain_study(each, others, knowledge) for each, others in zip(imaging, beside, strict=True))
    ordered_studies = frozenset(study for study in plain if study is not None) if len(imaging) > 1 else frozenset()
    reasons = ReasonReader(reader)
    found: list[DraftOrder] = []
    seen: set[str] = set()
    for each, parts, others in zip(imaging, components, beside, strict=True):
        component = knowledge.orders.is_component_beside(each.codings, others)
        if component or each.spelling in seen or not _is_judged(each, selected, imaging, knowledge):
            continue
        ordered = _read(reader, reasons, each, others, parts, knowledge)
        named = tuple(part.imaging.reference for part in parts if part.is_its_own)
        nameable = len(namesakes[each.reference]) == 1
        found.append(DraftOrder(each.draft.resource, ordered, named, nameable, ordered_studies))
        seen.add(each.spelling)
    return found


def _others(each: _Imaging, live: Counter[Coding]) -> list[Coding]:
    """The codes of the other drafts that are carried out."""
    own = set(each.codings) if each.goes_on else set()
    return [coding for coding, count in live.items() if count > (coding in own)]


def _plain_study(each: _Imaging, others: Collection[Coding], knowledge: Knowledge) -> ProcedureId | None:
    """The one study that a draft orders which is carried out and read; None where it may be several, or a part."""
    if not each.goes_on or each.draft.resource.get("modifierExtension"):
        return None
    resolved = Study(each.by_text) if each.by_text else knowledge.orders.resolve(each.codings, beside=others)
    return resolved.procedures[0] if isinstance(resolved, Study) and len(resolved.procedures) == 1 else None


def _spelled(resource: Json) -> str:
    """A draft as a text that is the same for another that says the same."""
    return json.dumps(resource, sort_keys=True, default=str)


def goes_on(reader: ChartReader, resource: Json) -> bool:
    """Whether a draft is to be carried out, for the patient of the call."""
    subject = resource.get("subject")
    return (
        word(resource, "status") in DRAFTS
        and resource.get("doNotPerform") in (None, False)
        and isinstance(subject, dict)
        and reader.names_the_patient(subject.get("reference"))
    )


def _components(imaging: list[_Imaging], named: Counter[str], knowledge: Knowledge) -> list[list[_Part]]:
    """For each study the drafts that are carried out and may be parts of it."""
    found: list[list[_Part]] = [[] for _ in imaging]
    for other in imaging:
        if not (other.goes_on and knowledge.orders.may_be_component(other.codings)):
            continue
        mains = [
            place
            for place, main in enumerate(imaging)
            if main is not other and knowledge.orders.is_component_beside(other.codings, main.codings)
        ]
        has_a_name = bool(word(other.draft.resource, "id")) and named[other.reference] == 1
        for place in mains:
            found[place].append(_Part(other, has_a_name and len(mains) == 1, len(mains) <= _MOST_STUDIES_OF_A_PART))
    return found


_MOST_STUDIES_OF_A_PART = 4


def _imaging(
    reader: ChartReader, reference: str, draft: Draft, spelling: str, knowledge: Knowledge, *, read_text: bool
) -> _Imaging | None:
    """The draft as an imaging study, by its codes, else by its words; None where it is none that we know."""
    resource = draft.resource
    if word(resource, "resourceType") not in _ORDERS:
        return None
    codings = order_codings(resource, knowledge)
    by_text = knowledge.order_text.read(texts_of(resource.get("code"))) if read_text and not codings else ()
    if not by_text and not knowledge.orders.knows(codings):
        return None
    return _Imaging(draft, reference, codings, by_text, goes_on(reader, resource), spelling)


def numbered(request: HookRequest) -> Iterator[tuple[str, Draft]]:
    for number, draft in enumerate(request.drafts):
        yield reference_of(draft.resource, f"draftOrders.entry[{number}]"), draft


def _selected(request: HookRequest, references: list[str]) -> frozenset[str] | None:
    """The drafts that the selections name; None when they name none, so that all are looked at."""
    if request.hook != "order-select":
        return None
    named = {relative(each) or each for each in request.selections}
    found = frozenset(reference for reference in references if reference in named)
    return found or None


def _is_judged(each: _Imaging, selected: frozenset[str] | None, imaging: list[_Imaging], knowledge: Knowledge) -> bool:
    """Selected itself, or the main part of a study whose other part is selected."""
    if selected is None or each.reference in selected:
        return True
    return any(
        other.reference in selected and knowledge.orders.is_component_beside(other.codings, each.codings)
        for other in imaging
        if other is not each
    )


def _read(
    reader: ChartReader,
    reasons: ReasonReader,
    each: _Imaging,
    others: Collection[Coding],
    parts: list[_Part],
    knowledge: Knowledge,
) -> OrderedProcedure | NotJudged:
    resource = each.draft.resource
    if resource.get("resourceType") != "ServiceRequest" or resource.get("modifierExtension"):
        return NotJudged(each.reference, NotJudgedReason.UNREADABLE_ORDER)
    subject = resource.get("subject")
    if not isinstance(subject, dict) or not reader.names_the_patient(subject.get("reference")):
        return NotJudged(each.reference, NotJudgedReason.SUBJECT_MISMATCH)
    try:
        if word(resource, "status") not in DRAFTS or is_denied(resource):
            return NotJudged(each.reference, NotJudgedReason.STATUS)
    except Unreadable:
        return NotJudged(each.reference, NotJudgedReason.UNREADABLE_ORDER)
    if codings_of(resource.get("code")).malformed:
        return NotJudged(each.reference, NotJudgedReason.UNREADABLE_ORDER)
    resolved = Study(each.by_text) if each.by_text else knowledge.orders.resolve(each.codings, beside=others)
    if resolved is None or isinstance(resolved, ConflictingCodes):
        return NotJudged(each.reference, NotJudgedReason.CONFLICTING_CODES)
    try:
        authored = read_order(resource)
    except Unreadable:
        return NotJudged(each.reference, NotJudgedReason.UNREADABLE_ORDER)
    told = reasons.read(resource)
    entries, unread = told.entries, told.unread
    for part in parts:  # a reason for one half of a study is one for the study
        of_part = part.imaging.draft.resource
        if part.is_read:
            more = reasons.read(of_part)
            entries += more.entries
            unread += more.unread
        else:
            unread += [f"order.{name}" for name in REASONS if of_part.get(name)]
    return OrderedProcedure(
        reference=each.reference,
        procedures=resolved.procedures,
        authored=authored,
        reasons=tuple(dict.fromkeys(entries) if parts else entries),
        unread_reasons=tuple(dict.fromkeys(unread) if parts else unread),
        text=text_of(resource.get("code")),
        has_reasons=bool(entries or unread),
        read_from_text=bool(each.by_text),
    )
