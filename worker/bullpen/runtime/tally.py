"""Counts of what a queue's jobs did. Plain integers, written by the loop alone, read by the metrics thread."""

from __future__ import annotations

from bisect import bisect_left
from enum import StrEnum
from typing import TYPE_CHECKING

from bullpen.protocol.heartbeat import BOUNDS

if TYPE_CHECKING:
    from collections.abc import Sequence


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

    def count(self, outcome: Outcome, *, seconds: float) -> None:
        """One attempt ended: how, and how long it ran."""
        self.outcomes[outcome] += 1
        self.durations.observe(seconds)
