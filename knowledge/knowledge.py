"""One topic with its vocabulary and its order codes, ready to be used."""

from __future__ import annotations

from dataclasses import dataclass, field

from knowledge.extent import Spellings
from knowledge.guideline import Topic
from knowledge.order_text import OrderText
from knowledge.orders import OrderCodes
from knowledge.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Everything that judging an order needs to know beforehand."""

    topic: Topic
    vocabulary: Vocabulary
    orders: OrderCodes
    order_text: OrderText
    spellings: Spellings = field(init=False, compare=False, repr=False)
    drug_spellings: Spellings = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        for name, of_drugs in (("spellings", False), ("drug_spellings", True)):
            object.__setattr__(self, name, Spellings(self.vocabulary, self.orders, of_drugs=of_drugs))
