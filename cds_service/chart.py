"""FHIR R4 to `Chart`: entry by entry, only the elements that are read; what cannot be read is a gap, never silence."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from fhir.resources.R4B.condition import Condition
from fhir.resources.R4B.diagnosticreport import DiagnosticReport
from fhir.resources.R4B.medication import Medication
from fhir.resources.R4B.medicationrequest import MedicationRequest
from fhir.resources.R4B.medicationstatement import MedicationStatement
from fhir.resources.R4B.observation import Observation
from fhir.resources.R4B.patient import Patient
from fhir.resources.R4B.procedure import Procedure
from fhir.resources.R4B.servicerequest import ServiceRequest
from pydantic import BaseModel, ValidationError

from cds_service.prefetch import KEY_OF_TYPE, OLDER_TYPES, Delivered, Delivery, relative
from knowledge.dates import DateSpan
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
from knowledge.vocabulary import read_coding

Json = dict[str, Any]

# The elements that are read of each resource. A leaf says how it is handed to the model.
_PLAIN, _CODE, _DATE = "plain", "code", "date"
_CODING = {"system": _CODE, "code": _CODE}
_CODEABLE = {"coding": [_CODING], "text": _PLAIN}
_PERIOD = {"start": _DATE, "end": _DATE}
_QUANTITY = {"value": _PLAIN, "unit": _PLAIN, "code": _CODE}
_RANGE = {"low": _QUANTITY, "high": _QUANTITY}
_BOUNDS = {"boundsDuration": _QUANTITY, "boundsRange": _RANGE, "boundsPeriod": _PERIOD}
_DOSAGE = {"route": _CODEABLE, "timing": {"repeat": _BOUNDS}}
_DRUG = {"medicationCodeableConcept": _CODEABLE, "status": _CODE}
_READ: Mapping[type[BaseModel], Mapping[str, Any]] = {
    Patient: {"birthDate": _DATE},
    Condition: {
        "code": _CODEABLE,
        "clinicalStatus": _CODEABLE,
        "verificationStatus": _CODEABLE,
        "onsetDateTime": _DATE,
        "onsetPeriod": _PERIOD,
        "onsetAge": _QUANTITY,
        "abatementDateTime": _DATE,
        "abatementPeriod": _PERIOD,
        "abatementAge": _QUANTITY,
        "abatementString": _PLAIN,
        "recordedDate": _DATE,
    },
    Procedure: {"code": _CODEABLE, "status": _CODE, "performedDateTime": _DATE, "performedPeriod": _PERIOD},
    MedicationRequest: {
        **_DRUG,
        "intent": _CODE,
        "doNotPerform": _PLAIN,
        "authoredOn": _DATE,
        "dosageInstruction": [_DOSAGE],
        "dispenseRequest": {"expectedSupplyDuration": _QUANTITY, "numberOfRepeatsAllowed": _PLAIN},
    },
    MedicationStatement: {
        **_DRUG,
        "effectiveDateTime": _DATE,
        "effectivePeriod": _PERIOD,
        "dateAsserted": _DATE,
        "dosage": [_DOSAGE],
    },
    Medication: {"code": _CODEABLE},
    Observation: {
        "code": _CODEABLE,
        "status": _CODE,
        "effectiveDateTime": _DATE,
        "effectivePeriod": _PERIOD,
        "effectiveInstant": _DATE,
        "valueQuantity": _QUANTITY,
        "valueCodeableConcept": _CODEABLE,
        "valueBoolean": _PLAIN,
        "interpretation": [_CODEABLE],
    },
    ServiceRequest: {
        "code": _CODEABLE,
        "status": _CODE,
        "intent": _CODE,
        "doNotPerform": _PLAIN,
        "authoredOn": _DATE,
    },
    DiagnosticReport: {"code": _CODEABLE, "status": _CODE, "effectiveDateTime": _DATE, "effectivePeriod": _PERIOD},
}
# Required by the models and read by us before them.
_SUBJECT = {"reference": "Patient/read-before"}
_HAS_SUBJECT = (Condition, Procedure, MedicationRequest, MedicationStatement, ServiceRequest)

_UNREADABLE = (ValidationError, KeyError, RecursionError, TypeError, ValueError)
_DATED = re.compile(r"(\d{4}-\d{2}-\d{2})[T ]")

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
# Days to a unit of time, by UCUM code and by the words the field writes.
_DAYS = {"d": 1.0, "wk": 7.0, "mo": 30.4375, "a": 365.25, "h": 1 / 24, "min": 1 / 1440, "s": 1 / 86400}
_DAY_WORDS = {
    "day": "d",
    "days": "d",
    "week": "wk",
    "weeks": "wk",
    "month": "mo",
    "months": "mo",
    "year": "a",
    "years": "a",
}


class Unreadable(Exception):
    """An entry that cannot be read; the message says why, without its content."""

    def __init__(self, why: str, *, uncoded: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.uncoded = uncoded


@dataclass(frozen=True, slots=True)
class ChartSettings:
    """A site's choices for reading charts."""

    uncoded_entries_are_listed_only: bool = False
    """Entries without a known coding are listed, and do not make their key incomplete."""
    unseen_counts_as_empty: bool = False
    """Keys that did not arrive count as searched and empty."""


def read_chart(
    delivered: Delivered,
    patient_id: str,
    knowledge: Knowledge,
    settings: ChartSettings = ChartSettings(),
    session: tuple[Entry, ...] = (),
) -> Chart:
    """The chart of one patient from what was delivered; ``session`` are referrals among the other drafts."""
    reader = ChartReader(delivered, patient_id, knowledge)
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
    unseen = frozenset(
        key
        for key in PrefetchKey
        if settings.unseen_counts_as_empty
        and key not in complete
        and (key not in delivered.parts or _failed_whole(delivered.parts[key]))
    )
    return Chart(
        patient=f"Patient/{patient_id}",
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


class ChartReader:
    """Reads the resources of one patient."""

    def __init__(self, delivered: Delivered, patient_id: str, knowledge: Knowledge) -> None:
        self.delivered = delivered
        self.patient_id = patient_id
        self.vocabulary = knowledge.vocabulary
        self.orders = knowledge.orders
        self.keep_all = False
        self.birth_date = self._birth_date()

    def read_part(self, part: Delivery) -> tuple[list[Entry], list[Gap]]:
        """The entries of one delivered part, and what of it could not be read."""
        entries: list[Entry] = []
        gaps: list[Gap] = []
        for number, resource in enumerate(part.resources):
            kind = resource.get("resourceType")
            reference = reference_of(resource, f"{part.key.value}[{number}]")
            if kind in OLDER_TYPES:
                gaps.append(Gap(reference, "a resource of an older FHIR version", OLDER_TYPES[kind]))
            if kind not in KEY_OF_TYPE:
                continue
            try:
                entry = self.read_entry(resource, reference)
            except Unreadable as error:
                gaps.append(Gap(reference, error.why, part.key))
                continue
            if entry is not None:
                entries.append(entry)
        return entries, gaps

    def read_entry(self, resource: Json, reference: str) -> Entry | None:
        """One entry; None when it says nothing that counts. Raises Unreadable."""
        kind = str(resource.get("resourceType"))
        if kind == "Patient":
            if not self._is_the_patient(resource):
                raise Unreadable("another patient")
            return None
        subject = resource.get("subject", resource.get("patient"))
        if not self._is_about_the_patient(subject):
            raise Unreadable("another patient")
        reader = _READERS.get(kind)
        return reader(self, resource, reference) if reader else None

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
        if not isinstance(subject, dict) or "reference" not in subject:
            return True
        return self.names_the_patient(subject["reference"])

    def names_the_patient(self, reference: object) -> bool:
        name = relative(reference)
        if name == f"Patient/{self.patient_id}" or reference == self.patient_id:
            return True
        resolved = self.delivered.resolve(reference) if name.startswith("urn:") else None
        return resolved is not None and resolved.get("id") == self.patient_id

    def _birth_date(self) -> DateSpan | None:
        part = self.delivered.parts.get(PrefetchKey.PATIENT)
        for resource in part.resources if part else []:
            if resource.get("resourceType") == "Patient" and self._is_the_patient(resource):
                try:
                    patient, _ = parse(Patient, resource)
                except Unreadable:
                    continue
                if patient.birthDate is not None:
                    return span(patient.birthDate)
        return None

    # -- codes -----------------------------------------------------------------------------------

    def codings(self, concept: Any) -> tuple[Coding, ...]:
        """The readable codings of a raw CodeableConcept, in order, each once."""
        found = concept.get("coding") if isinstance(concept, dict) else None
        read = [
            coding
            for each in (found if isinstance(found, list) else [])
            if isinstance(each, dict) and (coding := read_coding(each.get("system"), each.get("code")))
        ]
        return tuple(dict.fromkeys(read))

    def _coded(self, resource: Json, concept: Any) -> tuple[Coding, ...] | None:
        """The codings of an entry; None when no value set knows any, so that nothing more need be read of it."""
        if resource.get("modifierExtension"):
            raise Unreadable("a modifier extension changes its meaning")
        codings = self.codings(concept)
        if not codings:
            raise Unreadable(UNCODED, uncoded=True)
        return codings if self.keep_all or self.vocabulary.knows(codings) else None

    # -- resources -------------------------------------------------------------------------------

    def condition(self, resource: Json, reference: str) -> Entry | None:
        verification = _status_code(resource, "verificationStatus")
        if verification == "entered-in-error":
            return None
        try:
            codings = self._coded(resource, resource.get("code"))
        except Unreadable as error:
            if error.uncoded and verification == "refuted":
                return None
            raise
        if codings is None:
            return None
        clinical = _status_code(resource, "clinicalStatus")
        if clinical == "" or (verification is not None and verification not in _CERTAINTY):
            raise Unreadable("its status cannot be read")
        condition, _ = parse(Condition, _with_modern_names(resource), needed=("code", "clinicalStatus"))
        onset = span(condition.onsetDateTime) or _start(condition.onsetPeriod) or self._at_age(condition.onsetAge)
        over = (
            span(condition.abatementDateTime) or _end(condition.abatementPeriod) or self._at_age(condition.abatementAge)
        )
        abated = condition.abatementString is not None or resource.get("abatementBoolean") is True
        return Entry(
            reference=reference,
            kind=Kind.CONDITION,
            codings=codings,
            text=text_of(resource.get("code")),
            certainty=_CERTAINTY[verification or "confirmed"],
            past=abated or clinical in _PAST,
            start=onset,
            end=over,
            recorded=span(condition.recordedDate),
        )

    def procedure(self, resource: Json, reference: str) -> Entry | None:
        status = _plain_status(resource)
        if status not in ("completed", "in-progress"):
            return None
        codings = self._coded_or_imaging(resource)
        if codings is None:
            return None
        procedure, _ = parse(Procedure, resource, needed=("code", "status"))
        return Entry(
            reference=reference,
            kind=Kind.PROCEDURE,
            codings=codings,
            text=text_of(resource.get("code")),
            start=span(procedure.performedDateTime) or _start(procedure.performedPeriod),
            underway=status == "in-progress",
        )

    def medication_request(self, resource: Json, reference: str) -> Entry | None:
        status = _plain_status(resource)
        if status in _NO_MEDICATION or resource.get("intent") in _NO_INTENT or resource.get("doNotPerform") is True:
            return None
        codings = self._coded(resource, self._drug(resource))
        if codings is None:
            return None
        request, dropped = parse(MedicationRequest, _with_placeholder_drug(resource), needed=("status",))
        start = span(request.authoredOn)
        supply = request.dispenseRequest
        course = self._course(request.dosageInstruction, dropped)
        if course == Course() and supply is not None and supply.expectedSupplyDuration is not None:
            days = _days(supply.expectedSupplyDuration)
            if days is not None:
                total = int(days * (1 + (supply.numberOfRepeatsAllowed or 0)))
                course = Course(total, total)
        return self._medication(resource, reference, codings, status, start, None, course, request.dosageInstruction)

    def medication_statement(self, resource: Json, reference: str) -> Entry | None:
        status = _plain_status(resource)
        if status in _NO_MEDICATION:
            return None
        codings = self._coded(resource, self._drug(resource))
        if codings is None:
            return None
        statement, dropped = parse(MedicationStatement, _with_placeholder_drug(resource), needed=("status",))
        period = statement.effectivePeriod
        start = span(statement.effectiveDateTime) or _start(period)
        course = self._course(statement.dosage, dropped)
        if course == Course() and period is not None and period.end is not None:
            course = Course(end=_end(period))
        recorded = span(statement.dateAsserted)
        return self._medication(resource, reference, codings, status, start, recorded, course, statement.dosage)

    def observation(self, resource: Json, reference: str) -> Entry | None:
        if _plain_status(resource) not in _OBSERVED:
            return None
        codings = self._coded(resource, resource.get("code"))
        if codings is None or resource.get("dataAbsentReason"):
            return None
        observed, dropped = parse(Observation, resource, needed=("code", "status"))
        if any(name.startswith("value") for name in dropped):
            raise Unreadable("its value cannot be read")
        quantity = observed.valueQuantity
        return Entry(
            reference=reference,
            kind=Kind.OBSERVATION,
            codings=codings,
            text=text_of(resource.get("code")),
            start=span(observed.effectiveDateTime)
            or _start(observed.effectivePeriod)
            or span(observed.effectiveInstant),
            measurement=Measurement(
                number=float(quantity.value) if quantity is not None and quantity.value is not None else None,
                unit=(quantity.code or quantity.unit) if quantity is not None else None,
                yes=observed.valueBoolean is True,
                codings=self.codings(resource.get("valueCodeableConcept")),
                interpretations=_interpretations(observed),
            ),
        )

    def referral(self, resource: Json, reference: str) -> Entry | None:
        status = _plain_status(resource)
        if status not in _REFERRED or resource.get("doNotPerform") is True:
            return None
        codings = self._coded(resource, resource.get("code"))
        if codings is None:
            return None
        request, _ = parse(ServiceRequest, {"intent": "order", **resource}, needed=("code", "status"))
        return Entry(reference, Kind.REFERRAL, codings, text_of(resource.get("code")), start=span(request.authoredOn))

    def report(self, resource: Json, reference: str) -> Entry | None:
        if _plain_status(resource) not in _REPORTED:
            return None
        codings = self._coded_or_imaging(resource)
        if codings is None or self.orders.resolve(codings) is None:
            return None
        report, _ = parse(DiagnosticReport, resource, needed=("code", "status"))
        return Entry(
            reference,
            Kind.IMAGING,
            codings,
            text_of(resource.get("code")),
            start=span(report.effectiveDateTime) or _start(report.effectivePeriod),
        )

    # -- parts of resources ----------------------------------------------------------------------

    def _coded_or_imaging(self, resource: Json) -> tuple[Coding, ...] | None:
        codings = self._coded(resource, resource.get("code"))
        if codings is None:
            listed = self.codings(resource.get("code"))
            return listed if self.orders.resolve(listed) is not None else None
        return codings

    def _drug(self, resource: Json) -> Any:
        """The CodeableConcept that names the drug, on the entry or behind its reference."""
        concept = resource.get("medicationCodeableConcept")
        if concept is not None:
            return concept
        reference = resource.get("medicationReference")
        target = reference.get("reference") if isinstance(reference, dict) else None
        drug = self.delivered.resolve(target, within=resource)
        if drug is None:
            raise Unreadable("its drug is a reference that does not resolve")
        if drug.get("modifierExtension"):
            raise Unreadable("a modifier extension changes its meaning")
        return drug.get("code")

    def _medication(
        self,
        resource: Json,
        reference: str,
        codings: tuple[Coding, ...],
        status: str,
        start: DateSpan | None,
        recorded: DateSpan | None,
        course: Course,
        dosages: list[Any] | None,
    ) -> Entry:
        routes = tuple(
            coding
            for dosage in dosages or []
            if dosage.route is not None
            for each in dosage.route.coding or []
            if (coding := read_coding(each.system, each.code))
        )
        return Entry(
            reference=reference,
            kind=Kind.MEDICATION,
            codings=codings,
            text=text_of(self._drug(resource)),
            start=start,
            recorded=recorded,
            prescription=Prescription(
                active=status == "active", course=course, routes=routes, indications=self._indications(resource)
            ),
        )

    def _indications(self, resource: Json) -> tuple[Coding, ...]:
        found: list[Coding] = []
        for concept in _list(resource.get("reasonCode")):
            found += self.codings(concept)
        for each in _list(resource.get("reasonReference")):
            target = self.delivered.resolve(each.get("reference"), within=resource) if isinstance(each, dict) else None
            if target is not None:
                found += self.codings(target.get("code"))
        return tuple(dict.fromkeys(found))

    def _course(self, dosages: list[Any] | None, dropped: frozenset[str]) -> Course:
        """The length the dosage states; several instructions may follow one another or run together."""
        if dropped & {"dosageInstruction", "dosage"}:
            return Course()
        lengths: list[tuple[int, int]] = []
        ends: list[DateSpan] = []
        for dosage in dosages or []:
            repeat = dosage.timing.repeat if dosage.timing is not None else None
            if repeat is None:
                continue
            if repeat.boundsDuration is not None and (days := _days(repeat.boundsDuration)) is not None:
                lengths.append((int(days), int(days)))
            elif repeat.boundsRange is not None:
                low, high = repeat.boundsRange.low, repeat.boundsRange.high
                shortest, longest = (_days(each) if each is not None else None for each in (low, high))
                if longest is not None:
                    lengths.append((int(shortest or 0), int(longest)))
            elif repeat.boundsPeriod is not None and (end := _end(repeat.boundsPeriod)) is not None:
                start = _start(repeat.boundsPeriod)
                if start is not None and start.is_day and end.is_day:
                    days_taken = (end.earliest - start.earliest).days + 1
                    lengths.append((days_taken, days_taken))
                else:
                    ends.append(end)
        if lengths:
            return Course(max(short for short, _ in lengths), sum(long for _, long in lengths))
        return Course(end=max(ends)) if ends else Course()

    def _at_age(self, age: Any) -> DateSpan | None:
        """The days on which the patient had the age, by the birth date."""
        if age is None or age.value is None or self.birth_date is None:
            return None
        unit = _unit(age)
        if unit is None:
            return None
        begin = float(age.value) * _DAYS[unit]
        try:
            if unit == "a":
                years = int(age.value)
                return DateSpan(
                    _years_after(self.birth_date.earliest, years),
                    _years_after(self.birth_date.latest, years + 1) - timedelta(days=1),
                )
            return DateSpan(
                self.birth_date.earliest + timedelta(days=int(begin)),
                self.birth_date.latest + timedelta(days=int(begin + _DAYS[unit])),
            )
        except (OverflowError, ValueError):
            return None


_READERS: Mapping[str, Callable[[ChartReader, Json, str], Entry | None]] = {
    "Condition": ChartReader.condition,
    "Procedure": ChartReader.procedure,
    "MedicationRequest": ChartReader.medication_request,
    "MedicationStatement": ChartReader.medication_statement,
    "Observation": ChartReader.observation,
    "ServiceRequest": ChartReader.referral,
    "DiagnosticReport": ChartReader.report,
}


def read_order(resource: Json) -> DateSpan | None:
    """When an order was authored; raises Unreadable where its code or status is malformed."""
    order, _ = parse(ServiceRequest, {"intent": "order", **resource}, needed=("code", "status"))
    return span(order.authoredOn)


def parse(model: Any, resource: Json, needed: tuple[str, ...] = ()) -> tuple[Any, frozenset[str]]:
    """The elements we read of a resource, as the FHIR model reads them, and the names of those that it refuses.

    A bad item of a list is left out alone, any other bad element as a whole. Raises Unreadable when one of
    ``needed`` is bad, or when nothing helps.
    """
    data = _pruned(resource, _READ[model])
    data["resourceType"] = model.get_resource_type()
    if model in _HAS_SUBJECT:
        data["subject"] = _SUBJECT
    dropped: set[str] = set()
    for _ in range(_MOST_REPAIRS):
        try:
            return model.model_validate(data), frozenset(dropped)
        except ValidationError as error:
            for place in {tuple(each["loc"]) for each in error.errors(include_input=False, include_url=False)}:
                _leave_out(data, place, dropped)
            if dropped & set(needed) and not all(name in data for name in dropped & set(needed)):
                break
        except _UNREADABLE:
            break
    raise Unreadable("malformed beyond what can be read")


_MOST_REPAIRS = 5


def _leave_out(data: Json, place: tuple[Any, ...], dropped: set[str]) -> None:
    """Take out the innermost list item that holds the bad place, else the whole element."""
    dropped.add(str(place[0]) if place else "")
    for depth in range(len(place) - 1, 0, -1):
        if isinstance(place[depth], int):
            parent: Any = data
            for step in place[:depth]:
                parent = parent[step] if _has(parent, step) else None
            if isinstance(parent, list) and place[depth] < len(parent):
                # Emptied in place: the other indices of the same report stay right.
                parent[place[depth]] = {}
                return
    if place:
        data.pop(place[0], None)


def _has(parent: Any, step: Any) -> bool:
    return (isinstance(parent, dict) and step in parent) or (
        isinstance(parent, list) and isinstance(step, int) and step < len(parent)
    )


def _pruned(value: Any, read: Any) -> Any:
    """A copy with only the elements that are read; what has an unexpected shape is left for the model to refuse."""
    if isinstance(read, str):
        return _leaf(value, read)
    if isinstance(read, list):
        if not isinstance(value, list):
            return value
        return [_pruned(each, read[0]) for each in value if each not in (None, {}, "")]
    if not isinstance(value, dict):
        return value
    if value.get("modifierExtension"):
        return {"modifierExtension": "refused: it may change the meaning"}
    found = {name: _pruned(value[name], inner) for name, inner in read.items() if value.get(name) not in (None, "")}
    return {name: each for name, each in found.items() if each not in ({}, [])}


def _leaf(value: Any, read: str) -> Any:
    if read == _DATE and not isinstance(value, str):
        return ""  # a number would be read as seconds since 1970: let the model refuse it
    if isinstance(value, str):
        if read == _DATE and (match := _DATED.match(value)):
            return match[1]  # the date as written, whatever its time and zone
        if read == _CODE:
            return value.strip()
    return value


def _with_modern_names(resource: Json) -> Json:
    """A Condition under the names of R4, where an older version wrote its status or its date otherwise."""
    renamed = dict(resource)
    for name in ("clinicalStatus", "verificationStatus"):
        if isinstance(renamed.get(name), str):
            renamed[name] = {"coding": [{"code": renamed[name]}]}
    recorded = resource.get("recordedDate", resource.get("assertedDate", resource.get("dateRecorded")))
    return {**renamed, "recordedDate": recorded} if recorded is not None else renamed


def _with_placeholder_drug(resource: Json) -> Json:
    """The drug is read by us, from the entry or behind its reference; the model only asks that there be one."""
    rest = {name: value for name, value in resource.items() if name != "medicationReference"}
    return {"intent": "order", **rest, "medicationCodeableConcept": {"text": "read before"}}


def _status_code(resource: Json, name: str) -> str | None:
    """The code of a status, a CodeableConcept or (older) a string; None when absent, empty when unreadable."""
    status = resource.get(name)
    if status is None:
        return None
    if isinstance(status, str):
        return status.strip().lower()
    codes = [
        each["code"].strip().lower()
        for each in _list(status.get("coding") if isinstance(status, dict) else None)
        if isinstance(each, dict) and isinstance(each.get("code"), str)
    ]
    return codes[0] if codes else ""


def _plain_status(resource: Json) -> str:
    status = resource.get("status")
    if not isinstance(status, str) or not status.strip():
        raise Unreadable("its status cannot be read")
    return status.strip()


def _interpretations(observed: Any) -> tuple[str, ...]:
    return tuple(
        coding.code
        for concept in observed.interpretation or []
        for coding in concept.coding or []
        if coding.code is not None
    )


def reference_of(resource: Json, otherwise: str) -> str:
    kind, identity = resource.get("resourceType"), resource.get("id")
    return f"{kind}/{identity}" if isinstance(identity, str) and identity else otherwise


def text_of(concept: Any) -> str:
    """What a person reads in a CodeableConcept: its text, else the first display."""
    if not isinstance(concept, dict):
        return ""
    displays = [each.get("display") for each in _list(concept.get("coding")) if isinstance(each, dict)]
    shown = [each for each in (concept.get("text"), *displays) if isinstance(each, str) and each.strip()]
    return shown[0].strip() if shown else ""


def span(value: Any) -> DateSpan | None:
    """The days a date of a model stands for."""
    if value is None:
        return None
    if isinstance(value, date):
        return DateSpan.on(date(value.year, value.month, value.day))
    try:
        return DateSpan.parse(str(value)[:10])
    except ValueError:
        return None


def _start(period: Any) -> DateSpan | None:
    return span(period.start) if period is not None else None


def _end(period: Any) -> DateSpan | None:
    return span(period.end) if period is not None else None


def _unit(quantity: Any) -> str | None:
    for written in (quantity.code, quantity.unit):
        unit = _DAY_WORDS.get(str(written).lower(), written)
        if unit in _DAYS:
            return str(unit)
    return None


def _days(quantity: Any) -> float | None:
    unit = _unit(quantity)
    return float(quantity.value) * _DAYS[unit] if unit is not None and quantity.value is not None else None


def _years_after(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
