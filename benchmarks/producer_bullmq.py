"""PyPI bullmq as a peer that adds jobs, set up as its documentation says."""

import asyncio
import json
import os
import time

from bullmq import Queue

JOBS = int(os.environ["BENCH_JOBS"])
MODE = os.environ["BENCH_MODE"]


async def one(queue: Queue, jobs: int) -> None:
    for number in range(jobs):
        await queue.add("noop", {"n": number}, {})


async def produce(queue: Queue, jobs: int) -> None:
    if MODE == "one":
        await one(queue, jobs)
    elif MODE == "hundred":
        await asyncio.gather(*(one(queue, jobs // 100) for _ in range(100)))
    else:
        for start in range(0, jobs, 1000):
            await queue.addBulk([{"name": "noop", "data": {"n": start + number}} for number in range(1000)])


async def main() -> None:
    queue = Queue("noop", {"connection": os.environ["REDIS_URL"]})
    await produce(queue, 1000)
    started, cpu = time.perf_counter(), time.process_time()
    await produce(queue, JOBS)
    rate = JOBS / (time.perf_counter() - started)
    print(json.dumps({"rate": rate, "cpu": (time.process_time() - cpu) / JOBS * 1000}), flush=True)
    await queue.close()


asyncio.run(main())
