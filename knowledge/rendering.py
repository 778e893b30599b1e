"""The review tables: the topic's data as a clinician reads them, in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from knowledge.criteria import AllOf, AnyOf, Criterion, Has, Not, Suggests
from knowledge.findings import Coding, ConceptId
from knowledge.guideline import (
    AppropriatenessCategory,
    ClosingRule,
    Concept,
    ConceptReading,
    Procedure,
    Silence,
    Threshold,
    Topic,
)
from knowledge.knowledge import Knowledge
from knowledge.vocabulary import ICD_10_CM, Strength, ValueSet, written_code

BEGIN = "<!-- rendered by `python -m knowledge render`: do not edit below -->"

_SHORT = {
    AppropriatenessCategory.USUALLY_NOT_APPROPRIATE: "not",
    AppropriatenessCategory.MAY_BE_APPROPRIATE: "may",
    AppropriatenessCategory.MAY_BE_APPROPRIATE_DISAGREEMENT: "may (disagreement)",
    AppropriatenessCategory.USUALLY_APPROPRIATE: "**usually**",
}


def render(knowledge: Knowledge, readme: str) -> str:
    """The data README with its tables made anew; everything above the marker is kept."""
    head = readme.split(BEGIN, maxsplit=1)[0].rstrip()
    return "\n".join([head, "", BEGIN, "", *_tables(knowledge)]) + "\n"


def write(knowledge: Knowledge, file: Path) -> None:
    file.write_text(render(knowledge, file.read_text(encoding="utf-8")), encoding="utf-8")


def _tables(knowledge: Knowledge) -> Iterator[str]:
    topic = knowledge.topic
    yield f"## The table: {topic.title}, {topic.edition}"
    yield ""
    yield f"{topic.citation.text} doi:{topic.citation.doi}. Data as of {topic.citation.as_of}."
    yield "Categories: usually appropriate, may be appropriate, (usually) not appropriate."
    yield ""
    yield from _matrix(topic)
    yield "\n## The variants, and our reading of them\n"
    for variant in topic.variants.values():
        yield f"**{variant.number}.** {variant.title}\n"
        yield f"- holds when: {criterion_words(variant.criterion)}"
        yield f"- reading: {variant.why}"
        scenarios = "; ".join(f"{scenario.id} {scenario.name}" for scenario in variant.scenarios)
        yield f"- portal scenarios: {scenarios}\n"
    yield "The topic is not entered where one of these holds; the first that does is the reason:\n"
    yield "| closed when | reason | reading |"
    yield "|---|---|---|"
    for rule in topic.closed_when:
        yield _row(closing_words(topic, rule), rule.reason, rule.why)
    yield ""
    yield "## Concepts\n"
    yield "| concept | read from | suspected counts | silence | reading |"
    yield "|---|---|---|---|---|"
    for concept in topic.concepts.values():
        yield _row(
            concept.id,
            "; ".join(reading_words(reading) for reading in concept.readings),
            "yes" if concept.suspected_counts else "-",
            silence_words(concept),
            concept.why,
        )
    yield "\nNotes, which never change a rating:\n"
    for note in topic.notes.values():
        yield f"- {note.id}: {'; '.join(reading_words(reading) for reading in note.readings)}"
    yield "\n## Thresholds\n"
    yield "| threshold | value | source | why |"
    yield "|---|---|---|---|"
    for threshold in topic.thresholds.values():
        yield _row(threshold.id, threshold_words(threshold), topic.sources[threshold.source], threshold.why)
    yield "\n## Value sets\n"
    yield "| value set | decide | support | excluded | ICD-10-CM branches |"
    yield "|---|---|---|---|---|"
    for value_set in knowledge.vocabulary.value_sets.values():
        yield _value_set(value_set)
    yield "\n## Sources\n"
    for name, title in topic.sources.items():
        yield f"- {name}: {title}"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _matrix(topic: Topic) -> Iterator[str]:
    numbers = list(topic.variants)
    yield _row("procedure", *(f"V{number}" for number in numbers), "adult, mSv", "child, mSv")
    yield "|" + "---|" * (len(numbers) + 3)
    for procedure in topic.procedures.values():
        cells = [_SHORT[topic.variants[number].ratings[procedure.id].category] for number in numbers]
        yield _row(procedure.name, *cells, *_levels(procedure))


def _levels(procedure: Procedure) -> tuple[str, str]:
    child = procedure.paediatric
    adult = f"{procedure.adult.display} {procedure.adult.msv}"
    return adult, f"{child.display} {child.msv}" if child is not None else "none assigned"


def criterion_words(criterion: Criterion, name: Callable[[ConceptId], str] = str) -> str:
    """A criterion in words; ``name`` says how a concept is called."""
    match criterion:
        case Has(concept, value):
            return f"{name(concept)} is {value}" if value else name(concept)
        case Suggests(concept, of):
            return f"({name(concept)} makes {name(of)} possible)"
        case AllOf(criteria):
            return _joined(criteria, " and ", name)
        case AnyOf(criteria):
            return _joined(criteria, " or ", name)
        case Not(inner):
            return f"not {criterion_words(inner, name)}"


def closing_words(topic: Topic, rule: ClosingRule, name: Callable[[ConceptId], str] = str) -> str:
    """What keeps the topic from being entered, in words; ``name`` says how a concept is called."""
    words = criterion_words(rule.criterion, name)
    if rule.children_only:
        words += f", under {topic.adult_age.number:g} years of age"
    return f"{words}, or it is not known" if rule.unknown_closes else words


def _joined(criteria: Iterable[Criterion], word: str, name: Callable[[ConceptId], str]) -> str:
    parts = [criterion_words(each, name) for each in criteria]
    return f"({word.join(parts)})" if len(parts) > 1 else parts[0]


def reading_words(reading: ConceptReading) -> str:
    sets = ", ".join(reading.value_sets)
    words = [reading.kind, sets]
    if reading.window is not None:
        words.append(f"within {threshold_words(reading.window)}")
    if reading.limit is not None:
        words.append(f"{reading.limit_is.replace('_', ' ')} {threshold_words(reading.limit)}")
    if reading.earliest is not None and reading.latest is not None:
        words.append(f"{threshold_words(reading.latest)} to {threshold_words(reading.earliest)} ago")
    if reading.interpretations:
        words.append(f"interpreted {'/'.join(reading.interpretations)}")
    if isinstance(reading.past, Threshold):
        words.append(f"past within {threshold_words(reading.past)}")
    elif reading.past == "always":
        words.append("past for life")
    return " ".join(word for word in words if word)


def threshold_words(threshold: Threshold) -> str:
    if threshold.by_unit:
        return " or ".join(f"{value:g} {unit}" for unit, value in threshold.by_unit.items())
    return f"{threshold.value:g} {threshold.unit}"


def silence_words(concept: Concept) -> str:
    if concept.silence is Silence.ABSENT_WHERE_SEARCHED:
        return f"absent where delivered: {', '.join(concept.needs)}"
    return "never absent" if concept.silence is Silence.NEVER_ABSENT else "absent"


def _value_set(value_set: ValueSet) -> str:
    strengths = list(value_set.members.values()) + list(value_set.branches.values())
    branches = sorted(
        written_code(Coding(ICD_10_CM, code))
        + ("" if strength is Strength.INCLUDED else " (support)" if strength else " (excluded)")
        for code, strength in value_set.branches.items()
    )
    shown = ", ".join(branches[:12]) + (f" and {len(branches) - 12} more" if len(branches) > 12 else "")
    counts = [strengths.count(each) for each in (Strength.INCLUDED, Strength.SUPPORTING, None)]
    return _row(value_set.id, *(str(count) for count in counts), shown)
