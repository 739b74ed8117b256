"""PyPI bullmq as a peer, set up as its documentation says."""

import asyncio
from typing import Any

import stopwatch
from bullmq import Worker


async def main() -> None:
    watch = stopwatch.Stopwatch()

    async def job(given: Any, _token: str) -> None:
        await watch.job(given.data["at"])

    worker = Worker("bench", job, {"connection": stopwatch.REDIS_URL, "concurrency": stopwatch.SLOTS})
    while not watch.done.is_set():
        await asyncio.sleep(0.2)
    await worker.close(force=True)


asyncio.run(main())
