"""What a site may choose of how charts are read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChartSettings:
    """A site's choices for reading charts."""

    uncoded_entries_are_listed_only: bool = False
    """Entries without a known coding are listed, and do not make their key incomplete."""
    unseen_counts_as_empty: bool = False
    """Keys that did not arrive count as searched and empty."""
