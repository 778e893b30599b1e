"""What to do instead of the order, in the sentences that end a card's advice."""

from __future__ import annotations

from collections.abc import Sequence

from cards.wording.words import CATEGORY, ELDERLY, capitalised, dose, is_rated, level_of, listed, time_of
from knowledge.appraisal import Appraisal
from knowledge.findings import Finding, Presence, ProcedureId
from knowledge.guideline import AppropriatenessCategory, Concept, Procedure, Topic
from knowledge.inference import remembered
from knowledge.pain import DURATION
from knowledge.treatments import SIX_WEEKS


def better_study(appraisal: Appraisal, procedures: Sequence[Procedure], category: AppropriatenessCategory) -> str:
    """What study is suggested, and why that one."""
    first = procedures[0]
    level = level_of(first, child=appraisal.reading.is_child)
    radiation = f", radiation {dose(level)}" if level else ""
    sentence = f"{capitalised(first.short)}, {CATEGORY[category]}{radiation}."
    for other in procedures[1:]:
        sentence += f" {capitalised(other.short)} if it is safe for this patient."
    return sentence


def if_safe(procedure: Procedure, category: AppropriatenessCategory) -> str:
    return (
        f"{capitalised(procedure.short)} {is_rated(category)}, but the chart shows a possible contraindication to MRI: "
        "only if it is safe for this patient. Please ask the radiologist."
    )


def ordered_already(*, may_go: bool, tells_alone: bool) -> str:
    if tells_alone:
        return (
            "It is among the orders of this session already. The reason that speaks for it stands on this order alone: "
            "add it there before this one goes."
        )
    return f"It is among the orders of this session already{'; this one can go' if may_go else ''}."


MRI_PASSED_OVER = "An MRI is not named first, for the chart shows a possible contraindication to MRI."


def ionising_passed_over(pregnancy: Finding) -> str:
    shows = "shows" if pregnancy.presence is Presence.PRESENT else "leaves open"
    return f"No study with ionizing radiation is suggested, for the chart {shows} a pregnancy."


@remembered
def conservative_care(topic: Topic, procedures: tuple[ProcedureId, ...], *, child: bool) -> tuple[str, ...]:
    """What is done where no study has its place yet; for a child without the adults' drugs and weeks."""
    if not child:
        treated = topic.concepts[SIX_WEEKS].readings[0].latest
        assert treated is not None
        return (
            "Advice to stay active, exercise or physical therapy, and drugs for the pain. Imaging has its place when a "
            f"red flag appears, or when {time_of(treated)} of treatment bring little or no improvement.",
        )
    acute = topic.concepts[DURATION].readings[0].acute
    assert acute is not None
    care = (
        "Advice to stay active, and exercise or physical therapy. Imaging has its place when a red flag appears; pain "
        f"for more than {time_of(acute)} is one in a child."
    )
    if any(topic.procedures[procedure].ionising for procedure in procedures):
        return care, "Where imaging is needed, studies without ionizing radiation are preferred in children."
    return (care,)


IF_RULED_OUT = (
    "Where that is ruled out, advice to stay active, exercise or physical therapy; where it holds, imaging has its "
    "place."
)


def age(topic: Topic, appraisal: Appraisal) -> list[str]:
    """What an unknown birth date keeps open, which no coded reason can settle."""
    elderly = appraisal.findings[ELDERLY]
    if elderly.presence is not Presence.UNKNOWN:
        return []
    return [f"The patient's age is not known here; for {topic.concepts[ELDERLY].label} another scenario applies."]


def record(facts: Sequence[Concept], *, rated: bool) -> str:
    """Which facts to add where they hold; ``rated``: they change which study is better, not the rating of this one."""
    named = listed(concept.record_label for concept in facts)
    if rated:
        return (
            f"Which study is better depends on the scenario: if the patient has {named}, add it to the reasons of the "
            "order, and the study for it is named."
        )
    return f"If the patient has {named}, add it to the reasons of the order, and the order is rated again."
