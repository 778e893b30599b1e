"""Why each order was judged as it was, as data: the command and the try-it page show the same structure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from cards.emptiness import without_empty
from cds_service.judging import Judged
from knowledge.appraisal import Appraisal, NotJudged, VerdictWords, deciding_variants, in_words
from knowledge.findings import Chart, Entry, Evidence, Finding
from knowledge.guideline import Topic
from knowledge.inference import Standing, VariantMatch
from knowledge.vocabulary import written_code

Written = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Code:
    code: str
    system: str


@dataclass(frozen=True, slots=True)
class EntryRead:
    """One coded statement as it was read."""

    reference: str
    kind: str
    text: str
    codes: tuple[Code, ...]
    certainty: str
    standing: str
    """``current`` or ``past``."""
    dates: dict[str, str]
    """``start``, ``end`` and ``recorded``, those there are."""


@dataclass(frozen=True, slots=True)
class NotRead:
    reference: str
    why: str


@dataclass(frozen=True, slots=True)
class ChartRead:
    birth_date: str | None
    delivered: tuple[str, ...]
    entries: tuple[EntryRead, ...]
    gaps: tuple[NotRead, ...]


@dataclass(frozen=True, slots=True)
class EvidenceFound:
    reference: str
    code: str
    label: str
    dated: str
    how: str


@dataclass(frozen=True, slots=True)
class ConceptState:
    """One thing the guideline asks about, and what was found."""

    concept: str
    label: str
    presence: str
    value: str | None
    by_silence: bool
    unseen: tuple[str, ...]
    """Prefetch keys whose absence keeps it unknown."""
    evidence: tuple[EvidenceFound, ...]
    note: bool
    """It never changes a rating."""


@dataclass(frozen=True, slots=True)
class VariantState:
    variant: int
    title: str
    standing: str
    because: tuple[str, ...]
    missing: tuple[str, ...]
    scenario: str | None
    scenario_name: str | None
    decides: bool
    """It sets the floor or the ceiling."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One rating that bears on the order."""

    variant: int
    procedure: str
    category: str
    locator: str
    sources: tuple[str, ...]
    decides: bool


@dataclass(frozen=True, slots=True)
class OrderExplained:
    order: str
    verdict: VerdictWords
    as_of: str | None = None
    procedures: tuple[str, ...] = ()
    reasons: tuple[EntryRead, ...] = ()
    unread_reasons: tuple[str, ...] = ()
    concepts: tuple[ConceptState, ...] = ()
    variants: tuple[VariantState, ...] = ()
    cells: tuple[Cell, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """The chain from the chart to the verdicts of one call."""

    chart: ChartRead
    orders: tuple[OrderExplained, ...]
    decisive_variant: int
    """The variant that, once established, rates alone."""

    def json(self) -> dict[str, Any]:
        """As the page gets it: members without a value are left out."""
        found: dict[str, Any] = without_empty(_lists(asdict(self)))
        return {"chart": {}, "orders": [], **found}


def _lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _lists(each) for name, each in value.items()}
    return [_lists(each) for each in value] if isinstance(value, (list, tuple)) else value


def explained(topic: Topic, judged: Judged) -> Explanation:
    """The explanation of one call."""
    written = _as_written(judged)
    orders = tuple(_order(topic, appraisal, written) for appraisal in judged.appraisals)
    return Explanation(_chart(judged.chart), orders, topic.decisive_variant)


def _as_written(judged: Judged) -> Written:
    """How people write the codes that stand in the evidence."""
    reasons = [each.order.reasons for each in judged.appraisals if isinstance(each, Appraisal)]
    entries = [*judged.chart.entries, *(entry for each in reasons for entry in each)]
    return {coding.code: written_code(coding) for entry in entries for coding in entry.codings}


def _chart(chart: Chart) -> ChartRead:
    return ChartRead(
        birth_date=str(chart.birth_date) if chart.birth_date is not None else None,
        delivered=tuple(sorted(key.value for key in chart.delivered)),
        entries=tuple(_entry(entry) for entry in chart.entries),
        gaps=tuple(NotRead(gap.reference, gap.why) for gap in chart.gaps),
    )


def _entry(entry: Entry) -> EntryRead:
    dates = {name: getattr(entry, name) for name in ("start", "end", "recorded")}
    return EntryRead(
        reference=entry.reference,
        kind=entry.kind.value,
        text=entry.text,
        codes=tuple(Code(written_code(coding), coding.system) for coding in entry.codings),
        certainty=entry.certainty.value,
        standing="past" if entry.past else "current",
        dates={name: str(value) for name, value in dates.items() if value is not None},
    )


def _order(topic: Topic, judged: Appraisal | NotJudged, written: Written) -> OrderExplained:
    if isinstance(judged, NotJudged):
        return OrderExplained(judged.order, VerdictWords("not-judged", reason=judged.reason.value))
    shown = [finding for finding in judged.findings.values() if finding.concept not in topic.internal]
    concepts = [_concept(topic, finding, written, note=False) for finding in shown]
    notes = [_concept(topic, finding, written, note=True) for finding in judged.reading.notes.values()]
    return OrderExplained(
        order=judged.order.reference,
        verdict=in_words(judged.verdict),
        as_of=judged.as_of.isoformat(),
        procedures=tuple(judged.order.procedures),
        reasons=tuple(_entry(reason) for reason in judged.order.reasons),
        unread_reasons=judged.order.unread_reasons,
        concepts=(*concepts, *notes),
        variants=tuple(_variant(topic, match, judged) for match in judged.matches),
        cells=tuple(_cells(topic, judged)),
    )


def _concept(topic: Topic, finding: Finding, written: Written, *, note: bool) -> ConceptState:
    about = (topic.notes if note else topic.concepts)[finding.concept]
    return ConceptState(
        concept=finding.concept,
        label=about.label,
        presence=finding.presence.value,
        value=(finding.detail or finding.value) if finding.value else None,
        by_silence=finding.assumed,
        unseen=tuple(key.value for key in finding.unseen),
        evidence=tuple(
            EvidenceFound(each.reference, written.get(each.code, each.code), each.label, each.dated, each.how)
            for each in (*finding.evidence, *_not_counted(finding))
        ),
        note=note,
    )


def _not_counted(finding: Finding) -> Iterator[Evidence]:
    return (replace(each, how=f"not counted: {each.how}") for each in finding.passed_over)


def _variant(topic: Topic, match: VariantMatch, judged: Appraisal) -> VariantState:
    return VariantState(
        variant=match.variant,
        title=topic.variants[match.variant].title,
        standing=match.standing.value,
        because=match.because,
        missing=match.missing,
        scenario=match.scenario.id if match.scenario is not None else None,
        scenario_name=match.scenario.name if match.scenario is not None else None,
        decides=match.variant in _deciding(topic, judged),
    )


def _deciding(topic: Topic, judged: Appraisal) -> tuple[int, ...]:
    return deciding_variants(topic, judged.matches)[1]


def _cells(topic: Topic, judged: Appraisal) -> Iterator[Cell]:
    deciding = _deciding(topic, judged)
    for match in judged.matches:
        if match.standing is Standing.RULED_OUT:
            continue
        for procedure in judged.order.procedures:
            rating = topic.variants[match.variant].ratings[procedure]
            yield Cell(
                match.variant,
                procedure,
                rating.category.value,
                rating.locator,
                rating.sources,
                match.variant in deciding,
            )
