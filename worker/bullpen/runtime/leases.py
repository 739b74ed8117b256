"""What must go on while the event loop is busy: renewing locks, beating the heartbeat, looking for stalled jobs.

A thread with its own connection. So a loop that is blocked keeps its locks, and only a dead process loses them.
"""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from threading import Event, Thread
from typing import TYPE_CHECKING, Protocol, TypeVar

from bullpen.errors import BullpenError, ConnectionLost, JobMissing, LockLost
from bullpen.protocol.calls import locks
from bullpen.protocol.heartbeat import Heartbeat, beat, forget
from bullpen.protocol.keys import QueueKeys
from bullpen.runtime.attempt import Attempt, Stop
from bullpen.runtime.tally import Outcome

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable, Sequence

    from bullpen.protocol.call import Call
    from bullpen.runtime.loop import QueueLoop

T = TypeVar("T")

BEAT_SECONDS = 1.0
# Locks renewed in one call: some 2 ms of Redis' time.
BATCH = 500


class RunsSync(Protocol):
    """A connection for this thread alone (`bullpen.client.sync.SyncLink`)."""

    def run(self, call: Call[T]) -> T: ...


class RunsSyncFor(Protocol):
    """This thread's connection for each queue (`bullpen.client.links.SyncLinks`)."""

    def of(self, keys: QueueKeys) -> RunsSync: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who holds the locks: the pod (or a random id), this start of its process, and the version for the heartbeat."""

    instance: str
    boot: str
    pod: str
    version: str


Held = tuple[QueueKeys, str, str]
"""A job to hand back: its queue, id and token."""


class Leases:
    """The thread. Times in seconds; `turned_at` and `looped_at` are monotonic times of its and the loop's last turn."""

    def __init__(
        self,
        queues: Sequence[QueueLoop],
        *,
        links: RunsSyncFor,
        identity: Identity,
        stalled_seconds: float,
        loop: asyncio.AbstractEventLoop,
        logger: logging.Logger,
        leave: Callable[[int], None] = os._exit,
        kill: Callable[[], None] | None = None,
    ) -> None:
        self._queues = queues
        self._links = links
        self._identity = identity
        self._stalled_seconds = stalled_seconds
        self._loop = loop
        self._logger = logger
        self._leave = leave
        self._kill = kill
        self._stop = Event()
        self._thread = Thread(target=self._run, name="leases", daemon=True)
        self._failing = False
        self._beats = 0
        self._beat_at = float("-inf")
        self._checked_at = float("-inf")
        self._fault: asyncio.Future[None] = loop.create_future()
        self.turned_at = self.looped_at = time.monotonic()
        self.draining = False
        self.leave_at: float | None = None
        """When the process must be gone even if its loop is blocked; what it holds is then handed back from here."""

    def start(self) -> None:
        self._thread.start()

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
                self._links.of(keys).run(locks.release(keys, job_id=job_id, token=token))
            except (JobMissing, LockLost):
                continue  # it ended after all
            except ConnectionLost as error:
                # There is no time to wait for each of them; their locks run out.
                self._logger.warning("Job %s and those after it could not be handed back: %s", job_id, error)
                return
            except BullpenError as error:
                self._logger.warning("Job %s could not be handed back: %s", job_id, error)

    def _run(self) -> None:
        try:
            self._turn_until_stopped()
        except BaseException as error:  # noqa: BLE001 - a fault of ours: the worker must not go on without its leases
            self._loop.call_soon_threadsafe(self._fault.set_exception, error)

    def _turn_until_stopped(self) -> None:
        tick = min([BEAT_SECONDS, *(each.setup.lock_ms / 4000 for each in self._queues)])
        while not self._stop.is_set():
            self._turn()
            self._stop.wait(tick)
        for queue in self._queues:
            if self._ask(queue, forget(queue.setup.keys, instance=self._identity.instance)) is None:
                break  # the others would wait as long for the same

    def _turn(self) -> None:
        now = time.monotonic()
        self._loop.call_soon_threadsafe(self._looped)
        if self.leave_at is not None and now > self.leave_at:
            self._logger.error("The event loop did not end in its time (a job blocks it?): leaving without it")
            self.last_act(held(self._queues))
            self._leave(0)
        for queue in self._queues:
            self._renew(queue, now)
        if now - self._checked_at >= self._stalled_seconds:
            self._checked_at = now
            for queue in self._queues:
                self._check_stalled(queue)
        if now >= self._beat_at:
            self._beat_at = now + BEAT_SECONDS
            self._beat_all(now)
        self.turned_at = time.monotonic()

    def _looped(self) -> None:
        self.looped_at = time.monotonic()

    # --- locks ---------------------------------------------------------------------------------------------------

    def _renew(self, queue: QueueLoop, now: float) -> None:
        half = queue.setup.lock_ms / 2000
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
        lost = self._ask(queue, locks.extend(setup.keys, locks=pairs, lock_ms=setup.lock_ms))
        if lost is None:
            return
        for attempt in attempts:
            if attempt.job.id not in lost:
                attempt.renewed_at = asked_at
        tokens = [each.token for each in attempts if each.job.id in lost]
        if tokens:
            self._loop.call_soon_threadsafe(queue.tell, Stop.LOCK_LOST, tokens)

    def _check_stalled(self, queue: QueueLoop) -> None:
        setup = queue.setup
        now, interval = int(time.time() * 1000), int(self._stalled_seconds * 1000)
        found = self._ask(queue, locks.stalled_check(setup.keys, now=now, interval_ms=interval))
        for job_id in found or ():
            setup.logger.warning("Job %s had lost its worker: back in the queue", job_id)

    # --- heartbeat -----------------------------------------------------------------------------------------------

    def _beat_all(self, now: float) -> None:
        # Once a minute a beat also removes what dead workers left behind.
        sweep = self._beats % 60 == 0
        self._beats += 1
        for queue in self._queues:
            self._ask(queue, beat(queue.setup.keys, heartbeat=self._heartbeat(queue, now), sweep=sweep))

    def _heartbeat(self, queue: QueueLoop, now: float) -> Heartbeat:
        attempts = queue.running.copy().values()
        oldest = min((each.started_at for each in attempts), default=None)
        outcomes = [tally.outcomes for tally in queue.tallies()]
        times = os.times()
        return Heartbeat(
            instance=self._identity.instance,
            boot=self._identity.boot,
            pod=self._identity.pod,
            version=self._identity.version,
            slots=queue.slots.total,
            busy=len(attempts),
            oldest=None if oldest is None else time.time() - (now - oldest),
            done=sum(each[Outcome.COMPLETED] for each in outcomes),
            failed=sum(each[Outcome.FAILED] for each in outcomes),
            cpu=times.user + times.system + times.children_user + times.children_system,
            rss=_resident_bytes(),
            draining=self.draining,
        )

    def _ask(self, queue: QueueLoop, call: Call[T]) -> T | None:
        """One try; the next turn is the next try. Failures are counted with those of the queue's own calls."""
        try:
            value = self._links.of(queue.setup.keys).run(call)
        except BullpenError as error:
            self._failing = True
            self._loop.call_soon_threadsafe(queue.delivery.failed, error)
            return None
        else:
            if self._failing:
                self._failing = False
                self._loop.call_soon_threadsafe(queue.delivery.answered)
            return value
        finally:
            # Each call waits some seconds at the most: a Redis that hangs is no reason to look stuck.
            self.turned_at = time.monotonic()


def held(queues: Iterable[QueueLoop]) -> list[Held]:
    """Jobs that still run, the youngest first: each goes to the front, so the oldest ends up foremost."""
    return [
        (queue.setup.keys, attempt.job.id, attempt.token)
        for queue in queues
        for attempt in reversed(queue.running.copy().values())
        if not attempt.decided
    ]


def _resident_bytes() -> int:
    """Memory in use, where the kernel tells it (Linux); 0 elsewhere."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
