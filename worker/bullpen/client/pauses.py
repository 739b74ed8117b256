"""Pauses between attempts to reach Redis."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(slots=True)
class Pauses:
    """Exponential pauses with jitter, so that a thousand workers do not come back in one instant.

    Seconds: the first about `first`, none above `longest`; each is a random 50-100 % of its nominal value.
    """

    first: float = 0.05
    longest: float = 5.0
    failures: int = 0

    def next(self) -> float:
        """Counts a failure and tells how long to wait after it."""
        nominal = min(self.longest, self.first * 2.0 ** min(self.failures, 30))
        self.failures += 1
        return nominal * random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """After a success."""
        self.failures = 0
