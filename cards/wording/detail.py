"""The body of a card: the paragraphs that follow its summary, in GitHub-flavoured Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cards.wording.facts import findings_paragraphs, notes_paragraph, unseen_paragraph
from cards.wording.markdown import escaped
from cards.wording.words import CATEGORY, capitalised, dose, level_of, listed, spelled
from knowledge.appraisal import Appraisal, deciding_variants
from knowledge.findings import ProcedureId
from knowledge.guideline import Procedure, Topic
from knowledge.inference import Standing, VariantMatch, remembered


def detail(topic: Topic, appraisal: Appraisal, instead: Sequence[str], *, one_of_several: bool = False) -> str:
    """The body of a card: rating, facts with their place, what was not found or not seen, dose, what instead.

    ``one_of_several``: other orders of the call were judged too, so the order is named.
    """
    order = appraisal.order
    paragraphs = [
        _order_paragraph(appraisal, one_of_several=one_of_several),
        _rating_paragraph(topic, appraisal.matches, order.procedures),
        *findings_paragraphs(topic, appraisal),
        unseen_paragraph(appraisal),
        _radiation_paragraph(topic, order.procedures, child=appraisal.reading.is_child),
        _instead_paragraph(instead),
        notes_paragraph(topic, appraisal),
        _child_paragraph(topic) if appraisal.reading.is_child else "",
        _authorship_paragraph(topic),
    ]
    return "\n\n".join([paragraph for paragraph in paragraphs if paragraph])


def _order_paragraph(appraisal: Appraisal, *, one_of_several: bool) -> str:
    order = appraisal.order
    if not one_of_several and not order.read_from_text:
        return ""
    quoted = escaped(order.text)
    parts = []
    if one_of_several:
        parts.append(
            f"**Order:** {quoted} ({escaped(order.reference)})" if quoted else f"**Order:** {escaped(order.reference)}"
        )
    if order.read_from_text:
        parts.append(
            f"**The study was read from the order's text** ({quoted}): it has no code that this service knows. Please "
            "check that the study named here is the one you mean."
        )
    return "\n\n".join(parts)


@remembered
def _rating_paragraph(topic: Topic, matches: tuple[VariantMatch, ...], procedures: tuple[ProcedureId, ...]) -> str:
    holding, may_hold = deciding_variants(topic, matches)
    established = [match for match in matches if match.standing is Standing.ESTABLISHED]
    numbers = holding if established else may_hold
    if not numbers:
        return ""
    if established:
        lines = [_variant_line(topic, match, procedures) for match in established if match.variant in holding]
        return "**What the ACR rates**\n" + "\n".join(lines)
    if len(numbers) == len(topic.variants):
        return f"**What the ACR rates**\n{_every_scenario(topic, procedures)}"
    lines = [_possible_line(topic, number, procedures) for number in numbers]
    return "**What the ACR rates** (scenarios that are possible)\n" + "\n".join(lines)


def _possible_line(topic: Topic, number: int, procedures: Iterable[ProcedureId]) -> str:
    return f"- Variant {number}, {topic.variants[number].short}: *{_ratings(topic, number, procedures)}*"


def _ratings(topic: Topic, number: int, procedures: Iterable[ProcedureId]) -> str:
    ratings = topic.variants[number].ratings
    return listed(sorted({CATEGORY[ratings[procedure].category] for procedure in procedures}))


def _variant_line(topic: Topic, match: VariantMatch, procedures: Iterable[ProcedureId]) -> str:
    name = match.scenario.name if match.scenario is not None else topic.variants[match.variant].title.rstrip(".")
    return f'- Variant {match.variant}, "{name}": *{_ratings(topic, match.variant, procedures)}*'


def _every_scenario(topic: Topic, procedures: Iterable[ProcedureId]) -> str:
    scenarios = f"the {spelled(len(topic.variants))} scenarios"
    categories = {
        variant.ratings[procedure].category for variant in topic.variants.values() for procedure in procedures
    }
    lowest = min(categories, key=lambda category: category.rank)
    highest = max(categories, key=lambda category: category.rank)
    if lowest is highest:
        return f"It is rated *{CATEGORY[lowest]}* in each of {scenarios}."
    return (
        f"From *{CATEGORY[lowest]}* to *{CATEGORY[highest]}*: which of {scenarios} applies is not settled by what was "
        "sent."
    )


@remembered
def _radiation_paragraph(topic: Topic, ordered: tuple[ProcedureId, ...], *, child: bool) -> str:
    procedures = [topic.procedures[procedure] for procedure in ordered]
    if len(procedures) > 1 and len({level_of(procedure, child=child) for procedure in procedures}) == 1:
        return f"**Radiation:** {_dose_of(procedures[0], child=child)}, with any contrast."
    lines = [f"{procedure.short} {_dose_of(procedure, child=child)}" for procedure in procedures]
    return f"**Radiation:** {capitalised(listed(lines, 'and'))}."


def _dose_of(procedure: Procedure, *, child: bool) -> str:
    level = level_of(procedure, child=child)
    group = "child" if child else "adult"
    return f"{dose(level)} ({group})" if level else "(the ACR assigns no level for children)"


def _instead_paragraph(instead: Sequence[str]) -> str:
    return f"**Instead:** {' '.join(instead)}" if instead else ""


@remembered
def _child_paragraph(topic: Topic) -> str:
    return (
        f"**Under {topic.adult_age.number}:** the ACR has criteria of its own for back pain in children, which this "
        "service does not rate. Radiation levels are those for children."
    )


def _authorship_paragraph(topic: Topic) -> str:
    return (
        f"*The scenarios, the ratings and the radiation levels are the ACR's ({topic.edition}); how coded facts of the "
        "chart meet a scenario is this service's reading. Only coded data that were sent are read.*"
    )
