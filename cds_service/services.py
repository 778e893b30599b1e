"""The services by their ids, and what each asks for of a chart: a public contract."""

from __future__ import annotations

from knowledge.findings import PrefetchKey

_PATIENT = "{{context.patientId}}"
# LOINC codes of the value set bone-density-t-score; a test holds the two together.
_T_SCORES = ("38267-1", "80945-9", "80946-7", "80947-5", "80948-3")

PREFETCH = {
    PrefetchKey.PATIENT.value: f"Patient/{_PATIENT}",
    PrefetchKey.CONDITIONS.value: f"Condition?patient={_PATIENT}",
    PrefetchKey.MEDICATIONS.value: f"MedicationRequest?patient={_PATIENT}",
    PrefetchKey.PROCEDURES.value: f"Procedure?patient={_PATIENT}",
    PrefetchKey.OBSERVATIONS.value: f"Observation?patient={_PATIENT}&category=vital-signs",
    PrefetchKey.BONE_DENSITY.value: f"Observation?patient={_PATIENT}&code={','.join(_T_SCORES)}",
    PrefetchKey.REFERRALS.value: f"ServiceRequest?patient={_PATIENT}",
    PrefetchKey.IMAGING.value: f"DiagnosticReport?patient={_PATIENT}&category=RAD",
}

HOOKS = {
    "lumbar-imaging-order-select": "order-select",
    "lumbar-imaging-order-sign": "order-sign",
}
