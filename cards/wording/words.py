"""The words that sentences are made of: labels, categories, lists, numbers, doses."""

from __future__ import annotations

from collections.abc import Iterable

from knowledge.findings import ConceptId, PrefetchKey
from knowledge.guideline import AppropriatenessCategory, Concept, Procedure, RelativeRadiationLevel, Threshold

CATEGORY = {
    AppropriatenessCategory.USUALLY_NOT_APPROPRIATE: "usually not appropriate",
    AppropriatenessCategory.MAY_BE_APPROPRIATE: "may be appropriate",
    AppropriatenessCategory.MAY_BE_APPROPRIATE_DISAGREEMENT: "may be appropriate (disagreement)",
    AppropriatenessCategory.USUALLY_APPROPRIATE: "usually appropriate",
}

KEY = {
    PrefetchKey.PATIENT: "birth date",
    PrefetchKey.CONDITIONS: "conditions",
    PrefetchKey.MEDICATIONS: "medications",
    PrefetchKey.PROCEDURES: "procedures",
    PrefetchKey.OBSERVATIONS: "vital signs",
    PrefetchKey.BONE_DENSITY: "bone density",
    PrefetchKey.REFERRALS: "referrals",
    PrefetchKey.IMAGING: "earlier imaging",
}

REMOVE_LABEL = "Remove this imaging order"
THERAPY_LABEL = "Replace by a physical therapy referral"
REMOVE_COMPONENT_LABEL = "Remove the order for the other part of this study"
REFER_LABEL = "Refer to physical therapy"
REFERENCE_SUMMARY = "The ACR Appropriateness Criteria for low back pain, by which imaging orders were rated."
REFERENCE_DETAIL = "The guideline's own text is at the link; it is the American College of Radiology's."
RATING_LABEL = "Adds the appropriateness rating to the order"
GUIDELINE_LINK = "ACR Appropriateness Criteria: Low Back Pain"

ELDERLY = ConceptId("elderly")
"""Known from the birth date alone: no coded reason states it."""

_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def replace_label(procedure: Procedure) -> str:
    return f"Replace by {procedure.short}"


def order_instead_label(procedure: Procedure) -> str:
    return f"Order {procedure.short} instead"


def record_label(concept: Concept) -> str:
    assert concept.record is not None
    return f"Add to the reasons: {concept.record_label}"


def capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def uncapitalised(text: str) -> str:
    """A study's name inside a sentence; abbreviations keep their capitals."""
    return text if text[:2].isupper() else text[:1].lower() + text[1:]


def listed(items: Iterable[str], word: str = "or") -> str:
    """``a, b or c``."""
    every = list(items)
    return f" {word} ".join([", ".join(every[:-1]), every[-1]]) if len(every) > 1 else "".join(every)


def spelled(number: int) -> str:
    """``seven``; in figures above twelve."""
    return _NUMBERS[number] if number < len(_NUMBERS) else str(number)


def time_of(threshold: Threshold) -> str:
    """``six weeks``; in days where they make no whole weeks."""
    weeks, rest = divmod(threshold.days, 7)
    number, unit = (threshold.days, "day") if rest else (weeks, "week")
    return f"{spelled(number)} {unit}" if number == 1 else f"{spelled(number)} {unit}s"


def is_rated(category: AppropriatenessCategory) -> str:
    """``is usually appropriate``, or ``may be appropriate``."""
    return CATEGORY[category] if CATEGORY[category].startswith("may") else f"is {CATEGORY[category]}"


def level_of(procedure: Procedure, *, child: bool) -> RelativeRadiationLevel | None:
    """The radiation level for the age group; None where the ACR assigns none."""
    return procedure.paediatric if child else procedure.adult


def dose(level: RelativeRadiationLevel) -> str:
    """The radiation symbols and the range in mSv; the ACR's O for none would read as a letter."""
    return f"{level.display} {level.msv} mSv" if level.level else f"{level.msv} mSv"
