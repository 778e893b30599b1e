"""The commands `cds-service report` and `cds-service store`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from cds_service.report import build_report
from cds_service.report_facts import Scope, gather
from cds_service.report_page import WRITERS
from cds_service.settings import Settings
from cds_service.store import Store, StoreError
from cds_service.upkeep import backup, contents, erase_card, erase_comments, migration, purge
from knowledge.loading import load_low_back_pain

Now = Callable[[], datetime]


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _with_store(work: Callable[[Store], int], settings: Settings, *, create: bool = False) -> int:
    try:
        store = Store(settings.database_url, create=create)
        try:
            return work(store)
        finally:
            store.close()
    except StoreError as error:
        print(f"cds-service: the store: {error}", file=sys.stderr)
        return 2


def _report(options: argparse.Namespace, settings: Settings, now: Now = _utc_now) -> int:
    scope = Scope(options.since, options.until, options.client)
    if scope.is_reversed:
        print("cds-service: --until is a day before --since", file=sys.stderr)
        return 2
    below = settings.suppress_below if options.suppress_below is None else options.suppress_below

    def work(store: Store) -> int:
        report = build_report(gather(store, scope), scope, options.by, below, now())
        _, write = WRITERS[options.format]
        text = write(report, load_low_back_pain().topic)
        if options.output is None:
            print(text, end="")
            return 0
        try:
            options.output.write_text(text, encoding="utf-8", newline="")
        except OSError as error:
            print(f"cds-service: {options.output}: {error.strerror}", file=sys.stderr)
            return 2
        return 0

    return _with_store(work, settings)


def _check(options: argparse.Namespace, settings: Settings) -> int:
    def work(store: Store) -> int:
        held = contents(store)
        since = f" since {held.since:%Y-%m-%d}" if held.since is not None else ""
        print(
            f"{store.database.kind}, migration {migration(store)}: {held.appraisals} verdicts{since}, "
            f"{held.cards} cards, {held.feedback} items of feedback, {held.comments} with a comment"
        )
        store.check()
        print("it can be written")
        return 0

    return _with_store(work, settings)


def _migrate(options: argparse.Namespace, settings: Settings) -> int:
    def work(store: Store) -> int:
        print(f"the store is at migration {migration(store)}")
        return 0

    return _with_store(work, settings, create=True)


def _purge(options: argparse.Namespace, settings: Settings, now: Now = _utc_now) -> int:
    def work(store: Store) -> int:
        print(f"{purge(store, now() - options.older_than)} rows deleted")
        return 0

    return _with_store(work, settings)


def _erase(options: argparse.Namespace, settings: Settings) -> int:
    if options.card is None and not options.comments:
        print("cds-service: store erase: say --card UUID or --comments", file=sys.stderr)
        return 2

    def work(store: Store) -> int:
        erased = erase_comments(store, options.card) if options.comments else erase_card(store, options.card)
        print(f"{erased} {'comments' if options.comments else 'rows'} erased")
        return 0 if erased or options.card is None else 1

    return _with_store(work, settings)


def _backup(options: argparse.Namespace, settings: Settings) -> int:
    def work(store: Store) -> int:
        backup(store, options.file)
        print(f"copied to {options.file}")
        return 0

    return _with_store(work, settings)


COMMANDS: Mapping[str, Callable[[argparse.Namespace, Settings], int]] = {
    "report": _report,
    "check": _check,
    "migrate": _migrate,
    "purge": _purge,
    "erase": _erase,
    "backup": _backup,
}
