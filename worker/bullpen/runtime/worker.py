"""One worker process: connects, serves its queues, watches over what runs, and leaves in order."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import random
import re
import time
import uuid
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import bullpen
from bullpen.client.blocking import BlockingLink
from bullpen.client.links import Links, SyncLinks
from bullpen.client.transports import CONNECT_SECONDS
from bullpen.durations import spoken
from bullpen.errors import BullpenError, ConnectionLost
from bullpen.protocol.calls import marker, read
from bullpen.protocol.calls.clients import connection_name
from bullpen.protocol.heartbeat import read_beats
from bullpen.protocol.keys import QueueKeys
from bullpen.runtime.beats import Identity
from bullpen.runtime.counts import QueueCounts
from bullpen.runtime.delivery import Delivery, Pause
from bullpen.runtime.doorbell import Doorbell
from bullpen.runtime.drain import GRACE_SECONDS, drain
from bullpen.runtime.executors import Threads
from bullpen.runtime.leases import Held, Leases, held
from bullpen.runtime.loop import QueueLoop, QueueSetup
from bullpen.runtime.patience import patience
from bullpen.runtime.rules import PLAIN, Rules

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from bullpen.client.connection import Link
    from bullpen.runtime.handler import Handler
    from bullpen.runtime.settings import Settings
    from bullpen.runtime.usage import Used

logger = logging.getLogger("bullpen.WorkerService")

LEASES_STUCK_SECONDS = 60.0
# The operator gives a pod 15 s more than DRAIN_SECONDS before it is killed; this is when a blocked loop is left behind.
LEAVE_SECONDS = GRACE_SECONDS + 5.0


@dataclass(frozen=True, slots=True)
class Served:
    """A queue of the app, with the functions for its jobs."""

    name: str
    handlers: Sequence[Handler]
    rules: Rules = PLAIN


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


class Worker:
    """Serves queues until it is told to stop, or a fault ends it. Made and run in one event loop."""

    def __init__(
        self, served: Sequence[Served], settings: Settings, *, leave: Callable[[int], None] = os._exit
    ) -> None:
        self._settings = settings
        self._leave = leave
        self._identity = Identity(
            instance=settings.pod_uid or str(uuid.uuid4()),
            boot=uuid.uuid4().hex[:12],
            pod=settings.pod_name,
            version=bullpen.__version__,
            lasting=settings.pod_uid is not None,
        )
        self._name = connection_name(instance=self._identity.instance, boot=self._identity.boot)
        self._claims = itertools.count(1)
        self._served = served
        self._keys = [QueueKeys(settings.prefix, each.name) for each in served]
        self._threads = Threads(settings.concurrency * len(served))
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._signals = 0
        self.health = Health()

    def counts(self) -> Sequence[QueueCounts]:
        """The numbers of every queue served, for `/metrics`."""
        leases = self.health.leases
        return [] if leases is None else [QueueCounts(queue, leases) for queue in self.health.queues]

    def usage(self) -> Used | None:
        """CPU time and memory of this process and its children at the last beat, for `/metrics`."""
        return None if self.health.leases is None else self.health.leases.beats.used

    def stop(self) -> None:
        """Drain and end; the second time, hurry. May be called from a signal handler or another thread."""
        self._signals += 1
        first = self._signals == 1
        seconds = self._settings.drain_seconds if first else 0.0
        self._leave_in(seconds)
        self._loop.call_soon_threadsafe((self._stopping if first else self._hurry).set)

    def _recycle(self, why: str) -> None:
        # Not counted as a signal: a SIGTERM during this drain is the first one, and does not hurry it.
        logger.info("Recycling this process: %s", why)
        self._leave_in(self._settings.drain_seconds)
        self._loop.call_soon_threadsafe(self._stopping.set)

    def _leave_in(self, seconds: float) -> None:
        if self.health.leases is not None:
            self.health.leases.leave_at = time.monotonic() + seconds + LEAVE_SECONDS

    async def run(self) -> None:
        """Serve; returns when drained.

        Raises ConfigurationError or ProtocolError when Redis refuses us at the start, and whatever ended a queue's
        loop. Jobs that cannot be stopped are handed back as the process' last act: then this does not return.
        """
        async with AsyncExitStack() as stack:
            links = await stack.enter_async_context(Links(self._settings.redis, name=self._name))
            if not await self._greeted(links):
                return
            bells: list[Doorbell] = []
            for served, keys in zip(self._served, self._keys, strict=True):
                queue = self._queue(served, keys, await links.of(keys))
                name = keys.client_name(self._identity.pod)
                blocking = await stack.enter_async_context(BlockingLink(self._settings.redis, name=name, queue=keys))
                bell = Doorbell(keys, blocking=blocking, delivery=queue.delivery, ring=queue.ring)
                queue.bell = bell
                bells.append(bell)
                self.health.queues.append(queue)
            await self._serve(self.health.queues, bells)

    async def _serve(self, queues: Sequence[QueueLoop], bells: Sequence[Doorbell]) -> None:
        leases = self.health.leases = self._leases(queues)
        await leases.start()
        loops = [asyncio.create_task(queue.run(), name=f"queue {queue.setup.keys.queue}") for queue in queues]
        ears = [asyncio.create_task(bell.run(), name="doorbell") for bell in bells]
        ears.append(asyncio.create_task(leases.watch(), name="the thread that renews locks"))
        told = asyncio.create_task(self._stopping.wait())
        try:
            self.health.started = True
            logger.info("Worker ready")
            await asyncio.wait({*loops, *ears, told}, return_when=asyncio.FIRST_COMPLETED)
            fault = next((task for task in (*loops, *ears) if task.done()), None)
            drained = await self._drain(queues, ears, leases, fault)
        finally:
            await _end((*loops, *ears, told))
            await leases.close()
            self._threads.close()
        if not drained:
            self._leave_behind(leases, held(queues), 0 if fault is None else 1)
        leases.hang_up()
        if fault is not None:
            cause = None if fault.cancelled() else fault.exception()
            raise RuntimeError(f"{fault.get_name()} ended unexpectedly: {_why(fault)}") from cause
        logger.info("Worker stopped")

    async def _drain(
        self,
        queues: Sequence[QueueLoop],
        ears: Sequence[asyncio.Task[None]],
        leases: Leases,
        fault: asyncio.Task[None] | None,
    ) -> bool:
        leases.beats.draining = True
        seconds = self._settings.drain_seconds if fault is None else 0.0
        running = sum(queue.slots.running for queue in queues)
        if fault is not None:
            self.health.failed = f"{fault.get_name()} has ended"
            name, why = fault.get_name(), _why(fault)
            logger.error("Unexpected end of %s (%s): handing back %d running jobs", name, why, running)
        else:
            logger.info("Stopping: no new jobs, up to %s for %d running", spoken(seconds), running)
        for queue in queues:
            queue.stop()
        await _end(ears)
        # The marker an ear had just taken belongs to somebody else now.
        await _briefly(queue.delivery.run(marker.announce(queue.setup.keys)) for queue in queues)
        drained = await drain(queues, seconds=seconds, hurry=self._hurry)
        # So does a job whose claim this worker never heard the answer of.
        await _briefly(queue.release_strays() for queue in queues)
        return drained

    def _leave_behind(self, leases: Leases, rest: Sequence[Held], code: int) -> None:
        if rest:
            logger.warning("Leaving %d jobs that could not be stopped: they go back to the queue", len(rest))
        for handler in logging.getLogger().handlers:
            handler.flush()
        leases.last_act(rest)
        self._leave(code)

    async def _greeted(self, links: Links) -> bool:
        """Ask every queue's counts once: says at the start what Redis refuses. False when told to stop before."""
        greeting = asyncio.create_task(self._greet(links))
        told = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({greeting, told}, return_when=asyncio.FIRST_COMPLETED)
            if greeting.done():
                greeting.result()
            return greeting.done()
        finally:
            await _end((greeting, told))

    async def _greet(self, links: Links) -> None:
        # By a connection that says at once when Redis is not there; a Link goes on trying for its whole timeout.
        async with BlockingLink(self._settings.redis, name=self._name, queue=self._keys[0]) as first:
            said, pause = Delivery(await links.of(self._keys[0]), logger=logger), Pause()
            while True:
                try:
                    await first.run(read_beats(self._keys[0]), block=CONNECT_SECONDS)
                    for keys in self._keys:
                        await (await links.of(keys)).run(read.counts(keys))
                    break
                except ConnectionLost as error:
                    said.failed(error)
                await pause.wait()
            said.answered()

    def _queue(self, served: Served, keys: QueueKeys, link: Link) -> QueueLoop:
        settings = self._settings
        queue_logger = logging.getLogger(f"bullpen.{log_name(served.name)}")
        setup = QueueSetup(
            keys=keys,
            handlers=served.handlers,
            slots=settings.concurrency,
            lock_ms=int(settings.lock_seconds * 1000),
            worker=self._identity.pod,
            tokens=lambda: f"{self._identity.instance}:{self._identity.boot}:{next(self._claims)}",
            logger=queue_logger,
            rules=served.rules,
            instance=self._identity.instance,
        )
        return QueueLoop(setup, delivery=Delivery(link, logger=queue_logger), threads=self._threads)

    def _leases(self, queues: Sequence[QueueLoop]) -> Leases:
        return Leases(
            queues,
            links=SyncLinks(self._settings.redis, name=self._name),
            identity=self._identity,
            stalled_seconds=self._settings.stalled_seconds,
            loop=self._loop,
            logger=logger,
            limits=self._settings.recycling.share(random.random()),
            recycle=self._recycle,
            leave=self._leave,
        )


def log_name(queue: str) -> str:
    """`video-generation` → `VideoWorker`: the first word of the queue's name."""
    word = next(iter(re.findall(r"[^\W_]+", queue)), queue)
    return f"{word[:1].upper()}{word[1:]}Worker"


def _why(fault: asyncio.Task[None]) -> str:
    return "it was cancelled by code of the app" if fault.cancelled() else repr(fault.exception())


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they are gone; what they raised has been looked at, or is told by the fault."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _briefly(courtesies: Iterable[Awaitable[Any]]) -> None:
    """What others are owed, but what must not hold up the end."""
    try:
        async with asyncio.timeout(1):
            done = await asyncio.gather(*courtesies, return_exceptions=True)
    except TimeoutError as error:
        done = [error]
    for failed in done:
        if isinstance(failed, (BullpenError, TimeoutError)):
            logger.debug("not told to Redis: %s", failed)
        elif isinstance(failed, BaseException):
            raise failed
