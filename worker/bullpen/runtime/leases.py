"""What must go on while the event loop is busy: renewing locks, beating the heartbeat, looking for stalled jobs.

A thread with its own connection. So a loop that is blocked keeps its locks, and only a dead process loses them.
"""

from __future__ import annotations

import asyncio
import os
import time
from threading import Event, Thread
from typing import TYPE_CHECKING

from bullpen.errors import BullpenError, ConnectionLost, JobMissing, LockLost
from bullpen.protocol.calls import locks
from bullpen.protocol.keys import QueueKeys
from bullpen.runtime.beats import Beats, Identity
from bullpen.runtime.line import Line, RunsSyncFor
from bullpen.runtime.station import Stop

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable, Sequence

    from bullpen.runtime.attempt import Attempt
    from bullpen.runtime.loop import QueueLoop
    from bullpen.runtime.recycling import Limits

# Locks renewed in one call: some 2 ms of Redis' time.
BATCH = 500
# A Redis that does not answer must not hold up the start: claims would get no answer either.
FIRST_TURN_SECONDS = 2.0

Held = tuple[QueueKeys, str, str]
"""A job to hand back: its queue, id and token."""


class Leases:
    """The thread. Times in seconds; `turned_at` and `looped_at` are monotonic times of its and the loop's last turn.

    `recycle` is called, in this thread and once, with the reason why the process has lived long enough.
    """

    def __init__(
        self,
        queues: Sequence[QueueLoop],
        *,
        links: RunsSyncFor,
        identity: Identity,
        stalled_seconds: float,
        loop: asyncio.AbstractEventLoop,
        logger: logging.Logger,
        limits: Limits,
        recycle: Callable[[str], None],
        leave: Callable[[int], None] = os._exit,
        kill: Callable[[], None] | None = None,
    ) -> None:
        self._queues = queues
        self._line = Line(links, loop)
        self.beats = Beats(queues, self._line, identity=identity, loop=loop, logger=logger)
        self._stalled_seconds = stalled_seconds
        self._loop = loop
        self._logger = logger
        self._limits = limits
        self._recycle: Callable[[str], None] | None = recycle
        self._leave = leave
        self._kill = kill
        self._stop = Event()
        self._turned = Event()
        self._thread = Thread(target=self._run, name="leases", daemon=True)
        self._checked_at = float("-inf")
        self._recoveries = 0
        self._fault: asyncio.Future[None] = loop.create_future()
        self._started_at = self._turned_at = self.looped_at = time.monotonic()
        self.lost_locks = dict.fromkeys((queue.setup.keys.queue for queue in queues), 0)
        self.leave_at: float | None = None
        """When the process must be gone even if its loop is blocked; what it holds is then handed back from here."""

    @property
    def turned_at(self) -> float:
        return max(self._turned_at, self._line.turned_at)

    async def start(self) -> None:
        """Start the thread; returns after its first turn: who claims before its first beat dies unseen."""
        self._thread.start()
        await asyncio.to_thread(self._turned.wait, FIRST_TURN_SECONDS)

    async def watch(self) -> None:
        """Wait for as long as the thread turns; raises what ended it."""
        await asyncio.shield(self._fault)

    async def close(self) -> None:
        """End the thread and take the heartbeats back."""
        self._stop.set()
        await asyncio.to_thread(self._thread.join)

    def last_act(self, held: Iterable[Held]) -> None:
        """Hand back jobs that cannot be stopped, as the last thing this process does; after `close`."""
        if self._kill is not None:
            self._kill()  # what can be stopped is stopped before it is another's
        for keys, job_id, token in held:
            try:
                self._line.links.of(keys).run(locks.release(keys, job_id=job_id, token=token))
            except (JobMissing, LockLost):
                continue  # it ended after all
            except ConnectionLost as error:
                # There is no time to wait for each of them; their locks run out.
                self._logger.warning("Job %s and those after it could not be handed back: %s", job_id, error)
                return
            except BullpenError as error:
                self._logger.warning("Job %s could not be handed back: %s", job_id, error)

    def hang_up(self) -> None:
        """Drop the connection, after the last act."""
        self._line.links.close()

    def _run(self) -> None:
        try:
            self._turn_until_stopped()
        except BaseException as error:  # noqa: BLE001 - a fault of ours: the worker must not go on without its leases
            self._turned.set()
            self._loop.call_soon_threadsafe(self._fault.set_exception, error)

    def _turn_until_stopped(self) -> None:
        tick = min((each.setup.lock_ms / 4000 for each in self._queues), default=1.0)
        while not self._stop.is_set():
            self._turn()
            self._turned.set()
            self._stop.wait(min(tick, self.beats.pace))
        self.beats.forget()

    def _turn(self) -> None:
        now = time.monotonic()
        self._loop.call_soon_threadsafe(self._looped)
        if self.leave_at is not None and now > self.leave_at:
            self._logger.error("The event loop did not end in its time (a job blocks it?): leaving without it")
            self.last_act(held(self._queues))
            self._leave(0)
        # After an outage Redis may be another one, or have forgotten: every lock is looked at, however young.
        returned, self._recoveries = self._line.recoveries != self._recoveries, self._line.recoveries
        for queue in self._queues:
            self._renew(queue, now, all_of_them=returned)
        if now - self._checked_at >= self._stalled_seconds:
            self._checked_at = now
            for queue in self._queues:
                self._check_stalled(queue)
        if self.beats.turn(now):
            self._look_at_limits(now)
        self._turned_at = time.monotonic()

    def _looped(self) -> None:
        self.looped_at = time.monotonic()

    def _look_at_limits(self, now: float) -> None:
        beats = self.beats
        why = self._limits.reached(jobs=beats.ended, memory=beats.used.rss, age=now - self._started_at)
        if why is not None and self._recycle is not None:
            recycle, self._recycle = self._recycle, None
            recycle(why)

    # --- locks ---------------------------------------------------------------------------------------------------

    def _renew(self, queue: QueueLoop, now: float, *, all_of_them: bool) -> None:
        half = 0.0 if all_of_them else queue.setup.renewal_seconds
        # `copy` is one step under the interpreter's lock; the loop goes on adding and removing.
        due = [
            attempt
            for attempt in queue.running.copy().values()
            if now - attempt.renewed_at >= half and attempt.stop is not Stop.LOCK_LOST
        ]
        for start in range(0, len(due), BATCH):
            self._extend(queue, due[start : start + BATCH])

    def _extend(self, queue: QueueLoop, attempts: Sequence[Attempt]) -> None:
        setup = queue.setup
        asked_at = time.monotonic()
        pairs = [(each.job.id, each.token) for each in attempts]
        lost = self._line.ask(queue, locks.extend(setup.keys, locks=pairs, lock_ms=setup.lock_ms))
        if lost is None:
            return
        for attempt in attempts:
            if attempt.job.id not in lost:
                attempt.renewed_at = asked_at
        # One that ended meanwhile has given its lock back itself.
        gone = [each for each in attempts if each.job.id in lost and not each.decided]
        if gone:
            self.lost_locks[setup.keys.queue] += len(gone)
            self._loop.call_soon_threadsafe(queue.tell, Stop.LOCK_LOST, [each.token for each in gone])

    def _check_stalled(self, queue: QueueLoop) -> None:
        setup = queue.setup
        now, interval = int(time.time() * 1000), int(self._stalled_seconds * 1000)
        found = self._line.ask(queue, locks.stalled_check(setup.keys, now=now, interval_ms=interval))
        for job_id in found or ():
            setup.logger.warning("Job %s had lost its worker: back in the queue", job_id)


def held(queues: Iterable[QueueLoop]) -> list[Held]:
    """Jobs that still run, the youngest first: each goes to the front, so the oldest ends up foremost."""
    return [
        (queue.setup.keys, attempt.job.id, attempt.token)
        for queue in queues
        for attempt in reversed(queue.running.copy().values())
        if not attempt.decided
    ]
