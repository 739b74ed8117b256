"""One worker process: connects, serves its queues, watches over what runs, and leaves in order."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import random
import time
import uuid
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any

import bullpen
from bullpen.client.blocking import BlockingLink
from bullpen.client.links import Links, SyncLinks
from bullpen.client.transports import CONNECT_SECONDS
from bullpen.durations import spoken
from bullpen.errors import ConnectionLost
from bullpen.protocol.calls import marker, read
from bullpen.protocol.calls.clients import connection_name
from bullpen.protocol.heartbeat import read_beats
from bullpen.protocol.keys import QueueKeys
from bullpen.runtime.around import Surroundings
from bullpen.runtime.beats import Identity
from bullpen.runtime.counts import QueueCounts
from bullpen.runtime.delivery import Delivery, Pause
from bullpen.runtime.doorbell import Doorbell
from bullpen.runtime.drain import GRACE_SECONDS, drain
from bullpen.runtime.executors import Executors, Threads
from bullpen.runtime.handler import Run
from bullpen.runtime.health import Health
from bullpen.runtime.leases import Held, Leases, held
from bullpen.runtime.loop import QueueLoop
from bullpen.runtime.notices import Notices
from bullpen.runtime.served import Served, around_all, log_name, processes_for
from bullpen.runtime.setup import QueueSetup
from bullpen.runtime.stuck import StuckJobs
from bullpen.runtime.tasks import briefly, end

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from bullpen.client.connection import Link
    from bullpen.runtime.settings import Settings
    from bullpen.runtime.usage import Used
    from bullpen.telemetry import Telemetry

logger = logging.getLogger("bullpen.WorkerService")

# The operator gives a pod 15 s more than DRAIN_SECONDS before it is killed; this is when a blocked loop is left behind.
LEAVE_SECONDS = GRACE_SECONDS + 5.0
# The exit code of a worker that ends because it cannot free its slots: what sysexits.h calls a temporary failure.
REPLACED = 75


class Worker:
    """Serves queues until it is told to stop, or a fault ends it. Made and run in one event loop."""

    def __init__(
        self,
        served: Sequence[Served],
        settings: Settings,
        *,
        telemetry: Telemetry | None = None,
        leave: Callable[[int], None] = os._exit,
    ) -> None:
        self._telemetry = telemetry
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
        self._replaced = False
        self._handlers = [handler for each in served for handler in each.handlers]
        self._surroundings = Surroundings(around_all(served), self._handlers)
        self._stuck = StuckJobs(limit=settings.stuck_jobs, seconds=settings.stuck_seconds, replace=self._replace)
        self._executors = Executors(
            threads=Threads(sum(each.slots or settings.concurrency for each in served)),
            processes=processes_for(served, settings),
            stuck=self._stuck,
            resources=self._surroundings.resources,
        )
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
        self._stop(first=self._signals == 1)

    def _replace(self, why: str) -> None:
        if not self._replaced:
            self._replaced = True
            logger.error("This worker is to be replaced: %s; it ends with exit code %d", why, REPLACED)
            self._stop(first=True)

    def _stop(self, *, first: bool) -> None:
        seconds = self._settings.drain_seconds if first else 0.0
        if self.health.leases is not None:
            self.health.leases.leave_at = time.monotonic() + seconds + LEAVE_SECONDS
        self._loop.call_soon_threadsafe((self._stopping if first else self._hurry).set)

    def _recycle(self, why: str) -> None:
        # Not counted as a signal: a SIGTERM during this drain is the first one, and does not hurry it.
        logger.info("Recycling this process: %s", why)
        self._stop(first=True)

    async def run(self) -> None:
        """Serve; returns when drained.

        Raises ConfigurationError or ProtocolError when Redis refuses us at the start, and whatever ended a queue's
        loop. Jobs that cannot be stopped are handed back as the process' last act: then this does not return.
        """
        async with AsyncExitStack() as stack:
            links = await stack.enter_async_context(Links(self._settings.redis, name=self._name))
            if not await self._unless_told(self._greet(links)):
                return
            stack.push_async_callback(self._surroundings.aclose)
            # Those of jobs in processes are made there.
            here = [handler for handler in self._handlers if handler.run in (Run.ASYNC, Run.THREAD)]
            if not await self._unless_told(self._surroundings.start(here)):
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
        processes = self._executors.processes
        if processes is not None:
            processes.start()
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
            await end((*loops, *ears, told))
            if processes is not None:
                await processes.aclose()
            await leases.close()
            self._executors.threads.close()
        if not drained or self._stuck or self._replaced:  # the interpreter would wait for every thread
            code = REPLACED if self._replaced else 0 if fault is None else 1
            self._leave_behind(leases, held(queues), code)
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
        await end(ears)
        # The marker an ear had just taken belongs to somebody else now.
        await briefly(queue.delivery.run(marker.announce(queue.setup.keys)) for queue in queues)
        drained = await drain(queues, seconds=seconds, hurry=self._hurry)
        told = await asyncio.gather(*[queue.announcements.aclose() for queue in queues])
        # So does a job whose claim this worker never heard the answer of.
        await briefly(queue.release_strays() for queue in queues)
        return drained and all(told)

    def _leave_behind(self, leases: Leases, rest: Sequence[Held], code: int) -> None:
        if rest:
            logger.warning("Leaving %d jobs that could not be stopped: they go back to the queue", len(rest))
        leases.last_act(rest)
        for handler in logging.getLogger().handlers:
            with suppress(ValueError, OSError):  # a stream that somebody closed has nothing left to lose
                handler.flush()
        self._leave(code)

    async def _unless_told(self, step: Coroutine[Any, Any, None]) -> bool:
        """Do what has to be done before jobs are claimed. False when told to stop before it was."""
        doing = asyncio.create_task(step)
        told = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({doing, told}, return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                doing.result()
            return doing.done()
        finally:
            await end((doing, told))

    async def _greet(self, links: Links) -> None:
        """Ask every queue's counts once: says at the start what Redis refuses."""
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
            slots=served.slots or settings.concurrency,
            lock_ms=int(settings.lock_seconds * 1000),
            worker=self._identity.pod,
            tokens=lambda: f"{self._identity.instance}:{self._identity.boot}:{next(self._claims)}",
            logger=queue_logger,
            rules=served.rules,
            telemetry=self._telemetry,
            notices=Notices(keys, served.hooks, heard=served.heard, logger=queue_logger),
            instance=self._identity.instance,
        )
        return QueueLoop(setup, delivery=Delivery(link, logger=queue_logger), executors=self._executors)

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
            kill=None if self._executors.processes is None else self._executors.processes.kill,
        )


def _why(fault: asyncio.Task[None]) -> str:
    return "it was cancelled by code of the app" if fault.cancelled() else repr(fault.exception())
