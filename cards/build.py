"""Which card an appraisal gets, if any."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

from cards.card import Card, CardKind, Indicator, Link, Source
from cards.emptiness import without_empty
from cards.links import variant_link
from cards.override_reasons import OVERRIDE_REASONS
from cards.pama import has_name
from cards.profiles import SHAPES, Profile, Shape
from cards.suggestions import (
    PREGNANCY,
    Alternative,
    Instead,
    build_suggestions,
    find_alternative,
    is_ordered_already,
)
from cards.wording import instead, summaries
from cards.wording.detail import detail
from cards.wording.words import GUIDELINE_LINK, REFERENCE_DETAIL, REFERENCE_SUMMARY
from knowledge.appraisal import LOWEST, Appraisal, NoCriteriaApply, Rated, Undetermined, deciding_variants
from knowledge.findings import ConceptId, Presence, ProcedureId
from knowledge.guideline import Topic
from knowledge.pain import LOW_BACK_PAIN
from knowledge.values import hot_dataclass


@hot_dataclass(frozen=True, slots=True)
class CardSettings:
    """A site's choices for cards."""

    optional_cards: bool = False
    """Also an info card where a better-rated study exists for an order that may be appropriate, or contrast is open."""
    public_url: str | None = None
    """Where clinicians reach this service and its guideline page, for links; None where they do not."""


@hot_dataclass(frozen=True, slots=True)
class Draft:
    """The draft order a card is about, and what stands beside it in the session."""

    resource: Mapping[str, Any]
    """As the client sent it; actions echo it."""
    one_of_several: bool = False
    """Other orders of the call are judged too, so that the card names its own."""
    therapy_ordered: bool = False
    """A referral to physical therapy is among the drafts already."""
    components: tuple[str, ...] = ()
    """``Type/id`` of the drafts that are parts of the same study, such as the injection of a CT myelography."""
    nameable: bool = True
    """Its id is its own; another draft with the same id would be changed in its place."""
    ordered_beside: frozenset[ProcedureId] = frozenset()
    """The studies that drafts of the session plainly order; its own is never suggested."""
    tells_alone: bool = False
    """A red flag is a reason of this draft and of no other: were it to go, nobody would know."""


@hot_dataclass(frozen=True, slots=True)
class Advice:
    """What a card says, before it is written for one client."""

    kind: CardKind
    summary: str
    indicator: Indicator
    alternative: Alternative


_USUAL = CardSettings()


def build_card(
    topic: Topic,
    appraisal: Appraisal,
    draft: Draft,
    settings: CardSettings = _USUAL,
    shape: Shape = SHAPES[Profile.SPEC],
) -> Card | None:
    """The card for one order, or None: a clinician is not interrupted without a reason."""
    advice = advise(topic, appraisal, settings)
    if advice is None:
        return None
    order, alternative = without_empty(draft.resource), advice.alternative
    is_ordered = is_ordered_already(alternative, draft.ordered_beside)
    may_go = is_ordered and appraisal.verdict == Rated(LOWEST) and not draft.tells_alone
    suggestions = (
        build_suggestions(
            topic,
            appraisal,
            alternative,
            order,
            shape,
            therapy_ordered=draft.therapy_ordered,
            components=draft.components,
            ordered_beside=draft.ordered_beside,
            may_go=may_go,
        )
        if draft.nameable
        else ()
    )
    sentences = _instead(topic, appraisal, alternative)
    if is_ordered:
        sentences.append(instead.ordered_already(may_go=may_go, tells_alone=draft.tells_alone))
    return Card(
        kind=advice.kind,
        summary=advice.summary,
        detail=detail(topic, appraisal, sentences, one_of_several=draft.one_of_several),
        indicator=advice.indicator,
        source=_source(topic, shape, advice.kind),
        suggestions=suggestions,
        override_reasons=OVERRIDE_REASONS,
        links=_links(topic, appraisal, settings) if shape.links_beside_suggestions else (),
        selection_behavior=shape.selection,
        associated_order=appraisal.order.reference if shape.names_its_order and has_name(order) else None,
    )


def reference_card(topic: Topic, shape: Shape) -> Card:
    """Where the guideline can be read, as a card of its own: for clients that take no link beside suggestions."""
    return Card(
        kind=CardKind.GUIDELINE,
        summary=REFERENCE_SUMMARY,
        detail=REFERENCE_DETAIL,
        indicator=Indicator.INFO,
        source=_source(topic, shape, CardKind.GUIDELINE),
        suggestions=(),
        override_reasons=(),
        links=(_guideline(topic),),
    )


def _source(topic: Topic, shape: Shape, kind: CardKind) -> Source:
    return Source(f"{topic.title} ({topic.edition})", topic.citation.url, shape.topics[kind])


def _links(topic: Topic, appraisal: Appraisal, settings: CardSettings) -> tuple[Link, ...]:
    """The guideline itself, and before it our page at the variant that rates the order."""
    holding, may_hold = deciding_variants(topic, appraisal.matches)
    variants = holding or may_hold
    if settings.public_url is None or not variants:
        return (_guideline(topic),)
    return (variant_link(settings.public_url, variants[0]), _guideline(topic))


def _guideline(topic: Topic) -> Link:
    return Link(GUIDELINE_LINK, topic.citation.guideline_url)


def advise(topic: Topic, appraisal: Appraisal, settings: CardSettings) -> Advice | None:
    """What there is to say of one order, if anything."""
    verdict = appraisal.verdict
    match verdict:
        case Rated(category):
            if category is LOWEST:
                return _not_appropriate(topic, appraisal)
            return _better_exists(topic, appraisal) if settings.optional_cards else None
        case Undetermined(floor, _, missing, only_contrast):
            if floor is LOWEST and not only_contrast:
                return _unless(topic, appraisal, missing)
            if not settings.optional_cards:
                return None
            if only_contrast:
                summary = summaries.state_contrast(topic, appraisal)
                return Advice(CardKind.APPROPRIATE_USE, summary, Indicator.INFO, Alternative(Instead.NOTHING))
            return _better_exists(topic, appraisal) if floor is not None else None
        case NoCriteriaApply():
            return _child_radiation(topic, appraisal)
        case _:
            assert_never(verdict)


def _unless(topic: Topic, appraisal: Appraisal, missing: tuple[ConceptId, ...]) -> Advice:
    alternative = find_alternative(topic, appraisal)
    if alternative.kind is Instead.BETTER_STUDY and alternative.category is not None:
        first, category = alternative.procedures[0], alternative.category
        summary = summaries.better_study_unless(topic, appraisal, first, category, missing)
        return Advice(CardKind.ALTERNATIVE, summary, Indicator.INFO, alternative)
    summary = summaries.unless(topic, appraisal, missing)
    return Advice(CardKind.APPROPRIATE_USE, summary, Indicator.INFO, alternative)


def _not_appropriate(topic: Topic, appraisal: Appraisal) -> Advice:
    alternative = find_alternative(topic, appraisal)
    emergency = topic.decisive_variant in appraisal.established
    indicator = Indicator.CRITICAL if emergency else Indicator.WARNING
    kind = CardKind.OFF_GUIDELINE
    if emergency:
        first = alternative.procedures[0] if alternative.mri_passed_over else None
        doubtful = alternative.kind is Instead.IF_SAFE
        summary = summaries.emergency(topic, appraisal, before_mri=first, doubtful=doubtful)
    elif alternative.kind is Instead.IF_SAFE:
        assert alternative.category is not None
        kind = CardKind.ALTERNATIVE
        summary = summaries.if_safe(topic, appraisal, alternative.procedures[0], alternative.category)
    elif alternative.kind is Instead.BETTER_STUDY:
        assert alternative.category is not None
        kind = CardKind.ALTERNATIVE
        summary = summaries.better_study(topic, appraisal, alternative.procedures[0], alternative.category)
    else:
        summary = summaries.not_appropriate(topic, appraisal)
    if appraisal.reading.is_child:
        indicator = Indicator.INFO
    return Advice(kind, summary, indicator, alternative)


def _better_exists(topic: Topic, appraisal: Appraisal) -> Advice | None:
    alternative = find_alternative(topic, appraisal)
    if alternative.kind is not Instead.BETTER_STUDY:
        return None
    summary = summaries.better_exists(topic, appraisal, alternative.procedures[0])
    return Advice(CardKind.ALTERNATIVE, summary, Indicator.INFO, alternative)


def _child_radiation(topic: Topic, appraisal: Appraisal) -> Advice | None:
    """A child with low back pain and an ionising study, where the guideline itself says nothing."""
    procedures = [topic.procedures[procedure] for procedure in appraisal.order.procedures]
    pain = appraisal.findings[LOW_BACK_PAIN].presence is Presence.PRESENT
    named = any(procedure.modality in topic.child_card_modalities for procedure in procedures)
    if not (appraisal.reading.is_child and pain and named):
        return None
    summary = summaries.child_radiation(topic, appraisal)
    return Advice(CardKind.APPROPRIATE_USE, summary, Indicator.INFO, Alternative(Instead.NOTHING))


def _instead(topic: Topic, appraisal: Appraisal, alternative: Alternative) -> list[str]:
    sentences = []
    match alternative.kind:
        case Instead.BETTER_STUDY:
            assert alternative.category is not None
            sentences.append(instead.better_study(appraisal, alternative.procedures, alternative.category))
        case Instead.IF_SAFE:
            assert alternative.category is not None
            sentences.append(instead.if_safe(alternative.procedures[0], alternative.category))
        case Instead.CONSERVATIVE_CARE:
            sentences += instead.conservative_care(topic, appraisal.order.procedures, child=appraisal.reading.is_child)
        case Instead.MISSING_FACTS:
            sentences.append(instead.record(alternative.facts, rated=isinstance(appraisal.verdict, Rated)))
            sentences += instead.age(topic, appraisal)
        case Instead.NOTHING:
            verdict = appraisal.verdict
            if isinstance(verdict, Undetermined) and verdict.floor is LOWEST and not verdict.only_contrast:
                sentences.append(instead.IF_RULED_OUT)
            sentences += instead.age(topic, appraisal)
        case _:
            assert_never(alternative.kind)
    if alternative.mri_passed_over:
        sentences.append(instead.MRI_PASSED_OVER)
    if alternative.ionising_passed_over:
        sentences.append(instead.ionising_passed_over(appraisal.reading.notes[PREGNANCY]))
    return sentences
