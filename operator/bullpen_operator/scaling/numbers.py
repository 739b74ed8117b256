"""Numbers as Redis, clocks and users give them, made safe to count with."""

from __future__ import annotations

import math
from typing import Final

MOST_JOBS: Final = 2**53
"""Counts beyond it are nonsense, and floats no longer count in ones."""
LONGEST_SECONDS: Final = 1e9
"""About 30 years: a time stamp of zero is no wait."""


def count(value: int | float | None) -> int:
    """A number of things, whatever was sent for it: NaN, infinities and negatives are none."""
    if isinstance(value, int):
        return min(max(value, 0), MOST_JOBS)
    if value is None or not math.isfinite(value):
        return 0
    return min(max(int(value), 0), MOST_JOBS)


def finite(value: float | None) -> float:
    """The value, or 0 for one that is no number."""
    if value is None:
        return 0.0
    return value if math.isfinite(value) else 0.0


def seconds(value: float | None) -> float:
    """A span of time, from 0 to `LONGEST_SECONDS`; what is no number is none."""
    return min(max(finite(value), 0.0), LONGEST_SECONDS)
