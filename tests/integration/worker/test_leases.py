"""Who owns a job: locks renewed beside a blocked loop, jobs of dead workers, and Redis going away."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from bullpen import App, Context
from bullpen.protocol import QueueKeys
from bullpen.protocol.heartbeat import Heartbeat
from bullpen.runtime.loop import QueueLoop
from tests.integration.redis_server import RedisServer
from tests.integration.worker.house import ended, serving, until, working
from tests.integration.worker.wire import Wire

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


async def test_a_claim_whose_reply_is_lost_comes_back(app: App, redis_server: RedisServer, redis_url: str) -> None:
    videos = app.queue("videos")
    ran: list[str] = []

    @videos.job()
    async def anything(data: object, ctx: Context) -> None:
        ran.append(ctx.job_id)

    async with Wire(redis_url) as wire, working(app, wire.url):
        wire.lose(b"the data")
        first, second = await videos.add("x", "the data"), await videos.add("x", "more data")
        records = await ended(videos, first.id, second.id)
        assert wire.lost == 1
    assert sorted(ran) == [first.id, second.id]
    assert [record.stalled_count for record in records] == [0, 0]
    assert records[0].attempts_started == 2
    assert records[0].attempts_made == 1


async def test_a_finish_whose_reply_is_lost_is_done_once(
    app: App, redis_url: str, raw: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    videos = app.queue("videos")
    go_on = asyncio.Event()

    @videos.job()
    async def anything(data: str) -> None:
        await go_on.wait()

    caplog.set_level(logging.INFO)
    async with Wire(redis_url) as wire, working(app, wire.url, concurrency=1):
        first, second = await videos.add("x", "one"), await videos.add("x", "the data")
        await until(lambda: raw.llen(KEYS.active) == 1, "the first runs")
        wire.lose(b"the data")  # comes with the reply that says the first one is finished
        go_on.set()
        records = await ended(videos, first.id, second.id)
    assert [record.attempts_made for record in records] == [1, 1]
    assert [record.stalled_count for record in records] == [0, 0]
    events: Any = raw.xrange(KEYS.events)
    assert [fields["jobId"] for _, fields in events if fields["event"] == "completed"] == [first.id, second.id]
    assert "which had succeeded" in caplog.text


async def test_a_worker_whose_greeting_is_cut_off_greets_again(app: App, redis_url: str) -> None:
    videos = app.queue("videos")

    @videos.job()
    async def anything(data: object) -> str:
        return "done"

    async with Wire(redis_url) as wire:
        wire.lose(b"*8\r\n")  # the counts it asks for at the start
        async with working(app, wire.url):
            assert wire.lost == 1
            assert await (await videos.add("x")).result(timeout=10) == "done"


@asynccontextmanager
async def claiming(app: App, redis_url: str, raw: redis.Redis, **settings: Any) -> AsyncIterator[tuple[QueueLoop, str]]:
    """A worker whose claim of the only job, by id, is under way: Redis gives it 0.3 s later."""
    raw.hset(KEYS.meta, "paused", "1")
    job = await app.queue("videos").add("x")
    async with working(app, redis_url, **settings) as worker:
        (queue,) = worker.health.queues
        await until(lambda: queue.slots.claiming == 0, "it knows that the queue is paused")
        # A resume without its marker: nobody wakes up for it.
        raw.rename(KEYS.paused, KEYS.wait)
        raw.hdel(KEYS.meta, "paused")
        raw.client_pause(300)
        queue.ring()
        await until(lambda: queue.slots.claiming > 0, "the claim is under way")
        yield queue, job.id


async def test_a_claim_is_as_old_as_its_question(app: App, redis_url: str, raw: redis.Redis) -> None:
    """Its lock runs from the moment Redis gave it, which may be long before a busy loop reads the reply."""
    go_on = asyncio.Event()

    @app.queue("videos").job()
    async def wait(data: object) -> None:
        await go_on.wait()

    async with claiming(app, redis_url, raw, drain_seconds=0.0) as (queue, _):
        asked_by = time.monotonic()
        await until(lambda: len(queue.running) == 1, "the job runs")
        attempt = next(iter(queue.running.values()))
        assert attempt.renewed_at <= asked_by < attempt.started_at
        go_on.set()


async def test_a_claim_that_is_read_when_its_lock_has_run_out_is_not_run(
    app: App, redis_url: str, raw: redis.Redis
) -> None:
    """The loop is blocked when Redis gives the job: nobody renews its lock, and it goes back to the queue."""
    videos = app.queue("videos")
    ran: list[int] = []

    @videos.job()
    async def note(data: object, ctx: Context) -> None:
        ran.append(ctx.attempt)

    async with claiming(app, redis_url, raw, lock_seconds=LOCK, stalled_seconds=LOCK) as (_, job_id):
        time.sleep(5 * LOCK)  # noqa: ASYNC251 - the loop does not turn
        (record,) = await ended(videos, job_id)
    assert ran == [1]
    assert record.attempts_made == 1


async def test_a_claim_that_is_read_late_but_in_time_goes_back_at_once(
    app: App, redis_url: str, raw: redis.Redis
) -> None:
    videos = app.queue("videos")

    @videos.job()
    async def nothing(data: object) -> None: ...

    async with claiming(app, redis_url, raw, lock_seconds=2.0, stalled_seconds=30) as (_, job_id):
        time.sleep(1.2)  # noqa: ASYNC251 - the loop does not turn
        (record,) = await ended(videos, job_id)
    assert record.stalled_count == 0
    assert record.attempts_started == 2


class Broken:
    """A connection with a fault of ours."""

    def of(self, keys: object) -> Broken:
        return self

    def close(self) -> None: ...

    def run(self, call: object) -> Any:
        raise ZeroDivisionError("a fault of ours")


async def test_a_worker_does_not_go_on_without_the_thread_that_renews_locks(
    app: App, redis_url: str, raw: redis.Redis
) -> None:
    videos = app.queue("videos")
    started = asyncio.Event()

    @videos.job()
    async def anything(data: object) -> None:
        started.set()
        await asyncio.sleep(60)

    async def serve() -> None:
        async with working(app, redis_url) as worker:
            await started.wait()
            assert worker.health.leases is not None
            worker.health.leases._line.links = Broken()
            await until(lambda: worker.health.failed is not None, "the fault is noticed")

    job = await videos.add("x")
    with pytest.raises(RuntimeError, match="the thread that renews locks ended unexpectedly: ZeroDivisionError"):
        await serve()
    assert raw.lrange(KEYS.wait, 0, -1) == [job.id]
