"""A server that cannot be asked: its failure is the answer until the next attempt is due."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bullpen_operator.scaling.observation import ReadingFailed

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0


class Outage:
    """Spaces the attempts: 0.5 to 5 s, jittered. `now` is in seconds since the epoch."""

    def __init__(self) -> None:
        self._attempts = 0
        self._failure: ReadingFailed | None = None
        self._failed_at = 0.0
        self._retry_at = 0.0

    def standing(self, now: float) -> ReadingFailed | None:
        """The failure to repeat, None when it is time to try."""
        # Not before `_failed_at`: then the clock was set back, and the pause would last as long as that.
        return self._failure if self._failed_at <= now < self._retry_at else None

    def failed(self, failure: ReadingFailed, now: float) -> ReadingFailed:
        """One more attempt was in vain."""
        self._failed_at, self._retry_at = now, now + pause_after(self._attempts)
        self._attempts += 1
        self._failure = failure
        return failure

    def over(self) -> None:
        self._attempts, self._failure = 0, None


def pause_after(failures: int) -> float:
    """Seconds until the next attempt after so many earlier failures in a row: 0.5 to 5, jittered down by a half."""
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(failures, 16)) * random.uniform(0.5, 1.0)
