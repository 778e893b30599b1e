"""How far our lists reach: where a code that is in none of them says nothing, and where it may be anything."""

from __future__ import annotations

import re
from collections.abc import Iterable

from knowledge.findings import Coding, Kind
from knowledge.vocabulary import ICD_10_PCS, RXNORM

# Of ICD-10-PCS our lists hold transplants alone. An operation on a lumbar joint, disc, vertebra or nerve, or in the
# spinal canal, may be one that counts: axes of the CMS tables, body systems S, Q, R, 0 and 1 of section 0 with their
# lumbar body parts, and the bones and joints of section X.
_LUMBAR_OPERATION = re.compile(r"0S.[0-4]|0Q.[01]|0R.[AB]|00.[TUY]|01.[B9]|X[NR]")


def says_nothing(codings: Iterable[Coding], kind: Kind | None) -> bool:
    """Whether codes of known systems that are in none of our lists say nothing for certain.

    Our lists of drugs are in RxNorm alone: a code of another system may still be prednisone.
    """
    match kind:
        case Kind.MEDICATION:
            return any(coding.system == RXNORM for coding in codings)
        case Kind.PROCEDURE:
            return not any(coding.system == ICD_10_PCS and _LUMBAR_OPERATION.match(coding.code) for coding in codings)
        case _:
            return True
