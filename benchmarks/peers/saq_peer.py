"""SAQ as a peer, set up as its documentation says."""

import asyncio
import time
from typing import Any

import stopwatch
from saq import Queue, Worker

queue = Queue.from_url(stopwatch.REDIS_URL, name="bench")
watch = stopwatch.Stopwatch()


async def job(_ctx: Any, *, added: float) -> None:
    await watch.job(added)


async def main() -> None:
    await queue.connect()
    if stopwatch.FILLS:
        for start in range(0, stopwatch.JOBS, 100):
            count = min(100, stopwatch.JOBS - start)
            await asyncio.gather(*[queue.enqueue("job", added=time.time()) for _ in range(count)])
        await queue.disconnect()
        return
    worker = Worker(queue, functions=[job], concurrency=stopwatch.SLOTS)
    task = asyncio.create_task(worker.start())
    while not watch.done.is_set() and not task.done():
        await asyncio.sleep(0.2)
    await worker.stop()


asyncio.run(main())
