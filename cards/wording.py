"""Every sentence a clinician reads. The gallery of cards is rendered from these and reviewed word by word."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from knowledge.appraisal import Appraisal, deciding_variants
from knowledge.findings import ConceptId, Evidence, Finding, PrefetchKey, Presence, ProcedureId
from knowledge.guideline import AppropriatenessCategory, Concept, Procedure, RelativeRadiationLevel, Topic
from knowledge.inference import Standing, VariantMatch, remembered
from knowledge.pain import DURATION
from knowledge.reading import NOT_READ
from knowledge.treatments import SIX_WEEKS

LONGEST_SUMMARY = 139

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

# What can begin formatting, a link or an automatic link in the middle of a line.
_SPECIAL = re.compile(r"[\\`*_\[\]|~@$&<>]|:(?=/)|(?<=www)\.")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_LONGEST_QUOTE = 80


def escaped(text: str) -> str:
    """Chart text as inert Markdown: no HTML, no links, no formatting, one line, at most 80 characters."""
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else " " for letter in text)
    flat = " ".join(text.split())
    if len(flat) > _LONGEST_QUOTE:
        flat = flat[: _LONGEST_QUOTE - 1].rstrip() + "…"
    return _SPECIAL.sub(_inert, flat)


def _inert(found: re.Match[str]) -> str:
    return _ENTITIES.get(found[0], f"\\{found[0]}")


@remembered
def study_name(topic: Topic, procedures: tuple[ProcedureId, ...]) -> str:
    """The short name of the ordered study, capitalised; open contrast is said."""
    found = [topic.procedures[procedure] for procedure in procedures]
    if len(found) == 1:
        return capitalised(found[0].short)
    return f"Lumbar {found[0].modality} (contrast not stated)"


def capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def listed(items: Iterable[str], word: str = "or") -> str:
    """``a, b or c``."""
    every = list(items)
    return f" {word} ".join([", ".join(every[:-1]), every[-1]]) if len(every) > 1 else "".join(every)


def _fitting(*sentences: str) -> str:
    """The first sentence that fits a summary; the last is always short enough."""
    return next((each for each in sentences if len(each) <= LONGEST_SUMMARY), sentences[-1][:LONGEST_SUMMARY])


# -- summaries -----------------------------------------------------------------------------------


def summary_not_appropriate(topic: Topic, appraisal: Appraisal) -> str:
    """For an order that is rated lowest where no red flag holds."""
    study = study_name(topic, appraisal.order.procedures)
    if appraisal.established:
        scenario = topic.variants[appraisal.established[0]].short
    elif set(appraisal.possible) <= set(topic.remaining_variants):
        scenario = "low back pain without red flags"
    else:
        return _fitting(f"{study}: usually not appropriate in every ACR scenario of low back pain.")
    said = f"{study}: usually not appropriate"
    adults = " (adult criteria)" if appraisal.reading.is_child else ""
    unseen = _chart_not_seen(appraisal)
    return _fitting(
        f"{said} for {scenario}{adults}.{unseen}", f"{said} here{adults}.{unseen}", f"{said}{adults}.{unseen}"
    )


def _chart_not_seen(appraisal: Appraisal) -> str:
    """Said where a site lets what was not delivered count as searched and empty."""
    unseen = set(appraisal.reading.unseen_counts_as_empty)
    if PrefetchKey.CONDITIONS in unseen:
        return " The chart was not seen."
    return " The chart was seen in part." if unseen & _SEARCHED else ""


# The parts of the chart in which red flags are searched.
_SEARCHED = {PrefetchKey.PATIENT, PrefetchKey.MEDICATIONS, PrefetchKey.PROCEDURES}


def summary_better_study(
    topic: Topic, appraisal: Appraisal, better: Procedure, category: AppropriatenessCategory
) -> str:
    """For an order that is rated lowest although imaging has its place: the better study is named first."""
    study = uncapitalised(study_name(topic, appraisal.order.procedures))
    because = listed(_because(topic, appraisal), "and")
    return _fitting(
        f"With {because}, {better.short} {_is(category)}; {study} is usually not appropriate.",
        f"With {because}, {better.short} {_is(category)}, not {study}.",
        f"{capitalised(better.short)} {_is(category)} here, not {study}.",
    )


def _because(topic: Topic, appraisal: Appraisal) -> list[str]:
    """The facts that make the variants that rate the order hold, or may make them hold."""
    _, deciding = deciding_variants(topic, appraisal.matches)
    concepts = (
        concept
        for match in appraisal.matches
        if match.variant in deciding and match.variant not in topic.remaining_variants
        for concept in match.because
        if concept != DURATION
    )
    return [_SUSPECTED.get(concept, topic.concepts[concept].short) for concept in dict.fromkeys(concepts)]


# What holds under these concepts may be a history or a risk: the ACR's word for the scenario says no more.
_SUSPECTED = {ConceptId("cancer"): "suspicion of cancer", ConceptId("infection"): "suspicion of infection"}


def summary_if_safe(topic: Topic, appraisal: Appraisal, better: Procedure) -> str:
    """For an order that is rated lowest, where the chart speaks against the only better study."""
    study = uncapitalised(study_name(topic, appraisal.order.procedures))
    because = listed(_because(topic, appraisal), "and")
    return _fitting(
        f"With {because}, not {study}: {better.short} only if it is safe here, see the card.",
        f"Not {study}: {better.short} only if it is safe here, see the card.",
    )


def summary_emergency(
    topic: Topic, appraisal: Appraisal, *, before_mri: Procedure | None = None, doubtful: bool = False
) -> str:
    """For a study that is too weak when cauda equina syndrome is suspected.

    ``before_mri``: what is named first, where the chart speaks against an MRI; ``doubtful``: it does, and there is
    nothing else.
    """
    study = uncapitalised(study_name(topic, appraisal.order.procedures))
    urgent = f"{before_mri.short} now, or MRI if safe" if before_mri is not None else "lumbar MRI now"
    urgent += " if it is safe" * doubtful
    return _fitting(
        f"Suspected cauda equina syndrome: {urgent}; {study} is usually not appropriate.",
        f"Suspected cauda equina syndrome: {urgent}, not this study.",
    )


def summary_unless(topic: Topic, appraisal: Appraisal, missing: Sequence[ConceptId]) -> str:
    """For an order whose rating hangs on what is not known: it names what would change it."""
    study = study_name(topic, appraisal.order.procedures)
    together = set(_TREATED_THEN_REFERRED) <= set(missing)
    named = [
        "a surgical referral after therapy" if together and concept == SIX_WEEKS else each.short
        for concept in missing
        if concept != DURATION and not (together and concept == _INTERVENTION)
        for each in [topic.concepts[concept]]
    ]
    red_flags = [
        topic.concepts[concept].short for concept in missing if topic.concepts[concept].red_flag or concept == ELDERLY
    ]
    grouped = ["a red flag"] * bool(red_flags) + [name for name in named if name not in red_flags]
    rest = "a red flag" if red_flags else listed(named[:2])
    alone = [topic.concepts[each] for each in missing if each != DURATION]
    in_full = alone[0].label if len(alone) == 1 and alone[0].red_flag else listed(named)
    return _fitting(
        f"{study}: usually not appropriate unless the patient has {in_full}.",
        f"{study}: usually not appropriate unless the patient has {listed(named)}.",
        f"{study}: usually not appropriate unless the patient has {listed(grouped)}.",
        f"{study}: usually not appropriate unless there is {listed(grouped)}.",
        f"{study}: usually not appropriate unless there is {listed(grouped[:-1] or grouped)}.",
        f"{study}: usually not appropriate unless there is {rest}.",
    )


ELDERLY = ConceptId("elderly")
_INTERVENTION = ConceptId("intervention-candidate")
# Variant 3 asks for both.
_TREATED_THEN_REFERRED = (SIX_WEEKS, _INTERVENTION)


def summary_child_radiation(topic: Topic, appraisal: Appraisal) -> str:
    """For a child and an ionising study of which the guideline says nothing."""
    study = study_name(topic, appraisal.order.procedures)
    levels = {_level(topic.procedures[procedure], child=True) for procedure in appraisal.order.procedures}
    dose = levels.pop() if len(levels) == 1 else None
    shown = f" ({dose.msv} mSv)" if dose is not None else ""
    return _fitting(f"{study} in a child{shown}: studies without ionizing radiation are preferred.")


def summary_better_exists(topic: Topic, appraisal: Appraisal, better: Procedure) -> str:
    study = uncapitalised(study_name(topic, appraisal.order.procedures))
    return _fitting(
        f"{capitalised(better.short)} is rated above {study} for this patient.",
        f"{capitalised(better.short)} is rated above this study for this patient.",
    )


def summary_state_contrast(topic: Topic, appraisal: Appraisal) -> str:
    study = study_name(topic, appraisal.order.procedures).replace(" (contrast not stated)", "")
    return _fitting(f"{study}: please state the contrast; with contrast alone it is usually not appropriate here.")


def uncapitalised(text: str) -> str:
    """A study's name inside a sentence; abbreviations keep their capitals."""
    return text if text[:2].isupper() else text[:1].lower() + text[1:]


def _is(category: AppropriatenessCategory) -> str:
    return CATEGORY[category] if CATEGORY[category].startswith("may") else f"is {CATEGORY[category]}"


# -- labels --------------------------------------------------------------------------------------


def replace_label(procedure: Procedure) -> str:
    return f"Replace by {procedure.short}"


def order_instead_label(procedure: Procedure) -> str:
    return f"Order {procedure.short} instead"


def record_label(concept: Concept) -> str:
    assert concept.record is not None
    return f"Add to the reasons: {concept.record_label}"


# -- detail --------------------------------------------------------------------------------------


def detail(topic: Topic, appraisal: Appraisal, instead: Sequence[str], *, one_of_several: bool = False) -> str:
    """The body of a card: rating, facts with their place, what was not found or not seen, dose, what instead.

    ``one_of_several``: other orders of the call were judged too, so the order is named.
    """
    order = appraisal.order
    paragraphs = [
        _order_paragraph(appraisal, one_of_several=one_of_several),
        _rating_paragraph(topic, appraisal.matches, order.procedures),
        *_findings_paragraphs(topic, appraisal),
        _unseen_paragraph(appraisal),
        _radiation_paragraph(topic, order.procedures, appraisal.reading.is_child),
        _instead_paragraph(instead),
        _notes_paragraph(topic, appraisal),
        _child_paragraph(appraisal),
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
        return f"**What the ACR rates**\n{_every_scenario(topic, procedures, numbers)}"
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


def _every_scenario(topic: Topic, procedures: Iterable[ProcedureId], numbers: Iterable[int]) -> str:
    found = {topic.variants[number].ratings[procedure].category for number in numbers for procedure in procedures}
    lowest, highest = min(found, key=lambda each: each.rank), max(found, key=lambda each: each.rank)
    if lowest is highest:
        return f"It is rated *{CATEGORY[lowest]}* in each of the seven scenarios."
    return (
        f"From *{CATEGORY[lowest]}* to *{CATEGORY[highest]}*: which of the seven scenarios applies is not settled by "
        "what was sent."
    )


def _findings_paragraphs(topic: Topic, appraisal: Appraisal) -> list[str]:
    """What is found or left open, refuted, searched and not found, and not counted: each finding is looked at once."""
    found: list[str] = []
    doubtful: list[str] = []
    refuted: list[str] = []
    absent: list[str] = []
    not_counted: list[str] = []
    unseen = frozenset(appraisal.reading.unseen_counts_as_empty)
    for finding in appraisal.findings.values():
        concept, evidence = topic.concepts[finding.concept], finding.evidence
        left_out = _not_counted(finding) if finding.passed_over and concept.needs else []
        if left_out and not concept.internal:
            not_counted.append(f"{concept.short}: {_evidence(left_out[0])}")
        if finding.assumed:
            if evidence:
                refuted.append(f"{capitalised(concept.label)}: {_evidence(evidence[0])}")
            elif concept.needs and not left_out and unseen.isdisjoint(concept.needs):
                absent.append(concept.short)
        elif concept.internal:
            continue
        elif finding.presence is Presence.PRESENT:
            found.append(f"- {_fact(concept, finding)}")
        elif finding.presence is Presence.UNKNOWN and evidence and evidence[0].how != NOT_READ:
            doubtful.append(f"- {capitalised(concept.label)} is left open by {_evidence(evidence[0])}")
    return [
        "**Found in the chart**\n" + "\n".join(found + doubtful) if found or doubtful else "",
        f"**Refuted in the chart:** {'; '.join(refuted)}." if refuted else "",
        f"**Searched and not found:** {listed(absent, 'and')}." if absent else "",
        f"**In the chart, but not counted:** {'; '.join(not_counted)}." if not_counted else "",
    ]


def _fact(concept: Concept, finding: Finding) -> str:
    label = capitalised(concept.label)
    if finding.concept == DURATION:
        label = f"Duration {finding.detail or (finding.value or '').replace('-', ' ')}"
    if not finding.evidence:
        return label
    more = len(finding.evidence) - 1
    return f"{label}: {_evidence(finding.evidence[0])}" + (f" and {more} more" if more else "")


def _evidence(evidence: Evidence) -> str:
    dated = f", {evidence.dated}" if evidence.dated else ""
    how = f", {evidence.how}" if evidence.how else ""
    return f"{escaped(evidence.label)}{dated}{how} ({_place(evidence.reference)})"


def _place(reference: str) -> str:
    return "on the order" if reference.startswith("order.") else escaped(reference)


def _not_counted(finding: Finding) -> list[Evidence]:
    """Entries of a fact's kind that do not count; a harmless measurement is none of them."""
    return [each for each in finding.passed_over if not each.reference.startswith("Observation/")]


def _unseen_paragraph(appraisal: Appraisal) -> str:
    reading = appraisal.reading
    parts = []
    if reading.unseen_counts_as_empty:
        unseen = listed((KEY[key] for key in reading.unseen_counts_as_empty), "and")
        parts.append(f"**The chart was not seen** ({unseen}): by this site's choice it counts as searched and empty.")
    missing = [KEY[key] for key in reading.missing_keys if key not in reading.unseen_counts_as_empty]
    if missing:
        parts.append(f"**Not available, or not in full:** {listed(missing, 'and')}.")
    if reading.gaps:
        named = [f"{escaped(gap.reference)} ({gap.why})" for gap in reading.gaps[:3]]
        more = [f"{len(reading.gaps) - 3} more"] if len(reading.gaps) > 3 else []
        parts.append(f"**Not read:** {listed(named + more, 'and')}.")
    if reading.unread_reasons:
        parts.append("**A reason of the order could not be read**, so that no red flag is ruled out.")
    return "\n\n".join(parts)


@remembered
def _radiation_paragraph(topic: Topic, ordered: tuple[ProcedureId, ...], child: bool) -> str:
    procedures = [topic.procedures[each] for each in ordered]
    if len(procedures) > 1 and len({_level(procedure, child) for procedure in procedures}) == 1:
        return f"**Radiation:** {_dose(procedures[0], child)}, with any contrast."
    lines = [f"{procedure.short} {_dose(procedure, child)}" for procedure in procedures]
    return f"**Radiation:** {capitalised(listed(lines, 'and'))}."


def _dose(procedure: Procedure, child: bool) -> str:
    level = _level(procedure, child)
    group = "child" if child else "adult"
    return f"{_symbols(level)}{level.msv} mSv ({group})" if level else "(the ACR assigns no level for children)"


def _symbols(level: RelativeRadiationLevel) -> str:
    """The radiation symbols; the ACR's O for none would read as a letter."""
    return f"{level.display} " if level.level else ""


def _level(procedure: Procedure, child: bool) -> RelativeRadiationLevel | None:
    return procedure.paediatric if child else procedure.adult


def _instead_paragraph(instead: Sequence[str]) -> str:
    return f"**Instead:** {' '.join(instead)}" if instead else ""


def instead_better(
    topic: Topic, appraisal: Appraisal, procedures: Sequence[Procedure], category: AppropriatenessCategory
) -> str:
    """What study is suggested, and why that one."""
    first = procedures[0]
    level = _level(first, appraisal.reading.is_child)
    dose = f", radiation {_symbols(level)}{level.msv} mSv" if level else ""
    sentence = f"{capitalised(first.short)}, {CATEGORY[category]}{dose}."
    for other in procedures[1:]:
        sentence += f" {capitalised(other.short)} if it is safe for this patient."
    return sentence


def instead_if_safe(procedure: Procedure, category: AppropriatenessCategory) -> str:
    return (
        f"{capitalised(procedure.short)} {_is(category)}, but the chart shows a possible contraindication to MRI: only "
        "if it is safe for this patient. Please ask the radiologist."
    )


INSTEAD_MRI_PASSED_OVER = "An MRI is not named first, for the chart shows a possible contraindication to MRI."


def instead_ionising_passed_over(pregnancy: Finding) -> str:
    shows = "shows" if pregnancy.presence is Presence.PRESENT else "leaves open"
    return f"No study with ionizing radiation is suggested, for the chart {shows} a pregnancy."


def instead_conservative(topic: Topic, appraisal: Appraisal) -> list[str]:
    """What is done where no study has its place yet; for a child without the adults' drugs and weeks."""
    if not appraisal.reading.is_child:
        return [
            "Advice to stay active, exercise or physical therapy, and drugs for the pain. Imaging has its place when a "
            "red flag appears, or when six weeks of treatment bring little or no improvement."
        ]
    ionising = any(topic.procedures[procedure].ionising for procedure in appraisal.order.procedures)
    return [
        "Advice to stay active, and exercise or physical therapy. Imaging has its place when a red flag appears; pain "
        "for more than four weeks is one in a child.",
        *["Where imaging is needed, studies without ionizing radiation are preferred in children."] * ionising,
    ]


INSTEAD_IF_RULED_OUT = (
    "Where that is ruled out, advice to stay active, exercise or physical therapy; where it holds, imaging has its "
    "place."
)


def instead_age(topic: Topic, appraisal: Appraisal) -> list[str]:
    """What an unknown birth date keeps open, which no coded reason can settle."""
    elderly = appraisal.findings[ELDERLY]
    if elderly.presence is not Presence.UNKNOWN:
        return []
    return [f"The patient's age is not known here; for {topic.concepts[ELDERLY].label} another scenario applies."]


def instead_record(facts: Sequence[Concept], *, rated: bool) -> str:
    """Which facts to add where they hold; ``rated``: they change which study is better, not the rating of this one."""
    named = listed(concept.record_label for concept in facts)
    if rated:
        return (
            f"Which study is better depends on the scenario: if the patient has {named}, add it to the reasons of the "
            "order, and the study for it is named."
        )
    return f"If the patient has {named}, add it to the reasons of the order, and the order is rated again."


def _notes_paragraph(topic: Topic, appraisal: Appraisal) -> str:
    lines = [
        f"{_noted(topic.notes[note].label, finding.presence)}: {_evidence(finding.evidence[0])}."
        for note, finding in appraisal.reading.notes.items()
        if finding.presence is not Presence.ABSENT and finding.evidence
    ]
    for earlier in appraisal.reading.earlier_imaging[:2]:
        lines.append(
            f"Earlier lumbar imaging: {_evidence(earlier)}; the ACR ratings are for a first study, not for a repeat."
        )
    return "**Note:** " + " ".join(lines) if lines else ""


def _noted(label: str, presence: Presence) -> str:
    return capitalised(label if presence is Presence.PRESENT or "possible" in label else f"possible {label}")


def _child_paragraph(appraisal: Appraisal) -> str:
    if not appraisal.reading.is_child:
        return ""
    return (
        "**Under 18:** the ACR has criteria of its own for back pain in children, which this service does not rate. "
        "Radiation levels are those for children."
    )


def _authorship_paragraph(topic: Topic) -> str:
    return (
        f"*The scenarios, the ratings and the radiation levels are the ACR's ({topic.edition}); how coded facts of the "
        "chart meet a scenario is this service's reading. Only coded data that were sent are read.*"
    )
