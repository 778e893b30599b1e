"""Which card an appraisal gets, if any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from cards import wording
from cards.card import Card, Indicator, Link, Source
from cards.override_reasons import CODE_SYSTEMS, OVERRIDE_REASONS
from cards.suggestions import Alternative, Instead, build_suggestions, find_alternative
from knowledge.appraisal import LOWEST, Appraisal, NoCriteriaApply, Rated, Undetermined
from knowledge.episodes import LOW_BACK_PAIN
from knowledge.findings import Coding, Presence
from knowledge.guideline import CodedText, Topic

TOPIC = CodedText(
    Coding(f"{CODE_SYSTEMS}/card-topic", "lumbar-imaging-appropriateness"), "Appropriateness of lumbar spine imaging"
)


@dataclass(frozen=True, slots=True)
class CardSettings:
    """A site's choices for cards."""

    optional_cards: bool = False
    """Also an info card where a better-rated study exists for an order that may be appropriate, or contrast is open."""


def build_card(
    topic: Topic, appraisal: Appraisal, order: Mapping[str, Any], settings: CardSettings = CardSettings()
) -> Card | None:
    """The card for one order, or None: a clinician is not interrupted without a reason.

    ``order`` is the draft as the client sent it; actions echo it.
    """
    verdict = appraisal.verdict
    match verdict:
        case Rated(category):
            if category is LOWEST:
                return _not_appropriate(topic, appraisal, order)
            return _better_exists(topic, appraisal, order) if settings.optional_cards else None
        case Undetermined(floor, _, missing, only_contrast):
            if floor is LOWEST and not only_contrast:
                alternative = find_alternative(topic, appraisal)
                summary = wording.summary_unless(topic, appraisal, missing)
                return _card(topic, appraisal, alternative, summary, Indicator.INFO, order)
            if not settings.optional_cards:
                return None
            if only_contrast:
                nothing = Alternative(Instead.NOTHING)
                summary = wording.summary_state_contrast(topic, appraisal)
                return _card(topic, appraisal, nothing, summary, Indicator.INFO, order)
            return _better_exists(topic, appraisal, order) if floor is not None else None
        case NoCriteriaApply():
            return _child_radiation(topic, appraisal, order)
        case _:
            assert_never(verdict)


def _not_appropriate(topic: Topic, appraisal: Appraisal, order: Mapping[str, Any]) -> Card:
    alternative = find_alternative(topic, appraisal)
    emergency = topic.decisive_variant in appraisal.established
    indicator = Indicator.CRITICAL if emergency else Indicator.WARNING
    if emergency:
        summary = wording.summary_emergency(topic, appraisal, mri_in_doubt=alternative.mri_passed_over)
    elif alternative.kind is Instead.BETTER_STUDY:
        assert alternative.category is not None
        summary = wording.summary_better_study(topic, appraisal, alternative.procedures[0], alternative.category)
    else:
        summary = wording.summary_not_appropriate(topic, appraisal)
    if appraisal.reading.is_child:
        indicator = Indicator.INFO
    return _card(topic, appraisal, alternative, summary, indicator, order)


def _better_exists(topic: Topic, appraisal: Appraisal, order: Mapping[str, Any]) -> Card | None:
    alternative = find_alternative(topic, appraisal)
    if alternative.kind is not Instead.BETTER_STUDY:
        return None
    summary = wording.summary_better_exists(topic, appraisal, alternative.procedures[0])
    return _card(topic, appraisal, alternative, summary, Indicator.INFO, order)


def _child_radiation(topic: Topic, appraisal: Appraisal, order: Mapping[str, Any]) -> Card | None:
    """A child with low back pain and an ionising study, where the guideline itself says nothing."""
    procedures = [topic.procedures[procedure] for procedure in appraisal.order.procedures]
    pain = appraisal.findings[LOW_BACK_PAIN].presence is Presence.PRESENT
    named = any(procedure.modality in topic.child_card_modalities for procedure in procedures)
    if not (appraisal.reading.is_child and pain and named):
        return None
    summary = wording.summary_child_radiation(topic, appraisal)
    return _card(topic, appraisal, Alternative(Instead.NOTHING), summary, Indicator.INFO, order)


def _card(
    topic: Topic,
    appraisal: Appraisal,
    alternative: Alternative,
    summary: str,
    indicator: Indicator,
    order: Mapping[str, Any],
) -> Card:
    return Card(
        summary=summary,
        detail=wording.detail(topic, appraisal, _instead(topic, appraisal, alternative)),
        indicator=indicator,
        source=Source(f"{topic.title} ({topic.edition})", topic.citation.url, TOPIC),
        suggestions=build_suggestions(topic, appraisal, alternative, order),
        override_reasons=OVERRIDE_REASONS,
        links=(Link(wording.GUIDELINE_LINK, topic.citation.guideline_url),),
    )


def _instead(topic: Topic, appraisal: Appraisal, alternative: Alternative) -> list[str]:
    sentences = []
    match alternative.kind:
        case Instead.BETTER_STUDY:
            assert alternative.category is not None
            sentences.append(wording.instead_better(topic, appraisal, alternative.procedures, alternative.category))
        case Instead.CONSERVATIVE_CARE:
            sentences.append(wording.INSTEAD_CONSERVATIVE)
        case Instead.MISSING_FACTS:
            rated = isinstance(appraisal.verdict, Rated)
            sentences.append(wording.INSTEAD_RECORD_FOR_THE_STUDY if rated else wording.INSTEAD_RECORD)
        case Instead.NOTHING:
            pass
        case _:
            assert_never(alternative.kind)
    if alternative.mri_passed_over:
        sentences.append(wording.INSTEAD_MRI_PASSED_OVER)
    if alternative.ionising_passed_over:
        sentences.append(wording.INSTEAD_IONISING_PASSED_OVER)
    return sentences
