"""What a middleware, a hook, a resource and a timeout cost a job: CPU of the worker for 1,000 no-op jobs.

All variants take turns in one process on one private Redis, so that only ratios within a run mean something.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from private_redis import redis_server  # type: ignore[import-not-found, unused-ignore]

from bullpen import App, CallNext, Context, Ended, NewJob, Queue
from bullpen.cli.serve import served_queues
from bullpen.protocol.location import RedisLocation
from bullpen.runtime.settings import Settings
from bullpen.runtime.worker import Worker

Count = Callable[[], None]


class Desk:
    """What the resource gives."""


def plain(app: App, queue: Queue, count: Count) -> None:
    @queue.job("job")
    async def job(data: object) -> None:
        count()


def middleware(app: App, queue: Queue, count: Count) -> None:
    @app.middleware
    async def around(ctx: Context, call_next: CallNext) -> Any:
        return await call_next()

    plain(app, queue, count)


def hook(app: App, queue: Queue, count: Count) -> None:
    @queue.on_completed
    async def heard(ended: Ended) -> None: ...

    plain(app, queue, count)


def resource(app: App, queue: Queue, count: Count) -> None:
    @app.resource
    def desk() -> Desk:
        return Desk()

    @queue.job("job")
    async def job(data: object, desk: Desk) -> None:
        count()


def timeout(app: App, queue: Queue, count: Count) -> None:
    @queue.job("job", timeout="1m")
    async def job(data: object) -> None:
        count()


def thread(app: App, queue: Queue, count: Count) -> None:
    @queue.job("job")
    def job(data: object) -> None:
        count()


def thread_timeout(app: App, queue: Queue, count: Count) -> None:
    @queue.job("job", timeout="1m")
    def job(data: object) -> None:
        count()


VARIANTS = {each.__name__: each for each in (plain, middleware, hook, resource, timeout, thread, thread_timeout)}


async def measured(name: str, port: int, *, jobs: int, slots: int) -> float:
    """CPU seconds of this process for 1,000 jobs, from a full queue to an empty one."""
    location = RedisLocation.parse(f"redis://127.0.0.1:{port}")
    done = asyncio.Event()
    left, loop = jobs, asyncio.get_running_loop()

    def count() -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            loop.call_soon_threadsafe(done.set)

    async with App(redis=f"redis://127.0.0.1:{port}") as app:
        queue = app.queue(name)
        VARIANTS[name](app, queue, count)
        await queue.obliterate(force=True)
        await queue.resume()
        await queue.add_bulk([NewJob("job") for _ in range(jobs)])
        settings = Settings(redis=lambda: location, pod_name="bench", concurrency=slots)
        worker = Worker(served_queues(app, None, settings), settings)
        gc.collect()
        begun = time.process_time()
        running = asyncio.create_task(worker.run())
        await done.wait()
        used = time.process_time() - begun
        worker.stop()
        await running
    return used / jobs * 1000


def main() -> None:
    """Measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--slots", type=int, default=100)
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(VARIANTS))
    options = parser.parse_args()
    logging.basicConfig(level="WARNING")
    found: dict[str, list[float]] = {name: [] for name in options.only}
    with redis_server() as port:
        for _ in range(options.rounds):
            for name in options.only:
                found[name].append(asyncio.run(measured(name, port, jobs=options.jobs, slots=options.slots)))
    base = {name: statistics.median(values) for name, values in found.items()}
    for name, value in base.items():
        beside = base.get("thread" if name == "thread_timeout" else "plain", value)
        sys.stdout.write(f"{name:<16} {value * 1000:8.1f} µs a job   {value / beside:5.2f} x   {sorted(found[name])}\n")


if __name__ == "__main__":
    main()
