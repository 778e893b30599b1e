"""The types of resources: which part of the chart each belongs to, and which say nothing."""

from __future__ import annotations

from knowledge.findings import PrefetchKey

KEY_OF_TYPE = {
    "Patient": PrefetchKey.PATIENT,
    "Condition": PrefetchKey.CONDITIONS,
    "MedicationRequest": PrefetchKey.MEDICATIONS,
    "MedicationStatement": PrefetchKey.MEDICATIONS,
    "Procedure": PrefetchKey.PROCEDURES,
    "Observation": PrefetchKey.OBSERVATIONS,
    "ServiceRequest": PrefetchKey.REFERRALS,
    "DiagnosticReport": PrefetchKey.IMAGING,
}
# Resources of older FHIR versions that hold what we look for, in a shape that is not read.
OLDER_TYPES = {
    "MedicationOrder": PrefetchKey.MEDICATIONS,
    "MedicationPrescription": PrefetchKey.MEDICATIONS,
    "ProcedureRequest": PrefetchKey.REFERRALS,
    "ReferralRequest": PrefetchKey.REFERRALS,
}
# What may hold entries that nobody looked into.
CONTAINERS = ("Bundle", "Parameters", "Binary")
# Types that stand beside what is asked for, included or as a client pleases, and say nothing of a patient's state.
_BESIDE = (
    "Account ActivityDefinition AdverseEvent AllergyIntolerance Appointment AppointmentResponse AuditEvent "
    "Basic BodyStructure CarePlan CareTeam ChargeItem Claim ClaimResponse Communication CommunicationRequest "
    "Consent Contract Coverage CoverageEligibilityRequest CoverageEligibilityResponse DetectedIssue Device "
    "DeviceRequest DeviceUseStatement DocumentReference Encounter EpisodeOfCare ExplanationOfBenefit "
    "FamilyMemberHistory Flag Goal Group GuidanceResponse HealthcareService ImagingStudy Immunization "
    "ImmunizationEvaluation ImmunizationRecommendation Invoice List Location Media Medication "
    "MedicationAdministration MedicationDispense MedicationKnowledge NutritionOrder Organization "
    "PaymentNotice Person PlanDefinition Practitioner PractitionerRole Provenance Questionnaire "
    "QuestionnaireResponse RelatedPerson RequestGroup RiskAssessment Schedule Slot Specimen Substance "
    "SupplyDelivery SupplyRequest Task VisionPrescription"
)
BESIDE = frozenset(_BESIDE.split())


def is_type(name: str) -> bool:
    """Whether a name has the form of a type's."""
    return name.isascii() and name.isalpha() and name[0].isupper()
