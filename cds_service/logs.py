"""The log as `serve` writes it: one JSON object a line, whatever a record holds."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

import orjson
from gunicorn.glogging import Logger as GunicornLogger

from cds_service.request_log import Line


def _written(line: dict[str, Any]) -> str:
    """Compact JSON in ASCII, whatever the encoding of standard error is."""
    try:
        text = orjson.dumps(line).decode()
    except TypeError:  # a lone surrogate, which UTF-8 cannot hold
        text = ""
    return text if text and text.isascii() else json.dumps(line, separators=(",", ":"))


class JsonLines(logging.Formatter):
    """A record as one line of JSON: no text of it can begin a line of its own."""

    def format(self, record: logging.LogRecord) -> str:
        said = record.msg if isinstance(record.msg, Line) else {"message": record.getMessage()}
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            **said,
        }
        if record.exc_info and record.exc_info[1] is not None:
            # Kind and place, never the message or the lines around: they may hold data of a patient.
            line["fault"], line["place"] = type(record.exc_info[1]).__name__, _place(record.exc_info[1])
        return _written(line)


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else "?"


def log_as_json() -> None:
    """Everything that is logged goes to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # Nothing of where in the code, in which thread or process a line was written is shown, so nothing is looked up
    # (docs.python.org, Logging HOWTO, "Optimization").
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    # What libraries tell of their work names addresses, and those may name patients.
    for library in ("alembic", "httpcore", "sqlalchemy", "werkzeug"):
        logging.getLogger(library).setLevel(logging.WARNING)


class Logger(GunicornLogger):  # type: ignore[misc]
    """Gunicorn's own words, in the same log and the same form."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True
