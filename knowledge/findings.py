"""What a chart says: codings, entries, the chart, and the findings read from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import Enum, StrEnum
from typing import NamedTuple, NewType

from knowledge.dates import DateSpan
from knowledge.values import hot_dataclass

ConceptId = NewType("ConceptId", str)
ProcedureId = NewType("ProcedureId", str)
ValueSetId = NewType("ValueSetId", str)


class PrefetchKey(StrEnum):
    """The parts of a chart that can be delivered or missing; the names are the service's prefetch keys."""

    PATIENT = "patient"
    CONDITIONS = "conditions"
    MEDICATIONS = "medications"
    PROCEDURES = "procedures"
    OBSERVATIONS = "observations"
    BONE_DENSITY = "bone-density"
    REFERRALS = "referrals"
    IMAGING = "imaging"


class Coding(NamedTuple):
    """A code with its system (the canonical URL of `knowledge.vocabulary`); displays are never compared.

    A tuple, since charts are looked up by it thousands of times a second.
    """

    system: str
    code: str


class Kind(Enum):
    """Where an entry comes from."""

    REASON = "reason"
    CONDITION = "condition"
    PROCEDURE = "procedure"
    MEDICATION = "medication"
    OBSERVATION = "observation"
    REFERRAL = "referral"
    IMAGING = "imaging"


class Certainty(Enum):
    """How far an entry's author stands by it (FHIR verificationStatus)."""

    ASSERTED = "asserted"
    SUSPECTED = "suspected"
    REFUTED = "refuted"


@hot_dataclass(frozen=True, slots=True)
class Course:
    """How long a drug was taken: a length in days (least and most), or an end, or neither."""

    shortest: int | None = None
    longest: int | None = None
    begin: DateSpan | None = None
    """Where it is stated apart from the prescription's own date."""
    end: DateSpan | None = None
    periods: tuple[Course, ...] = ()
    """The periods it consists of, where there are several; there may be days between them."""


@hot_dataclass(frozen=True, slots=True)
class Prescription:
    """What an entry says as a drug: whether it is active, its course, its routes, and what it is for."""

    active: bool
    may_go_on: bool = False
    """It is not active, and not said to be over: on hold, or of an unknown status."""
    course: Course = Course()
    routes: tuple[Coding, ...] = ()
    more_routes: bool = False
    """Some dosage goes by a route that was not read, or is not told."""
    indications: tuple[Coding, ...] = ()


@hot_dataclass(frozen=True, slots=True)
class Measurement:
    """What an observation measured: a number with its unit, a yes, or a coded value; and its interpretation."""

    number: float | None = None
    comparator: str = ""
    """FHIR quantity comparator: ``<``, ``<=``, ``>=``, ``>``; empty for the number itself."""
    unit: str | None = None
    yes: bool = False
    codings: tuple[Coding, ...] = ()
    interpretations: tuple[str, ...] = ()
    unread: bool = False
    """It has a value that could not be read."""


@hot_dataclass(frozen=True, slots=True)
class Entry:
    """One coded statement of the chart or of the order."""

    reference: str
    """Where it stands: ``Condition/123``, or ``order.reasonCode[0]``."""
    kind: Kind
    codings: tuple[Coding, ...]
    text: str = ""
    """What a person reads there; never compared with anything."""
    certainty: Certainty = Certainty.ASSERTED
    past: bool = False
    start: DateSpan | None = None
    """Onset, performance, prescription or measurement."""
    end: DateSpan | None = None
    recorded: DateSpan | None = None
    is_reason: bool = False
    """It is a reason of the order under review."""
    on_order: bool = False
    """It stands on the order itself and is dated as of the order."""
    underway: bool = False
    """A procedure that has begun and is not completed."""
    prescription: Prescription | None = None
    measurement: Measurement | None = None
    flaw: str = ""
    """What of it could not be read."""
    unread: bool = False
    """Only its codes could be read: whatever they stand for is left open."""

    @property
    def date(self) -> DateSpan | None:
        """Its start, else the day it was recorded."""
        return self.start or self.recorded


@hot_dataclass(frozen=True, slots=True)
class Gap:
    """Something that stands in the request and could not be read."""

    reference: str
    why: str
    key: PrefetchKey | None = None
    """The part of the chart that is incomplete for it; None where nothing is."""


@hot_dataclass(frozen=True, slots=True)
class Chart:
    """What was seen of a patient, and which parts of it are known to be complete."""

    patient: str
    birth_date: DateSpan | None = None
    entries: tuple[Entry, ...] = ()
    delivered: frozenset[PrefetchKey] = frozenset()
    gaps: tuple[Gap, ...] = ()
    unseen_counts_as_empty: frozenset[PrefetchKey] = frozenset()
    """Keys that were not delivered and count as searched and empty by the site's explicit word."""

    @property
    def searchable(self) -> frozenset[PrefetchKey]:
        """The keys whose silence means absence."""
        return self.delivered | self.unseen_counts_as_empty


@hot_dataclass(frozen=True, slots=True)
class OrderedProcedure:
    """One draft order for a study of the table."""

    reference: str
    procedures: tuple[ProcedureId, ...]
    """One, or the set that an order with open contrast stands for; empty when the table does not rate the study."""
    authored: DateSpan | None = None
    reasons: tuple[Entry, ...] = ()
    unread_reasons: tuple[str, ...] = ()
    text: str = ""
    has_reasons: bool = False
    """The order names a reason, readable or not."""
    read_from_text: bool = False
    """The study was read from the order's text, for want of a code."""


class Presence(StrEnum):
    PRESENT = "present"
    ABSENT = "absent"
    UNKNOWN = "unknown"


@hot_dataclass(frozen=True, slots=True)
class Evidence:
    """An entry that bears on a concept, and how."""

    reference: str
    label: str
    """What a person reads in the chart, else our name for the code."""
    code: str = ""
    dated: str = ""
    how: str = ""
    """Why it decides, or why it does not: ``suspected``, ``refuted``, ``supporting code`` ..."""


@hot_dataclass(frozen=True, slots=True)
class Finding:
    """What the chart says of one concept."""

    concept: ConceptId
    presence: Presence
    evidence: tuple[Evidence, ...] = ()
    assumed: bool = False
    """Absent because the chart is silent where it was searched, not because it says so."""
    value: str | None = None
    """For the duration: ``acute`` or ``subacute-or-chronic``."""
    detail: str | None = None
    """For the duration: ``acute``, ``subacute`` or ``chronic``, where the onset settles it."""
    unseen: tuple[PrefetchKey, ...] = ()
    """The parts of the chart whose absence keeps it unknown."""
    passed_over: tuple[Evidence, ...] = ()
    """Where it is absent by silence: entries of its kind that do not count, and why."""


Findings = Mapping[ConceptId, Finding]


@hot_dataclass(frozen=True, slots=True)
class ChartFindings:
    """Everything read from one chart for one order."""

    findings: Findings
    notes: Findings
    """Facts that never change a rating: pregnancy, MRI contraindication, contrast caution."""
    earlier_imaging: tuple[Evidence, ...] = ()
    is_child: bool = False
    age_known: bool = False
    missing_keys: tuple[PrefetchKey, ...] = ()
    gaps: tuple[Gap, ...] = field(default=())
    unseen_counts_as_empty: tuple[PrefetchKey, ...] = ()
    unread_reasons: tuple[str, ...] = ()
