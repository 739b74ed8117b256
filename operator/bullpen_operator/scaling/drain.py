"""Which pods are to go when the pool shrinks, and how many of them the controller would choose too (scaling.md §6)."""

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
    free: bool = False
    """It is to go, claims nothing and runs nothing."""
    scheduled: bool = True
    running: bool = True
    costs: tuple[int, int] = (0, 0)
    """Lowest and highest deletion cost that the controller may believe it has: it sees a change a moment later."""

    def rank(self, cost: int) -> tuple[bool, bool, bool, int]:
        """The controller ends pods of a lower rank first: unscheduled, pending, not ready, then by deletion cost
        (kubernetes/pkg/controller/controller_utils.go, ActivePodsWithRanks).
        """
        return self.scheduled, self.running, self.ready, cost


def victims(pods: Iterable[Pod], surplus: int) -> list[str]:
    """The `surplus` pods that are the cheapest to drain, by name, cheapest first.

    Pods that are not ready and idle first, because the controller would take them whatever is asked; then idle ones;
    then those whose oldest job has run longest, which are nearest to their end if jobs are alike. Among equals those
    that drain already, so that the choice does not wander before anybody has finished.
    """
    if surplus <= 0:
        return []
    return [pod.name for pod in sorted(pods, key=_cost)[:surplus]]


def safely_ended(pods: Iterable[Pod]) -> int:
    """How many pods the controller can be told to end without any but free ones among them, however it orders equals.

    It chooses by itself: so the free ones count only as far as they rank before each pod that is not free.
    """
    known = list(pods)
    first_kept = min((pod.rank(pod.costs[0]) for pod in known if not pod.free), default=None)
    return sum(1 for pod in known if pod.free and (first_kept is None or pod.rank(pod.costs[1]) < first_kept))


def _cost(pod: Pod) -> tuple[int, bool, float, str]:
    rank = 2 if pod.jobs else int(pod.ready)
    return rank, not pod.draining, -pod.oldest_job_seconds, pod.name
