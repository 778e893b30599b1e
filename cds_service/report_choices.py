"""What can be chosen of a report: the length of its periods, and its format."""

from __future__ import annotations

from enum import StrEnum


class By(StrEnum):
    """The length of a period in what is told over time."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Format(StrEnum):
    HTML = "html"
    JSON = "json"
    CSV = "csv"
    TEXT = "text"
