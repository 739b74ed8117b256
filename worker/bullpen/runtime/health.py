"""What the probes ask."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bullpen.runtime.patience import patience

if TYPE_CHECKING:
    from bullpen.runtime.leases import Leases
    from bullpen.runtime.loop import QueueLoop

LEASES_STUCK_SECONDS = 60.0


@dataclass(slots=True)
class Health:
    """What the probes ask, from their own thread."""

    started: bool = False
    failed: str | None = None
    leases: Leases | None = None
    queues: list[QueueLoop] = field(default_factory=list)

    def start(self) -> str | None:
        """None once the worker serves."""
        return None if self.started else "still starting"

    def live(self) -> str | None:
        """None unless a restart would help; whether Redis answers is not asked."""
        if self.leases is None:
            return None
        now = time.monotonic()
        if (silent := now - self.leases.turned_at) > LEASES_STUCK_SECONDS:
            return f"the thread that renews locks has not turned for {silent:.0f} s"
        running = [each for queue in self.queues for each in queue.running.copy().values()]
        if (silent := now - self.leases.looped_at) > patience(running):
            return f"the event loop has been blocked for {silent:.0f} s"
        return None

    def ready(self) -> str | None:
        """None while the worker serves, however busy, and whether Redis answers or not."""
        return self.failed or self.start()
