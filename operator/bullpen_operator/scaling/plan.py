"""The plan: one queue as read, one Deployment as seen → one number of replicas, and why.

Nothing here reads a clock, waits or logs. The demand comes from `sizing`, then the limits of `limits` pass it on in their order; each may
change the number and says so. `Decision`, `Memory` and `Rules` are re-exported for those who call `plan`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bullpen_operator.scaling.decision import Decision, Memory
from bullpen_operator.scaling.rules import Rules

if TYPE_CHECKING:
    from bullpen_operator.scaling.observation import Fleet, QueueReading, ReadingFailed

__all__ = ["Decision", "Memory", "Rules", "plan"]


def plan(
    *, rules: Rules, reading: QueueReading | ReadingFailed, fleet: Fleet, memory: Memory, now: float
) -> Decision:
    """Decide how many replicas the Deployment is to have; `now` is in seconds since the epoch."""
    raise NotImplementedError
