"""A whole app at work in a test: its worker on an empty Redis inside the process, and a clock that can be moved."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from bullpen.cli.serve import served_queues
from bullpen.durations import Duration, seconds
from bullpen.protocol.keys import QueueKeys
from bullpen.runtime.settings import Settings
from bullpen.runtime.worker import Worker
from bullpen.testing.backlog import Backlog, backlog
from bullpen.testing.declared import reference
from bullpen.testing.stage import App, Stage, staged

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from bullpen.protocol.replies import JobRecord
    from bullpen.queue import Queue
    from bullpen.runtime.served import Served
    from bullpen.sync.queue import Queue as SyncQueue

PATIENCE: Final = "10s"
# The longest chain of due times that one call goes through: a schedule that never ends must not hang a test.
MOST_STEPS: Final = 10_000
_LOOK_SECONDS: Final = 0.001
_START_SECONDS: Final = 10.0


class RunningWorker:
    """What `worker(app)` gives; its methods are for the event loop on which that was entered."""

    def __init__(self, stage: Stage, worker: Worker, served: Sequence[Served], running: asyncio.Task[None]) -> None:
        self._stage = stage
        self._worker = worker
        self._served = served
        self._running = running
        self._keys = [QueueKeys(stage.app.prefix, each.name) for each in served]

    @property
    def now(self) -> datetime:
        """What time it is in the test, in UTC."""
        return datetime.now(UTC)

    @property
    def redis(self) -> str:
        """The URL of the Redis inside this process, for another program that is to see it while the test runs."""
        return str(self._stage.location)

    async def drained(self, *, timeout: Duration = PATIENCE) -> None:
        """Wait until nothing runs and nothing could be started: what is left is delayed, limited, paused or waits.

        Raises TimeoutError, which says what still runs, after `timeout` of real time.
        """
        await self._drained(_deadline(timeout))

    async def advance(self, duration: Duration, *, timeout: Duration = PATIENCE) -> None:
        """Make it so much later, and run whatever becomes due on the way, each at its time; then as `drained`.

        `time.time`, `datetime.now` and what is like them move for the whole process; event loops (`asyncio.sleep`),
        `time.monotonic` and job functions in processes of their own do not. What runs beforehand ends first.
        """
        ahead = seconds(duration, of="advance")
        deadline = _deadline(timeout)
        left = await self._drained(deadline)
        target = time.time() + ahead
        for _ in range(MOST_STEPS):
            due = left.next_due(schedules=True)
            if due is None or due > target:
                break
            await self._forward(due - time.time())
            left = await self._drained(deadline)
        else:
            raise TimeoutError(f"advance({duration!r}): more than {MOST_STEPS:,} times at which something is due")
        await self._forward(target - time.time())
        await self._drained(deadline)

    async def settled(self, *, timeout: Duration = PATIENCE) -> None:
        """Make it later, step by step, until every job has ended, with all retries, delays and rate limits.

        Schedules run on beside, but their next runs are not waited for. Raises TimeoutError as `drained` does.
        """
        deadline = _deadline(timeout)
        for _ in range(MOST_STEPS):
            due = (await self._drained(deadline)).next_due(schedules=False)
            if due is None:
                return
            await self._forward(due - time.time())
        raise TimeoutError(f"jobs are still put off after {MOST_STEPS:,} steps: one of them may never end")

    async def added(self, queue: Queue | SyncQueue | None = None) -> list[JobRecord]:
        """All jobs of a queue, or of all, in the order in which they were added, whatever became of them.

        Without those that are removed when they end (`remove_on_complete`).
        """
        return [job for _, job in await self._stage.records(queue=None if queue is None else queue.name)]

    async def failed(self, queue: Queue | SyncQueue | None = None) -> list[JobRecord]:
        """The jobs that have failed for good, in the order in which they were added: see their `failed_reason`."""
        return [job for job in await self.added(queue) if job.failed_reason is not None and job.finished_on is not None]

    async def completed(self, queue: Queue | SyncQueue | None = None) -> list[JobRecord]:
        """The jobs that have completed, in the order in which they were added: see their `return_value`."""
        return [job for job in await self.added(queue) if job.finished_on is not None and job.failed_reason is None]

    async def _drained(self, deadline: float) -> Backlog:
        looks = 0
        while True:
            if self._running.done():
                self._running.result()
                raise RuntimeError("the worker has been stopped")
            left = await self._backlog()
            if left.quiet:
                return left
            if time.monotonic() > deadline:
                raise TimeoutError(f"not drained in time: {left}")
            looks += 1
            if looks % 20 == 0:  # whatever a worker waits for, such as a rate limit of its own that was jumped over
                for queue in self._worker.health.queues:
                    queue.ring()
            await asyncio.sleep(_LOOK_SECONDS)

    async def _backlog(self) -> Backlog:
        limited = {queue.setup.keys.queue: queue.limited_seconds for queue in self._worker.health.queues}
        return await self._stage.ask(lambda client: backlog(client, self._served, self._keys, limited))

    async def _forward(self, duration: float) -> None:
        if duration <= 0:
            return
        for queue in self._worker.health.queues:
            queue.forward(duration)
        await self._stage.forward(duration, queues=self._keys)


@asynccontextmanager
async def worker(app: App, *, concurrency: int = 10) -> AsyncIterator[RunningWorker]:
    """Run the app's worker on an empty Redis inside this process, for as long as the block lasts.

    What is added through the app, here, in its jobs and in other threads, goes there too, whatever REDIS_URL says.
    `concurrency` is the jobs at once per queue. Jobs that still run at the end are stopped; those of threads that do
    not end are left alone. Raises ConfigurationError when the app has no jobs.
    """
    async with staged(app) as stage:
        # Webhooks are left undelivered: a test looks at them by `added(…)`.
        served = [each for each in served_queues(stage.app, None) if each.name in stage.app.queues]
        async with at_work(stage, served, concurrency) as running:
            yield running


@asynccontextmanager
async def at_work(stage: Stage, served: Sequence[Served], concurrency: int) -> AsyncIterator[RunningWorker]:
    """The worker of these queues."""
    settings = Settings(
        redis=lambda: stage.location,
        app=reference(stage.app),
        prefix=stage.app.prefix,
        concurrency=concurrency,
        pod_name="testing",
        drain_seconds=0.0,
    )
    made = Worker(served, settings, leave=_stay)
    running = asyncio.create_task(made.run(), name="bullpen-testing-worker")
    try:
        await _until(lambda: made.health.started or running.done(), "the worker starts")
        if running.done():
            running.result()
        yield RunningWorker(stage, made, served, running)
    finally:
        if not running.done():
            made.stop()
        await running


def _stay(_code: int) -> None:
    """A worker with threads that cannot be stopped ends its process; here it is the test's."""


def _deadline(timeout: Duration) -> float:
    return time.monotonic() + seconds(timeout, of="timeout")


async def _until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {_START_SECONDS:g} s")
        await asyncio.sleep(_LOOK_SECONDS)
