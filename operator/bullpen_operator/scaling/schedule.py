"""Times of the day or week with more pods at least: from one cron pattern to another."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from cronsim import CronSim

if TYPE_CHECKING:
    from collections.abc import Iterable

_LATEST: Final = 253_402_000_000.0
"""Near the end of the year 9999, which is where calendars end."""


@dataclass(frozen=True, slots=True)
class Window:
    """From each time of `start` to the next of `end`, on the wall clock of `time_zone`; five-field cron patterns."""

    start: str
    end: str
    time_zone: str
    min_replicas: int

    def open(self, now: float) -> bool:
        """Whether `now` (seconds since the epoch) lies within: its next end then comes before its next start."""
        if not (math.isfinite(now) and 0 <= now <= _LATEST):
            return False
        return _open(self, int(now // 60))


def floor(windows: Iterable[Window], *, now: float, lead: float) -> int:
    """The most replicas that an open window asks for; one that opens within `lead` seconds is open, so that its pods
    are there when it does.
    """
    return max(
        (window.min_replicas for window in windows if window.open(now) or window.open(now + lead)),
        default=0,
    )


@lru_cache(maxsize=4096)
def _open(window: Window, minute: int) -> bool:
    # Asked from the minute before, because CronSim looks for what is later than the time it is given.
    before = datetime.fromtimestamp(minute * 60 - 1, ZoneInfo(window.time_zone))
    opens, closes = CronSim(window.start, before), CronSim(window.end, before)
    first_open, first_close = next(opens, None), next(closes, None)
    at = datetime.fromtimestamp(minute * 60, ZoneInfo(window.time_zone))
    if first_open is not None and first_open <= at:
        return first_close is None or first_close > at
    if first_close is None or first_close <= at:
        return False
    return first_open is None or first_close < first_open
