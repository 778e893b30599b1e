"""What stands in a resource under a name, whatever it is: never an error, and nothing where it is something else."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def word(value: Json, name: str) -> str:
    """A member that should be a code or a type; an empty string where it is missing or something else."""
    found = value.get(name)
    return found if isinstance(found, str) else ""


def items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def reference_of(resource: Json, otherwise: str) -> str:
    kind, identity = resource.get("resourceType"), resource.get("id")
    # Ids in the field are longer than FHIR allows; a thousand letters are no id, and would be repeated in the answer.
    return f"{kind}/{identity}" if isinstance(identity, str) and 0 < len(identity) <= 1_000 else otherwise


def text_of(concept: Any) -> str:
    """What a person reads in a CodeableConcept: its text, else the first display."""
    written = concept.get("text") if isinstance(concept, dict) else None
    if isinstance(written, str) and (text := written.strip()):
        return text
    return next(iter(texts_of(concept)), "")


def texts_of(concept: Any) -> list[str]:
    """The text of a CodeableConcept and the displays of its codings, in this order."""
    if not isinstance(concept, dict):
        return []
    displays = [each.get("display") for each in items(concept.get("coding")) if isinstance(each, dict)]
    return [each.strip() for each in (concept.get("text"), *displays) if isinstance(each, str) and each.strip()]


def status_code(resource: Json, name: str) -> str | None:
    """The code of a status, a CodeableConcept or (older) a string; None when absent, empty when unreadable."""
    status = resource.get(name)
    if status is None:
        return None
    if isinstance(status, str):
        return status.strip().lower()
    listed = items(status.get("coding") if isinstance(status, dict) else None)
    if len(listed) == 1:
        return word(listed[0], "code").strip().lower() if isinstance(listed[0], dict) else ""
    codings = [each for each in listed if isinstance(each, dict) and isinstance(each.get("code"), str)]
    # A site's own status beside HL7's says nothing; two of HL7's that differ cannot be read.
    standard = [each for each in codings if "terminology.hl7.org" in str(each.get("system"))]
    codes = {each["code"].strip().lower() for each in standard or codings}
    return codes.pop() if len(codes) == 1 else ""
