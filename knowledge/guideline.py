"""A guideline topic in one edition: procedures, variants, ratings, thresholds, concepts, and where each comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from functools import cached_property

from knowledge.criteria import Criterion
from knowledge.findings import Coding, ConceptId, PrefetchKey, ProcedureId, ValueSetId


class AppropriatenessCategory(StrEnum):
    """The ACR's categories of appropriateness."""

    USUALLY_NOT_APPROPRIATE = "usually-not-appropriate"
    MAY_BE_APPROPRIATE = "may-be-appropriate"
    MAY_BE_APPROPRIATE_DISAGREEMENT = "may-be-appropriate-disagreement"
    USUALLY_APPROPRIATE = "usually-appropriate"

    rank: int
    """0 lowest, 2 highest; the panel's disagreement does not change the rank."""


for _category, _rank in zip(AppropriatenessCategory, (0, 1, 1, 2), strict=True):
    _category.rank = _rank


@dataclass(frozen=True, slots=True)
class RelativeRadiationLevel:
    """A level of the ACR scale: number of symbols, the symbols, and the range in mSv for that age group."""

    level: int
    display: str
    msv: str


@dataclass(frozen=True, slots=True)
class CodedText:
    """A code to send, with our own label."""

    coding: Coding
    display: str


@dataclass(frozen=True, slots=True)
class Procedure:
    id: ProcedureId
    name: str
    short: str
    modality: str
    region: str
    contrast: str
    ionising: bool
    adult: RelativeRadiationLevel
    paediatric: RelativeRadiationLevel | None
    """None where the ACR assigns none: no value may be inferred."""
    order_codes: tuple[CodedText, ...]

    @property
    def is_lumbar(self) -> bool:
        return self.region == "lumbar"


@dataclass(frozen=True, slots=True)
class Citation:
    text: str
    doi: str
    pmid: str
    url: str
    guideline_url: str
    as_of: str


@dataclass(frozen=True, slots=True)
class Rating:
    """One cell of the table, with its place and its sources."""

    procedure: ProcedureId
    category: AppropriatenessCategory
    locator: str
    sources: tuple[str, ...]
    agrees_by_omission: tuple[str, ...]
    confidence: str
    note: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """One of the portal's finer scenarios of a variant."""

    id: str
    name: str
    when: Criterion | None


@dataclass(frozen=True, slots=True)
class Variant:
    number: int
    title: str
    short: str
    scenarios: tuple[Scenario, ...]
    criterion: Criterion
    concepts: tuple[ConceptId, ...]
    """The concepts of its criterion, in order."""
    why: str
    """Our reading of the title."""
    ratings: Mapping[ProcedureId, Rating]


class NoCriteriaReason(StrEnum):
    """Why the guideline says nothing of an order."""

    NOT_A_RATED_PROCEDURE = "not-a-rated-procedure"
    NO_LOW_BACK_PAIN_INDICATION = "no-low-back-pain-indication"
    OUT_OF_SCOPE_INDICATION = "out-of-scope-indication"
    NO_VARIANT = "no-variant"


@dataclass(frozen=True, slots=True)
class ClosingRule:
    """What keeps the topic from being entered."""

    criterion: Criterion
    unknown_closes: bool
    """It holds where its criterion is unknown, too."""
    children_only: bool
    reason: NoCriteriaReason
    why: str


@dataclass(frozen=True, slots=True)
class Threshold:
    """A number of our reading, with its unit, its source and its reason."""

    id: str
    value: float | None
    unit: str | None
    by_unit: Mapping[str, float]
    source: str
    why: str

    @property
    def days(self) -> int:
        return self.number

    @property
    def number(self) -> int:
        assert self.value is not None
        return int(self.value)


class ReadingKind(StrEnum):
    """How entries speak of a concept."""

    INDICATION = "indication"
    DURATION = "duration"
    STATEMENT = "statement"
    REASON = "reason"
    STAGING = "staging"
    RECENT_FRACTURE = "recent-fracture"
    ELSEWHERE_CURRENT = "elsewhere-current"
    OLD_FRACTURE = "old-fracture"
    MEASUREMENT = "measurement"
    INTERPRETATION = "interpretation"
    POSITIVE = "positive"
    REFERRAL = "referral"
    MEDICATION = "medication"
    STEROID_COURSES = "steroid-courses"
    THERAPY = "therapy"
    DRUG_FOR_PAIN = "drug-for-pain"
    AGE = "age"


@dataclass(frozen=True, slots=True)
class ConceptReading:
    """One way in which entries speak of a concept; ``kind`` names it, the rest are its parameters."""

    kind: ReadingKind
    value_sets: tuple[ValueSetId, ...] = ()
    plain: tuple[ValueSetId, ...] = ()
    fallback: tuple[ValueSetId, ...] = ()
    route_needed: ValueSetId | None = None
    window: Threshold | None = None
    past: str | Threshold = "never"
    limit: Threshold | None = None
    limit_is: str = ""
    interpretations: tuple[str, ...] = ()
    earliest: Threshold | None = None
    latest: Threshold | None = None
    acute: Threshold | None = None
    chronic: Threshold | None = None
    as_long_as_current: bool = False
    """A current Condition counts whatever its date; the window is for what was done once."""
    open_by_local_routes: bool = False
    """A drug that is given by the topic's local routes alone leaves the concept open."""
    every_set: frozenset[ValueSetId] = frozenset()
    """All value sets it looks at: where no entry is in any of them it finds nothing."""

    @property
    def own_sets(self) -> tuple[ValueSetId, ...]:
        """The value sets whose codes may speak of the concept, those that a route has to confirm included."""
        return self.value_sets if self.route_needed is None else (*self.value_sets, self.route_needed)


class Silence(Enum):
    """What it means that nothing mentions a concept."""

    ABSENT_WHERE_SEARCHED = "needs"
    NEVER_ABSENT = "never-absent"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Concept:
    """What the guideline asks about, and how the chart answers."""

    id: ConceptId
    label: str
    short: str
    red_flag: bool
    until_today: bool
    """An entry dated after the order and no later than today counts."""
    suspected_counts: bool
    internal: bool
    silence: Silence
    needs: tuple[PrefetchKey, ...]
    readings: tuple[ConceptReading, ...]
    every_set: frozenset[ValueSetId]
    """All value sets its readings look at: where no entry is in any of them, the chart is silent about it."""
    by_age: bool
    """Read from the birth date, and from no entry."""
    why: str
    record: CodedText | None = None
    """A coded reason that states the fact on an order."""
    record_label: str = ""
    record_priority: int = 0
    """Which fact is offered first where only some can be; 1 is first."""
    record_where_silent: bool = False
    """It is offered only where the chart says nothing: what leaves the concept open may be another fact of its kind."""


@dataclass(frozen=True, slots=True)
class ObservationRules:
    """Which coded values count as positive, and how units are written."""

    positive: frozenset[Coding]
    positive_interpretations: frozenset[str]
    negative: frozenset[Coding]
    negative_interpretations: frozenset[str]
    units: Mapping[str, str]
    """Each accepted spelling, in lower case -> UCUM code."""


@dataclass(frozen=True, eq=False)
class Topic:
    id: str
    edition: str
    title: str
    citation: Citation
    rights: tuple[str, ...]
    sources: Mapping[str, str]
    procedures: Mapping[ProcedureId, Procedure]
    variants: Mapping[int, Variant]
    closed_when: tuple[ClosingRule, ...]
    """In the order in which they are asked: the first that holds is the reason."""
    adult_age: Threshold
    decisive_variant: int
    remaining_variants: tuple[int, ...]
    thresholds: Mapping[str, Threshold]
    concepts: Mapping[ConceptId, Concept]
    notes: Mapping[ConceptId, Concept]
    observations: ObservationRules
    systemic_routes: frozenset[Coding]
    local_routes: frozenset[Coding]
    physical_therapy: CodedText
    therapy_referrals: frozenset[Coding]
    """Referrals beside which no other to physical therapy is suggested."""
    most_recorded_facts: int
    child_card_modalities: frozenset[str]

    @cached_property
    def internal(self) -> frozenset[ConceptId]:
        """Concepts that only ask again what another one found: not shown, not on the wire."""
        return frozenset(concept.id for concept in self.concepts.values() if concept.internal)

    @cached_property
    def stated_red_flags(self) -> frozenset[ValueSetId]:
        """The value sets of which a statement says that a red flag is there."""
        readings = [reading for concept in self.concepts.values() if concept.red_flag for reading in concept.readings]
        return frozenset(
            value_set
            for reading in readings
            if reading.kind is ReadingKind.STATEMENT
            for value_set in reading.value_sets
        )

    @property
    def reference(self) -> str:
        """How answers name the guideline: ``acr-low-back-pain@2021``."""
        return f"{self.id}@{self.edition}"
