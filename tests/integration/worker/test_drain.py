"""The end of a worker: what fits is finished, the rest goes back to the front of the queue, exit 0."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bullpen import App, Context
from bullpen.protocol import QueueKeys
from bullpen.runtime.worker import Worker
from tests.integration.redis_server import RedisServer
from tests.integration.worker.house import serving, until, working
from tests.integration.worker.wire import Wire

if TYPE_CHECKING:
    import redis

KEYS = QueueKeys("bull", "video-generation")


@pytest.mark.parametrize("name", ["async-sleep", "thread-sleep", "cooperative"])
async def test_what_does_not_fit_goes_back_to_the_front(
    app: App, redis_url: str, raw: redis.Redis, tmp_path: Path, name: str
) -> None:
    videos = app.queue("video-generation")
    options = ("--concurrency", "2", "--queue", "video-generation")
    with serving("house_app:app", redis_url, tmp_path / "log", *options, DRAIN_SECONDS="0.1") as process:
        first, second = [await videos.add(name, 60.0) for _ in range(2)]
        waiting = await videos.add(name, 60.0)
        await process.says("started", times=2)
        process.signal(signal.SIGTERM)
        assert await process.exit_code() == 0
    # The right end is served next.
    back = raw.lrange(KEYS.wait, 0, -1)
    assert back[0] == waiting.id
    if name == "cooperative":  # each thread looks at its own time
        assert sorted(back[1:]) == [first.id, second.id]
    else:  # the oldest is the first again
        assert back[1:] == [second.id, first.id]
    assert raw.llen(KEYS.active) == 0
    for job in (first, second):
        assert raw.hmget(KEYS.job(job.id), "atm", "ats", "stc") == [None, "1", None]
        assert raw.exists(KEYS.lock(job.id)) == 0
    assert raw.hlen(KEYS.workers) == 0


async def test_what_fits_is_finished_and_nothing_new_is_begun(
    app: App, redis_url: str, raw: redis.Redis, tmp_path: Path
) -> None:
    videos = app.queue("video-generation")
    with serving("house_app:app", redis_url, tmp_path / "log", "--concurrency", "2", DRAIN_SECONDS="20") as process:
        jobs = [await videos.add("thread-sleep", 0.5), await videos.add("async-sleep", 0.5)]
        await process.says("started", times=2)
        process.signal(signal.SIGTERM)
        await process.says("Stopping: no new jobs, up to 20s for 2 running")
        late = await videos.add("quick", {"n": 1})
        assert await process.exit_code() == 0
    assert [await job.state() for job in jobs] == ["completed", "completed"]
    assert await late.state() == "waiting"
    assert process.lines[-1] == "INFO  [WorkerService] Worker stopped"


async def test_a_second_signal_hands_back_at_once(app: App, redis_url: str, raw: redis.Redis, tmp_path: Path) -> None:
    videos = app.queue("video-generation")
    with serving("house_app:app", redis_url, tmp_path / "log", DRAIN_SECONDS="3600") as process:
        job = await videos.add("thread-sleep", 60.0)
        await process.says("started")
        process.signal(signal.SIGINT)
        await process.says("Stopping")
        process.signal(signal.SIGINT)
        assert await process.exit_code() == 0
    assert raw.lrange(KEYS.wait, 0, -1) == [job.id]
    assert raw.hget(KEYS.job(job.id), "atm") is None


async def test_a_blocked_loop_does_not_keep_its_jobs(
    app: App, redis_url: str, raw: redis.Redis, tmp_path: Path
) -> None:
    videos = app.queue("video-generation")
    with serving("house_app:app", redis_url, tmp_path / "log", DRAIN_SECONDS="0") as process:
        job = await videos.add("block-the-loop", 120.0)
        await process.says("started")
        process.signal(signal.SIGTERM)
        assert await process.exit_code(seconds=30) == 0
    assert raw.lrange(KEYS.wait, 0, -1) == [job.id]
    assert "leaving without it" in process.output


async def test_a_claim_that_comes_back_after_the_stop_is_released(app: App, redis_url: str, raw: redis.Redis) -> None:
    videos = app.queue("video-generation")
    ran: list[str] = []

    @videos.job()
    async def anything(data: object, ctx: Context) -> None:
        ran.append(ctx.job_id)

    async with working(app, redis_url, concurrency=5) as worker:
        await asyncio.sleep(0)
        (queue,) = worker.health.queues
        raw.client_pause(300)  # the reply is under way when the worker is told to stop
        loop = asyncio.get_running_loop()
        adds = [loop.create_task(videos.add("x", job_id=f"j{n}")) for n in range(5)]
        queue.ring()
        await until(lambda: queue.slots.claiming == 5, "the claim is under way")
        worker.stop()
        await asyncio.gather(*adds)
    # Whether the claim overtook the jobs in Redis or not: nothing ran, nothing is held, and they are in order.
    assert ran == []
    assert raw.lrange(KEYS.wait, 0, -1) == [f"j{n}" for n in reversed(range(5))]
    assert raw.llen(KEYS.active) == 0


async def test_a_job_that_stops_for_its_worker_has_not_failed(app: App, redis_url: str, raw: redis.Redis) -> None:
    """Whatever a job raises after it was told to stop is its way of stopping."""
    videos = app.queue("video-generation")
    started = asyncio.Event()

    @videos.job()
    async def wrap_up(data: object) -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise RuntimeError("I was cut off") from None

    async with working(app, redis_url, drain_seconds=0.0):
        job = await videos.add("x")
        await started.wait()
    assert await job.state() == "waiting"
    assert raw.hget(KEYS.job(job.id), "failedReason") is None


async def test_a_worker_whose_loop_ends_says_so_and_hands_back(app: App, redis_url: str, raw: redis.Redis) -> None:
    videos = app.queue("video-generation")
    started = asyncio.Event()

    @videos.job()
    async def anything(data: object) -> None:
        started.set()
        await asyncio.sleep(60)

    async def serve() -> Worker:
        async with working(app, redis_url) as worker:
            await started.wait()
            worker.health.queues[0]._crashed(ZeroDivisionError("a fault of ours"))
            await until(lambda: worker.health.failed is not None, "the fault is noticed")
            assert worker.health.ready() is not None
            return worker

    job = await videos.add("x")
    with pytest.raises(RuntimeError, match="queue video-generation ended unexpectedly"):
        await serve()
    assert raw.lrange(KEYS.wait, 0, -1) == [job.id]


async def test_a_worker_told_to_stop_while_its_app_is_imported_ends_at_once(redis_url: str, tmp_path: Path) -> None:
    """As process 1 of a container it would otherwise not hear the signal, begin jobs, and be killed amid them."""
    (tmp_path / "slow.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    environ = {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    with serving("slow:app", redis_url, tmp_path / "log", **environ) as process:
        await process.says("importing")
        process.signal(signal.SIGTERM)
        assert await process.exit_code() == 0
    assert "Traceback" not in process.output


async def test_a_claim_lost_just_before_the_stop_is_released(
    app: App, redis_server: RedisServer, redis_url: str, raw: redis.Redis
) -> None:
    videos = app.queue("videos")

    @videos.job()
    async def anything(data: object) -> None: ...

    async with Wire(redis_url) as wire, working(app, wire.url) as worker:
        wire.lose(b"the data", then=worker.stop)
        job = await videos.add("x", "the data")
        await until(lambda: wire.lost == 1, "the reply is lost")
    assert await job.state() == "waiting"
    assert raw.llen("bull:videos:active") == 0
