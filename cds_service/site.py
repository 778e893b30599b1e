"""What a site calls things: its order codes, its prefetch keys, its preference list (`CDS_SITE`, a TOML file)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cards.profiles import THERAPY
from knowledge.findings import Coding, PrefetchKey
from knowledge.guideline import CodedText
from knowledge.knowledge import Knowledge
from knowledge.vocabulary import read_coding

# Epic creates an order from a preference list by this coding alone (Epic on FHIR, CDS Hooks, "Suggestions").
PREFERENCE_LIST = "urn:com.epic.cdshooks.action.code.system.preference-list-item"

Row = Mapping[str, Any]


class SiteError(Exception):
    """A site's file that cannot be used; the message names file and line."""


class _BadRow(Exception):
    """A row that cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Site:
    """A site's own names, checked against the knowledge."""

    order_codes: Mapping[Coding, str] = field(default_factory=dict)
    """A local code -> the key of the order map it stands for."""
    prefetch_keys: Mapping[str, PrefetchKey] = field(default_factory=dict)
    orderables: Mapping[str, CodedText] = field(default_factory=dict)
    """What can be created in the EHR: a procedure id or ``physical-therapy`` -> the code to create it by."""


def read_site(file: Path, knowledge: Knowledge) -> Site:
    """The site's file; raises SiteError with file and line where it cannot be used."""
    try:
        text = file.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except OSError as error:
        raise SiteError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SiteError(f"{file}: not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise SiteError(f"{file}: {error}") from None
    return _Reader(file, text, data, knowledge).site()


@dataclass(frozen=True, slots=True)
class _Reader:
    file: Path
    text: str
    data: Mapping[str, Any]
    knowledge: Knowledge

    def site(self) -> Site:
        for name in self.data:
            if name not in ("order_codes", "prefetch_keys", "orderables"):
                raise self._error(name, 0, f"no such table: {name}")
        return Site(
            dict(self._rows("order_codes", ("system", "code", "study"), self._order_code)),
            dict(self._rows("prefetch_keys", ("name", "key"), self._prefetch_key)),
            dict(self._rows("orderables", ("order", "code", "display"), self._orderable)),
        )

    def _rows(
        self, table: str, members: tuple[str, ...], read: Callable[[Row], tuple[Any, Any]]
    ) -> Iterator[tuple[Any, Any]]:
        rows = self.data.get(table, [])
        if not isinstance(rows, list):
            raise self._error(table, 0, f"write [[{table}]], one table a row")
        seen = set()
        for number, row in enumerate(rows):
            try:
                if not isinstance(row, dict) or set(row) != set(members):
                    raise _BadRow(f"a row of {table} has exactly {', '.join(members)}")
                if not all(isinstance(value, str) and value for value in row.values()):
                    raise _BadRow(f"every member of a row of {table} is a text that is not empty")
                named, value = read(row)
                if named in seen:
                    raise _BadRow("the same thing stands in an earlier row")
            except _BadRow as error:
                raise self._error(table, number, str(error)) from None
            seen.add(named)
            yield named, value

    def _order_code(self, row: Row) -> tuple[Coding, str]:
        keys = self.knowledge.orders.keys
        if row["study"] not in keys:
            raise _BadRow(f"{row['study']!r} is no study; there are {', '.join(keys)}")
        coding = read_coding(row["system"], row["code"]) or Coding(row["system"], row["code"])
        known = self.knowledge.orders.codes.get(coding)
        if known is not None and known.key != row["study"]:
            raise _BadRow(f"{row['code']} is a code for {known.key} already")
        return coding, row["study"]

    def _prefetch_key(self, row: Row) -> tuple[str, PrefetchKey]:
        if row["key"] not in set(PrefetchKey):
            raise _BadRow(f"{row['key']!r} is no prefetch key; there are {', '.join(PrefetchKey)}")
        if row["name"] in set(PrefetchKey):
            raise _BadRow(f"{row['name']!r} is a key of the service's own")
        return row["name"], PrefetchKey(row["key"])

    def _orderable(self, row: Row) -> tuple[str, CodedText]:
        orders = (*self.knowledge.topic.procedures, THERAPY)
        if row["order"] not in orders:
            raise _BadRow(f"{row['order']!r} is nothing that is suggested; there are {', '.join(orders)}")
        return row["order"], CodedText(Coding(PREFERENCE_LIST, row["code"]), row["display"])

    def _error(self, table: str, number: int, why: str) -> SiteError:
        return SiteError(f"{self.file}: line {self._line(table, number)}: {why}")

    def _line(self, table: str, number: int) -> int:
        """The line where a row begins; where rows stand inline, that of the first mention of their table."""
        heads = list(re.finditer(rf"^[ \t]*\[\[[ \t]*{re.escape(table)}[ \t]*\]\]", self.text, re.MULTILINE))
        named = heads[number].start() if number < len(heads) else max(self.text.find(table), 0)
        return self.text.count("\n", 0, named) + 1
