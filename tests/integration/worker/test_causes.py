"""What attempts die of, as their records tell."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bullpen import App, Context, Retry
from bullpen.protocol import QueueKeys
from bullpen.protocol.calls.locks import stalled_check
from bullpen.protocol.causes import Cause
from bullpen.runtime.memory import OomKills
from tests.integration.worker.house import ended, process_app, serving, working

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import redis

    from bullpen import Queue
    from bullpen.client.connection import Link

KEYS = QueueKeys("bull", "videos")
APP = "process_app:app"
MIB = 2**20


@pytest.fixture
async def videos(redis_url: str) -> AsyncIterator[Queue]:
    async with process_app(redis_url) as app:
        yield app.queue("videos")


async def test_a_process_that_passes_its_cap_costs_its_own_job_alone(videos: Queue, redis_url: str) -> None:
    async with working(videos.app, redis_url, reference=APP, concurrency=2, child_memory=200 * MIB):
        beside = await videos.add("sleep", 3.0)
        jobs = [
            await videos.add("swell", 400 * MIB),
            await videos.add("swell-with-care", 400 * MIB),
            await videos.add("swell", 50 * MIB),
            await videos.add("map", 400 * MIB),
        ]
        much, allowed, little, mapped, other = await ended(videos, *(job.id for job in jobs), beside.id, seconds=60)
    assert str(much.failed_reason).startswith("MemoryError: the job's process used ")
    assert str(much.failed_reason).endswith("more than its cap of 200 MiB")
    assert (much.cause, mapped.cause) == (Cause.OOM, Cause.OOM)
    assert (allowed.return_value, little.return_value) == (400 * MIB, 50 * MIB)
    assert other.return_value == "slept"


async def test_a_process_that_the_kernel_killed_for_want_of_memory_says_so(
    videos: Queue, redis_url: str, tmp_path: Path
) -> None:
    counted = tmp_path / "memory.events"  # as the kernel keeps it: it counts before it kills
    counted.write_text("oom_kill 0\n")
    async with working(videos.app, redis_url, reference=APP, concurrency=1) as worker:
        processes = worker._executors.processes
        assert processes is not None
        processes._kills = OomKills([counted])
        for process in processes.alive():
            process._kills = processes._kills
        counted.write_text("oom_kill 1\n")
        jobs = [await videos.add("raise", "killed") for _ in range(2)]
        by_kernel, by_somebody = await ended(videos, *(job.id for job in jobs))
    assert (by_kernel.cause, by_somebody.cause) == (Cause.OOM, Cause.SIGNAL)
    assert by_kernel.failed_reason == (
        "ProcessDied: the job's process was killed by SIGKILL: the container has no memory left"
    )


async def test_the_cause_is_written_with_a_retry_and_outlives_it(app: App, redis_url: str, raw: redis.Redis) -> None:
    videos = app.queue("videos")
    seen: list[str | None] = []

    @videos.job("x", retry=Retry(attempts=3, delay="1ms"))
    async def x(data: object, ctx: Context) -> str:
        cause: object = raw.hget(KEYS.job(ctx.job_id), "bp:cause")
        seen.append(cause if isinstance(cause, str) else None)
        if ctx.attempt == 1:
            raise ValueError("no such script")
        if ctx.attempt == 2:
            raise MemoryError
        return "done"

    async with working(app, redis_url):
        job = await videos.add("x")
        assert await job.result(timeout=20) == "done"
    assert seen == [None, "error", "oom"]
    assert await job.cause() is Cause.OOM


async def test_a_job_that_kills_its_workers_is_given_up(
    videos: Queue, redis_url: str, raw: redis.Redis, link: Link, tmp_path: Path
) -> None:
    job = await videos.add("raise", "the worker", retry=Retry(attempts=9))
    for lost in ("1", "2"):
        with serving(APP, redis_url, tmp_path / f"log{lost}") as process:
            assert await process.exit_code() == -signal.SIGKILL
        raw.sadd(KEYS.base + "stalled", job.id)
        raw.delete(KEYS.lock(job.id), KEYS.base + "stalled-check")  # as 30 s later
        assert await link.run(stalled_check(KEYS, now=int(time.time() * 1000), interval_ms=1)) == (job.id,)
        assert raw.hmget(KEYS.job(job.id), "bp:cause", "stc", "atm") == ["lost", lost, None]
    async with working(videos.app, redis_url, reference=APP):
        (ending,) = await ended(videos, job.id)
    assert ending.failed_reason == "job stalled more than allowable limit"
    assert (ending.cause, ending.attempts_started) == (Cause.LOST, 3)
