"""A worker and a producer at work on a queue while something happens to its Redis."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bullpen import App, Queue
from bullpen.errors import ConnectionLost
from tests.integration.worker.house import until, working


class Load:
    """Adds jobs by ids of its own until told to stop, each until it is acknowledged; counts what the worker did."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.acknowledged: list[str] = []
        self.done: Counter[str] = Counter()
        self.failures = 0
        self._enough = False

        @queue.job("step")
        async def step(data: str) -> str:
            await asyncio.sleep(0.002)
            self.done[data] += 1
            return data

    async def add(self, job_id: str) -> None:
        while True:
            try:
                await self.queue.add("step", job_id, job_id=job_id)
                return
            except ConnectionLost:
                self.failures += 1
                await asyncio.sleep(0.02)

    async def run(self) -> None:
        while not self._enough:
            job_id = f"job-{len(self.acknowledged)}"
            await self.add(job_id)
            self.acknowledged.append(job_id)
            await asyncio.sleep(0.001)

    def stop(self) -> None:
        self._enough = True

    async def grows(self, by: int = 50) -> None:
        """Both sides get on: so many jobs more were acknowledged, and so many done."""
        added, done = len(self.acknowledged) + by, len(self.done) + by
        await until(lambda: len(self.acknowledged) >= added and len(self.done) >= done, "the load goes on")

    async def everything_is_done(self, *, lost: bool = False) -> None:
        """Each acknowledged job was done. `lost`: Redis may have lost the last ones, as they are added again."""
        if lost:
            for job_id in [each for each in self.acknowledged if not self.done[each]]:
                await self.add(job_id)
        await until(
            lambda: all(self.done[each] for each in self.acknowledged),
            f"all of {len(self.acknowledged)} jobs are done",
        )


@asynccontextmanager
async def loaded(url: str, *queues: str, prefix: str = "bull", **settings: Any) -> AsyncIterator[list[Load]]:
    """The queues of one app under load, with one worker; the load is stopped at the end."""
    async with App(redis=url, prefix=prefix) as app:
        loads = [Load(app.queue(name)) for name in queues]
        async with working(app, url, prefix=prefix, concurrency=8, **settings), asyncio.TaskGroup() as group:
            for load in loads:
                group.create_task(load.run())
            try:
                for load in loads:
                    await load.grows()
                yield loads
            finally:
                for load in loads:
                    load.stop()
