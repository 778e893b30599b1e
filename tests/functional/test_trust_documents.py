"""What the documents say about trust is what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from cds_service import arriving, inbound, waiting, worker
from cds_service.clients_file import FIELDS, fields_table
from cds_service.envelope import MOST_DRAFTS, MOST_ENTRIES
from cds_service.fhir_client import MOST_PAGES
from cds_service.json_in import DEEPEST
from cds_service.judging import MOST_LOOKS
from cds_service.order_reasons import MOST_REASONS
from cds_service.tokens import Refused

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "cds_service" / "README.md").read_text(encoding="utf-8")


def test_every_field_of_the_clients_file_is_documented() -> None:
    """The README holds the table of fields as the code has it."""
    assert fields_table() in README
    assert len(FIELDS) == 14


def test_every_code_of_a_refusal_is_documented() -> None:
    """The README names each word that the log has for a refused token."""
    (line,) = [line for line in README.splitlines() if "The log says why in `jwt`" in line]
    assert re.findall(r"`([a-z-]+)`[,.]", line.partition("`jwt`: ")[2]) == list(Refused)


def test_every_test_that_the_threat_model_names_exists() -> None:
    """Each threat is shown by tests, and each test that is named is there."""
    section = README.partition("## Threat model")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    threats = [row for row in rows if not row.startswith(("| risk", "| threat"))]
    assert len(threats) > 20
    there = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    for row in threats:
        named = set(re.findall(r"`(test_\w+)`", row))
        assert named or "by hand" in row
        assert named <= there


def test_the_limits_are_the_documented_ones() -> None:
    """The numbers of the README's limits are those of the code."""
    for words in (
        f"| draft orders, prefetched entries | {MOST_DRAFTS}, {MOST_ENTRIES:,} |",
        f"| resources that orders name and what is listed in them, for each order | {MOST_REASONS:,} |",
        f"| entries that some value set knows, times orders that are judged | {MOST_LOOKS:,} |",
        f"| levels of JSON | {DEEPEST} |",
        f"4,094, 8,190, 64, {arriving.LONGEST_HEAD:,} |",
        f"| {inbound.HEAD_SECONDS:.0f} s, {inbound.REQUEST_SECONDS:.0f} s |",
        f"| {worker.MOST_ARRIVING}, and ten times",
        f"in chunks, above {waiting.LONGEST:,} bytes, or above {waiting.SHORT:,} with",
        f"more than {waiting.MOST_ORDERS} orders or {waiting.MOST_OBJECTS:,} objects",
        f"at most {MOST_PAGES} further pages",
    ):
        assert words in " ".join(README.split()) or words in README
