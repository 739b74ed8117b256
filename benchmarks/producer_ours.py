"""A producer that adds jobs as fast as it can, or a million from an iterator; says the result as one line of JSON."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bullpen import App, NewJob, Queue

if TYPE_CHECKING:
    from collections.abc import Iterator

JOBS = int(os.environ["BENCH_JOBS"])
MODE = os.environ["BENCH_MODE"]


def resident() -> float:
    """MiB of memory in use at this moment."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


async def one(queue: Queue, jobs: int) -> None:
    for number in range(jobs):
        await queue.add("noop", {"n": number})


async def produce(queue: Queue, jobs: int) -> None:
    if MODE == "one":
        await one(queue, jobs)
    elif MODE == "hundred":
        await asyncio.gather(*(one(queue, jobs // 100) for _ in range(100)))
    else:
        for start in range(0, jobs, 1000):
            await queue.add_bulk([NewJob("noop", {"n": start + number}) for number in range(1000)])


async def stream(queue: Queue) -> float:
    """How much memory adding from an iterator takes, in MiB: the highest ever above that before."""
    before = resident()

    def jobs() -> Iterator[NewJob]:
        for number in range(JOBS):
            yield NewJob("noop", {"n": number, "text": "x" * 20})

    count = 0
    async for _ in queue.add_each(jobs()):
        count += 1
    if count != JOBS:
        raise SystemExit(f"{count} jobs were added, not {JOBS}")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before


async def main() -> None:
    async with App(redis=os.environ["REDIS_URL"]) as app:
        queue = app.queue("noop")
        await produce(queue, 1000)  # connected, scripts loaded
        started, cpu = time.perf_counter(), time.process_time()
        grown = 0.0
        if MODE == "memory":
            grown = await stream(queue)
        else:
            await produce(queue, JOBS)
        rate = JOBS / (time.perf_counter() - started)
        used = (time.process_time() - cpu) / JOBS * 1000
    print(json.dumps({"rate": rate, "cpu": used, "grown": grown}))


asyncio.run(main())
