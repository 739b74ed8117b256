"""What this worker says of itself each second, and what it hears in return: drain marks, and who is late."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bullpen.protocol.heartbeat import Heartbeat, beat, forget
from bullpen.runtime.reclaiming import Reclaiming
from bullpen.runtime.tally import Outcome
from bullpen.runtime.usage import Usage, Used

if TYPE_CHECKING:
    import asyncio
    import logging
    from collections.abc import Sequence

    from bullpen.runtime.line import Line
    from bullpen.runtime.loop import QueueLoop

BEAT_SECONDS = 1.0
# While somebody may be found dead soon.
QUICK_SECONDS = 0.25
# So many beats apart one also removes what dead workers left behind.
SWEEP_BEATS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who holds the locks: the pod (or a random id), this start of its process, and the version for the heartbeat.

    `lasting`: the instance is the pod's, so a former start of this container may have held jobs under it.
    """

    instance: str
    boot: str
    pod: str
    version: str
    lasting: bool = False


class Beats:
    """In the thread that renews locks."""

    def __init__(
        self,
        queues: Sequence[QueueLoop],
        line: Line,
        *,
        identity: Identity,
        loop: asyncio.AbstractEventLoop,
        logger: logging.Logger,
    ) -> None:
        self._queues = queues
        self._line = line
        self._identity = identity
        self._loop = loop
        self._usage = Usage()
        self._observers = [
            Reclaiming(
                queue,
                line,
                instance=identity.instance,
                boot=identity.boot,
                returning=identity.lasting,
                logger=logger,
            )
            for queue in queues
        ]
        self._marked = [False] * len(queues)
        self._count = 0
        self._due = float("-inf")
        self._quick = False
        self._ahead = 0.0
        self.used = Used(0.0, 0, 1)
        self.draining = False
        """Told to stop."""

    @property
    def pace(self) -> float:
        """Seconds until the thread should turn again."""
        return QUICK_SECONDS if self._quick else BEAT_SECONDS

    @property
    def ended(self) -> int:
        """Jobs of all queues whose attempts ended, however."""
        return sum(sum(tally.outcomes.values()) for queue in self._queues for tally in queue.tallies())

    def reclaimed(self, queue: QueueLoop) -> int:
        """Jobs of dead workers that were put back into this queue."""
        return self._observers[list(self._queues).index(queue)].reclaimed

    def turn(self, now: float) -> bool:
        """Beat, if it is time; returns whether it was."""
        if now < self._due:
            return False
        sweep = self._count % SWEEP_BEATS == 0
        self._count += 1
        self.used = self._usage.read()
        self._quick = False
        for place in range(len(self._queues)):
            self._beat(place, now, sweep)
        self._due = now + self.pace
        return True

    def forget(self) -> None:
        """Take the heartbeats back, as on every clean exit."""
        for queue in self._queues:
            if self._line.ask(queue, forget(queue.setup.keys, instance=self._identity.instance)) is None:
                break  # the others would wait as long for the same

    def _beat(self, place: int, now: float, sweep: bool) -> None:
        queue, observer = self._queues[place], self._observers[place]
        heartbeat = self._heartbeat(queue, now)
        told = self._line.ask(
            queue, beat(queue.setup.keys, heartbeat=heartbeat, sweep=sweep, suspects=observer.suspects)
        )
        if told is None:
            observer.trouble()
            return
        self._ahead = told.at - time.time()
        if told.marked_seconds > 0 or self._marked[place]:
            self._marked[place] = told.marked_seconds > 0
            self._loop.call_soon_threadsafe(queue.heed, told.marked_seconds)
        self._quick |= observer.heard(at=told.at, late=told.late)

    def _heartbeat(self, queue: QueueLoop, now: float) -> Heartbeat:
        draining = self.draining or queue.marked
        # Asked before anything else is read: what it holds later was claimed before the mark.
        drained = draining and queue.empty_handed
        attempts = queue.running.copy().values()
        oldest = min((each.started_at for each in attempts), default=None)
        tallies = queue.tallies()
        return Heartbeat(
            instance=self._identity.instance,
            boot=self._identity.boot,
            pod=self._identity.pod,
            version=self._identity.version,
            slots=queue.slots.total,
            busy=len(attempts),
            oldest=self._server_time(oldest, now),
            done=sum(each.outcomes[Outcome.COMPLETED] for each in tallies),
            failed=sum(each.outcomes[Outcome.FAILED] for each in tallies),
            cpu=round(self.used.cpu, 3),
            rss=self.used.rss,
            stuck=queue.slots.stuck,
            draining=draining,
            drained=drained,
            first_claim=self._server_time(queue.first_claim_at, now),
            waits=tuple(map(sum, zip(*(each.waits.counts for each in tallies), strict=True))),
        )

    def _server_time(self, at: float | None, now: float) -> float | None:
        """A monotonic time as epoch seconds of the server's clock, the only one that is compared between pods."""
        return None if at is None else round(time.time() + self._ahead - (now - at), 3)
