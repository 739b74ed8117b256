"""What a queue's traffic is like, learned from one reading to the next: arrivals, completions, service time.

Nothing here is told by the user or the workers: counters and the number of active jobs are all that is used, so that
foreign workers are understood as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from bullpen_operator.scaling.numbers import LONGEST_SECONDS, count, finite

if TYPE_CHECKING:
    from bullpen_operator.scaling.observation import QueueReading

SLOW_SECONDS: Final = 90.0
FAST_SECONDS: Final = 15.0
"""Memories of the two arrival rates (scaling.md §3)."""
SIGNIFICANT: Final = 3.0
"""Standard deviations by which the fast rate must exceed the slow one to be believed (scaling.md §3)."""
SERVICE_MEMORY_SECONDS: Final = 300.0
SERVICE_MEMORY_JOBS: Final = 10.0
"""Memory of the service time: the longer of so many seconds and so many service times (scaling.md §3)."""
PSEUDO_OBSERVATIONS: Final = 3.0
"""Jobs of the expected service time that are taken as seen before the first one (scaling.md §3)."""
KNOWN_JOBS: Final = 10.0
"""The service time of so many jobs is known to about a third (1 ÷ √10, of exponential ones)."""
GAP_SECONDS: Final = 60.0
"""After a longer gap in the readings nobody knows for how long how many jobs ran; how many came, the counters tell."""
_MOST_PER_SECOND: Final = 1e6
"""Faster than any Redis: a counter that runs like this was set, not counted."""
SHORTEST_SERVICE: Final = 1e-3
LONGEST_SERVICE: Final = 7 * 86_400.0


class Source(StrEnum):
    """What completions are counted by; told on the status."""

    NONE = "None"
    METRICS = "Metrics"
    """The queue's own counters of finished jobs."""
    IDS = "Ids"
    """The ids given out, less what is still in the queue."""
    FINISHED_SETS = "FinishedSets"
    """The kept finished jobs; too few when they are removed on completion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Estimates, and what the next ones need; per second and seconds. The default knows nothing."""

    at: float | None = None
    """Of the last reading."""
    source: Source = Source.NONE
    counter: int = 0
    """Jobs finished so far, by `source`."""
    added: int = 0
    """Ids given out so far; a second counter that may run backwards."""
    slots: int = 0
    """Jobs that needed a slot at the last reading."""
    active: int = 0
    slow: float = 0.0
    fast: float = 0.0
    finishing: float = 0.0
    """Completions per second, with the memory of `slow`."""
    exposure: float = 0.0
    """Seconds that jobs were seen running, remembered exponentially."""
    completions: float = 0.0
    """Jobs that ended in the same time, remembered likewise."""
    prior: float = PSEUDO_OBSERVATIONS
    """What is left of the pseudo-observations."""
    expected: float | None = None
    """The service time that these have, when it is not the rules' own: the last one before a reset."""
    reset_at: float | None = None
    """When a counter last ran backwards."""
    came: float = 0.0
    """Jobs that became ready between the last two readings."""

    @property
    def known(self) -> bool:
        """Whether enough jobs were seen to end for the service time to be known."""
        return self.completions >= KNOWN_JOBS

    @property
    def sustained(self) -> float:
        """Jobs per second that no burst explains: the slow rate, or the fast one when it is significantly lower.

        The slow rate tells of a burst for minutes after its end.
        """
        gate = self.slow - SIGNIFICANT * math.sqrt(self.slow / (2 * FAST_SECONDS))
        return self.fast if self.fast < gate else self.slow

    @property
    def arrivals(self) -> float:
        """Jobs per second that become ready to run: the slow rate, or the fast one when it is significantly higher.

        An exponentially weighted rate of Poisson arrivals with memory τ has the variance λ/(2τ). Without the gate,
        the larger of two noisy rates over-provisions long jobs 1.5 to 2.5 times (scaling.md §3).
        """
        gate = self.slow + SIGNIFICANT * math.sqrt(self.slow / (2 * FAST_SECONDS))
        return self.fast if self.fast > gate else self.slow

    def service_seconds(self, expected: float) -> float:
        """How long a job runs: ∫ active dt ÷ completions, Little's law (scaling.md §3).

        For exponential service times it is also the maximum-likelihood estimate with the jobs that still run taken
        as censored, so long jobs show before the first one has ended.
        """
        prior = self.expected if self.expected is not None else expected
        seconds = (self.exposure + self.prior * prior) / max(self.completions + self.prior, 1e-9)
        return min(max(finite(seconds), SHORTEST_SERVICE), LONGEST_SERVICE)


class Base(NamedTuple):
    """What a reading counts, for the next one to be compared with."""

    at: float
    source: Source
    counter: int
    added: int
    slots: int
    active: int


def updated(rates: Rates, reading: QueueReading, *, expected: float) -> Rates:
    """The estimates with one more reading in them; `expected` is the first guess of the service time.

    A counter that ran backwards (FLUSHALL, failover, obliterate) starts the estimates anew; what was learned of the
    service time is then the new first guess. A clock that was set back only moves the base.
    """
    source, counter = _counted(reading)
    now, active = finite(reading.at), count(reading.active)
    base = Base(
        now, source, counter, count(reading.added), count(reading.waiting) + count(reading.due) + active, active
    )
    if rates.at is None or source is not rates.source:
        return _based(rates, base)
    seconds = now - rates.at
    if not 0 < seconds <= LONGEST_SECONDS:
        return _based(rates, base)
    ended = counter - rates.counter
    backwards = base.added < rates.added or (ended < 0 and source is Source.METRICS)
    if backwards or ended > _MOST_PER_SECOND * seconds:
        return _reset(base, expected=rates.service_seconds(expected))
    ended = max(ended, 0)  # kept jobs that were removed, or jobs with ids of their own
    arrived = min(max(ended + base.slots - rates.slots, 0), _MOST_PER_SECOND * seconds)
    return _moved(base, before=rates, seconds=seconds, ended=ended, arrived=arrived, expected=expected)


def _based(rates: Rates, base: Base) -> Rates:
    return replace(rates, **base._asdict(), came=0.0)


def _moved(base: Base, *, before: Rates, seconds: float, ended: int, arrived: float, expected: float) -> Rates:
    slow, fast = math.exp(-seconds / SLOW_SECONDS), math.exp(-seconds / FAST_SECONDS)
    seen = seconds <= GAP_SECONDS
    exposed = seconds * (before.active + base.active) / 2 if seen else 0.0
    keep = 1.0
    if seen and (exposed or ended):  # an idle queue teaches nothing and forgets nothing
        memory = max(SERVICE_MEMORY_SECONDS, SERVICE_MEMORY_JOBS * before.service_seconds(expected))
        keep = math.exp(-seconds / memory)
    return Rates(
        at=base.at,
        source=base.source,
        counter=base.counter,
        added=base.added,
        slots=base.slots,
        active=base.active,
        slow=slow * before.slow + (1 - slow) * arrived / seconds,
        fast=fast * before.fast + (1 - fast) * arrived / seconds,
        finishing=slow * before.finishing + (1 - slow) * ended / seconds,
        exposure=keep * before.exposure + exposed,
        completions=keep * before.completions + (ended if seen else 0),
        prior=keep * before.prior,
        expected=before.expected,
        reset_at=before.reset_at,
        came=arrived,
    )


def _reset(base: Base, *, expected: float) -> Rates:
    return Rates(
        at=base.at,
        source=base.source,
        counter=base.counter,
        added=base.added,
        slots=base.slots,
        active=base.active,
        expected=expected,
        reset_at=base.at,
    )


def _counted(reading: QueueReading) -> tuple[Source, int]:
    """Jobs finished so far, by the best counter there is (scaling.md §2, Arrival rate)."""
    if reading.finished is not None:
        return Source.METRICS, count(reading.finished)
    if reading.added is not None:
        inside = (reading.waiting, reading.delayed, reading.active, reading.waiting_children)
        return Source.IDS, count(reading.added) - sum(count(value) for value in inside)
    return Source.FINISHED_SETS, count(reading.completed) + count(reading.failed)
