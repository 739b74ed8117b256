"""Whether the share of jobs starts in time that the wait objective promises. Pure.

Workers count their first starts by how long the job had been ready (`Heartbeat.waits`); what waits and is late already
counts with those that started late. Of jobs that workers of another make start, only what still waits is known.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bullpen.protocol.heartbeat import BOUNDS
from bullpen_operator.scaling.observation import QueueReading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bullpen.protocol.heartbeat import Heartbeat
    from bullpen_operator.api.scaling import WaitObjective
    from bullpen_operator.scaling.observation import ReadingFailed

WINDOW_SECONDS: Final = 300.0
"""The promise is judged by the jobs that started in this time."""
_SLICE_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Promise:
    """How it was kept lately: `late` jobs, started or still waiting, of them and those that started in time."""

    late: float = 0.0
    jobs: float = 0.0

    def missed(self, objective: WaitObjective) -> bool:
        """Whether more jobs were late than the percentile leaves."""
        return self.late * 100 > self.jobs * (100 - objective.percentile)


class Starts:
    """What heartbeats said of one pool's starts over the last WINDOW_SECONDS."""

    def __init__(self) -> None:
        self._promised: float | None = None
        self._counted: dict[str, tuple[str, float, int]] | None = None  # by instance: boot, late, all
        self._slices: deque[tuple[float, float, int]] = deque()

    def observe(self, observed: QueueReading | ReadingFailed, *, promised: float, now: float) -> None:
        """Take in one reading. What workers had counted before the first one, nobody knows when it was."""
        if promised != self._promised:
            self._promised, self._counted = promised, None
            self._slices.clear()
        while self._slices and not 0 <= now - self._slices[0][0] <= WINDOW_SECONDS:
            self._slices.popleft()
        if not isinstance(observed, QueueReading) or observed.workers is None:
            return
        counted = dict(self._count(observed.workers.beats, promised))
        if self._counted is not None:
            self._add(now, *_grown(self._counted, counted))
        self._counted = counted

    def promise(self, observed: QueueReading | ReadingFailed, *, promised: float) -> Promise:
        """How it was kept, by the starts observed and what waits in this reading."""
        waiting = _waiting_late(observed, promised) if isinstance(observed, QueueReading) else 0.0
        late = waiting + sum(late for _, late, _ in self._slices)
        return Promise(late, waiting + sum(jobs for _, _, jobs in self._slices))

    def _add(self, now: float, late: float, jobs: int) -> None:
        if not jobs:
            return
        if self._slices and now - self._slices[-1][0] < _SLICE_SECONDS:
            at, earlier_late, earlier_jobs = self._slices.pop()
            now, late, jobs = at, earlier_late + late, earlier_jobs + jobs
        self._slices.append((now, late, jobs))

    def _count(self, beats: Mapping[str, Heartbeat], promised: float) -> list[tuple[str, tuple[str, float, int]]]:
        return [
            (instance, (beat.boot, late_of(beat.waits, promised), sum(beat.waits)))
            for instance, beat in beats.items()
            if len(beat.waits) == len(BOUNDS) + 1 and all(type(number) is int and number >= 0 for number in beat.waits)
        ]


def late_of(waits: Sequence[int], promised: float) -> float:
    """How many of the starts of a histogram (`Heartbeat.waits`) came later than `promised` seconds.

    Inside the bucket that it falls into, waits are taken to be spread evenly, as Prometheus' histogram_quantile does;
    of what is beyond the last bound, only that it is later than that is known.
    """
    late, lower = 0.0, 0.0
    for number, upper in zip(waits, BOUNDS, strict=False):
        late += number * min(1.0, max(0.0, (upper - promised) / (upper - lower)))
        lower = upper
    return late + (waits[-1] if promised <= lower else 0)


def _grown(
    before: Mapping[str, tuple[str, float, int]], after: Mapping[str, tuple[str, float, int]]
) -> tuple[float, int]:
    """Starts since then, the late ones and all; a worker that is new or started anew began to count at nothing."""
    late, jobs = 0.0, 0
    for instance, (boot, late_now, jobs_now) in after.items():
        known = before.get(instance)
        late_then, jobs_then = known[1:] if known is not None and known[0] == boot else (0.0, 0)
        more = max(0, jobs_now - jobs_then)
        jobs += more
        late += min(more, max(0.0, late_now - late_then))
    return late, jobs


def _waiting_late(reading: QueueReading, promised: float) -> float:
    """Jobs that wait longer than that: known of the oldest and the newest, taken to be spread evenly between."""
    oldest, newest = reading.oldest_wait_seconds, reading.newest_wait_seconds or 0.0
    if oldest is None or not oldest > promised:
        return 0.0
    waiting = max(1, reading.waiting)
    if newest > promised or not math.isfinite(oldest):
        return float(waiting)
    return max(1.0, waiting * (oldest - promised) / (oldest - newest))


NO_JOBS: Final = Promise()
