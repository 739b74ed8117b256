"""Running workers: `bullpen serve` as a process of its own, and Node's Worker in the driver."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final, TypeVar

from redis.asyncio import Redis

from bullpen.runtime.loop import METRICS_MINUTES
from tests.conformance.arena import Arena
from tests.conformance.sides import PREFIX

T = TypeVar("T")
ROOT: Final = Path(__file__).parents[2]
WORKER_NAME: Final = "pod-a"
START_SECONDS: Final = 30.0
END_SECONDS: Final = 30.0

Serving = Callable[[Arena], AbstractAsyncContextManager[None]]


async def until(found: Callable[[], Awaitable[T]], *, what: str, within: float = 10.0) -> T:
    """Poll until `found` returns something true; fails after `within` seconds."""
    deadline = time.monotonic() + within
    while not (answer := await found()):
        assert time.monotonic() < deadline, f"{what}: not within {within} s"
        await asyncio.sleep(0.005)
    return answer


async def idle(redis: Redis) -> None:
    """Wait until a worker blocks on a marker."""

    async def blocked() -> bool:
        return any(client["cmd"] == "bzpopmin" and "b" in client["flags"] for client in await redis.client_list())

    await until(blocked, what="a worker blocks on the marker", within=START_SECONDS)


@asynccontextmanager
async def ours(arena: Arena, *, concurrency: int = 1) -> AsyncIterator[None]:
    """Our worker on the database of the Node driver; it must end with exit code 0."""
    async with serving(arena.node_redis, "live_app", concurrency=concurrency, LOG_LEVEL="debug") as printed:
        yield
    # Jobs have ended by now: a worker that had to be left behind, with exit code 0, is stuck.
    assert b"Worker stopped" in printed, printed.decode()


@asynccontextmanager
async def serving(redis: Redis, app: str, *, concurrency: int, **settings: str) -> AsyncIterator[bytearray]:
    """`bullpen serve` on an app of this folder; what it printed is there when it has ended, with exit code 0."""
    connection = redis.connection_pool.connection_kwargs
    environment = os.environ | {
        "REDIS_URL": f"redis://127.0.0.1:{connection['port']}/{connection['db']}",
        "QUEUE_PREFIX": PREFIX,
        "QUEUE_CONCURRENCY": str(concurrency),
        "POD_NAME": WORKER_NAME,
        "DRAIN_SECONDS": "5",
        "PYTHONPATH": str(ROOT),
        **settings,
    }
    said = bytearray()
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-c", "from bullpen.cli import main; main()", "serve", f"tests.conformance.{app}:app"],
        env=environment,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output = asyncio.create_task(process.communicate())
    try:
        started = asyncio.create_task(idle(redis))
        await asyncio.wait({started, output}, return_when=asyncio.FIRST_COMPLETED)
        assert not output.done(), f"bullpen serve ended with {process.returncode}: {output.result()[0].decode()}"
        await started
        yield said
    finally:
        if process.returncode is None:
            process.terminate()
        printed, _ = await asyncio.wait_for(output, END_SECONDS)
        said += printed
    assert process.returncode == 0, f"bullpen serve ended with {process.returncode}: {printed.decode()}"


@asynccontextmanager
async def nodes(arena: Arena, *, concurrency: int = 1) -> AsyncIterator[None]:
    """Node's worker, told to block for a minute, so that nothing in a test can be its timeout."""
    # Ours keeps the throughput by minute; Node has to be told to.
    metrics = {"maxDataPoints": METRICS_MINUTES}
    options = {"name": WORKER_NAME, "concurrency": concurrency, "drainDelay": 60, "metrics": metrics}
    await arena.driver.request("start_worker", None, {"key": WORKER_NAME, "options": options})
    await idle(arena.node_redis)
    yield
    await arena.driver.request("stop_worker", None, {"key": WORKER_NAME})
