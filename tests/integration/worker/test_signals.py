"""Jobs that come back: delayed, rate-limited, requeued, or by a backoff of the app's own."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from bullpen import App, Context, Delay, JobFailed, RateLimited, Requeue, Retry
from bullpen.protocol import Backoff, JobOptions, JobRecord
from tests.integration.worker.house import ended, until, working

if TYPE_CHECKING:
    import redis


@pytest.mark.parametrize("run", ["async", "thread"])
async def test_a_job_that_delays_itself_comes_back_when_it_is_due(app: App, redis_url: str, run: str) -> None:
    videos = app.queue("videos")
    starts: list[float] = []
    wanted: list[float] = []

    def start(ctx: Context) -> int:
        assert ctx.attempt == 1
        starts.append(time.time())
        if len(starts) == 1:
            wanted.append(time.time() + 0.1)
            raise Delay("100ms")
        if len(starts) == 2:
            at = datetime.now(UTC) + timedelta(milliseconds=100)
            wanted.append(at.timestamp())
            raise Delay(at)
        return len(starts)

    if run == "async":

        @videos.job("render")
        async def render(data: object, ctx: Context) -> int:
            return start(ctx)
    else:

        @videos.job("render")
        def render_in_thread(data: object, ctx: Context) -> int:
            return start(ctx)

    async with working(app, redis_url):
        job = await videos.add("render", retry=Retry(attempts=1))
        assert await job.result(timeout=10) == 3
        (record,) = await ended(videos, job.id)
    assert (record.attempts_made, record.attempts_started) == (1, 3)
    assert record.failed_reason is None
    # Never early, to the millisecond of the wire format; how late is the machine's business.
    assert all(start >= at - 0.002 for start, at in zip(starts[1:], wanted, strict=True))


async def test_a_requeued_job_is_the_next_one(app: App, redis_url: str) -> None:
    videos = app.queue("videos")
    order: list[str] = []

    @videos.job()
    async def anything(data: str) -> None:
        order.append(data)
        if order.count("first") == 1 and data == "first":
            raise Requeue

    jobs = [await videos.add("x", name) for name in ("first", "second")]
    async with working(app, redis_url, concurrency=1):
        first, _ = await ended(videos, *(job.id for job in jobs))
    assert order == ["first", "first", "second"]
    assert (first.attempts_made, first.attempts_started) == (1, 2)


@pytest.mark.parametrize("limiter", [None, (1000, "1s")], ids=["this worker", "all workers"])
async def test_a_rate_limited_job_holds_up_the_queue(app: App, redis_url: str, raw: redis.Redis, limiter: Any) -> None:
    videos = app.queue("videos", limiter=limiter)
    starts: list[tuple[str, float]] = []

    @videos.job()
    async def anything(data: str) -> None:
        starts.append((data, time.monotonic()))
        if len(starts) == 1:
            raise RateLimited("300ms")

    async with working(app, redis_url, concurrency=1):
        jobs = [await videos.add("x", name) for name in ("first", "second")]
        first, _ = await ended(videos, *(job.id for job in jobs))
    assert [name for name, _ in starts] == ["first", "first", "second"]
    assert starts[1][1] - starts[0][1] > 0.25
    assert (first.attempts_made, first.attempts_started) == (1, 2)


async def test_a_limited_worker_wakes_up_for_new_jobs_after_the_limit(app: App, redis_url: str) -> None:
    """Slots that listened on the marker when the limit came must not take it, and must not be deaf afterwards."""
    videos = app.queue("videos")
    limited = asyncio.Event()

    @videos.job("limit")
    async def limit(data: object, ctx: Context) -> str:
        if not limited.is_set():
            limited.set()
            raise RateLimited("200ms")
        return "back"

    @videos.job("quick")
    async def quick(data: object) -> str:
        return "done"

    async with working(app, redis_url, concurrency=4):
        limiting = await videos.add("limit")
        await limited.wait()
        during = await videos.add("quick")
        assert await limiting.result(timeout=4) == "back"  # before an idle worker would look again by itself
        assert await during.result(timeout=4) == "done"
        assert await (await videos.add("quick")).result(timeout=4) == "done"


async def test_a_limiter_of_the_app_spaces_starts(app: App, redis_url: str) -> None:
    videos = app.queue("videos", limiter=(1, "200ms"))
    starts: list[float] = []

    @videos.job()
    async def anything(data: object) -> None:
        starts.append(time.monotonic())

    jobs = [await videos.add("x") for _ in range(3)]
    async with working(app, redis_url):
        await ended(videos, *(job.id for job in jobs))
    assert starts[2] - starts[0] > 0.25


async def test_a_job_is_started_no_more_often_than_allowed(app: App, redis_url: str) -> None:
    videos = app.queue("videos", max_started_attempts=3)
    starts: list[object] = []

    @videos.job("again")
    async def again(data: object) -> None:
        starts.append(data)
        raise Requeue

    @videos.job("fails")
    async def fails(data: object) -> None:
        raise ValueError("no such script")

    async with working(app, redis_url):
        requeued = await videos.add("again")
        failing = await videos.add("fails", retry=Retry(attempts=9, delay=0))
        with pytest.raises(JobFailed, match=r"^job started more than allowable limit$"):
            await requeued.result(timeout=10)
        with pytest.raises(JobFailed, match="no such script"):
            await failing.result(timeout=10)
        (record,) = await ended(videos, failing.id)
    assert len(starts) == 3
    assert record.attempts_made == 3


async def test_a_backoff_of_the_app_is_asked(app: App, redis_url: str, raw: redis.Redis) -> None:
    videos = app.queue("videos")

    @app.backoff("by-error")
    def by_error(failures: int, error: BaseException, job: JobRecord) -> str | float:
        assert job.name == "render"
        return -1 if isinstance(error, KeyError) else f"{failures * 10}ms"

    @videos.job("render", retry=Retry(attempts=9, backoff="by-error"))
    async def render(data: object, ctx: Context) -> None:
        raise KeyError("never") if ctx.attempt == 3 else ValueError("again")

    async with working(app, redis_url):
        job = await videos.add("render")
        with pytest.raises(JobFailed, match="never"):
            await job.result(timeout=10)
    events: Any = raw.xrange("bull:videos:events")
    due = [int(fields["delay"]) for _, fields in events if fields["event"] == "delayed"]
    assert len(due) == 2


async def test_a_backoff_that_nobody_knows_ends_the_job_and_says_so(app: App, redis_url: str) -> None:
    videos = app.queue("videos")

    @videos.job("render")
    async def render(data: object) -> None:
        raise ValueError("no such script")

    producer = await videos.producer()
    await producer.add("render", options=JobOptions(attempts=3, backoff=Backoff("theirs")))
    async with working(app, redis_url):
        (record,) = await ended(videos, "1")
    assert record.attempts_made == 1
    assert str(record.failed_reason).startswith("ValueError: no such script (not tried again: backoff type 'theirs' is")


async def test_a_signal_counts_when_the_worker_stops_as_well(app: App, redis_url: str, raw: redis.Redis) -> None:
    videos = app.queue("videos")
    running = asyncio.Event()

    @videos.job("render")
    async def render(data: object, ctx: Context) -> None:
        running.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise Delay("1h") from None

    async with working(app, redis_url, drain_seconds=0.0):
        job = await videos.add("render")
        await running.wait()
    assert await job.state() == "delayed"
    await until(lambda: raw.llen("bull:videos:active") == 0, "nothing is held")
