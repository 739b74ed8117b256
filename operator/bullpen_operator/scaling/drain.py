"""Which pods are to go when the pool shrinks (scaling.md §6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """What is known of a pod when victims are chosen."""

    name: str
    ready: bool
    jobs: int
    oldest_job_seconds: float
    """How long the job that it has run for longest runs; 0 without one."""
    draining: bool


def victims(pods: Iterable[Pod], surplus: int) -> list[str]:
    """The `surplus` pods that are the cheapest to drain, by name, cheapest first.

    Pods that are not ready and idle first, because the controller would take them whatever is asked; then idle ones;
    then those whose oldest job has run longest, which are nearest to their end if jobs are alike. Among equals those
    that drain already, so that the choice does not wander before anybody has finished.
    """
    if surplus <= 0:
        return []
    return [pod.name for pod in sorted(pods, key=_cost)[:surplus]]


def _cost(pod: Pod) -> tuple[int, bool, float, str]:
    rank = 2 if pod.jobs else int(pod.ready)
    return rank, not pod.draining, -pod.oldest_job_seconds, pod.name
