"""What is read of each FHIR R4 resource through its model; no other module knows the models."""

from __future__ import annotations

from fhir.resources.R4B.condition import Condition
from fhir.resources.R4B.diagnosticreport import DiagnosticReport
from fhir.resources.R4B.medicationrequest import MedicationRequest
from fhir.resources.R4B.medicationstatement import MedicationStatement
from fhir.resources.R4B.observation import Observation
from fhir.resources.R4B.patient import Patient
from fhir.resources.R4B.procedure import Procedure
from fhir.resources.R4B.servicerequest import ServiceRequest

from cds_service.elements import CODE, DATE, FLAG, NUMBER, TEXT, Elements

# The elements that are read of each resource through its model. A leaf says how it is handed over. Codes, routes
# and statuses are read by `read_coding`, `status_of` and `status_code`, which ask for more than the models do.
_PERIOD = {"start": DATE, "end": DATE}
_QUANTITY = {"value": NUMBER, "comparator": CODE, "unit": TEXT, "code": CODE}
_RANGE = {"low": _QUANTITY, "high": _QUANTITY}
_BOUNDS = {"boundsDuration": _QUANTITY, "boundsRange": _RANGE, "boundsPeriod": _PERIOD}
_DOSAGE = {"timing": {"repeat": _BOUNDS}}
PATIENT = Elements.of(Patient, {"birthDate": DATE})
CONDITION = Elements.of(
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
PROCEDURE = Elements.of(Procedure, {"performedDateTime": DATE, "performedPeriod": _PERIOD})
MEDICATION_REQUEST = Elements.of(
    MedicationRequest,
    {
        "authoredOn": DATE,
        "dosageInstruction": [_DOSAGE],
        "dispenseRequest": {"expectedSupplyDuration": _QUANTITY},
    },
)
MEDICATION_STATEMENT = Elements.of(
    MedicationStatement,
    {"effectiveDateTime": DATE, "effectivePeriod": _PERIOD, "dateAsserted": DATE, "dosage": [_DOSAGE]},
)
OBSERVATION = Elements.of(
    Observation,
    {
        "effectiveDateTime": DATE,
        "effectivePeriod": _PERIOD,
        "valueQuantity": _QUANTITY,
        "valueBoolean": FLAG,
    },
)
ORDER = Elements.of(ServiceRequest, {"authoredOn": DATE})
REPORT = Elements.of(DiagnosticReport, {"effectiveDateTime": DATE, "effectivePeriod": _PERIOD})
