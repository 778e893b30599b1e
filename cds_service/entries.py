"""Each type of resource to an `Entry`: None where it says nothing that counts; Unreadable where it cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from cds_service.codings import codings_of
from cds_service.courses import course_of, has_reversed_bounds
from cds_service.drugs import Drugs, routes_of
from cds_service.durations import COMPARATORS, LONGEST_COURSE, length_of
from cds_service.elements import Unreadable
from cds_service.fhir_dates import at_age, days_in, end_of, is_reversed, onset_and_end, span, start_of
from cds_service.fhir_models import (
    CONDITION,
    MEDICATION_REQUEST,
    MEDICATION_STATEMENT,
    OBSERVATION,
    ORDER,
    PROCEDURE,
    REPORT,
)
from cds_service.json_access import status_code, text_of, word
from cds_service.raw_resources import (
    ENDS,
    KINDS,
    interpretations,
    is_denied,
    status_of,
    with_modern_names,
    with_one_time,
)
from knowledge.dates import DateSpan
from knowledge.extent import says_nothing
from knowledge.findings import Certainty, Coding, Course, Entry, Kind, Measurement, Prescription
from knowledge.orders import OrderCodes
from knowledge.values import hot_dataclass
from knowledge.vocabulary import Vocabulary

Json = dict[str, Any]

_NO_MEDICATION = {"draft", "cancelled", "entered-in-error", "not-taken", "intended"}
_NO_INTENT = {"proposal", "plan", "option"}
_OBSERVED = {"final", "amended", "corrected", "preliminary"}
_REPORTED = _OBSERVED | {"partial", "appended"}
_MAY_GO_ON = {"on-hold", "unknown"}
_REFERRED = {"active", "completed"}
_PAST = {"inactive", "remission", "resolved"}
_CERTAINTY = {
    "confirmed": Certainty.ASSERTED,
    "unconfirmed": Certainty.SUSPECTED,
    "provisional": Certainty.SUSPECTED,
    "differential": Certainty.SUSPECTED,
    "refuted": Certainty.REFUTED,
}

UNCODED = "no code of a known system"
MALFORMED = "a code that cannot be read"


@hot_dataclass(frozen=True, slots=True)
class Context:
    """What an entry is read by, besides itself."""

    vocabulary: Vocabulary
    orders: OrderCodes
    drugs: Drugs
    birth_date: DateSpan | None
    today: str | None
    keep_all: bool = False
    """Entries are kept whatever their codes."""

    def coded(self, resource: Json, concept: Any) -> tuple[Coding, ...] | None:
        """The codings of an entry; None when no value set knows any, so that nothing more need be read of it."""
        if resource.get("modifierExtension") or (isinstance(concept, dict) and concept.get("modifierExtension")):
            raise Unreadable("a modifier extension changes its meaning")
        codings, malformed = codings_of(concept)
        known = self.vocabulary.knows(codings)
        if not known and malformed:
            raise Unreadable(MALFORMED)
        if not codings or not (
            known or self.keep_all or says_nothing(codings, KINDS.get(word(resource, "resourceType")))
        ):
            raise Unreadable(UNCODED, uncoded=True)
        return codings if self.keep_all or known else None

    def coded_or_imaging(self, resource: Json) -> tuple[Coding, ...] | None:
        codings = self.coded(resource, resource.get("code"))
        if codings is None:
            listed = codings_of(resource.get("code")).readable
            return listed if self.orders.knows(listed) else None
        return codings


def read_condition(context: Context, resource: Json, reference: str) -> Entry | None:
    verification = status_code(resource, "verificationStatus")
    if verification == "entered-in-error":
        return None
    try:
        codings = context.coded(resource, resource.get("code"))
    except Unreadable as error:
        if error.uncoded and verification == "refuted":
            return None
        raise
    if codings is None and verification == "refuted":
        codings = codings_of(resource.get("code")).readable  # a category above every list still denies what is below it
    if codings is None:
        return None
    clinical = status_code(resource, "clinicalStatus")
    if clinical == "" or (verification is not None and verification not in _CERTAINTY):
        raise Unreadable("its status cannot be read")
    condition, refused = CONDITION.parse(with_modern_names(resource))
    began, age = condition.onsetDateTime or condition.onsetPeriod, condition.onsetAge
    onset = span(condition.onsetDateTime) or start_of(condition.onsetPeriod) or at_age(age, context.birth_date)
    over = (
        span(condition.abatementDateTime)
        or end_of(condition.abatementPeriod)
        or at_age(condition.abatementAge, context.birth_date)
    )
    others = (span(condition.recordedDate), end_of(condition.onsetPeriod))
    onset, over = onset_and_end(onset, over, others, context.today)
    abated = condition.abatementString is not None or resource.get("abatementBoolean") is True
    past = abated or clinical in _PAST
    # An onset that stands there and cannot be dated is not dated by something else.
    undatable = any(name.startswith("onset") for name in refused) or (age is not None and not began and not onset)
    if past and over is None and any(resource.get(name) is not None for name in ENDS):
        # Nor is an end: it lies somewhere after the onset.
        undatable = True
        over = DateSpan(onset.earliest, date.max) if onset is not None else None
    return Entry(
        reference=reference,
        kind=Kind.CONDITION,
        codings=codings,
        text=text_of(resource.get("code")),
        certainty=_CERTAINTY[verification or "confirmed"],
        past=past,
        start=onset,
        end=over,
        recorded=None if undatable else span(condition.recordedDate),
        flaw=f"its {' and '.join(sorted(refused))} cannot be read" if refused else "",
    )


def read_procedure(context: Context, resource: Json, reference: str) -> Entry | None:
    status = status_of(resource)
    if status not in ("completed", "in-progress"):
        return None
    codings = context.coded_or_imaging(resource)
    if codings is None:
        return None
    procedure, _ = PROCEDURE.parse(resource)
    period = procedure.performedPeriod
    return Entry(
        reference=reference,
        kind=Kind.PROCEDURE,
        codings=codings,
        text=text_of(resource.get("code")),
        start=span(procedure.performedDateTime) or (None if is_reversed(period) else start_of(period)),
        underway=status == "in-progress",
    )


def read_medication_request(context: Context, resource: Json, reference: str) -> Entry | None:
    status = status_of(resource)
    if status in _NO_MEDICATION or word(resource, "intent") in _NO_INTENT or is_denied(resource):
        return None
    drug = context.drugs.concept(resource)
    codings = context.coded(resource, drug)
    if codings is None:
        return None
    request, dropped = MEDICATION_REQUEST.parse(resource)
    start = span(request.authoredOn)
    supply = request.dispenseRequest
    stated = course_of(request.dosageInstruction, dropped)
    course = stated or Course()
    endless = course == Course(begin=course.begin)
    if stated is not None and endless and supply is not None:
        length = length_of(supply.expectedSupplyDuration)
        if length is not None:
            repeats = resource["dispenseRequest"].get("numberOfRepeatsAllowed")
            whole = isinstance(repeats, int | float) and not isinstance(repeats, bool) and repeats == repeats // 1
            if repeats is None or (whole and repeats >= 0):
                times = 1 + int(min(repeats or 0, LONGEST_COURSE))
                shortest, longest = (min(int(days * times), LONGEST_COURSE) for days in length)
            else:
                shortest, longest = int(length[0]), LONGEST_COURSE
            course = Course(shortest, longest, begin=course.begin)
    return _medication(
        context, resource, reference, drug, codings, status, start, None, course, request.dosageInstruction
    )


def read_medication_statement(context: Context, resource: Json, reference: str) -> Entry | None:
    status = status_of(resource)
    if status in _NO_MEDICATION:
        return None
    drug = context.drugs.concept(resource)
    codings = context.coded(resource, drug)
    if codings is None:
        return None
    statement, dropped = MEDICATION_STATEMENT.parse(resource)
    period = statement.effectivePeriod
    start = span(statement.effectiveDateTime) or start_of(period)
    stated = course_of(statement.dosage, dropped)
    course = stated or Course()
    if is_reversed(period):
        start = None
    elif stated in (Course(), Course(begin=course.begin)) and period is not None and period.end is not None:
        course = Course(begin=course.begin, end=end_of(period))
    recorded = span(statement.dateAsserted)
    return _medication(context, resource, reference, drug, codings, status, start, recorded, course, statement.dosage)


def read_observation(context: Context, resource: Json, reference: str) -> Entry | None:
    if status_of(resource) not in _OBSERVED:
        return None
    codings = context.coded(resource, resource.get("code"))
    values = [name for name in resource if name.startswith("value") and resource[name] is not None]
    absent = resource.get("dataAbsentReason")
    is_absent = isinstance(absent, dict) and bool(absent.get("coding"))
    if codings is None or (is_absent and not values):
        return None
    observed, dropped = OBSERVATION.parse(with_one_time(resource))
    quantity = observed.valueQuantity if not is_absent else None
    coded = codings_of(resource.get("valueCodeableConcept")).readable if not is_absent else ()
    measured = (quantity is not None and quantity.value is not None) or coded or observed.valueBoolean is not None
    unread = bool(values) and (
        not measured
        or any(name.startswith("value") for name in dropped)
        or (quantity is not None and quantity.comparator not in COMPARATORS)
    )
    return Entry(
        reference=reference,
        kind=Kind.OBSERVATION,
        codings=codings,
        text=text_of(resource.get("code")),
        start=span(observed.effectiveDateTime) or days_in(observed.effectivePeriod),
        measurement=Measurement(
            number=float(quantity.value) if quantity is not None and quantity.value is not None else None,
            comparator=(quantity.comparator or "") if quantity is not None else "",
            unit=(quantity.code or quantity.unit) if quantity is not None else None,
            yes=observed.valueBoolean is True and not is_absent,
            codings=coded,
            interpretations=interpretations(resource.get("interpretation")),
            unread=unread,
        ),
        flaw="its value cannot be read" if unread else "",
    )


def read_referral(context: Context, resource: Json, reference: str) -> Entry | None:
    status = status_of(resource)
    if status not in _REFERRED or is_denied(resource):
        return None
    codings = context.coded(resource, resource.get("code"))
    if codings is None:
        return None
    request, _ = ORDER.parse(resource)
    return Entry(reference, Kind.REFERRAL, codings, text_of(resource.get("code")), start=span(request.authoredOn))


def read_report(context: Context, resource: Json, reference: str) -> Entry | None:
    if status_of(resource) not in _REPORTED:
        return None
    codings = context.coded_or_imaging(resource)
    if codings is None or not context.orders.knows(codings):
        return None
    report, _ = REPORT.parse(resource)
    return Entry(
        reference,
        Kind.IMAGING,
        codings,
        text_of(resource.get("code")),
        start=span(report.effectiveDateTime) or start_of(report.effectivePeriod),
    )


def _medication(
    context: Context,
    resource: Json,
    reference: str,
    drug: Any,
    codings: tuple[Coding, ...],
    status: str,
    start: DateSpan | None,
    recorded: DateSpan | None,
    course: Course,
    dosages: list[Any] | None,
) -> Entry:
    routes, more_routes = routes_of(resource)
    told = start or recorded
    if course.end is not None and told is not None and course.end.latest < told.earliest:
        start, course = None, Course()  # over before it was told of: one of them is wrong
    return Entry(
        reference=reference,
        kind=Kind.MEDICATION,
        codings=codings,
        text=text_of(drug),
        start=None if has_reversed_bounds(dosages) else start,
        recorded=recorded,
        prescription=Prescription(
            active=status == "active",
            may_go_on=status in _MAY_GO_ON,
            course=course,
            routes=routes,
            more_routes=more_routes,
            indications=context.drugs.indications(resource),
        ),
    )


def read_order(resource: Json) -> DateSpan | None:
    """When an order was authored, where it says so in a date that can be read; raises Unreadable."""
    order, _ = ORDER.parse(resource)
    return span(order.authoredOn)


READERS: Mapping[str, Callable[[Context, Json, str], Entry | None]] = {
    "Condition": read_condition,
    "Procedure": read_procedure,
    "MedicationRequest": read_medication_request,
    "MedicationStatement": read_medication_statement,
    "Observation": read_observation,
    "ServiceRequest": read_referral,
    "DiagnosticReport": read_report,
}
"""By the type of the resource, which is the patient's: nothing here asks whose it is."""
