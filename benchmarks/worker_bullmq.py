"""PyPI bullmq as a peer, set up as its documentation says."""

import asyncio
import os
from typing import Any

from bullmq import Worker
from stopwatch import Stopwatch


async def main() -> None:
    stopwatch, done = Stopwatch(), asyncio.Event()

    async def noop(_job: Any, _token: str) -> None:
        if stopwatch.lap():
            done.set()

    options = {"connection": os.environ["REDIS_URL"], "concurrency": int(os.environ["BENCH_SLOTS"])}
    worker = Worker("noop", noop, options)
    await done.wait()
    await worker.close(force=True)


asyncio.run(main())
