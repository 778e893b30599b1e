"""What the drafts of a call tell beside the order that is judged: referrals, and red flags among their reasons."""

from __future__ import annotations

from dataclasses import replace

from cds_service.chart import ChartReader
from cds_service.codings import codings_of
from cds_service.draft_orders import DRAFTS, goes_on, numbered
from cds_service.elements import Unreadable
from cds_service.envelope import HookRequest
from cds_service.json_access import items, word
from cds_service.order_reasons import ReasonReader
from knowledge.findings import Coding, Entry, Kind
from knowledge.knowledge import Knowledge
from knowledge.values import hot_dataclass
from knowledge.vocabulary import read_coding


def session_referrals(request: HookRequest, reader: ChartReader) -> tuple[Entry, ...]:
    """The referrals among the other drafts of the session, dated as of the call."""
    found = []
    for reference, draft in numbered(request):
        resource = draft.resource
        if resource.get("resourceType") != "ServiceRequest" or word(resource, "status") not in DRAFTS:
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


@hot_dataclass(frozen=True, slots=True)
class StatedRedFlag:
    """A red flag that is a coded reason of drafts."""

    entry: Entry
    references: frozenset[str]
    """Of the drafts that have it."""


def session_red_flags(
    request: HookRequest, reader: ChartReader, knowledge: Knowledge
) -> dict[tuple[Coding, ...], StatedRedFlag]:
    """The red flags among the reasons of the drafts, by their codes: documented, whichever order they stand on.

    As entries of the chart they are dated as they were on their order: by themselves, or as of the call.
    """
    found: dict[tuple[Coding, ...], StatedRedFlag] = {}
    if len(request.drafts) < 2:
        return found
    reasons = ReasonReader(reader)
    for reference, draft in numbered(request):
        resource = draft.resource
        if not goes_on(reader, resource):
            continue
        unread = bool(resource.get("modifierExtension"))
        for reason in reasons.read(resource).entries:
            of_the_chart = not reason.reference.startswith("order.")
            strength = knowledge.vocabulary.strength(reason.codings, *knowledge.topic.stated_red_flags)
            if of_the_chart or strength is None:
                continue
            kind = Kind.CONDITION if reason.kind is Kind.REASON else reason.kind
            entry = replace(reason, reference=reference, kind=kind, is_reason=False, unread=unread)
            known = found.get(reason.codings)
            if known is None:
                found[reason.codings] = StatedRedFlag(entry, frozenset({reference}))
            else:
                first = entry if known.entry.unread else known.entry
                found[reason.codings] = StatedRedFlag(first, known.references | {reference})
    return found


def refers_to_therapy(request: HookRequest, knowledge: Knowledge) -> bool:
    """Whether a referral to physical therapy is among the drafts."""
    counts = knowledge.topic.therapy_referrals
    return any(
        read_coding(each.get("system"), each.get("code")) in counts
        for _, draft in numbered(request)
        if word(draft.resource, "status") in DRAFTS and isinstance(draft.resource.get("code"), dict)
        for each in items(draft.resource["code"].get("coding"))
        if isinstance(each, dict)
    )
