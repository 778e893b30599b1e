"""An answer as a person reads it: the cards, and the whole chain from entries to the cell of the table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cards.card import Card
from cds_service.order_hooks import Judged
from knowledge.appraisal import Appraisal, NoCriteriaApply, NotJudged, Rated, Undetermined, deciding_variants
from knowledge.dates import DateSpan
from knowledge.findings import Chart, Entry, Evidence
from knowledge.guideline import Topic
from knowledge.inference import Standing


def read_aloud(cards: Iterable[Card]) -> str:
    """The cards of an answer, one after another; a sentence where there is none."""
    read = [_card(card) for card in cards]
    return "\n\n".join(read) if read else "No card: the clinician is not interrupted."


def _card(card: Card) -> str:
    lines = [f"[{card.indicator.value.upper()}] {card.summary}", "", card.detail, ""]
    lines += [f"  ( {suggestion.label} )" for suggestion in card.suggestions]
    lines += [f"Source: {card.source.label}, {card.source.url}"]
    lines += ["Override: " + "; ".join(reason.display for reason in card.override_reasons)]
    return "\n".join(lines)


def explain(topic: Topic, judged: Judged) -> str:
    """Why each order was judged as it was: entries, concepts, variants, floor and ceiling, cells and locators."""
    parts = [_chart(judged.chart)]
    for appraisal in judged.appraisals:
        parts.append("\n".join(_order(topic, appraisal)))
    if not judged.orders:
        parts.append("ORDERS\n  none of the drafts is a lumbar study that is to be judged")
    return "\n\n".join(parts)


def _chart(chart: Chart) -> str:
    lines = ["CHART"]
    lines.append(f"  birth date: {chart.birth_date or 'unknown'}")
    lines.append(f"  delivered in full: {', '.join(sorted(key.value for key in chart.delivered)) or 'nothing'}")
    lines += [f"  entry {_entry(entry)}" for entry in chart.entries]
    lines += [f"  not read {gap.reference}: {gap.why}" for gap in chart.gaps]
    return "\n".join(lines)


def _entry(entry: Entry) -> str:
    codes = ", ".join(f"{coding.code} ({coding.system})" for coding in entry.codings)
    words = [entry.kind.value, entry.certainty.value, "past" if entry.past else "current"]
    dates = [f"{name} {value}" for name, value in _dates(entry)]
    return f"{entry.reference}: {entry.text or '(no text)'} | {codes} | {', '.join(words + dates)}"


def _dates(entry: Entry) -> Iterator[tuple[str, DateSpan]]:
    for name in ("start", "end", "recorded"):
        value = getattr(entry, name)
        if value is not None:
            yield name, value


def _order(topic: Topic, judged: Appraisal | NotJudged) -> Iterator[str]:
    if isinstance(judged, NotJudged):
        yield f"ORDER {judged.order}: not judged, {judged.reason.value}"
        return
    yield f"ORDER {judged.order.reference}, as of {judged.as_of}"
    yield f"  procedures: {', '.join(judged.order.procedures) or 'none of the table'}"
    for reason in judged.order.reasons:
        yield f"  reason {_entry(reason)}"
    for place in judged.order.unread_reasons:
        yield f"  reason not read: {place}"
    yield "  CONCEPTS"
    shown = [finding for finding in judged.findings.values() if finding.concept not in topic.internal]
    for finding in [*shown, *judged.reading.notes.values()]:
        value = f" ({finding.detail or finding.value})" if finding.value else ""
        silent = ", by silence" if finding.assumed else ""
        unseen = f", not delivered in full: {', '.join(key.value for key in finding.unseen)}" if finding.unseen else ""
        yield f"    {finding.concept}: {finding.presence.value}{value}{silent}{unseen}"
        for evidence in finding.evidence:
            yield f"      {_evidence(evidence)}"
    if judged.matches:
        yield "  VARIANTS"
    for match in judged.matches:
        because = f", because of {', '.join(match.because)}" if match.because else ""
        missing = f", missing {', '.join(match.missing)}" if match.missing else ""
        scenario = f" [{match.scenario.id}: {match.scenario.name}]" if match.scenario else ""
        yield f"    {match.variant} {match.standing.value}{because}{missing}{scenario}"
    yield f"  VERDICT {_verdict(judged)}"
    _, deciding = deciding_variants(topic, judged.matches)
    for match in judged.matches:
        if match.standing is not Standing.RULED_OUT:
            decides = "" if match.variant in deciding else f", but variant {topic.decisive_variant} alone rates"
            for procedure in judged.order.procedures:
                rating = topic.variants[match.variant].ratings[procedure]
                sources = ", ".join(rating.sources)
                yield f"    {rating.category.value} <- {rating.locator} (sources: {sources}){decides}"


def _evidence(evidence: Evidence) -> str:
    parts = [evidence.reference, evidence.code, evidence.label, evidence.dated, evidence.how]
    return " | ".join(part for part in parts if part)


def _verdict(judged: Appraisal) -> str:
    match judged.verdict:
        case Rated(category):
            return f"rated {category.value}: floor and ceiling agree"
        case Undetermined(floor, ceiling, missing):
            shown = floor.value if floor is not None else "none"
            return f"undetermined: floor {shown}, ceiling {ceiling.value}; would settle it: {', '.join(missing)}"
        case NoCriteriaApply(reason):
            return f"no criteria apply: {reason.value}"
