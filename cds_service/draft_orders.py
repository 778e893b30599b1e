"""The draft orders of a call: which are lumbar studies, which are to be judged, and what they say."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

from cds_service.chart import ChartReader
from cds_service.codings import codings_of
from cds_service.elements import Unreadable
from cds_service.entries import read_order
from cds_service.envelope import Draft, HookRequest
from cds_service.json_access import items, reference_of, text_of, texts_of, word
from cds_service.prefetch import relative
from cds_service.problems import Problem
from cds_service.raw_resources import each_apart, is_denied
from knowledge.appraisal import NotJudged, NotJudgedReason
from knowledge.findings import Coding, Entry, Kind, OrderedProcedure, ProcedureId
from knowledge.loading import Knowledge
from knowledge.orders import ConflictingCodes, Study
from knowledge.values import dataclass
from knowledge.vocabulary import read_coding

Json = dict[str, Any]

_DRAFTS = {"draft", "active", "on-hold"}
_ORDERS = ("ServiceRequest", "ProcedureRequest", "DiagnosticOrder")
_BILLING = "billing-options"


@dataclass(frozen=True, slots=True)
class DraftOrder:
    """A draft for a lumbar study: what it orders, or why it is not judged; and the resource as it was sent."""

    resource: Json
    ordered: OrderedProcedure | NotJudged
    components: tuple[str, ...] = ()
    """``Type/id`` of the drafts that are parts of the same study."""
    nameable: bool = True
    """No other draft has its id."""


@dataclass(frozen=True, slots=True)
class _Imaging:
    draft: Draft
    reference: str
    codings: tuple[Coding, ...]
    by_text: tuple[ProcedureId, ...] = ()
    """What its words stand for, where it has no code of a known system."""


@dataclass(frozen=True, slots=True)
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
    drafts = list(_numbered(request))
    selected = _selected(request, [reference for reference, _ in drafts])
    imaging = [
        each
        for reference, draft in drafts
        if (each := _imaging(reference, draft, knowledge, read_text=read_text)) is not None
    ]
    ours = knowledge.orders.codes.keys()
    going_on = [_goes_on(reader, each.draft.resource) for each in imaging]
    live = Counter(
        coding
        for each, goes_on in zip(imaging, going_on, strict=True)
        if goes_on
        for coding in ours & set(each.codings)
    )
    components = _components(imaging, going_on, Counter(reference for reference, _ in drafts), knowledge)
    spelled = {id(draft): _spelled(draft.resource) for _, draft in drafts} if len(drafts) > 1 else {}
    namesakes: defaultdict[str, set[str]] = defaultdict(set)
    for reference, draft in drafts:
        namesakes[reference].add(spelled.get(id(draft), ""))
    found: list[DraftOrder] = []
    seen: set[str] = set()
    for place, each in enumerate(imaging):
        own = set(each.codings) if going_on[place] else set()
        others = [coding for coding, count in live.items() if count > (coding in own)]
        component = knowledge.orders.is_component_beside(each.codings, others)
        spelling = spelled.get(id(each.draft), "")
        if component or spelling in seen or not _is_judged(each, selected, imaging, knowledge):
            continue
        ordered = _read(reader, each, others, components[place], knowledge)
        named = tuple(part.imaging.reference for part in components[place] if part.is_its_own)
        found.append(DraftOrder(each.draft.resource, ordered, named, len(namesakes[each.reference]) == 1))
        seen.add(spelling)
    return found


def _spelled(resource: Json) -> str:
    """A draft as a text that is the same for another that says the same."""
    return json.dumps(resource, sort_keys=True, default=str)


def _goes_on(reader: ChartReader, resource: Json) -> bool:
    """Whether a draft is to be carried out, for the patient of the call."""
    subject = resource.get("subject")
    return (
        word(resource, "status") in _DRAFTS
        and resource.get("doNotPerform") in (None, False)
        and isinstance(subject, dict)
        and reader.names_the_patient(subject.get("reference"))
    )


def _components(
    imaging: list[_Imaging], going_on: list[bool], named: Counter[str], knowledge: Knowledge
) -> list[list[_Part]]:
    """For each study the drafts that are carried out and may be parts of it."""
    found: list[list[_Part]] = [[] for _ in imaging]
    for part, other in enumerate(imaging):
        if not (going_on[part] and knowledge.orders.may_be_component(other.codings)):
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


def _imaging(reference: str, draft: Draft, knowledge: Knowledge, *, read_text: bool) -> _Imaging | None:
    """The draft as an imaging study, by its codes, else by its words; None where it is none that we know."""
    resource = draft.resource
    if word(resource, "resourceType") not in _ORDERS:
        return None
    codings = _order_codings(resource, knowledge)
    if codings:
        return _Imaging(draft, reference, codings) if knowledge.orders.knows(codings) else None
    procedures = knowledge.order_text.read(texts_of(resource.get("code"))) if read_text else ()
    return _Imaging(draft, reference, (), procedures) if procedures else None


def session_referrals(request: HookRequest, reader: ChartReader) -> tuple[Entry, ...]:
    """The referrals among the other drafts of the session, dated as of the call."""
    found = []
    for reference, draft in _numbered(request):
        resource = draft.resource
        if resource.get("resourceType") != "ServiceRequest" or word(resource, "status") not in _DRAFTS:
            continue
        if not reader.vocabulary.knows(codings_of(resource.get("code")).readable):
            continue
        try:
            entry = reader.read_entry({**resource, "status": "active"}, reference)
        except Unreadable:
            continue
        if entry is not None and entry.kind is Kind.REFERRAL:
            found.append(replace(entry, start=None, on_order=True))
    return tuple(found)


def refers_to_therapy(request: HookRequest, knowledge: Knowledge) -> bool:
    """Whether a referral to physical therapy is among the drafts."""
    counts = knowledge.topic.therapy_referrals
    return any(
        read_coding(each.get("system"), each.get("code")) in counts
        for _, draft in _numbered(request)
        if word(draft.resource, "status") in _DRAFTS and isinstance(draft.resource.get("code"), dict)
        for each in items(draft.resource["code"].get("coding"))
        if isinstance(each, dict)
    )


def _numbered(request: HookRequest) -> Iterator[tuple[str, Draft]]:
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


def _order_codings(resource: Json, knowledge: Knowledge) -> tuple[Coding, ...]:
    """The codings of an order, the site's own and the CPT codes of its billing options among them."""
    code = resource.get("code")
    found = [*codings_of(code).readable, *_local_codings(code, knowledge)]
    for holder in (resource, code):
        for extension in items(holder.get("extension")) if isinstance(holder, dict) else []:
            if isinstance(extension, dict) and _BILLING in str(extension.get("url")):
                found += _codings_within(extension)
    return tuple(dict.fromkeys(found))


def _local_codings(code: Any, knowledge: Knowledge) -> Iterator[Coding]:
    for each in items(code.get("coding")) if isinstance(code, dict) else []:
        if isinstance(each, dict) and isinstance(each.get("system"), str) and isinstance(each.get("code"), str):
            local = Coding(each["system"], each["code"])
            if local in knowledge.orders.codes:
                yield local


def _codings_within(value: Any, depth: int = 0) -> Iterator[Coding]:
    if depth > 6 or not isinstance(value, dict):
        return
    if isinstance(value.get("valueCoding"), dict):
        yield from codings_of({"coding": [value["valueCoding"]]}).readable
    yield from codings_of(value.get("valueCodeableConcept")).readable
    for inner in items(value.get("extension")):
        yield from _codings_within(inner, depth + 1)


def _read(
    reader: ChartReader, each: _Imaging, others: Collection[Coding], parts: list[_Part], knowledge: Knowledge
) -> OrderedProcedure | NotJudged:
    resource = each.draft.resource
    if resource.get("resourceType") != "ServiceRequest" or resource.get("modifierExtension"):
        return NotJudged(each.reference, NotJudgedReason.UNREADABLE_ORDER)
    subject = resource.get("subject")
    if not isinstance(subject, dict) or not reader.names_the_patient(subject.get("reference")):
        return NotJudged(each.reference, NotJudgedReason.SUBJECT_MISMATCH)
    try:
        if word(resource, "status") not in _DRAFTS or is_denied(resource):
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
    reasons, unread = _reasons(reader, resource)
    for part in parts:  # a reason for one half of a study is one for the study
        of_part = part.imaging.draft.resource
        if part.is_read:
            more, unread_of_part = _reasons(reader, of_part)
            reasons += more
            unread += unread_of_part
        else:
            unread += [f"order.{name}" for name in _REASONS if of_part.get(name)]
    return OrderedProcedure(
        reference=each.reference,
        procedures=resolved.procedures,
        authored=authored,
        reasons=tuple(dict.fromkeys(reasons) if parts else reasons),
        unread_reasons=tuple(dict.fromkeys(unread) if parts else unread),
        text=text_of(resource.get("code")),
        has_reasons=bool(reasons or unread),
        read_from_text=bool(each.by_text),
    )


MOST_REASONS = 20_000
"""Resources that the orders of one call name, and what is listed in them, each as often as some order names it."""
_REASONS = ("reasonCode", "reasonReference", "supportingInfo")
_READ_AS_REASON = ("Condition", "Observation", "Procedure")


def _reasons(reader: ChartReader, resource: Json) -> tuple[list[Entry], list[str]]:
    """The reasons of an order, and the places of those that could not be read."""
    reasons: list[Entry] = []
    named: set[int] = set()
    # What stands where a list is due says something that cannot be read.
    unread = [
        f"order.{name}" for name in _REASONS if resource.get(name) is not None and not isinstance(resource[name], list)
    ]
    for number, concept in enumerate(items(resource.get("reasonCode"))):
        place = f"order.reasonCode[{number}]"
        codings, malformed = codings_of(concept)
        if codings:
            reasons.append(Entry(place, Kind.REASON, codings, text_of(concept), is_reason=True, on_order=True))
        if malformed or (not codings and concept not in (None, {})):
            unread.append(place)
    for name in ("reasonReference", "supportingInfo"):
        for number, each in enumerate(items(resource.get(name))):
            place = f"order.{name}[{number}]"
            reference = each.get("reference") if isinstance(each, dict) else each
            if isinstance(each, dict) and reference is None and name == "supportingInfo":
                if word(each, "type") in _READ_AS_REASON:
                    unread.append(place)
            elif isinstance(each, dict) and (reference is None or isinstance(reference, str)):
                _read_reference(reader, resource, reference, place, name, reasons, unread, named)
            elif each is not None or name == "reasonReference":
                unread.append(place)
    return reasons, unread


def _read_reference(
    reader: ChartReader,
    order: Json,
    reference: object,
    place: str,
    name: str,
    reasons: list[Entry],
    unread: list[str],
    named: set[int],
) -> None:
    """``named``: the identities of what was read for the order already, however often it is named."""
    target = reader.delivered.resolve(reference, within=order)
    kind = word(target, "resourceType") if target else relative(reference).split("/")[0]
    points_inside = isinstance(reference, str) and reference.strip().startswith(("#", "urn:"))
    if name == "supportingInfo" and kind not in _READ_AS_REASON and (target is not None or not points_inside):
        return
    if target is None or kind not in _READ_AS_REASON:
        unread.append(place)
        return
    if id(target) in named:
        return
    named.add(id(target))
    contained = isinstance(reference, str) and reference.strip().startswith("#")
    holder = order if contained else target
    for _, each in each_apart([target], lambda name, _: reader.delivered.resolve(name, holder), named):
        reader.reasons += 1 + sum(len(value) for value in each.values() if isinstance(value, list))
        if reader.reasons > MOST_REASONS:
            raise Problem(413, f"More than {MOST_REASONS} resources that orders of one call name are not read.")
        try:
            entry = reader.read_reason(each, place if contained else reference_of(target, place))
        except Unreadable as error:
            # In what merely goes with an order, a part may be in a site's own code.
            code = each.get("code") if each is not target and name == "supportingInfo" else None
            if not (error.uncoded and isinstance(code, dict) and code.get("coding")):
                unread.append(place)
            continue
        if entry is not None:
            # A contained Condition without a date of its own is dated as of the order, as a reasonCode is.
            undated = entry.date is None and entry.end is None
            reasons.append(replace(entry, is_reason=True, on_order=contained and undated))
