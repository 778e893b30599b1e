"""FHIR R4 to `Chart`: entry by entry, only the elements that are read; what cannot be read is a gap, never silence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import replace
from datetime import date
from typing import Any

from fhir.resources.R4B.condition import Condition
from fhir.resources.R4B.diagnosticreport import DiagnosticReport
from fhir.resources.R4B.medicationrequest import MedicationRequest
from fhir.resources.R4B.medicationstatement import MedicationStatement
from fhir.resources.R4B.observation import Observation
from fhir.resources.R4B.patient import Patient
from fhir.resources.R4B.procedure import Procedure
from fhir.resources.R4B.servicerequest import ServiceRequest

from cds_service.chart_settings import ChartSettings
from cds_service.codings import codings_of
from cds_service.drugs import Drugs, routes_of
from cds_service.fhir_elements import (
    CODE,
    COMPARATORS,
    DATE,
    FLAG,
    LONGEST_COURSE,
    NUMBER,
    TEXT,
    Elements,
    Unreadable,
    at_age,
    course_of,
    days_in,
    end_of,
    has_reversed_bounds,
    is_reversed,
    length_of,
    local_day,
    onset_and_end,
    reference_of,
    span,
    start_of,
    status_code,
    text_of,
    word,
)
from cds_service.prefetch import BESIDE, KEY_OF_TYPE, OLDER_TYPES, SILENT, Delivered, Delivery, relative
from cds_service.raw_resources import (
    ALSO_MEDICATION,
    ENDS,
    KINDS,
    days_told,
    each_apart,
    interpretations,
    is_denied,
    status_of,
    with_modern_names,
    with_one_time,
)
from cds_service.silence import Silence
from knowledge.dates import DateSpan
from knowledge.extent import says_nothing
from knowledge.findings import (
    Certainty,
    Chart,
    Coding,
    Course,
    Entry,
    Gap,
    Kind,
    Measurement,
    PrefetchKey,
    Prescription,
)
from knowledge.loading import Knowledge

Json = dict[str, Any]

# The elements that are read of each resource through its model. A leaf says how it is handed over. Codes, routes
# and statuses are read by `read_coding`, `status_of` and `status_code`, which ask for more than the models do.
_PERIOD = {"start": DATE, "end": DATE}
_QUANTITY = {"value": NUMBER, "comparator": CODE, "unit": TEXT, "code": CODE}
_RANGE = {"low": _QUANTITY, "high": _QUANTITY}
_BOUNDS = {"boundsDuration": _QUANTITY, "boundsRange": _RANGE, "boundsPeriod": _PERIOD}
_DOSAGE = {"timing": {"repeat": _BOUNDS}}
_PATIENT = Elements.of(Patient, {"birthDate": DATE})
_CONDITION = Elements.of(
    Condition,
    {
        "onsetDateTime": DATE,
        "onsetPeriod": _PERIOD,
        "onsetAge": _QUANTITY,
        "abatementDateTime": DATE,
        "abatementPeriod": _PERIOD,
        "abatementAge": _QUANTITY,
        "abatementString": TEXT,
        "recordedDate": DATE,
    },
)
_PROCEDURE = Elements.of(Procedure, {"performedDateTime": DATE, "performedPeriod": _PERIOD})
_MEDICATION_REQUEST = Elements.of(
    MedicationRequest,
    {
        "authoredOn": DATE,
        "dosageInstruction": [_DOSAGE],
        "dispenseRequest": {"expectedSupplyDuration": _QUANTITY},
    },
)
_MEDICATION_STATEMENT = Elements.of(
    MedicationStatement,
    {"effectiveDateTime": DATE, "effectivePeriod": _PERIOD, "dateAsserted": DATE, "dosage": [_DOSAGE]},
)
_OBSERVATION = Elements.of(
    Observation,
    {
        "effectiveDateTime": DATE,
        "effectivePeriod": _PERIOD,
        "valueQuantity": _QUANTITY,
        "valueBoolean": FLAG,
    },
)
_ORDER = Elements.of(ServiceRequest, {"authoredOn": DATE})
_REPORT = Elements.of(DiagnosticReport, {"effectiveDateTime": DATE, "effectivePeriod": _PERIOD})

_NO_MEDICATION = {"draft", "cancelled", "entered-in-error", "not-taken", "intended"}
_NO_INTENT = {"proposal", "plan", "option"}
_OBSERVED = {"final", "amended", "corrected", "preliminary"}
_REPORTED = _OBSERVED | {"partial", "appended"}
_REFERRED = {"active", "completed"}
_PAST = {"inactive", "remission", "resolved"}
_CERTAINTY = {
    "confirmed": Certainty.ASSERTED,
    "unconfirmed": Certainty.SUSPECTED,
    "provisional": Certainty.SUSPECTED,
    "differential": Certainty.SUSPECTED,
    "refuted": Certainty.REFUTED,
}


_AS_SHIPPED = ChartSettings()


def read_chart(reader: ChartReader, settings: ChartSettings = _AS_SHIPPED, session: tuple[Entry, ...] = ()) -> Chart:
    """The chart of one patient from what was delivered; ``session`` are referrals among the other drafts."""
    delivered = reader.delivered
    entries: list[Entry] = list(session)
    gaps: list[Gap] = []
    complete: set[PrefetchKey] = set()
    for key, part in delivered.parts.items():
        read, missed = reader.read_part(part)
        entries += read
        missed = [_listed_only(gap) for gap in missed] if settings.uncoded_entries_are_listed_only else missed
        gaps += part.gaps + missed
        if part.complete and all(gap.key is not key for gap in missed):
            complete.add(key)
    unseen: frozenset[PrefetchKey] = frozenset()
    if settings.unseen_counts_as_empty:
        parts = delivered.parts
        unseen = frozenset(key for key in PrefetchKey if key not in parts or _failed_whole(parts[key])) - complete
    return Chart(
        patient=reader.own_reference,
        birth_date=reader.birth_date,
        entries=tuple(entries),
        delivered=frozenset(complete),
        gaps=tuple(gaps),
        unseen_counts_as_empty=unseen,
    )


def _failed_whole(part: Delivery) -> bool:
    """Nothing of it arrived: an OperationOutcome or rubbish stands in its place."""
    return not part.complete and not part.resources and all(gap.reference == part.key.value for gap in part.gaps)


def _listed_only(gap: Gap) -> Gap:
    return replace(gap, key=None) if gap.why == UNCODED else gap


UNCODED = "no code of a known system"
MALFORMED = "a code that cannot be read"


class ChartReader:
    """Reads the resources of one patient."""

    def __init__(
        self,
        delivered: Delivered,
        patient_id: str,
        knowledge: Knowledge,
        today: date | None = None,
        silence: Silence | None = None,
    ) -> None:
        self.delivered = delivered
        self.today = today.isoformat() if today is not None else None
        self.patient_id = patient_id
        self.vocabulary = knowledge.vocabulary
        self.orders = knowledge.orders
        self.silence = silence or Silence(knowledge, patient_id)
        self.keep_all = False
        self.reasons = 0
        """How many resources were read as reasons of orders."""
        self.drugs = Drugs(delivered, knowledge.vocabulary)
        self.own_reference = f"Patient/{patient_id}"
        self.birth_date = self._birth_date()

    def read_part(self, part: Delivery) -> tuple[list[Entry], list[Gap]]:
        """The entries of one delivered part, and what of it could not be read."""
        entries: list[Entry] = []
        gaps: list[Gap] = []
        says_nothing = self.silence.says_nothing
        for number, resource in each_apart(part.resources, self.delivered.resolve):
            kind = word(resource, "resourceType")
            if resource is SILENT or says_nothing(resource, kind):
                continue
            if kind not in KEY_OF_TYPE and kind not in OLDER_TYPES and kind not in BESIDE:
                gaps.append(Gap(f"{part.key.value}[{number}]", "a resource of a type that is not known", part.key))
                continue
            reference = reference_of(resource, f"{part.key.value}[{number}]")
            if kind in ALSO_MEDICATION and self.drugs.tells_of_more(resource, self._read_prescription):
                entry = self._by_its_codes(resource, reference, Unreadable("a kind of record that is not read"))
                if entry is not None:
                    gaps.append(Gap(reference, entry.flaw))
                    entries.append(entry)
                elif not self.drugs.refers_to_a_prescription(resource) and not self.drugs.is_named(resource):
                    gaps.append(Gap(reference, "its drug cannot be read", part.key))
            if kind in OLDER_TYPES:
                gaps.append(Gap(reference, "a resource of an older FHIR version", OLDER_TYPES[kind]))
            if kind not in KEY_OF_TYPE:
                continue
            try:
                entry = self.read_entry(resource, reference)
            except Unreadable as error:
                gaps.append(Gap(reference, error.why, part.key))
                entry = self._by_its_codes(resource, reference, error)
            else:
                if entry is not None and entry.flaw:
                    of_value = entry.measurement is not None and entry.measurement.unread
                    gaps.append(Gap(reference, entry.flaw, part.key if of_value else None))
            if entry is not None:
                entries.append(entry)
        return entries, gaps

    def _by_its_codes(self, resource: Json, reference: str, error: Unreadable) -> Entry | None:
        """What is left of an entry that could not be read: that it may say what its codes stand for."""
        kind = word(resource, "resourceType")
        if error.of_another or kind not in KINDS:
            return None
        try:
            concept = self.drugs.concept(resource) if KINDS[kind] is Kind.MEDICATION else resource.get("code")
        except Unreadable:
            return None
        codings = self.codings(concept)
        if not self.vocabulary.knows(codings):
            return None
        return Entry(
            reference,
            KINDS[kind],
            codings,
            text_of(concept),
            start=days_told(self._dated_here(resource)),
            flaw=error.why,
            unread=True,
            prescription=_routes_alone(resource) if KINDS[kind] is Kind.MEDICATION else None,
        )

    def _read_prescription(self, prescribed: Json) -> Entry | None:
        return self.read_entry(prescribed, "")

    def read_entry(self, resource: Json, reference: str) -> Entry | None:
        """One entry; None when it says nothing that counts. Raises Unreadable."""
        kind = word(resource, "resourceType")
        if kind == "Patient":
            if not self._is_the_patient(resource):
                raise Unreadable("another patient", of_another=True)
            return None
        subject = resource.get("subject", resource.get("patient"))
        if not self._is_about_the_patient(subject):
            raise Unreadable("another patient", of_another=True)
        reader = _READERS.get(kind)
        return reader(self, self._dated_here(resource), reference) if reader else None

    def _dated_here(self, resource: Json) -> Json:
        """A moment that another zone writes as tomorrow and that is today here is dated today: it is no plan.

        Dates are taken as they are written otherwise, and so is every date without a time and a zone.
        """
        today = self.today
        if today is None:
            return resource
        moved: Json = {}
        for name, value in resource.items():
            if isinstance(value, str) and today < value[:10] < _AFTER_DIGITS:
                here = local_day(value)
                if here is not None and here <= today:
                    moved[name] = here
            elif name.endswith("Period") and isinstance(value, dict):
                moved[name] = self._dated_here(value)
        return {**resource, **moved} if moved else resource

    def read_reason(self, resource: Json, reference: str) -> Entry | None:
        """A reason of an order: kept whatever its codes; None when its status says that it does not stand."""
        reader = copy(self)
        reader.keep_all = True
        return reader.read_entry(resource, reference)

    # -- patient ---------------------------------------------------------------------------------

    def _is_the_patient(self, resource: Json) -> bool:
        identity = resource.get("id")
        return identity is None or identity == self.patient_id

    def _is_about_the_patient(self, subject: object) -> bool:
        """Whether a subject is the patient of the call; a missing subject is, for the client searched by patient."""
        if subject is None or (isinstance(subject, dict) and "reference" not in subject):
            return True
        if not isinstance(subject, dict):
            return False
        named = self.names_the_patient(subject["reference"])
        if named:
            self.silence.remember_name(subject["reference"])
        return named

    def names_the_patient(self, reference: object) -> bool:
        if reference in (self.own_reference, self.patient_id):
            return True
        name = relative(reference)
        if name == self.own_reference:
            return True
        resolved = self.delivered.resolve(reference) if name.startswith("urn:") else None
        return resolved is not None and resolved.get("id") == self.patient_id

    def _birth_date(self) -> DateSpan | None:
        part = self.delivered.parts.get(PrefetchKey.PATIENT)
        for resource in part.resources if part else []:
            if resource.get("resourceType") == "Patient" and self._is_the_patient(resource):
                try:
                    patient, _ = _PATIENT.parse(resource)
                except Unreadable:
                    continue
                if patient.birthDate is not None:
                    return span(patient.birthDate)
        return None

    # -- codes -----------------------------------------------------------------------------------

    def codings(self, concept: Any) -> tuple[Coding, ...]:
        """The readable codings of a raw CodeableConcept, in order, each once."""
        return codings_of(concept).readable

    def _coded(self, resource: Json, concept: Any) -> tuple[Coding, ...] | None:
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

    # -- resources -------------------------------------------------------------------------------

    def condition(self, resource: Json, reference: str) -> Entry | None:
        verification = status_code(resource, "verificationStatus")
        if verification == "entered-in-error":
            return None
        try:
            codings = self._coded(resource, resource.get("code"))
        except Unreadable as error:
            if error.uncoded and verification == "refuted":
                return None
            raise
        if codings is None and verification == "refuted":
            codings = self.codings(resource.get("code"))  # a category above every list still denies what is below it
        if codings is None:
            return None
        clinical = status_code(resource, "clinicalStatus")
        if clinical == "" or (verification is not None and verification not in _CERTAINTY):
            raise Unreadable("its status cannot be read")
        condition, refused = _CONDITION.parse(with_modern_names(resource))
        began, age = condition.onsetDateTime or condition.onsetPeriod, condition.onsetAge
        onset = span(condition.onsetDateTime) or start_of(condition.onsetPeriod) or at_age(age, self.birth_date)
        over = (
            span(condition.abatementDateTime)
            or end_of(condition.abatementPeriod)
            or at_age(condition.abatementAge, self.birth_date)
        )
        others = (span(condition.recordedDate), end_of(condition.onsetPeriod))
        onset, over = onset_and_end(onset, over, others, self.today)
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

    def procedure(self, resource: Json, reference: str) -> Entry | None:
        status = status_of(resource)
        if status not in ("completed", "in-progress"):
            return None
        codings = self._coded_or_imaging(resource)
        if codings is None:
            return None
        procedure, _ = _PROCEDURE.parse(resource)
        period = procedure.performedPeriod
        return Entry(
            reference=reference,
            kind=Kind.PROCEDURE,
            codings=codings,
            text=text_of(resource.get("code")),
            start=span(procedure.performedDateTime) or (None if is_reversed(period) else start_of(period)),
            underway=status == "in-progress",
        )

    def medication_request(self, resource: Json, reference: str) -> Entry | None:
        status = status_of(resource)
        if status in _NO_MEDICATION or word(resource, "intent") in _NO_INTENT or is_denied(resource):
            return None
        drug = self.drugs.concept(resource)
        codings = self._coded(resource, drug)
        if codings is None:
            return None
        request, dropped = _MEDICATION_REQUEST.parse(resource)
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
        return self._medication(
            resource, reference, drug, codings, status, start, None, course, request.dosageInstruction
        )

    def medication_statement(self, resource: Json, reference: str) -> Entry | None:
        status = status_of(resource)
        if status in _NO_MEDICATION:
            return None
        drug = self.drugs.concept(resource)
        codings = self._coded(resource, drug)
        if codings is None:
            return None
        statement, dropped = _MEDICATION_STATEMENT.parse(resource)
        period = statement.effectivePeriod
        start = span(statement.effectiveDateTime) or start_of(period)
        stated = course_of(statement.dosage, dropped)
        course = stated or Course()
        if is_reversed(period):
            start = None
        elif stated in (Course(), Course(begin=course.begin)) and period is not None and period.end is not None:
            course = Course(begin=course.begin, end=end_of(period))
        recorded = span(statement.dateAsserted)
        return self._medication(resource, reference, drug, codings, status, start, recorded, course, statement.dosage)

    def observation(self, resource: Json, reference: str) -> Entry | None:
        if status_of(resource) not in _OBSERVED:
            return None
        codings = self._coded(resource, resource.get("code"))
        values = [name for name in resource if name.startswith("value") and resource[name] is not None]
        absent = resource.get("dataAbsentReason")
        is_absent = isinstance(absent, dict) and bool(absent.get("coding"))
        if codings is None or (is_absent and not values):
            return None
        observed, dropped = _OBSERVATION.parse(with_one_time(resource))
        quantity = observed.valueQuantity if not is_absent else None
        coded = self.codings(resource.get("valueCodeableConcept")) if not is_absent else ()
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

    def referral(self, resource: Json, reference: str) -> Entry | None:
        status = status_of(resource)
        if status not in _REFERRED or is_denied(resource):
            return None
        codings = self._coded(resource, resource.get("code"))
        if codings is None:
            return None
        request, _ = _ORDER.parse(resource)
        return Entry(reference, Kind.REFERRAL, codings, text_of(resource.get("code")), start=span(request.authoredOn))

    def report(self, resource: Json, reference: str) -> Entry | None:
        if status_of(resource) not in _REPORTED:
            return None
        codings = self._coded_or_imaging(resource)
        if codings is None or not self.orders.knows(codings):
            return None
        report, _ = _REPORT.parse(resource)
        return Entry(
            reference,
            Kind.IMAGING,
            codings,
            text_of(resource.get("code")),
            start=span(report.effectiveDateTime) or start_of(report.effectivePeriod),
        )

    # -- parts of resources ----------------------------------------------------------------------

    def _coded_or_imaging(self, resource: Json) -> tuple[Coding, ...] | None:
        codings = self._coded(resource, resource.get("code"))
        if codings is None:
            listed = self.codings(resource.get("code"))
            return listed if self.orders.knows(listed) else None
        return codings

    def _medication(
        self,
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
                course=course,
                routes=routes,
                more_routes=more_routes,
                indications=self.drugs.indications(resource),
            ),
        )


def _routes_alone(resource: Json) -> Prescription:
    """What is left of a drug that could not be read: how it is given, where that is told."""
    routes, more_routes = routes_of(resource)
    return Prescription(active=False, routes=routes, more_routes=more_routes)


_READERS: Mapping[str, Callable[[ChartReader, Json, str], Entry | None]] = {
    "Condition": ChartReader.condition,
    "Procedure": ChartReader.procedure,
    "MedicationRequest": ChartReader.medication_request,
    "MedicationStatement": ChartReader.medication_statement,
    "Observation": ChartReader.observation,
    "ServiceRequest": ChartReader.referral,
    "DiagnosticReport": ChartReader.report,
}


_AFTER_DIGITS = ":"


def read_order(resource: Json) -> DateSpan | None:
    """When an order was authored, where it says so in a date that can be read; raises Unreadable."""
    order, _ = _ORDER.parse(resource)
    return span(order.authoredOn)
