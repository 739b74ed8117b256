"""taskiq as a peer: its Redis stream broker, which acknowledges, in one process."""

import asyncio
import time

import stopwatch
from taskiq.api import run_receiver_task
from taskiq_redis import RedisStreamBroker

broker = RedisStreamBroker(url=stopwatch.REDIS_URL)
watch = stopwatch.Stopwatch()


@broker.task
async def job(added: float) -> None:
    await watch.job(added)


async def main() -> None:
    if stopwatch.FILLS:
        await broker.startup()
        for start in range(0, stopwatch.JOBS, 100):
            await asyncio.gather(*[job.kiq(time.time()) for _ in range(min(100, stopwatch.JOBS - start))])
        await broker.shutdown()
        return
    broker.is_worker_process = True
    task = asyncio.create_task(run_receiver_task(broker, max_async_tasks=stopwatch.SLOTS, run_startup=True))
    while not watch.done.is_set() and not task.done():
        await asyncio.sleep(0.2)
    task.cancel()
    await asyncio.wait([task])


asyncio.run(main())
