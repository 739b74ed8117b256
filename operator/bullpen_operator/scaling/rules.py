"""What the pool's spec tells the planner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from bullpen_operator.api.pool import ScalingPause, WorkerPoolSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The part of a WorkerPool's spec that decides its size; seconds, jobs and pods."""

    concurrency: int
    min_replicas: int
    max_replicas: int
    queue_length: int
    wait_seconds: float
    idle_seconds: float
    pinned: int | None
    paused: ScalingPause

    @classmethod
    def of(cls, spec: WorkerPoolSpec) -> Self:
        scaling = spec.scaling
        return cls(
            concurrency=spec.concurrency,
            min_replicas=scaling.min_replicas,
            max_replicas=scaling.max_replicas,
            queue_length=scaling.thresholds.queue_length,
            wait_seconds=scaling.thresholds.wait_seconds,
            idle_seconds=scaling.idle_seconds,
            pinned=spec.replicas,
            paused=scaling.paused,
        )
