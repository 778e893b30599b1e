"""An answer as a person reads it: the cards, and the whole chain from entries to the cell of the table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cards.card import Card
from cds_service.explanation import ChartRead, EntryRead, EvidenceFound, OrderExplained, explained
from cds_service.judging import Judged
from knowledge.appraisal import VerdictWords
from knowledge.guideline import Topic


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
    explanation = explained(topic, judged)
    parts = [_chart(explanation.chart)]
    for order in explanation.orders:
        parts.append("\n".join(_order(order, explanation.decisive_variant)))
    if not explanation.orders:
        parts.append("ORDERS\n  none of the drafts is a lumbar study that is to be judged")
    return "\n\n".join(parts)


def _chart(chart: ChartRead) -> str:
    lines = ["CHART"]
    lines.append(f"  birth date: {chart.birth_date or 'unknown'}")
    lines.append(f"  delivered in full: {', '.join(chart.delivered) or 'nothing'}")
    lines += [f"  entry {_entry(entry)}" for entry in chart.entries]
    lines += [f"  not read {gap.reference}: {gap.why}" for gap in chart.gaps]
    return "\n".join(lines)


def _entry(entry: EntryRead) -> str:
    codes = ", ".join(f"{each.code} ({each.system})" for each in entry.codes)
    words = [entry.kind, entry.certainty, entry.standing]
    dates = [f"{name} {value}" for name, value in entry.dates.items()]
    return f"{entry.reference}: {entry.text or '(no text)'} | {codes} | {', '.join(words + dates)}"


def _order(order: OrderExplained, decisive: int) -> Iterator[str]:
    if order.verdict.verdict == "not-judged":
        yield f"ORDER {order.order}: not judged, {order.verdict.reason}"
        return
    yield f"ORDER {order.order}, as of {order.as_of}"
    yield f"  procedures: {', '.join(order.procedures) or 'none of the table'}"
    for reason in order.reasons:
        yield f"  reason {_entry(reason)}"
    for place in order.unread_reasons:
        yield f"  reason not read: {place}"
    yield "  CONCEPTS"
    for concept in order.concepts:
        value = f" ({concept.value})" if concept.value else ""
        silent = ", by silence" if concept.by_silence else ""
        unseen = f", not delivered in full: {', '.join(concept.unseen)}" if concept.unseen else ""
        yield f"    {concept.concept}: {concept.presence}{value}{silent}{unseen}"
        for evidence in concept.evidence:
            yield f"      {_evidence(evidence)}"
    if order.variants:
        yield "  VARIANTS"
    for variant in order.variants:
        because = f", because of {', '.join(variant.because)}" if variant.because else ""
        missing = f", missing {', '.join(variant.missing)}" if variant.missing else ""
        scenario = f" [{variant.scenario}: {variant.scenario_name}]" if variant.scenario else ""
        yield f"    {variant.variant} {variant.standing}{because}{missing}{scenario}"
    yield f"  VERDICT {_verdict(order.verdict)}"
    for cell in order.cells:
        decides = "" if cell.decides else f", but variant {decisive} alone rates"
        yield f"    {cell.category} <- {cell.locator} (sources: {', '.join(cell.sources)}){decides}"


def _evidence(evidence: EvidenceFound) -> str:
    parts = [evidence.reference, evidence.code, evidence.label, evidence.dated, evidence.how]
    return " | ".join(part for part in parts if part)


def _verdict(reached: VerdictWords) -> str:
    match reached.verdict:
        case "rated":
            return f"rated {reached.category}: floor and ceiling agree"
        case "undetermined":
            settle = ", ".join(reached.missing)
            return (
                f"undetermined: floor {reached.floor or 'none'}, ceiling {reached.ceiling}; would settle it: {settle}"
            )
        case _:
            return f"no criteria apply: {reached.reason}"
