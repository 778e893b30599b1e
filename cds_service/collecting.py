"""When a worker looks for garbage: between two requests, and not while one is answered."""

from __future__ import annotations

import gc

# How much is answered before garbage is looked for: objects that may be some, and bytes of requests they may hold.
MOST_GARBAGE = 100_000
MOST_UNSWEPT = 64_000_000


class Collecting:
    """Looks for garbage now and then, in the place of Python."""

    def __init__(self) -> None:
        self.unswept = 0
        """Bytes of the requests that were answered since garbage was looked for."""

    def begin(self) -> None:
        """From now on nothing else looks for garbage in this process."""
        # Nothing that a judgement makes is garbage before it ends, and a long chart makes a million objects: looking
        # among them at each 700 more costs a fifth of its time.
        gc.disable()

    def answered(self, size: int) -> None:
        """A request of so many bytes has been answered; now and then garbage is looked for."""
        self.unswept += size
        if self.unswept > MOST_UNSWEPT or gc.get_count()[0] > MOST_GARBAGE:
            gc.collect()
            self.unswept = 0
