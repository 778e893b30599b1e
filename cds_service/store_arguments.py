"""What the commands `cds-service report` and `cds-service store` are told; what they do is loaded when they run."""

from __future__ import annotations

import argparse
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cds_service.report_choices import By, Format

if TYPE_CHECKING:
    from cds_service.settings import Settings


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    report = commands.add_parser("report", help="tell what was judged and shown, and what became of it")
    report.add_argument("--since", type=date.fromisoformat, metavar="DAY", help="first day, YYYY-MM-DD in UTC")
    report.add_argument("--until", type=date.fromisoformat, metavar="DAY", help="last day, which counts")
    report.add_argument("--client", help="only this client, by its name")
    report.add_argument("--by", type=By, choices=tuple(By), help="length of the periods (default by the time covered)")
    report.add_argument("--format", choices=tuple(Format), default="text", help="default %(default)s")
    report.add_argument(
        "--suppress-below", type=_whole, metavar="N", help="withhold counts below N (default CDS_SUPPRESS_BELOW)"
    )
    report.add_argument("--output", type=Path, metavar="FILE", help="default standard output")
    report.set_defaults(run=_run, command="report")
    store = commands.add_parser("store", help="look after the store").add_subparsers(required=True, metavar="ACTION")
    store.add_parser("check", help="say whether it can be used, and what it holds").set_defaults(
        run=_run, command="check"
    )
    store.add_parser("migrate", help="bring its tables to the form of this version").set_defaults(
        run=_run, command="migrate"
    )
    purging = store.add_parser("purge", help="delete what is old")
    purging.add_argument("--older-than", type=_days, required=True, metavar="DAYS")
    purging.set_defaults(run=_run, command="purge")
    erasing = store.add_parser("erase", help="delete one card with its feedback, or comments")
    erasing.add_argument("--card", metavar="UUID", help="the card's uuid")
    erasing.add_argument(
        "--comments", action="store_true", help="only the comments: of that card, else of all feedback"
    )
    erasing.set_defaults(run=_run, command="erase")
    copying = store.add_parser("backup", help="copy a SQLite store while it is in use")
    copying.add_argument("file", type=Path, metavar="FILE")
    copying.set_defaults(run=_run, command="backup")


def _run(options: argparse.Namespace, settings: Settings) -> int:
    from cds_service.store_commands import COMMANDS

    return COMMANDS[options.command](options, settings)


def _whole(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def _days(text: str) -> timedelta:
    number = int(text)
    if not 1 <= number <= 36_500:
        raise ValueError(text)
    return timedelta(days=number)
