"""How far our lists reach: where a code that is in none of them says nothing, and where it may be anything."""

from __future__ import annotations

import re
from collections.abc import Iterable

from knowledge.findings import Coding, Kind
from knowledge.orders import OrderCodes
from knowledge.vocabulary import (
    ICD_10_PCS,
    LONGEST_SPELLING,
    MOST_SPELLINGS,
    RXNORM,
    Vocabulary,
    may_be_any,
    read_coding,
)

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


class Spellings(dict[tuple[object, object], bool | None]):
    """What a coding says for certain, by its system and code as they are spelled; each spelling is looked into once.

    True: nothing, and so its entry says nothing. False: nothing of its own, like a site's own code: its entry says
    nothing where another coding says so. None: the entry has to be looked into.
    """

    def __init__(self, vocabulary: Vocabulary, orders: OrderCodes, *, of_drugs: bool) -> None:
        super().__init__()
        self._vocabulary = vocabulary
        self._orders = orders
        self._of_drugs = of_drugs

    def __missing__(self, spelled: tuple[object, object]) -> bool | None:
        told = self._look_up(*spelled)
        if len(self) < MOST_SPELLINGS and len(str(spelled)) <= LONGEST_SPELLING:
            self[spelled] = told
        return told

    def _look_up(self, system: object, code: object) -> bool | None:
        coding = read_coding(system, code)
        if coding is None:
            return None if may_be_any(system, code) else False
        if coding in self._orders.codes or self._vocabulary.knows((coding,)):
            return None
        if self._of_drugs:
            return says_nothing((coding,), Kind.MEDICATION)
        return says_nothing((coding,), Kind.PROCEDURE) or None
