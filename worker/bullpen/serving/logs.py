"""How log records look: the text format people read in a terminal, and JSON for pods."""

from __future__ import annotations

import io
import json
import logging
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PREFIX = "bullpen."
_LEVELS = {"WARNING": "WARN", "CRITICAL": "FATAL"}


class TextFormat(logging.Formatter):
    """`INFO  [VideoWorker] Job 123 started`"""

    def format(self, record: logging.LogRecord) -> str:
        line = f"{_level(record):<5} [{_logger(record)}] {record.getMessage()}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormat(logging.Formatter):
    """One object a line: ts, level, logger, msg, and for jobs queue, jobId, name, attempt.

    `traced` gives trace_id and span_id of what is going on where the line is written.
    """

    _FIELDS = (
        ("queue", "queue"),
        ("job_id", "jobId"),
        ("job_name", "name"),
        ("attempt", "attempt"),
        ("trace_id", "trace_id"),
        ("span_id", "span_id"),
    )

    def __init__(self, traced: Callable[[], Mapping[str, str]] | None = None) -> None:
        super().__init__()
        self._traced = traced

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, object] = {
            "ts": at.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": _logger(record),
            "msg": record.getMessage(),
        }
        if self._traced is not None:
            line.update(self._traced())
        line.update((key, record.__dict__[field]) for field, key in self._FIELDS if field in record.__dict__)
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure(
    *, form: str, level: str, stream: TextIO | None = None, traced: Callable[[], Mapping[str, str]] | None = None
) -> None:
    """Send every record of this process to standard output, in one format; `form` is `text` or `json`."""
    stream = stream if stream is not None else sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")  # a job's id or reason may hold what UTF-8 cannot say
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormat(traced) if form == "json" else TextFormat())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    # Nothing below is printed by either format; collecting it costs a third of a log call.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def _level(record: logging.LogRecord) -> str:
    return _LEVELS.get(record.levelname, record.levelname)


def _logger(record: logging.LogRecord) -> str:
    return record.name.removeprefix(PREFIX)
