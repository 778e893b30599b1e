"""Cards and appraisals in the JSON of CDS Hooks: nothing null, nothing empty but `cards`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cards.card import Action, Link, Suggestion
from cards.emptiness import filled
from cards.issue import IssuedCard
from knowledge.appraisal import Appraisal, NotJudged, in_words
from knowledge.findings import Finding
from knowledge.guideline import CodedText, Topic

Json = dict[str, Any]

APPRAISALS = "lumbar-imaging-cds.appraisals"
# Da Vinci CRD: the order a card is about.
ASSOCIATED = "davinci-crd.associated-resource"


def response(
    topic: Topic,
    cards: Iterable[IssuedCard],
    judged: Iterable[Appraisal | NotJudged],
    actions: Iterable[Action] = (),
    *,
    mirrored: bool = False,
) -> Json:
    """The answer to a hook call; ``mirrored``: system actions stand in the extension too."""
    appraisals = [appraisal_json(topic, order) for order in judged]
    system_actions = [_action_json(action) for action in actions]
    answer: Json = {"cards": [card_json(card) for card in cards]}
    extension: Json = {}
    if appraisals:
        extension[APPRAISALS] = appraisals
    if system_actions:
        answer["systemActions"] = system_actions
        if mirrored:
            extension["systemActions"] = system_actions
    if extension:
        answer["extension"] = extension
    return answer


def card_json(issued: IssuedCard) -> Json:
    card = issued.card
    shown: Json = {
        "uuid": issued.uuid,
        "summary": card.summary,
        "detail": card.detail,
        "indicator": card.indicator.value,
        "source": {"label": card.source.label, "url": card.source.url, "topic": coding_json(card.source.topic)},
    }
    if card.suggestions:
        named = zip(card.suggestions, issued.suggestion_uuids, strict=True)
        shown["suggestions"] = [_suggestion_json(suggestion, uuid) for suggestion, uuid in named]
        shown["selectionBehavior"] = card.selection_behavior
    if card.override_reasons:
        shown["overrideReasons"] = [coding_json(reason) for reason in card.override_reasons]
    if card.links:
        shown["links"] = [_link_json(link) for link in card.links]
    if card.associated_order is not None:
        shown["extension"] = {ASSOCIATED: [{"reference": card.associated_order}]}
    return shown


def coding_json(coded: CodedText) -> Json:
    return {"system": coded.coding.system, "code": coded.coding.code, "display": coded.display}


def _suggestion_json(suggestion: Suggestion, uuid: str) -> Json:
    return {
        "label": suggestion.label,
        "uuid": uuid,
        "actions": [_action_json(action) for action in suggestion.actions],
    }


def _action_json(action: Action) -> Json:
    shown: Json = {"type": action.type, "description": action.description}
    if action.resource is not None:
        shown["resource"] = filled(action.resource)
    if action.resource_id is not None:
        shown["resourceId"] = action.resource_id
    return shown


def _link_json(link: Link) -> Json:
    return {"label": link.label, "url": link.url, "type": "absolute"}


def appraisal_json(topic: Topic, judged: Appraisal | NotJudged) -> Json:
    """The appraisal extension of one order."""
    if isinstance(judged, NotJudged):
        return {
            "order": judged.order,
            "verdict": "not-judged",
            "reason": judged.reason.value,
            "guideline": topic.reference,
        }
    words = in_words(judged.verdict)
    internal = topic.internal
    variants = filled({"established": list(judged.established), "possible": list(judged.possible)})
    findings = [_finding_json(finding) for finding in judged.findings.values() if finding.concept not in internal]
    return filled(
        {
            "order": judged.order.reference,
            "verdict": words.verdict,
            "procedures": list(judged.order.procedures),
            "category": words.category,
            "floor": words.floor,
            "ceiling": words.ceiling,
            "missing": list(words.missing),
            "reason": words.reason,
            "variants": variants,
            "findings": findings,
            "guideline": topic.reference,
        }
    )


def _finding_json(finding: Finding) -> Json:
    shown: Json = {"concept": finding.concept, "presence": str(finding.presence)}
    if finding.value is not None:
        shown["value"] = finding.value
    if finding.evidence:
        shown["evidence"] = list(dict.fromkeys([evidence.reference for evidence in finding.evidence]))
    if finding.assumed:
        shown["assumed"] = True
    return shown
