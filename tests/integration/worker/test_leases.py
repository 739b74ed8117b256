"""Who owns a job: locks renewed beside a blocked loop, jobs of dead workers, and Redis going away."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import redis

from bullpen import App, Context
from bullpen.protocol import QueueKeys
from bullpen.protocol.heartbeat import Heartbeat
from tests.integration.redis_server import RedisServer
from tests.integration.worker.house import ended, serving, until, working

if TYPE_CHECKING:
    import pytest

KEYS = QueueKeys("bull", "videos")
LOCK = 0.6


async def test_locks_are_renewed_while_the_loop_is_blocked(app: App, redis_url: str, raw: redis.Redis) -> None:
    videos = app.queue("videos")
    seen: list[int] = []

    @videos.job()
    async def block(data: object, ctx: Context) -> str:
        end = time.monotonic() + 4 * LOCK
        while time.monotonic() < end:
            time.sleep(0.05)  # noqa: ASYNC251 - the loop does not turn
            seen.append(int(raw.pttl(KEYS.lock(ctx.job_id))))
        return "done"

    async with working(app, redis_url, lock_seconds=LOCK, stalled_seconds=LOCK):
        job = await videos.add("x")
        (record,) = await ended(videos, job.id)
    assert record.return_value == "done"
    assert record.stalled_count == 0
    assert record.attempts_started == 1
    assert min(seen) > 0


async def test_a_lost_lock_stops_the_job_and_its_result_is_refused(
    app: App, redis_url: str, raw: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    videos = app.queue("videos")
    stopped: list[str] = []

    @videos.job("async")
    async def in_loop(data: object) -> str:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            stopped.append("async")
            raise
        return "too late"

    @videos.job("thread")
    def in_thread(data: object, ctx: Context) -> str:
        while not ctx.stopping:
            time.sleep(0.01)
        stopped.append("thread")
        return "too late"

    async with working(app, redis_url, lock_seconds=LOCK, stalled_seconds=30):
        jobs = [await videos.add("async"), await videos.add("thread")]
        await until(lambda: raw.llen(KEYS.active) == 2, "both run")
        for job in jobs:
            raw.set(KEYS.lock(job.id), "somebody-else")
        await until(lambda: sorted(stopped) == ["async", "thread"], "both are told to stop")
    for job in jobs:
        assert raw.get(KEYS.lock(job.id)) == "somebody-else"
        assert await job.state() == "active"
        assert raw.hget(KEYS.job(job.id), "atm") is None
    assert caplog.text.count("its result is refused") == 2


async def test_a_killed_workers_job_is_found_by_another(redis_url: str, raw: redis.Redis, tmp_path: Path) -> None:
    keys = QueueKeys("bull", "video-generation")
    async with App(redis=redis_url) as app:
        videos = app.queue("video-generation")

        @videos.job("leave")
        async def survive(data: object, ctx: Context) -> int:
            return ctx.attempt

        with serving("house_app:app", redis_url, tmp_path / "log", "--queue", "video-generation") as process:
            job = await videos.add("leave")
            assert await process.exit_code() == -9
        assert await job.state() == "active"
        raw.delete(keys.lock(job.id), keys.base + "stalled-check")  # as 30 s later
        async with working(app, redis_url, stalled_seconds=0.2):
            (record,) = await ended(videos, job.id)
    assert record.return_value == 1  # losing a worker spends no attempt
    assert record.stalled_count == 1
    assert record.attempts_started == 2


async def test_a_heartbeat_tells_what_the_worker_does(app: App, redis_url: str, raw: redis.Redis) -> None:
    videos = app.queue("videos")
    go_on = asyncio.Event()

    @videos.job()
    async def wait(data: object) -> None:
        await go_on.wait()

    def beats() -> list[Heartbeat]:
        stored: Any = raw.hvals(KEYS.workers)
        return [Heartbeat.parse(text) for text in stored]

    async with working(app, redis_url, concurrency=3, pod_uid="uid-1"):
        await videos.add("x")
        await until(lambda: any(beat.busy for beat in beats()), "a beat shows the job")
        (beat,) = beats()
        assert (beat.instance, beat.pod, beat.slots, beat.busy, beat.draining) == ("uid-1", "test", 3, 1, False)
        assert beat.at is not None
        assert beat.oldest is not None
        assert beat.rss > 10_000_000
        go_on.set()
        await until(lambda: beats()[0].done == 1, "a beat counts it")
    assert beats() == []


async def test_jobs_outlive_a_restart_of_redis(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    server = RedisServer(tmp_path / "redis", "--appendonly", "yes", "--appendfsync", "always")
    server.start()
    go_on, runs = threading.Event(), []
    try:
        async with App(redis=server.url) as app:
            videos = app.queue("videos")

            @videos.job()
            def wait(data: object, ctx: Context) -> str:
                runs.append(ctx.job_id)
                assert go_on.wait(60)
                return "done"

            async with working(app, server.url):
                jobs = [await videos.add("x") for _ in range(3)]
                await until(lambda: len(runs) == 3, "all run")
                server.kill()
                go_on.set()  # they end while there is no Redis
                await until(lambda: "trying again until Redis answers" in caplog.text, "the outage is noticed")
                server.start()
                records = await ended(videos, *(job.id for job in jobs))
                later = await videos.add("x")
                assert await later.result(timeout=20) == "done"
    finally:
        server.stop()
    assert [(record.return_value, record.attempts_started) for record in records] == [("done", 1)] * 3
    assert len(runs) == 4
