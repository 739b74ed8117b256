"""Counts of what a queue's jobs did. Plain integers, written by the loop alone, read by the metrics thread."""

from __future__ import annotations

from bisect import bisect_left
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# Seconds. From no-op jobs to half an hour of rendering; the same bounds for waits, so that both can be compared.
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 1800)


class Outcome(StrEnum):
    """How an attempt ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    RETRIED = "retried"
    RELEASED = "released"
    LOST = "lost"


class Histogram:
    """Counts by upper bound, as Prometheus wants them: the last bucket has no bound."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float] = BOUNDS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value, in seconds."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Tally:
    """What the jobs of one handler did; its name is the label, so that foreign job names cannot flood the metrics."""

    __slots__ = ("durations", "left", "name", "outcomes", "waits")

    def __init__(self, name: str) -> None:
        self.name = name
        self.left = 0
        """Jobs nobody here handles that were left to other workers."""
        self.outcomes: dict[Outcome, int] = dict.fromkeys(Outcome, 0)
        self.durations = Histogram()
        self.waits = Histogram()

    def count(self, outcome: Outcome, *, seconds: float, wait: float) -> None:
        """One attempt ended: how, how long it ran, and how long the job had waited to be started."""
        self.outcomes[outcome] += 1
        self.durations.observe(seconds)
        self.waits.observe(wait)
