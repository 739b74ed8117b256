"""One queue's numbers, as `/metrics` asks for them from its thread."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bullpen.runtime.leases import Leases
    from bullpen.runtime.loop import QueueLoop
    from bullpen.runtime.tally import Tally


class QueueCounts:
    """Reads a loop from outside its thread: every number by itself is right, two of them may be a moment apart."""

    def __init__(self, loop: QueueLoop, leases: Leases) -> None:
        self._loop = loop
        self._leases = leases

    @property
    def queue(self) -> str:
        return self._loop.setup.keys.queue

    @property
    def slots(self) -> int:
        return self._loop.slots.total

    @property
    def busy(self) -> int:
        return self._loop.slots.running

    @property
    def stuck(self) -> int:
        return self._loop.slots.stuck

    @property
    def lock_losses(self) -> int:
        return self._leases.lost_locks[self.queue]

    @property
    def reclaimed(self) -> int:
        return self._leases.beats.reclaimed(self._loop)

    @property
    def redis_errors(self) -> int:
        return self._loop.delivery.errors

    def oldest_job_seconds(self) -> float:
        """Age of the attempt that has run longest, 0 if none."""
        started = [each.started_at for each in self._loop.running.copy().values()]
        return time.monotonic() - min(started) if started else 0.0

    def tallies(self) -> Sequence[Tally]:
        return self._loop.tallies()
