"""The child processes of a worker: as many as there are jobs for them, and a warm one to spare.

Children are fresh interpreters, no forks: a fork of a process with threads inherits locks that nobody will release.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import sys
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from bullpen.runtime.deaths import TimeUp
from bullpen.runtime.memory import MemoryWatch, OomKills
from bullpen.runtime.messages import Order, Setup
from bullpen.runtime.process import NO_LIMITS, Process

if TYPE_CHECKING:
    from bullpen.runtime.execution import JobExecution
    from bullpen.runtime.handler import Encoded, Handler
    from bullpen.runtime.recycling import Limits

logger = logging.getLogger("bullpen.WorkerService")

# What a job gets to stop by itself when its worker drains; less than the drain waits (`runtime.drain`).
STOP_SECONDS: Final = 2.0
# What idle children get to close what they have open.
LEAVE_SECONDS: Final = 2.0


class Processes:
    """All but `kill` is for the event loop's thread. `cap` is the memory of a child in bytes, None for no limit.

    A child that has reached one of the `limits` after a job does no other: one that leaks does not grow for ever.
    """

    def __init__(self, *, app: str, size: int, cap: int | None, limits: Limits = NO_LIMITS) -> None:
        self._app = app
        self._size = size
        self._cap = cap
        self._limits = limits
        self._kills = OomKills()
        self._alive: set[Process] = set()
        self._idle: list[Process] = []
        self._starting: set[asyncio.Task[None]] = set()
        self._waiters: deque[asyncio.Future[Process]] = deque()
        self._running: dict[JobExecution, Process] = {}
        self._closing = False
        self._watch = MemoryWatch(self.alive)

    def alive(self) -> set[Process]:
        """The children there are now. From any thread."""
        return self._alive.copy()

    def start(self) -> None:
        """Have a child ready for the first job."""
        self._watch.start()
        self._grow()

    async def run(self, handler: Handler, job: JobExecution) -> Encoded:
        """Do a job in a child; its time begins when a child takes it. Cancelled, it kills that child."""
        process = await self._take()
        timer = None
        try:
            process.cap = handler.memory or self._cap
            if handler.timeout is not None:
                job.deadline = time.time() + handler.timeout
                timer = asyncio.get_running_loop().call_later(handler.timeout, process.kill, TimeUp(handler.timeout))
            self._running[job] = process
            return await process.run(_order(handler, job), job)
        finally:
            if timer is not None:
                timer.cancel()
            self._running.pop(job, None)
            self._give_back(process)

    def tell(self, job: JobExecution, *, at_once: bool) -> bool:
        """Stop a job: it may end by itself for a while, unless `at_once`, then its child is killed.

        False when no child has it.
        """
        process = self._running.get(job)
        if process is None:
            return False
        if at_once:
            process.kill()
        else:
            process.tell()
            asyncio.get_running_loop().call_later(STOP_SECONDS, self._stop, job, process)
        return True

    def _stop(self, job: JobExecution, process: Process) -> None:
        if self._running.get(job) is process:
            process.kill()

    def kill(self) -> None:
        """End all children at once. From any thread."""
        for process in self.alive():
            process.kill()

    async def aclose(self) -> None:
        """Let idle children close what they have open, kill the others; returns when none is left."""
        self._closing = True
        self._watch.stop()
        for task in self._starting:
            task.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        for process in self.alive():
            if process in self._idle:
                process.leave()
            else:
                process.kill()
        lives = [process.life for process in self._alive if process.life is not None]
        if lives:
            await asyncio.wait(lives, timeout=LEAVE_SECONDS)
        self.kill()
        await asyncio.gather(*lives)

    # --- who is free ---------------------------------------------------------------------------------------------

    async def _take(self) -> Process:
        while self._idle:
            process = self._idle.pop()
            if not process.dead:
                self._grow()
                return process
        waiter: asyncio.Future[Process] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._grow()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._offer(waiter.result())
            raise

    def _offer(self, process: Process) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(process)
                break
        else:
            self._idle.append(process)
        self._grow()

    def _give_back(self, process: Process) -> None:
        if process.dead:
            return
        process.cap = self._cap
        if (why := process.outlived()) is not None:
            logger.info("Replacing process %d: %s", process.pid, why)
            process.leave()
            self._grow()
        else:
            self._offer(process)

    # --- how many there are --------------------------------------------------------------------------------------

    def _grow(self) -> None:
        """Start what is missing for the jobs that wait, and one to spare; not more at a time than there are cores."""
        waiting = sum(not each.done() for each in self._waiters)
        missing = waiting + 1 - len(self._idle) - len(self._starting)
        room = self._size + 1 - len(self._alive)
        at_once = (os.cpu_count() or 1) - len(self._starting)
        for _ in range(0 if self._closing else min(missing, room, at_once)):
            limits = self._limits.share(random.random())
            process = Process(cap=self._cap, limits=limits, kills=self._kills, gone=self._gone)
            self._alive.add(process)
            task = asyncio.get_running_loop().create_task(self._start(process))
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)

    async def _start(self, process: Process) -> None:
        setup = Setup(self._app, tuple(sys.path), logging.getLogger().getEffectiveLevel())
        try:
            await process.start(setup)
        except asyncio.CancelledError:
            process.kill()
            raise
        except Exception as error:  # noqa: BLE001 - of the app's import, or of the system: the job that waits gets it
            self._alive.discard(process)
            self._failed(error)
        else:
            self._starting.discard(asyncio.current_task())
            self._offer(process)

    def _failed(self, error: Exception) -> None:
        """No child could be started. It is tried again for the next job only, or it would be tried all the time."""
        logger.error("A process for jobs could not be started: %s: %s", type(error).__name__, error)
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(error)
                return

    def _gone(self, process: Process) -> None:
        self._alive.discard(process)
        if process in self._idle:
            self._idle.remove(process)
        if process.jobs:  # one that has not done any died of its start
            self._grow()


def _order(handler: Handler, job: JobExecution) -> Order:
    return Order(
        prefix=job.keys.prefix,
        queue=job.queue,
        handler=handler.name,
        job_id=job.job_id,
        name=job.name,
        number=job.number,
        data=job.job.data_text,
        logger=job.logger.name,
        deadline=job.deadline,
        token=job.token,
        saved=job.saved,
    )
