"""What the chart says of the facts that a rating asks for, and what of it was not seen or not read."""

from __future__ import annotations

from cards.wording.markdown import escaped
from cards.wording.words import KEY, capitalised, listed
from knowledge.appraisal import Appraisal
from knowledge.findings import Evidence, Finding, Presence
from knowledge.guideline import Concept, Topic
from knowledge.pain import DURATION
from knowledge.reading import NOT_READ


def findings_paragraphs(topic: Topic, appraisal: Appraisal) -> list[str]:
    """What is found or left open, refuted, searched and not found, and not counted: each finding is looked at once."""
    present: list[str] = []
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
            present.append(f"- {_fact(concept, finding)}")
        elif finding.presence is Presence.UNKNOWN and evidence and evidence[0].how != NOT_READ:
            doubtful.append(f"- {capitalised(concept.label)} is left open by {_evidence(evidence[0])}")
    return [
        "**Found in the chart**\n" + "\n".join(present + doubtful) if present or doubtful else "",
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
    return [evidence for evidence in finding.passed_over if not evidence.reference.startswith("Observation/")]


def unseen_paragraph(appraisal: Appraisal) -> str:
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


def notes_paragraph(topic: Topic, appraisal: Appraisal) -> str:
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
