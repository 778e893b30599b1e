"""Why a clinician may go on with the order all the same.

From HL7's non-adherence reason codes (CDS Hooks 3.0, trial use) where one fits, with its display; else our own.
"""

from __future__ import annotations

from knowledge.findings import Coding
from knowledge.guideline import CodedText

CODE_SYSTEMS = "https://lumbar-imaging-cds.example/fhir/CodeSystem"
_HL7 = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"
_OWN = f"{CODE_SYSTEMS}/override-reason"


def _reason(system: str, code: str, display: str) -> CodedText:
    return CodedText(Coding(system, code), display)


OVERRIDE_REASONS = (
    _reason(_OWN, "red-flag-not-coded", "The patient has a red flag that is not coded in the chart"),
    _reason(_OWN, "other-indication", "The study is for another indication (planning, follow-up, other disease)"),
    _reason(_HL7, "action-unsuccessful", "Recommended action was previously unsuccessful"),
    _reason(_HL7, "expert-contradicts", "Advice from expert contradicts the recommended action"),
    _reason(_HL7, "risk-benefit-ratio", "Recipient assessment of risk/benefit ratio"),
    _reason(_HL7, "prefers-alternative", "Patient prefers an alternative approach or treatment"),
)
