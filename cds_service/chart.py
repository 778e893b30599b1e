"""FHIR R4 to `Chart`: entry by entry, only the elements that are read; what cannot be read is a gap, never silence."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import cached_property
from typing import Any

from cds_service.chart_settings import ChartSettings
from cds_service.codings import codings_of
from cds_service.drugs import Drugs, routes_of
from cds_service.elements import Unreadable
from cds_service.entries import READERS, UNCODED, Context
from cds_service.fhir_dates import local_day, span
from cds_service.fhir_models import PATIENT
from cds_service.json_access import reference_of, text_of, word
from cds_service.prefetch import SILENT, Delivered, Delivery
from cds_service.raw_resources import ALSO_MEDICATION, KINDS, days_told, each_apart
from cds_service.references import relative
from cds_service.resource_types import BESIDE, KEY_OF_TYPE, OLDER_TYPES
from cds_service.silence import Silence
from knowledge.dates import DateSpan
from knowledge.findings import Chart, Entry, Gap, Kind, PrefetchKey, Prescription
from knowledge.knowledge import Knowledge

Json = dict[str, Any]

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
        self.silence = silence or Silence(knowledge, patient_id)
        self.drugs = Drugs(delivered.references, knowledge.vocabulary)
        self.own_reference = f"Patient/{patient_id}"
        self.birth_date = self._birth_date()
        self.context = Context(self.vocabulary, knowledge.orders, self.drugs, self.birth_date, self.today)

    def read_part(self, part: Delivery) -> tuple[list[Entry], list[Gap]]:
        """The entries of one delivered part, and what of it could not be read."""
        entries: list[Entry] = []
        gaps: list[Gap] = []
        says_nothing = self.silence.says_nothing
        for number, resource in each_apart(part.resources, self.delivered.references.resolve):
            kind = word(resource, "resourceType")
            if resource is SILENT or says_nothing(resource, kind):
                continue
            if kind not in KEY_OF_TYPE and kind not in OLDER_TYPES and kind not in BESIDE:
                gaps.append(Gap(f"{part.key.value}[{number}]", "a resource of a type that is not known", part.key))
                continue
            reference = reference_of(resource, f"{part.key.value}[{number}]")
            if kind in ALSO_MEDICATION and self.drugs.tells_of_more(resource, self._read_prescription):
                left, missed = self._left_open(resource, reference, part.key)
                entries += left
                gaps += missed
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

    def _left_open(self, given: Json, reference: str, key: PrefetchKey) -> tuple[list[Entry], list[Gap]]:
        """What a drug leaves open that was given out or taken, and of which no prescription tells."""
        entry = self._by_its_codes(given, reference, Unreadable("a kind of record that is not read"))
        if entry is not None:
            return [entry], [Gap(reference, entry.flaw)]
        if self.drugs.refers_to_a_prescription(given) or self.drugs.is_named(given):
            return [], []
        return [], [Gap(reference, "its drug cannot be read", key)]

    def _by_its_codes(self, resource: Json, reference: str, error: Unreadable) -> Entry | None:
        """What is left of an entry that could not be read: that it may say what its codes stand for."""
        kind = word(resource, "resourceType")
        if error.of_another or kind not in KINDS:
            return None
        try:
            concept = self.drugs.concept(resource) if KINDS[kind] is Kind.MEDICATION else resource.get("code")
        except Unreadable:
            return None
        codings = codings_of(concept).readable
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

    def read_entry(self, resource: Json, reference: str, context: Context | None = None) -> Entry | None:
        """One entry; None when it says nothing that counts. Raises Unreadable."""
        kind = word(resource, "resourceType")
        if kind == "Patient":
            if not self._is_the_patient(resource):
                raise Unreadable("another patient", of_another=True)
            return None
        subject = resource.get("subject", resource.get("patient"))
        if not self._is_about_the_patient(subject):
            raise Unreadable("another patient", of_another=True)
        read = READERS.get(kind)
        return read(context or self.context, self._dated_here(resource), reference) if read else None

    def _dated_here(self, resource: Json) -> Json:
        """A moment that another zone writes as tomorrow and that is today here is dated today: it is no plan.

        Dates are taken as they are written otherwise, and so is every date without a time and a zone.
        """
        today = self.today
        if today is None:
            return resource
        moved: Json = {}
        for name, value in resource.items():
            if isinstance(value, str) and today < value[:10] < ":":  # which comes after any digit
                here = local_day(value)
                if here is not None and here <= today:
                    moved[name] = here
            elif name.endswith("Period") and isinstance(value, dict):
                moved[name] = self._dated_here(value)
        return {**resource, **moved} if moved else resource

    @cached_property
    def _context_of_reasons(self) -> Context:
        return replace(self.context, keep_all=True)

    def read_reason(self, resource: Json, reference: str) -> Entry | None:
        """A reason of an order: kept whatever its codes; None when its status says that it does not stand."""
        return self.read_entry(resource, reference, self._context_of_reasons)

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
        resolved = self.delivered.references.resolve(reference) if name.startswith("urn:") else None
        return resolved is not None and resolved.get("id") == self.patient_id

    def _birth_date(self) -> DateSpan | None:
        part = self.delivered.parts.get(PrefetchKey.PATIENT)
        for resource in part.resources if part else []:
            if resource.get("resourceType") == "Patient" and self._is_the_patient(resource):
                try:
                    patient, _ = PATIENT.parse(resource)
                except Unreadable:
                    continue
                if patient.birthDate is not None:
                    return span(patient.birthDate)
        return None


def _routes_alone(resource: Json) -> Prescription:
    """What is left of a drug that could not be read: how it is given, where that is told."""
    routes, more_routes = routes_of(resource)
    return Prescription(active=False, routes=routes, more_routes=more_routes)
