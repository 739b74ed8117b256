"""How many pods a queue asks for: one small formula each, and the largest of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from bullpen_operator.api.reasons import Reason

if TYPE_CHECKING:
    from bullpen_operator.scaling.observation import QueueReading
    from bullpen_operator.scaling.rules import Rules

_MOST_JOBS: Final = 2**53
"""Counts beyond it are nonsense, and floats no longer count in ones."""
_LONGEST_WAIT: Final = 1e9
"""Seconds, about 30 years: a time stamp of zero is no wait."""
_GROWTH: Final = 2
"""A long wait at most doubles the pool at a step, as the HPA's default policy does (autoscaling/v2, scaleUp)."""


def count(value: float | None) -> int:
    """A number of things, whatever was sent for it: NaN, infinities and negatives are none."""
    if value is None or not math.isfinite(value):
        return 0
    return min(max(int(value), 0), _MOST_JOBS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A reading cleaned of what no queue can say: counts ≥ 0, the wait finite and ≥ 0."""

    waiting: int
    due: int
    active: int
    oldest_wait_seconds: float

    @classmethod
    def of(cls, reading: QueueReading) -> Self:
        oldest = reading.oldest_wait_seconds
        known = oldest is not None and math.isfinite(oldest)
        return cls(
            waiting=count(reading.waiting),
            due=count(reading.due),
            active=count(reading.active),
            oldest_wait_seconds=min(max(oldest or 0.0, 0.0), _LONGEST_WAIT) if known else 0.0,
        )

    @property
    def jobs(self) -> int:
        """Jobs that need a slot now."""
        return self.waiting + self.due + self.active


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """The pods asked for, the formula that asked for most, and each formula's answer."""

    pods: int
    reason: Reason
    for_work: int
    for_length: int
    for_wait: int


def pods_for(jobs: int, concurrency: int) -> int:
    """Pods with a slot for each of `jobs`: ⌈jobs ÷ concurrency⌉.

    scaling.md §4 with one slot a job: the bound that no formula may exceed ("never more slots than work"),
    and that is met exactly while nothing is known of service times.
    """
    return -(-max(jobs, 0) // max(concurrency, 1))


def by_length(waiting: int, queue_length: int) -> int:
    """Above `queue_length` waiting jobs: ⌈waiting ÷ queue_length⌉ pods, else none (scaling.md §4, Thresholds)."""
    if waiting <= queue_length:
        return 0
    return pods_for(waiting, queue_length)


def by_wait(*, replicas: int, oldest: float, wait_seconds: float, jobs: int) -> int:
    """Above `wait_seconds`: ⌈replicas · oldest ÷ wait_seconds⌉ pods, else none (scaling.md §4, Thresholds).

    At most twice what there is, and never more pods than jobs: a pod without a job shortens no wait.
    """
    limit = max(wait_seconds, 1.0)
    if not oldest > limit:
        return 0
    base = max(replicas, 1)
    return min(math.ceil(base * min(oldest / limit, _GROWTH)), jobs)


def demand(*, load: Load, rules: Rules, replicas: int) -> Demand:
    """The largest recommendation of the formulas above; the first of equals gives the reason."""
    for_work = pods_for(load.jobs, rules.concurrency)
    for_length = by_length(load.waiting, rules.queue_length)
    for_wait = by_wait(
        replicas=replicas,
        oldest=load.oldest_wait_seconds,
        wait_seconds=rules.wait_seconds,
        jobs=load.jobs,
    )
    pods, reason = for_work, Reason.BACKLOG if for_work else Reason.IDLE
    for other, why in ((for_length, Reason.QUEUE_LENGTH), (for_wait, Reason.WAIT_TIME)):
        if other > pods:
            pods, reason = other, why
    return Demand(pods=pods, reason=reason, for_work=for_work, for_length=for_length, for_wait=for_wait)
