"""Codes: which systems are known, how a code is written, and which value sets hold it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache

from knowledge.findings import Coding, ValueSetId

SNOMED_CT = "http://snomed.info/sct"
ICD_10_CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD_10_PCS = "http://www.cms.gov/Medicare/Coding/ICD10"
LOINC = "http://loinc.org"
CPT = "http://www.ama-assn.org/go/cpt"
HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"

# The URLs and OIDs under which the field sends each system; OIDs from the HL7 OID registry as FHIR lists them.
_CANONICAL = {
    SNOMED_CT: SNOMED_CT,
    "urn:oid:2.16.840.1.113883.6.96": SNOMED_CT,
    ICD_10_CM: ICD_10_CM,
    "http://hl7.org/fhir/sid/icd-10": ICD_10_CM,
    "urn:oid:2.16.840.1.113883.6.90": ICD_10_CM,
    ICD_10_PCS: ICD_10_PCS,
    "urn:oid:2.16.840.1.113883.6.4": ICD_10_PCS,
    LOINC: LOINC,
    "urn:oid:2.16.840.1.113883.6.1": LOINC,
    CPT: CPT,
    "urn:oid:2.16.840.1.113883.6.12": CPT,
    HCPCS: HCPCS,
    "https://bluebutton.cms.gov/resources/codesystem/hcpcs": HCPCS,
    "http://www.nlm.nih.gov/research/umls/hcpcs": HCPCS,
    "urn:oid:2.16.840.1.113883.6.285": HCPCS,
    RXNORM: RXNORM,
    "urn:oid:2.16.840.1.113883.6.88": RXNORM,
}

# What people call each system.
NAMES = {
    SNOMED_CT: "SNOMED CT",
    ICD_10_CM: "ICD-10-CM",
    ICD_10_PCS: "ICD-10-PCS",
    LOINC: "LOINC",
    CPT: "CPT",
    HCPCS: "HCPCS",
    RXNORM: "RxNorm",
}

# The shape of a code in each system; what does not have it is no code of that system (IMO0002 under ICD-10-CM).
_SHAPE = {
    SNOMED_CT: re.compile(r"[1-9][0-9]{5,17}"),
    ICD_10_CM: re.compile(r"[A-Z][0-9][0-9A-Z][0-9A-Z]{0,4}"),
    ICD_10_PCS: re.compile(r"[0-9A-HJ-NP-Z]{7}"),
    LOINC: re.compile(r"(?:L[AP])?[1-9][0-9]{0,6}-[0-9]"),
    CPT: re.compile(r"[0-9]{4}[0-9A-Z]"),
    HCPCS: re.compile(r"[A-Z][0-9]{4}"),
    RXNORM: re.compile(r"[1-9][0-9]{0,7}"),
}

_SEQUELA_LENGTH = 7

# How many spellings are remembered, and of how many letters, system and code together: the field sends half of them.
MOST_SPELLINGS = 10_000
LONGEST_SPELLING = 200


def read_coding(system: object, code: object) -> Coding | None:
    """The coding in canonical form, or None when its system is not known or its code is not shaped like one.

    ICD-10-CM loses its dots and a trailing hyphen and is upper-cased: ``m54.50`` and ``M5450`` are one code.
    A five-digit code under a HCPCS system is CPT, which is HCPCS level I.
    """
    if not isinstance(system, str) or not isinstance(code, str):
        return None
    return (_read_again if len(system) + len(code) <= LONGEST_SPELLING else read_once)(system, code)


def read_once(system: str, code: str) -> Coding | None:
    """`read_coding`, which charts ask again and again, without remembering: for data that are read once."""
    canonical = _canonical(system)
    if canonical is None:
        return None
    code = code.strip()
    if canonical is ICD_10_CM:
        code = code.upper().replace(".", "").rstrip("-")
    elif canonical is HCPCS and _SHAPE[CPT].fullmatch(code):
        canonical = CPT
    return Coding(canonical, code) if _SHAPE[canonical].fullmatch(code) else None


_read_again = lru_cache(maxsize=1 << 16)(read_once)


def written_code(coding: Coding) -> str:
    """A code as people write it: ICD-10-CM with its dot."""
    if coding.system == ICD_10_CM and len(coding.code) > 3:
        return f"{coding.code[:3]}.{coding.code[3:]}"
    return coding.code


def _canonical(system: str) -> str | None:
    """A system by its own name, whichever of its names is given; None where we do not know it.

    Some write a name in another case, with https, with a version behind it, or an OID without its scheme; SNOMED CT's
    editions and versions are places below its name (SNOMED CT URI Standard).
    """
    name = system.strip().rstrip("/")
    known = _CANONICAL.get(name)
    if known is not None or len(name) > LONGEST_SPELLING:
        return known
    name = name.casefold().partition("|")[0].strip().rstrip("/").replace("https://", "http://", 1)
    if name.startswith(f"{SNOMED_CT}/"):
        return SNOMED_CT
    return _FOLDED.get(f"urn:oid:{name}" if name[:1].isdigit() else name)


_FOLDED = {name.casefold().replace("https://", "http://", 1): system for name, system in _CANONICAL.items()}


def may_be_any(system: object, code: object) -> bool:
    """Whether a coding that `read_coding` does not read could be any code: of a known system, and none of its shape.

    A pseudo-code under ICD-10-CM (IMO0002) is known to stand for nothing.
    """
    # Without a system it is a local code, which is passed over beside others and a gap alone.
    if code is None or system is None:
        return False
    if not isinstance(system, str):
        return True
    known = _canonical(system)
    is_pseudo = known is ICD_10_CM and isinstance(code, str) and _PSEUDO.fullmatch(code.strip()) is not None
    return known is not None and not is_pseudo


_PSEUDO = re.compile(r"IMO[0-9]+", re.IGNORECASE)


def is_sequela(coding: Coding) -> bool:
    """An ICD-10-CM code whose seventh character says sequela: the injury itself is over."""
    return coding.system == ICD_10_CM and len(coding.code) == _SEQUELA_LENGTH and coding.code.endswith("S")


def at_or_above(coding: Coding) -> tuple[Coding, ...]:
    """The code itself, and in ICD-10-CM the coarser ones above it."""
    if coding.system != ICD_10_CM:
        return (coding,)
    return tuple(Coding(ICD_10_CM, coding.code[:length]) for length in range(len(coding.code), 2, -1))


class Strength(Enum):
    """Whether a code decides, or only points."""

    INCLUDED = "included"
    SUPPORTING = "supporting"


class Form(Enum):
    """Whether a drug product acts on the whole body."""

    SYSTEMIC = "systemic"
    LOCAL = "local"
    UNSTATED = "unstated"


@dataclass(frozen=True, slots=True)
class Ingredient:
    """What a drug product holds, and in which form."""

    coding: Coding
    form: Form


@dataclass(frozen=True, slots=True)
class ValueSet:
    """One value set with its supporting codes and excludes; ICD-10-CM codes may stand for all below them."""

    id: ValueSetId
    title: str
    members: Mapping[Coding, Strength | None]
    """None marks an exclude."""
    branches: Mapping[str, Strength | None]
    """ICD-10-CM codes that stand for everything below them."""
    displays: Mapping[Coding, str]


Matches = Mapping[ValueSetId, Strength]
Held = Mapping[ValueSetId, Strength | None]
_NOTHING: Matches = {}


@dataclass(slots=True)
class Vocabulary:
    """Every value set compiled to one look-up; answers are remembered, for a chart repeats its codes."""

    value_sets: Mapping[ValueSetId, ValueSet]
    ingredients: Mapping[Coding, Ingredient]
    asked_for: frozenset[ValueSetId]
    """The value sets that some concept or note reads."""
    _members: dict[Coding, Held] = field(default_factory=dict)
    _branches: dict[str, Held] = field(default_factory=dict)
    _remembered: dict[Coding, Matches] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Most codes are in one value set: all that are in it with one strength share what is said of them.
        for value_set in self.value_sets.values():
            alone: dict[Strength | None, Held] = {each: {value_set.id: each} for each in (*Strength, None)}
            for coding, strength in value_set.members.items():
                held = self._members.get(coding)
                self._members[coding] = alone[strength] if held is None else {**held, **alone[strength]}
            for code, strength in value_set.branches.items():
                held = self._branches.get(code)
                self._branches[code] = alone[strength] if held is None else {**held, **alone[strength]}

    def matches(self, coding: Coding) -> Matches:
        """The value sets that hold the code, each with its strength; excluded codes are in none.

        In ICD-10-CM the longest code of a value set that the given one equals or lies below decides.
        A drug product is also in the sets of its ingredient; `is_local` says whether it stays where it is put.
        """
        known = self._remembered.get(coding)
        if known is None:
            known = self._look_up(coding)
            # Codes of nobody leave room for those that concern us, of which one category alone may have a million.
            if len(self._remembered) < (2 * _MOST_REMEMBERED if known else _MOST_REMEMBERED):
                self._remembered[coding] = known
        return known

    def knows(self, codings: Iterable[Coding]) -> bool:
        """Whether any of the codes is in a value set that some concept reads."""
        # A loop, for it is asked of every entry of a chart: a generator costs as much again.
        for coding in codings:  # noqa: SIM110
            if not self.asked_for.isdisjoint(self.matches(coding)):
                return True
        return False

    def ingredient(self, coding: Coding) -> Ingredient | None:
        return self.ingredients.get(coding)

    def is_local(self, codings: Iterable[Coding]) -> bool:
        """Whether a drug is a product that does not act on the whole body."""
        forms = {made.form for coding in codings if (made := self.ingredients.get(coding))}
        return forms == {Form.LOCAL}

    def strength(self, codings: Iterable[Coding], *value_sets: ValueSetId) -> Strength | None:
        """The best strength with which any of the codes is in any of the value sets."""
        best: Strength | None = None
        for coding in codings:
            matches = self.matches(coding)
            for value_set in value_sets:
                strength = matches.get(value_set)
                if strength is Strength.INCLUDED:
                    return strength
                best = best or strength
        return best

    def label(self, coding: Coding, value_set: ValueSetId) -> str:
        """Our name for a code: its own in the value set, else the code: the set's title may be another fact."""
        return self.value_sets[value_set].displays.get(coding) or f"{NAMES[coding.system]} {written_code(coding)}"

    def _look_up(self, coding: Coding) -> Matches:
        found: dict[ValueSetId, Strength | None] = dict(self._members.get(coding, {}))
        if coding.system == ICD_10_CM:
            for length in range(len(coding.code), 2, -1):
                for value_set, strength in self._branches.get(coding.code[:length], {}).items():
                    found.setdefault(value_set, strength)
        ingredient = self.ingredients.get(coding)
        if ingredient is not None:
            for value_set, strength in self._members.get(ingredient.coding, {}).items():
                found.setdefault(value_set, strength)
        return {value_set: strength for value_set, strength in found.items() if strength is not None} or _NOTHING


_MOST_REMEMBERED = 50_000
