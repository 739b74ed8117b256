"""What a job raises when it has neither done its work nor failed: no attempt is counted (protocol §5.4).

raise Delay("5m")                     come back in five minutes
raise Delay(account.opens_at)         come back at that time (a datetime with a time zone)
raise RateLimited("1m")               whoever we call wants a pause: this job waits, and so does the whole queue
raise WaitForChildren()               once more, when the jobs added with this one as their parent have ended
raise Requeue()                       once more, at once, by whichever worker is free first
"""

from __future__ import annotations

import math
from datetime import datetime

from bullpen.durations import Duration, milliseconds
from bullpen.errors import ConfigurationError


class Signal(BaseException):
    """A `BaseException`, so that a job's own `except Exception` does not take it for an error of its work."""


class Delay(Signal):
    """Run the job again later: after a duration, or at a `datetime` that has a time zone (past: as soon as possible).

    Raises `ConfigurationError` for anything else.
    """

    def __init__(self, when: Duration | datetime) -> None:
        super().__init__(when)
        self._at: float | None = None
        self._after_ms = 0
        if not isinstance(when, datetime):
            self._after_ms = milliseconds(when, of="Delay(…)")
        elif when.tzinfo is None:
            raise ConfigurationError(
                f"Delay({when!r}): the time has no time zone, so it means another moment on each host; "
                "write datetime.now(UTC) + …, or a duration"
            )
        else:
            self._at = when.timestamp()

    def delay_ms(self, now: float) -> int:
        """Whole ms from now (epoch seconds) until the job is due, 0 or more: never before the time that was given."""
        return self._after_ms if self._at is None else max(0, math.ceil((self._at - now) * 1000))


class RateLimited(Signal):
    """Put the job back to the front and start no other one of this queue for that long.

    All workers of the queue keep to it if the queue has a rate limit (`App.queue(limiter=…)`, a global one, or Node's
    `limiter`); without one only this worker does. Raises `ConfigurationError` for less than a millisecond.
    """

    def __init__(self, duration: Duration) -> None:
        super().__init__(duration)
        self.limit_ms = milliseconds(duration, of="RateLimited(…)")
        if self.limit_ms < 1:
            raise ConfigurationError(f"RateLimited({duration!r}): say how long, for example RateLimited('30s')")


class Requeue(Signal):
    """Put the job back to the front of its queue. It may run again at once: pause, or raise `Delay`, to wait."""


class WaitForChildren(Signal):
    """Run the job again when its children have ended, or at once when none is pending (any more).

    Children are what `App.flow(…, parent=ctx)` adds. The job finds their values in `Context.children_values()`; that
    there are some tells it which time this is. It fails when a child has failed that fails its parent.
    """
