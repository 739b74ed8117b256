"""What the pool's spec tells the planner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from bullpen_operator.scaling.schedule import Window

if TYPE_CHECKING:
    from bullpen_operator.api.pool import WorkerPoolSpec
    from bullpen_operator.api.scaling import ScalingPause

LEAD_SECONDS: Final = 10.0
"""What a pod takes to start, until one was seen to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """Pods there are at least once the queue could not be read for so many seconds."""

    replicas: int
    after_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The part of a WorkerPool's spec that decides its size; seconds, jobs and pods."""

    concurrency: int
    min_replicas: int
    max_replicas: int
    queue_length: int | None
    wait_seconds: float | None
    """Thresholds; None is none."""
    idle_seconds: float
    pinned: int | None
    paused: ScalingPause
    objective_seconds: float = 30.0
    objective_percentile: float = 99.0
    """So many per cent of the jobs start within so many seconds of being ready."""
    expected_job_seconds: float = 1.0
    stabilization_seconds: float = 120.0
    fallback: Fallback | None = None
    schedule: tuple[Window, ...] = ()
    cpu_percent: float | None = None
    """CPU use of the workers above which they are taken to be slowed down; None is never."""
    lead_seconds: float = LEAD_SECONDS
    tick_seconds: float = 1.0
    """Between two decisions."""

    @classmethod
    def of(cls, spec: WorkerPoolSpec) -> Self:
        scaling = spec.scaling
        outage = scaling.fallback
        return cls(
            concurrency=spec.concurrency,
            min_replicas=scaling.min_replicas,
            max_replicas=scaling.max_replicas,
            queue_length=scaling.thresholds.queue_length,
            wait_seconds=scaling.thresholds.wait_seconds,
            idle_seconds=scaling.idle_seconds,
            cpu_percent=scaling.thresholds.cpu_percent,
            pinned=spec.replicas,
            paused=scaling.paused,
            objective_seconds=scaling.wait_objective.seconds,
            objective_percentile=scaling.wait_objective.percentile,
            expected_job_seconds=spec.expected_job_seconds,
            stabilization_seconds=scaling.stabilization_seconds,
            fallback=None if outage is None else Fallback(replicas=outage.replicas, after_seconds=outage.after_seconds),
            schedule=tuple(
                Window(window.start, window.end, window.time_zone, window.min_replicas) for window in scaling.schedule
            ),
        )
