"""When something that failed may be tried again."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Backoff:
    """Pauses that double from `first` to `longest` seconds, each jittered down by up to a half."""

    first: float
    longest: float
    failures: int = 0
    failed_at: float = 0.0
    until: float = 0.0

    def failed(self, now: float) -> float:
        """Note a failure; returns the pause that follows, in seconds."""
        pause = min(self.longest, self.first * 2.0 ** min(self.failures, 30)) * random.uniform(0.5, 1.0)
        self.failures += 1
        self.failed_at, self.until = now, now + pause
        return pause

    def succeeded(self) -> None:
        self.failures, self.failed_at, self.until = 0, 0.0, 0.0

    def open(self, now: float) -> bool:
        """Whether it may be tried now. A clock that was set back ends a pause, which would last as long as that."""
        return not self.failed_at <= now < self.until
