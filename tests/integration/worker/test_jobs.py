"""Jobs from their addition to their end, with a worker in the test's own loop."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from bullpen import App, Context, JobFailed, ProtocolError, Retry, Unrecoverable
from tests.integration.worker.house import ended, until, working

if TYPE_CHECKING:
    import redis


class Render(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    user_id: str


class Clip(Render):
    video_url: str


async def test_a_job_runs_and_its_result_comes_back(app: App, redis_url: str, raw: redis.Redis) -> None:
    videos = app.queue("videos")

    @videos.job("render")
    async def render(data: Render, ctx: Context) -> Clip:
        await ctx.progress(50)
        ctx.progress({"step": "merge"})
        ctx.log("first")
        await ctx.log("second")
        assert (ctx.attempt, ctx.queue, ctx.name, ctx.stopping) == (1, "videos", "render", False)
        return Clip(user_id=data.user_id, video_url=f"/{ctx.job_id}")

    async with working(app, redis_url):
        job = await videos.add("render", Render(user_id="u1"))
        assert await job.result(timeout="10s") == Clip(user_id="u1", video_url=f"/{job.id}")
        assert await job.result(as_=dict) == {"userId": "u1", "videoUrl": f"/{job.id}"}
        assert await videos.get(job.id).result() == {"userId": "u1", "videoUrl": f"/{job.id}"}
        with pytest.raises(ProtocolError, match=f"^job {job.id} returned something that is no int: the whole: Input"):
            await job.result(as_=int)
        assert await job.state() == "completed"
        assert await job.progress() == {"step": "merge"}
    assert raw.lrange(f"bull:videos:{job.id}:logs", 0, -1) == ["first", "second"]
    stored: Any = raw.hgetall(f"bull:videos:{job.id}")
    assert json.loads(stored["opts"]) == {"attempts": 4, "backoff": {"type": "exponential", "delay": 1000}}
    assert (stored["atm"], stored["ats"], stored["pb"]) == ("1", "1", "test")
    assert raw.hget("bull:videos:metrics:completed", "count") == "1"


async def test_results_that_are_asked_for_one_after_the_other_all_come_by_event(app: App, redis_url: str) -> None:
    """The reader of events ends with its last waiter; the next one may come while it is hanging up."""
    videos = app.queue("videos")

    @videos.job("boom")
    async def boom(data: object) -> None:
        raise ValueError("no such script")

    async with working(app, redis_url):
        for _ in range(20):
            failing = await videos.add("boom", retry=Retry(attempts=1))
            with pytest.raises(JobFailed):
                await failing.result(timeout=8)  # before it would be asked after again


async def test_a_thread_job_reports_in_order_and_before_its_end(app: App, redis_url: str, raw: redis.Redis) -> None:
    videos = app.queue("videos")

    @videos.job("render")
    def render(data: object, ctx: Context) -> str:
        for line in range(50):
            ctx.log(str(line))
        ctx.progress(100)
        return threading.current_thread().name

    async with working(app, redis_url):
        job = await videos.add("render")
        assert str(await job.result(timeout=10)).startswith("job")
    assert raw.lrange(f"bull:videos:{job.id}:logs", 0, -1) == [str(line) for line in range(50)]
    assert raw.hget(f"bull:videos:{job.id}", "progress") == "100"


async def test_retries_come_when_they_are_due(app: App, redis_url: str, raw: redis.Redis) -> None:
    videos = app.queue("videos")
    starts: list[float] = []

    @videos.job("render", retry=Retry(attempts=3, delay="50ms"))
    async def render(data: object, ctx: Context) -> int:
        starts.append(time.time() * 1000)
        if ctx.attempt < 3:
            raise ValueError(f"attempt {ctx.attempt}")
        return ctx.attempt

    async with working(app, redis_url):
        job = await videos.add("render")
        assert await job.result(timeout=10) == 3
    events: Any = raw.xrange("bull:videos:events")
    due = [float(fields["delay"]) for _, fields in events if fields["event"] == "delayed"]
    assert len(due) == 2
    # Never early; how late is the machine's business.
    assert starts[1] >= due[0]
    assert starts[2] >= due[1]
    stored: Any = raw.hgetall(f"bull:videos:{job.id}")
    assert (stored["atm"], stored["ats"]) == ("3", "3")
    assert [("attempt 1" in t, "attempt 2" in t) for t in json.loads(stored["stacktrace"])] == [
        (True, False),
        (False, True),
    ]


async def test_a_job_fails_for_good_with_its_reason(app: App, redis_url: str) -> None:
    videos = app.queue("videos")

    @videos.job("boom", retry=Retry(attempts=1))
    async def boom(data: object) -> None:
        raise ValueError("no such script")

    @videos.job("never")
    async def never(data: object) -> None:
        raise Unrecoverable("the account is closed")

    @videos.job("exit")
    async def leaving(data: object) -> None:
        raise SystemExit(3)

    @videos.job("cancel")
    async def cancelling(data: object) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    @videos.job("socket")
    def socket(data: object) -> object:
        return threading.Lock()

    @videos.job("typed")
    async def typed(data: Render) -> None: ...

    expected = {
        "boom": "ValueError: no such script",
        "never": "the account is closed",
        "exit": "SystemExit: 3",
        "cancel": "RuntimeError: the job was cancelled by its own code",
        "socket": "the job returned what is no JSON: result: a _thread.lock is no JSON",
        "typed": "data does not fit Render: userId: Field required",
        "unknown": "no job named 'unknown' in queue 'videos' of this app (it has 'boom', 'cancel'",
    }
    once = Retry(attempts=1)
    assert "typed" in expected  # added past the check that our own producers go through
    producer = await videos.producer()
    async with working(app, redis_url):
        jobs = {
            name: videos.get((await producer.add(name, {}, options=videos.options(name, retry=once))).job_id)
            for name in expected
        }
        for name, reason in expected.items():
            with pytest.raises(JobFailed) as failed:
                await jobs[name].result(timeout=10)
            assert str(failed.value).startswith(reason), name


async def test_data_that_is_no_json_fails_at_once_whatever_the_retries(
    app: App, redis_url: str, raw: redis.Redis
) -> None:
    videos = app.queue("videos")

    @videos.job()
    async def anything(data: object) -> None: ...

    job = await videos.add("render", {"n": 1})
    raw.hset(f"bull:videos:{job.id}", "data", "{oops")
    gone = await videos.add("render")
    raw.hdel(f"bull:videos:{gone.id}", "name")
    async with working(app, redis_url):
        records = await ended(videos, job.id)
        await until(lambda: raw.llen("bull:videos:active") == 0, "the lost job leaves active")
    assert str(records[0].failed_reason).startswith("data is no JSON")
    assert records[0].attempts_made == 1


async def test_a_deferred_failure_ends_the_job_unrun(app: App, redis_url: str, raw: redis.Redis) -> None:
    videos = app.queue("videos")
    ran: list[object] = []

    @videos.job()
    async def anything(data: object) -> None:
        ran.append(data)

    job = await videos.add("render")
    raw.hset(f"bull:videos:{job.id}", "defa", "job stalled more than allowable limit")
    async with working(app, redis_url):
        (record,) = await ended(videos, job.id)
    assert record.failed_reason == "job stalled more than allowable limit"
    assert ran == []


@pytest.mark.parametrize("run", ["async", "thread"])
async def test_no_more_jobs_run_than_there_are_slots_and_all_slots_are_used(app: App, redis_url: str, run: str) -> None:
    videos = app.queue("videos")
    running, most, lock = 0, 0, threading.Lock()

    def count(step: int) -> None:
        nonlocal running, most
        with lock:
            running += step
            most = max(most, running)

    if run == "async":

        @videos.job("render")
        async def render(data: object) -> None:
            count(1)
            await asyncio.sleep(0.02)
            count(-1)
    else:

        @videos.job("render")
        def render_in_thread(data: object) -> None:
            count(1)
            time.sleep(0.02)
            count(-1)

    jobs = [await videos.add("render") for _ in range(40)]
    async with working(app, redis_url, concurrency=7):
        await ended(videos, *(job.id for job in jobs))
    assert most == 7


async def test_a_blocking_thread_job_does_not_hold_up_the_loop(app: App, redis_url: str) -> None:
    videos = app.queue("videos")
    go_on = threading.Event()

    @videos.job("block")
    def block(data: object) -> bool:
        return go_on.wait(20)

    @videos.job("quick")
    async def quick(data: object) -> str:
        return "done"

    async with working(app, redis_url, concurrency=2):
        blocking = await videos.add("block")
        await until_active(blocking)
        quick_job = await videos.add("quick")
        assert await quick_job.result(timeout=10) == "done"
        go_on.set()
        assert await blocking.result(timeout=10) is True


async def test_delayed_priority_and_custom_ids(app: App, redis_url: str, raw: redis.Redis) -> None:
    videos = app.queue("videos")
    order: list[str] = []

    @videos.job()
    async def anything(data: str) -> None:
        order.append(data)

    late = await videos.add("x", "late", delay="200ms")
    assert await late.state() == "delayed"
    await videos.add("x", "low", priority=9)
    await videos.add("x", "high", priority=1)
    first = await videos.add("x", "first", job_id="mine")
    again = await videos.add("x", "again", job_id="mine")
    assert first.id == again.id == "mine"
    async with working(app, redis_url, concurrency=1):
        await ended(videos, late.id)
    assert order == ["first", "high", "low", "late"]


async def test_a_rate_limit_is_waited_out(app: App, redis_url: str, raw: redis.Redis) -> None:
    videos = app.queue("videos")
    starts: list[float] = []

    @videos.job()
    async def anything(data: object) -> None:
        starts.append(time.monotonic())

    raw.hset("bull:videos:meta", mapping={"max": "1", "duration": "300"})
    jobs = [await videos.add("x") for _ in range(3)]
    async with working(app, redis_url):
        await ended(videos, *(job.id for job in jobs))
    # Each window begins in Redis, a little before its job does here.
    assert all(later - earlier > 0.15 for earlier, later in itertools.pairwise(starts))


async def test_a_paused_queue_is_left_alone_until_it_is_resumed(app: App, redis_url: str, raw: redis.Redis) -> None:
    videos = app.queue("videos")

    @videos.job()
    async def anything(data: object) -> str:
        return "done"

    raw.hset("bull:videos:meta", "paused", "1")
    job = await videos.add("x")
    async with working(app, redis_url):
        assert await job.state() == "waiting"
        # What a v5 resume does (protocol §7.3).
        raw.rename("bull:videos:paused", "bull:videos:wait")
        raw.hdel("bull:videos:meta", "paused")
        raw.zadd("bull:videos:marker", {"0": 0})
        assert await job.result(timeout=10) == "done"


async def test_one_worker_serves_several_queues(app: App, redis_url: str) -> None:
    results = []
    for name in ("videos", "emails"):
        queue = app.queue(name)

        @queue.job()
        async def anything(data: object, ctx: Context) -> str:
            return ctx.queue

    async with working(app, redis_url):
        for name in ("videos", "emails"):
            job = await app.queue(name).add("x")
            results.append(await job.result(timeout=10))
    assert results == ["videos", "emails"]


async def test_a_job_may_add_jobs(app: App, redis_url: str) -> None:
    videos = app.queue("videos")

    @videos.job("outer")
    async def outer(data: object) -> str:
        return (await videos.add("inner")).id

    @videos.job("inner")
    async def inner(data: object) -> str:
        return "inner"

    async with working(app, redis_url):
        inner_id = await (await videos.add("outer")).result(timeout=10)
        assert await videos.get(inner_id).result(timeout=10) == "inner"


async def test_claims_are_left_to_other_workers(app: App, redis_url: str, raw: redis.Redis) -> None:
    """A worker holds at most its slots, so that the rest of the queue is there for others."""
    videos = app.queue("videos")
    go_on = asyncio.Event()

    @videos.job()
    async def anything(data: object) -> None:
        await go_on.wait()

    for _ in range(10):
        await videos.add("x")
    async with working(app, redis_url, concurrency=3), working(app, redis_url, concurrency=3):
        await until(lambda: raw.llen("bull:videos:active") == 6, "both workers are full")
        assert raw.llen("bull:videos:wait") == 4
        go_on.set()
        await until(lambda: raw.zcard("bull:videos:completed") == 10, "all are done")


async def until_active(job: Any) -> None:
    deadline = time.monotonic() + 20
    while await job.state() != "active":
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
