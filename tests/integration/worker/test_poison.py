"""Jobs and queues that are not as anybody expects: each costs itself at most, never the worker or other jobs."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest

from bullpen import App, Context, JobFailed, Retry
from bullpen.protocol import QueueKeys
from tests.integration.worker.house import ended, until, working

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis

KEYS = QueueKeys("bull", "videos")
ONCE = Retry(attempts=1)
# How Python writes a file name's byte 0xff: text that UTF-8 cannot say.
UNSAYABLE = "clip-\udcff.mp4"


async def test_a_reason_that_is_no_unicode_is_stored_escaped(app: App, redis_url: str) -> None:
    videos = app.queue("videos")

    @videos.job("boom")
    async def boom(data: object) -> None:
        raise ValueError(f"no such file: {UNSAYABLE}")

    @videos.job("fine")
    async def fine(data: object) -> str:
        return "done"

    async with working(app, redis_url):
        failing = await videos.add("boom", retry=Retry(attempts=2, delay="1ms"))
        with pytest.raises(JobFailed) as failed:
            await failing.result(timeout=10)
        assert str(failed.value) == r"ValueError: no such file: clip-\udcff.mp4"
        (record,) = await ended(videos, failing.id)
        assert [UNSAYABLE in trace for trace in record.stack_trace] == [True, True]
        assert await (await videos.add("fine")).result(timeout=10) == "done"


async def test_a_log_line_that_is_no_unicode_is_stored_escaped(app: App, redis_url: str, raw: redis.Redis) -> None:
    videos = app.queue("videos")

    @videos.job()
    async def tell(data: object, ctx: Context) -> str:
        await ctx.log(UNSAYABLE)
        return "told"

    async with working(app, redis_url):
        job = await videos.add("x")
        assert await job.result(timeout=10) == "told"
    assert raw.lrange(KEYS.logs(job.id), 0, -1) == [r"clip-\udcff.mp4"]


async def test_a_job_id_that_is_no_unicode_is_a_job_id(
    app: App, redis_url: str, raw: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "bullpen.VideosWorker")  # reports of tests cannot say such an id
    videos = app.queue("videos")
    ran: list[str] = []

    @videos.job()
    async def anything(data: object, ctx: Context) -> None:
        ran.append(ctx.job_id)

    for list_name in (KEYS.wait, KEYS.active):  # one to run, and one that lost its worker
        odd = b"id-\xff" if list_name == KEYS.wait else b"lost-\xff"
        raw.hset(KEYS.base.encode() + odd, mapping={"name": "x", "data": "{}", "opts": "{}", "timestamp": "1"})
        raw.lpush(list_name, odd)
    raw.sadd(KEYS.base + "stalled", b"lost-\xff")
    async with working(app, redis_url):
        await until(lambda: raw.zcard(KEYS.completed) == 2, "both jobs are done")
        job = await videos.add("x")
        await ended(videos, job.id)
    assert len(ran) == 3
    assert raw.llen(KEYS.active) == 0


async def test_a_thread_job_may_let_stop_iteration_out(app: App, redis_url: str) -> None:
    videos = app.queue("videos")

    @videos.job()
    def take_first(data: list[int]) -> int:
        return next(iter(data))

    async with working(app, redis_url):
        job = await videos.add("x", [], retry=ONCE)
        with pytest.raises(JobFailed, match="StopIteration"):
            await job.result(timeout=10)


async def test_an_error_that_cannot_be_shown_fails_its_job_alone(app: App, redis_url: str) -> None:
    videos = app.queue("videos")

    class Mute(Exception):
        def __str__(self) -> str:
            raise ZeroDivisionError

    @videos.job()
    async def boom(data: object) -> None:
        raise Mute

    async with working(app, redis_url):
        job = await videos.add("x", retry=ONCE)
        with pytest.raises(JobFailed, match=r"Mute: .no text: its __str__ raised ZeroDivisionError"):
            await job.result(timeout=10)


@pytest.mark.parametrize(
    "retry", [Retry(attempts=2, delay="1ms"), Retry(attempts=2, delay=0)], ids=["delay", "at once"]
)
async def test_a_job_cancelled_by_its_own_code_after_its_end_is_tried_again(
    app: App, redis_url: str, retry: Retry
) -> None:
    videos = app.queue("videos")

    @videos.job()
    async def impatient(data: object, ctx: Context) -> str:
        if ctx.attempt == 1:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()  # as a time limit of its own that strikes a moment too late
            raise ValueError("too slow")
        return "done"

    async with working(app, redis_url):
        job = await videos.add("x", retry=retry)
        assert await job.result(timeout=10) == "done"


async def test_a_record_with_a_nonsensical_count_ends(
    app: App, redis_url: str, raw: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)  # its lines name the attempt
    videos = app.queue("videos")

    @videos.job()
    async def anything(data: object) -> str:
        return "done"

    job = await videos.add("x")
    raw.hset(KEYS.job(job.id), "atm", "many")
    async with working(app, redis_url):
        assert await job.result(timeout=10) == "done"


POISONS: dict[str, Callable[[Any, str], Any]] = {
    "text for a record": lambda raw, key: (raw.delete(key), raw.set(key, "no job")),
    "no record": lambda raw, key: raw.delete(key),
    "options no JSON": lambda raw, key: raw.hset(key, "opts", "{oops"),
    "options of a list": lambda raw, key: raw.hset(key, "opts", "[]"),
    "options of wrong types": lambda raw, key: raw.hset(key, "opts", '{"attempts":"x","removeOnComplete":"y","de":7}'),
    "data no JSON": lambda raw, key: raw.hset(key, "data", "{oops"),
    "words for numbers": lambda raw, key: raw.hset(key, mapping=dict.fromkeys(("atm", "ats", "stc", "delay"), "many")),
    "a parent that is none": lambda raw, key: raw.hset(key, mapping={"parentKey": "bull:videos:wait", "parent": "{oo"}),
    "a parent whose children are none": lambda raw, key: (
        raw.set("bull:videos:p:dependencies", "x"),
        raw.hset(key, "parentKey", "bull:videos:p"),
    ),
    "a schedule that is none": lambda raw, key: raw.hset(key, mapping={"rjk": "tick", "opts": '{"repeat":7}'}),
    "a lock that is none": lambda raw, key: raw.rpush(f"{key}:lock", "x"),
    "a field of a newer BullMQ": lambda raw, key: raw.hset(key, "zz", "?"),
}


@pytest.mark.parametrize("poison", POISONS)
async def test_a_poisoned_job_stops_no_other(
    app: App, redis_url: str, raw: redis.Redis, poison: str, caplog: pytest.LogCaptureFixture
) -> None:
    videos = app.queue("videos")
    ran: list[int] = []

    @videos.job()
    async def count(data: dict[str, int]) -> None:
        ran.append(data["n"])

    jobs = [await videos.add("x", {"n": number}, retry=ONCE) for number in range(5)]
    POISONS[poison](raw, KEYS.job(jobs[2].id))
    async with working(app, redis_url, concurrency=2):
        await ended(videos, *(job.id for job in jobs if job is not jobs[2]))
        await until(lambda: not raw.llen(KEYS.active), "the poisoned one is out of the way")
        assert (await (await videos.add("x", {"n": 5})).result(timeout=10)) is None
    assert sorted(set(ran) - {2}) == [0, 1, 3, 4, 5]
    assert poison != "text for a record" or f"{KEYS.job(jobs[2].id)} is a string" in caplog.text


@pytest.mark.parametrize("name", ["completed", "events", "active", "wait", "marker", "stalled", "meta"])
async def test_a_damaged_queue_is_worked_on_once_it_is_mended(
    app: App, redis_url: str, raw: redis.Redis, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    videos = app.queue("videos")

    @videos.job()
    async def anything(data: object) -> str:
        return "done"

    async with working(app, redis_url):
        assert await (await videos.add("x")).result(timeout=10) == "done"
        raw.delete(KEYS.base + name)
        (raw.rpush if name in ("completed", "events", "marker", "stalled", "meta") else raw.sadd)(KEYS.base + name, "x")
        await until(lambda: KEYS.base + name in caplog.text, "the worker says which key")
        raw.delete(KEYS.base + name)
        assert await (await videos.add("x")).result(timeout=20) == "done"
