"""What the drafts of a call tell beside the order that is judged: referrals, and red flags among their reasons."""

from __future__ import annotations

from dataclasses import replace

from cds_service.chart import ChartReader
from cds_service.codings import codings_of
from cds_service.draft_orders import DRAFTS, goes_on, numbered
from cds_service.elements import Unreadable
from cds_service.envelope import HookRequest
from cds_service.json_access import items, text_of, word
from knowledge.findings import Entry, Kind
from knowledge.knowledge import Knowledge
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


def session_red_flags(request: HookRequest, reader: ChartReader, knowledge: Knowledge) -> tuple[Entry, ...]:
    """The red flags that are coded reasons of drafts: documented, whichever order they stand on.

    As entries of the chart they have no date: when a reason of another order began is not told.
    """
    if len(request.drafts) < 2:
        return ()
    found: dict[tuple[object, ...], Entry] = {}
    for reference, draft in numbered(request):
        resource = draft.resource
        for concept in items(resource.get("reasonCode")) if goes_on(reader, resource) else ():
            codings = codings_of(concept).readable
            if knowledge.vocabulary.strength(codings, *knowledge.topic.stated_red_flags) is not None:
                found[reference, codings] = Entry(reference, Kind.CONDITION, codings, text_of(concept))
    return tuple(found.values())


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
