"""How the code systems write their codes: check digits of SNOMED CT and LOINC, the dot of ICD-10-CM."""

from __future__ import annotations

import re

from knowledge.vocabulary import ICD_10_CM, LOINC, SNOMED_CT, read_coding

_ICD = re.compile(r"[A-Z]\d[0-9A-Z](?:\.[0-9A-Z]{1,4})?")
# Verhoeff's tables, which give SNOMED CT its check digit (SNOMED CT Release File Specification, check-digit algorithm).
_D5 = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    (1, 2, 3, 4, 0, 6, 7, 8, 9, 5),
    (2, 3, 4, 0, 1, 7, 8, 9, 5, 6),
    (3, 4, 0, 1, 2, 8, 9, 5, 6, 7),
    (4, 0, 1, 2, 3, 9, 5, 6, 7, 8),
    (5, 9, 8, 7, 6, 0, 4, 3, 2, 1),
    (6, 5, 9, 8, 7, 1, 0, 4, 3, 2),
    (7, 6, 5, 9, 8, 2, 1, 0, 4, 3),
    (8, 7, 6, 5, 9, 3, 2, 1, 0, 4),
    (9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
)
_SHIFT = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def has_verhoeff_digit(code: str) -> bool:
    """Whether the last digit of a SNOMED CT identifier is its Verhoeff check digit."""
    check = 0
    for place, digit in enumerate(reversed(code)):
        shifted = int(digit)
        for _ in range(place % 8):
            shifted = _SHIFT[shifted]
        check = _D5[check][shifted]
    return check == 0


def has_loinc_digit(code: str) -> bool:
    """Whether the digit behind a LOINC code's hyphen is its mod 10 check digit."""
    number, _, digit = code.partition("-")
    total = 0
    for place, each in enumerate(reversed(number)):
        doubled = int(each) * (2 if place % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return digit == str(-total % 10)


def fault_of(system: str, code: str) -> str:
    """What is wrong with the way a code is written; empty where nothing is."""
    if read_coding(system, code) is None:
        return f"{code!r} is not a code of {system}"
    if system == SNOMED_CT and not has_verhoeff_digit(code):
        return f"{code} fails the SNOMED CT check digit"
    # The identifiers of LOINC answers (LA...) do not end in the digit of LOINC codes.
    if system == LOINC and code[0].isdigit() and not has_loinc_digit(code):
        return f"{code} fails the LOINC check digit"
    if system == ICD_10_CM and not _ICD.fullmatch(code):
        return f"{code} is not written as ICD-10-CM is (A00.0000)"
    return ""
