"""The summary of a card: one sentence that stands alone, with its reason where one fits."""

from __future__ import annotations

from collections.abc import Sequence

from cards.wording.words import ELDERLY, capitalised, is_rated, level_of, listed, uncapitalised
from knowledge.appraisal import LOWEST, Appraisal, best, deciding_variants
from knowledge.findings import ConceptId, PrefetchKey, ProcedureId
from knowledge.guideline import AppropriatenessCategory, Procedure, Topic
from knowledge.inference import remembered
from knowledge.pain import DURATION
from knowledge.treatments import SIX_WEEKS

LONGEST_SUMMARY = 139


@remembered
def study_name(topic: Topic, procedures: tuple[ProcedureId, ...]) -> str:
    """The short name of the ordered study, capitalised; open contrast is said."""
    ordered = [topic.procedures[procedure] for procedure in procedures]
    if len(ordered) == 1:
        return capitalised(ordered[0].short)
    return f"Lumbar {ordered[0].modality} (contrast not stated)"


def _fitting(*sentences: str) -> str:
    """The first sentence that fits a summary; the last is always short enough."""
    return next(
        (sentence for sentence in sentences if len(sentence) <= LONGEST_SUMMARY), sentences[-1][:LONGEST_SUMMARY]
    )


def not_appropriate(topic: Topic, appraisal: Appraisal) -> str:
    """For an order that is rated lowest where no red flag holds."""
    study = study_name(topic, appraisal.order.procedures)
    if appraisal.established:
        scenario = topic.variants[appraisal.established[0]].short
    elif set(appraisal.possible) <= set(topic.remaining_variants):
        scenario = "low back pain without red flags"
    elif _is_lowest_everywhere(topic, appraisal.order.procedures):
        return _fitting(f"{study}: usually not appropriate in every ACR scenario of low back pain.")
    elif topic.decisive_variant in appraisal.possible:
        return _fitting(f"{study}: usually not appropriate; if cauda equina syndrome is suspected, lumbar MRI now.")
    else:
        return _fitting(f"{study}: usually not appropriate in every ACR scenario that is possible here.")
    said = f"{study}: usually not appropriate"
    adults = " (adult criteria)" if appraisal.reading.is_child else ""
    unseen = _chart_not_seen(appraisal)
    return _fitting(
        f"{said} for {scenario}{adults}.{unseen}", f"{said} here{adults}.{unseen}", f"{said}{adults}.{unseen}"
    )


@remembered
def _is_lowest_everywhere(topic: Topic, procedures: tuple[ProcedureId, ...]) -> bool:
    """Whether no variant rates any of the procedures above the lowest category."""
    return all(best(topic, procedure, topic.variants) is LOWEST for procedure in procedures)


def _chart_not_seen(appraisal: Appraisal) -> str:
    """Said where a site lets what was not delivered count as searched and empty."""
    unseen = set(appraisal.reading.unseen_counts_as_empty)
    if PrefetchKey.CONDITIONS in unseen:
        return " The chart was not seen."
    return " The chart was seen in part." if unseen & _SEARCHED else ""


# The parts of the chart in which red flags are searched.
_SEARCHED = {PrefetchKey.PATIENT, PrefetchKey.MEDICATIONS, PrefetchKey.PROCEDURES}


def better_study(topic: Topic, appraisal: Appraisal, better: Procedure, category: AppropriatenessCategory) -> str:
    """For an order that is rated lowest although imaging has its place: the better study is named first."""
    study = uncapitalised(study_name(topic, appraisal.order.procedures))
    because = listed(_because(topic, appraisal, better.id, category), "and")
    return _fitting(
        f"With {because}, {better.short} {is_rated(category)}; {study} is usually not appropriate.",
        f"With {because}, {better.short} {is_rated(category)}, not {study}.",
        f"{capitalised(better.short)} {is_rated(category)} here, not {study}.",
    )


def _because(topic: Topic, appraisal: Appraisal, better: ProcedureId, category: AppropriatenessCategory) -> list[str]:
    """The facts for which ``better`` has this category: those of the variants that give it, and hold or may hold."""
    _, deciding = deciding_variants(topic, appraisal.matches)
    concepts = (
        concept
        for match in appraisal.matches
        if match.variant in deciding and match.variant not in topic.remaining_variants
        if topic.variants[match.variant].ratings[better].category.rank >= category.rank
        for concept in match.because
        if concept != DURATION
    )
    return [_SUSPECTED.get(concept, topic.concepts[concept].short) for concept in dict.fromkeys(concepts)]


# What holds under these concepts may be a history or a risk: the ACR's word for the scenario says no more.
_SUSPECTED = {ConceptId("cancer"): "suspicion of cancer", ConceptId("infection"): "suspicion of infection"}


def better_study_unless(
    topic: Topic,
    appraisal: Appraisal,
    better: Procedure,
    category: AppropriatenessCategory,
    missing: Sequence[ConceptId],
) -> str:
    """For an order whose rating hangs on what is not known, where what is known speaks for another study already."""
    study = uncapitalised(study_name(topic, appraisal.order.procedures))
    because = listed(_because(topic, appraisal, better.id, category), "and")
    named, grouped = _would_change_it(topic, missing)
    rest = "another red flag" if grouped[:1] == [_A_RED_FLAG] else listed(grouped[:1])
    better_first = f"With {because}, {better.short} {is_rated(category)}; {study} is usually not appropriate unless"
    shorter = f"{capitalised(better.short)} {is_rated(category)} here; {study} only if there is"
    return _fitting(
        f"{better_first} the patient has {listed(named)}.",
        f"{shorter} {listed(named)}.",
        f"{better_first} there is {rest}.",
        f"{shorter} {rest}.",
        unless(topic, appraisal, missing),
    )


def if_safe(topic: Topic, appraisal: Appraisal, better: Procedure, category: AppropriatenessCategory) -> str:
    """For an order that is rated lowest, where the chart speaks against the only better study."""
    study = uncapitalised(study_name(topic, appraisal.order.procedures))
    because = listed(_because(topic, appraisal, better.id, category), "and")
    return _fitting(
        f"With {because}, not {study}: {better.short} only if it is safe here, see the card.",
        f"Not {study}: {better.short} only if it is safe here, see the card.",
    )


def emergency(
    topic: Topic, appraisal: Appraisal, *, before_mri: Procedure | None = None, doubtful: bool = False
) -> str:
    """For a study that is too weak when cauda equina syndrome is suspected.

    ``before_mri``: what is named first, where the chart speaks against an MRI; ``doubtful``: it does, and there is
    nothing else.
    """
    study = uncapitalised(study_name(topic, appraisal.order.procedures))
    if before_mri is not None:
        urgent = f"{before_mri.short} now, or MRI if safe"
    elif doubtful:
        urgent = "lumbar MRI now if it is safe"
    else:
        urgent = "lumbar MRI now"
    return _fitting(
        f"Suspected cauda equina syndrome: {urgent}; {study} is usually not appropriate.",
        f"Suspected cauda equina syndrome: {urgent}, not this study.",
    )


def unless(topic: Topic, appraisal: Appraisal, missing: Sequence[ConceptId]) -> str:
    """For an order whose rating hangs on what is not known: it names what would change it."""
    study = study_name(topic, appraisal.order.procedures)
    named, grouped = _would_change_it(topic, missing)
    rest = _A_RED_FLAG if _A_RED_FLAG in grouped else listed(named[:2])
    alone = [topic.concepts[concept] for concept in missing if concept != DURATION]
    in_full = alone[0].label if len(alone) == 1 and alone[0].red_flag else listed(named)
    return _fitting(
        f"{study}: usually not appropriate unless the patient has {in_full}.",
        f"{study}: usually not appropriate unless the patient has {listed(named)}.",
        f"{study}: usually not appropriate unless the patient has {listed(grouped)}.",
        f"{study}: usually not appropriate unless there is {listed(grouped)}.",
        f"{study}: usually not appropriate unless there is {listed(grouped[:-1] or grouped)}.",
        f"{study}: usually not appropriate unless there is {rest}.",
    )


def _would_change_it(topic: Topic, missing: Sequence[ConceptId]) -> tuple[list[str], list[str]]:
    """What would change a rating, each by its name; and with the red flags among them as one, named first."""
    together = set(_TREATED_THEN_REFERRED) <= set(missing)
    named = []
    for concept in missing:
        if concept == DURATION or (together and concept == _INTERVENTION):
            continue
        if together and concept == SIX_WEEKS:
            named.append("a surgical referral after therapy")
        else:
            named.append(topic.concepts[concept].short)
    red_flags = [
        topic.concepts[concept].short for concept in missing if topic.concepts[concept].red_flag or concept == ELDERLY
    ]
    grouped = [name for name in named if name not in red_flags]
    return named, [_A_RED_FLAG, *grouped] if red_flags else grouped


_A_RED_FLAG = "a red flag"
_INTERVENTION = ConceptId("intervention-candidate")
# Variant 3 asks for both.
_TREATED_THEN_REFERRED = (SIX_WEEKS, _INTERVENTION)


def child_radiation(topic: Topic, appraisal: Appraisal) -> str:
    """For a child and an ionising study of which the guideline says nothing."""
    study = study_name(topic, appraisal.order.procedures)
    levels = {level_of(topic.procedures[procedure], child=True) for procedure in appraisal.order.procedures}
    level = levels.pop() if len(levels) == 1 else None
    shown = f" ({level.msv} mSv)" if level is not None else ""
    return _fitting(f"{study} in a child{shown}: studies without ionizing radiation are preferred.")


def better_exists(topic: Topic, appraisal: Appraisal, better: Procedure) -> str:
    study = uncapitalised(study_name(topic, appraisal.order.procedures))
    return _fitting(
        f"{capitalised(better.short)} is rated above {study} for this patient.",
        f"{capitalised(better.short)} is rated above this study for this patient.",
    )


def state_contrast(topic: Topic, appraisal: Appraisal) -> str:
    study = study_name(topic, appraisal.order.procedures).replace(" (contrast not stated)", "")
    return _fitting(f"{study}: please state the contrast; with contrast alone it is usually not appropriate here.")
