"""A history from a file: a time and a duration on each line."""

from __future__ import annotations

import csv
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from bullpen.durations import seconds
from bullpen.errors import ConfigurationError
from bullpen_operator.simulation.history import History, Run

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_ROWS: Final = 1_000_000
_LEAST_MS: Final = 1e11
"""As seconds it would be the year 5138: such a number counts milliseconds."""


def csv_history(name: str, lines: Iterable[str]) -> History:
    """From rows of time (ISO 8601, UTC unless it says otherwise; or seconds or ms since the epoch) and duration
    (seconds, or text like 1m30s). A first row that has no number is a heading. Raises ConfigurationError.
    """
    runs = list[Run]()
    try:
        for number, row in enumerate(csv.reader(lines), 1):
            if not row or (number == 1 and not any(cell.strip()[:1].isdigit() for cell in row)):
                continue
            if number > MOST_ROWS:
                raise ConfigurationError(f"{name}: more than {MOST_ROWS:,} rows: give a shorter span of time")
            runs.append(_run(row, where=f"{name}, line {number}"))
    except csv.Error as error:
        raise ConfigurationError(f"{name} is no CSV: {error}") from error
    if not runs:
        raise ConfigurationError(f"{name} has no row: write a time and a duration, such as 2026-01-31T09:00:00Z,12.5")
    return History.of(name, runs)


def _run(row: list[str], *, where: str) -> Run:
    if len(row) < 2:
        raise ConfigurationError(f"{where}: {','.join(row)[:40]!r} has one column: write a time and a duration")
    return Run(ready=_time(row[0].strip(), where=where), seconds=seconds(row[1].strip(), of=f"{where}, duration"))


def _time(text: str, *, where: str) -> float:
    try:
        number = float(text)
    except ValueError:
        pass
    else:
        if math.isfinite(number) and number >= 0:
            return number / 1000 if number >= _LEAST_MS else number
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ConfigurationError(
            f"{where}: {text[:40]!r} is no time: write 2026-01-31T09:00:00Z, or seconds since 1970"
        ) from None
