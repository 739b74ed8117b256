"""Windows of the schedule, on the wall clock of their zone."""

from __future__ import annotations

import math
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from bullpen_operator.scaling.schedule import Window, floor

OFFICE = Window("0 8 * * 1-5", "0 18 * * 1-5", "Europe/Berlin", 4)
NIGHT = Window("0 22 * * *", "0 6 * * *", "UTC", 2)


def at(text: str, zone: str = "Europe/Berlin") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


MOMENTS = {
    "a second before it opens": (OFFICE, at("2026-03-02T07:59:59"), False),
    "when it opens": (OFFICE, at("2026-03-02T08:00:00"), True),
    "in the middle": (OFFICE, at("2026-03-02T12:00:00"), True),
    "a second before it closes": (OFFICE, at("2026-03-02T17:59:59"), True),
    "when it closes": (OFFICE, at("2026-03-02T18:00:00"), False),
    "on a Saturday": (OFFICE, at("2026-03-07T12:00:00"), False),
    "on the Sunday the clocks go forward": (OFFICE, at("2026-03-29T12:00:00"), False),
    "on the Monday after": (OFFICE, at("2026-03-30T08:30:00"), True),
    "before midnight": (NIGHT, at("2026-03-02T23:00:00", "UTC"), True),
    "after midnight": (NIGHT, at("2026-03-03T05:59:00", "UTC"), True),
    "by day": (NIGHT, at("2026-03-03T06:00:00", "UTC"), False),
    "no time at all": (OFFICE, math.nan, False),
    "after the calendar's end": (OFFICE, 1e18, False),
}


@pytest.mark.parametrize(("window", "now", "is_open"), MOMENTS.values(), ids=MOMENTS)
def test_is_open(window: Window, now: float, is_open: bool) -> None:
    assert window.open(now) is is_open


def test_the_largest_open_window_counts_and_opens_a_pod_start_early() -> None:
    windows = (OFFICE, NIGHT)

    assert floor(windows, now=at("2026-03-02T12:00:00"), lead=10) == 4
    assert floor(windows, now=at("2026-03-02T07:59:55"), lead=10) == 4
    assert floor(windows, now=at("2026-03-02T07:59:45"), lead=10) == 0
    assert floor((), now=at("2026-03-02T12:00:00"), lead=10) == 0
