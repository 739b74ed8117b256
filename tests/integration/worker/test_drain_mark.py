"""Drain marks: a marked worker claims nothing, says so, and goes on when the mark is over."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
import redis

from bullpen import App
from bullpen.client.connection import Link
from bullpen.protocol import QueueKeys
from bullpen.protocol.calls.work import work
from bullpen.protocol.drain_marks import clear, mark
from bullpen.protocol.heartbeat import Heartbeat
from tests.integration.worker.house import until, working

KEYS = QueueKeys("bull", "videos")


def beat_of(raw: Any, instance: str) -> Heartbeat | None:
    stored = raw.hget(KEYS.workers, instance)
    return None if stored is None else Heartbeat.parse(stored)


async def claim(link: Link, instance: str, token: str = "t") -> tuple[int, int]:
    reply = await link.run(work(KEYS, now=int(time.time() * 1000), tokens=[token], instance=instance))
    return len(reply.claimed), reply.marked_ms


async def test_no_claim_passes_a_mark_while_it_holds(app: App, link: Link, raw: redis.Redis) -> None:
    videos = app.queue("videos")
    await videos.add("x")
    end = await link.run(mark(KEYS, instances=["a", "b"], seconds=15))
    seconds, micros = raw.time()
    assert 14 < end - (seconds + micros / 1e6) <= 15
    raw.delete(KEYS.marker)
    claimed, marked_ms = await claim(link, "a")
    assert claimed == 0
    assert 0 < marked_ms <= 15_000
    assert raw.zrange(KEYS.marker, 0, -1) == ["0"]  # somebody else is woken for it
    assert await claim(link, "c") == (1, 0)
    await videos.add("x")
    raw.hset(KEYS.drain, "a", int((end - 16) * 1000))  # the lease is over
    assert await claim(link, "a", "t2") == (1, 0)
    assert await link.run(clear(KEYS, instances=["a", "b", "z"])) == 2
    await videos.add("x")
    assert await claim(link, "b", "t3") == (1, 0)


async def test_marks_that_are_over_are_swept_and_the_key_goes_with_the_last(link: Link, raw: redis.Redis) -> None:
    await link.run(mark(KEYS, instances=["a"], seconds=0.001))
    await until(lambda: not raw.exists(KEYS.drain), "it expires")
    raw.hset(KEYS.drain, mapping={"old": 1, "odd": "?"})
    await link.run(mark(KEYS, instances=["a"], seconds=60))
    await link.run(mark(KEYS, instances=["b"], seconds=1))
    assert set(raw.hkeys(KEYS.drain)) == {"a", "b"}
    assert raw.pttl(KEYS.drain) > 50_000


async def test_a_marked_worker_finishes_what_it_holds_and_says_when_it_has(
    app: App, link: Link, redis_url: str, raw: redis.Redis
) -> None:
    videos = app.queue("videos")
    go_on, ran = asyncio.Event(), []

    @videos.job()
    async def wait(data: int) -> int:
        ran.append(data)
        await go_on.wait()
        return data

    async with working(app, redis_url, pod_uid="uid-1", concurrency=3) as worker:
        (queue,) = worker.health.queues
        held = await videos.add("x", 1)
        await until(lambda: ran == [1], "one runs")
        await link.run(mark(KEYS, instances=["uid-1"]))
        await until(lambda: queue.marked, "it knows")
        second = await videos.add("x", 2)
        await until(lambda: (beat := beat_of(raw, "uid-1")) is not None and beat.draining, "it says so")
        beat = beat_of(raw, "uid-1")
        assert beat is not None
        assert (beat.draining, beat.drained, beat.busy) == (True, False, 1)
        go_on.set()
        assert await held.result(timeout=10) == 1
        await until(lambda: (beat := beat_of(raw, "uid-1")) is not None and beat.drained, "it is drained")
        assert ran == [1]
        assert await second.state() == "waiting"
        before = app_calls(raw)
        await until(lambda: beats_since(raw, before) >= 2, "two beats pass")
        assert claims_since(raw, before) <= 2  # it does not spin
        await link.run(clear(KEYS, instances=["uid-1"]))
        assert await second.result(timeout=10) == 2
        await until(lambda: (beat := beat_of(raw, "uid-1")) is not None and not beat.draining, "it says so")
        # And it hears of new jobs as before.
        third = await videos.add("x", 3)
        assert await third.result(timeout=10) == 3


async def test_a_worker_goes_on_when_nobody_renews_its_mark(
    app: App, link: Link, redis_url: str, raw: redis.Redis
) -> None:
    videos = app.queue("videos")

    @videos.job()
    async def anything(data: object) -> str:
        return "done"

    await link.run(mark(KEYS, instances=["uid-1"], seconds=2))
    async with working(app, redis_url, pod_uid="uid-1") as worker:
        job = await videos.add("x")
        await until(lambda: worker.health.queues[0].marked, "the claim tells it")
        assert await job.state() == "waiting"
        assert await job.result(timeout=10) == "done"


@pytest.mark.parametrize("broken", ["text", "words"])
async def test_a_mark_that_is_none_holds_up_nobody(app: App, link: Link, raw: redis.Redis, broken: str) -> None:
    if broken == "text":
        raw.set(KEYS.drain, "x")
    else:
        raw.hset(KEYS.drain, "a", "tomorrow")
    await app.queue("videos").add("x")
    assert await claim(link, "a") == (1, 0)


def app_calls(raw: Any) -> dict[str, int]:
    stats = raw.info("commandstats")
    return {"evalsha": int(stats["cmdstat_evalsha"]["calls"]), "beat": int(_at(raw))}


def _at(raw: Any) -> int:
    return int(json.loads(raw.hget(KEYS.workers, "uid-1"))["at"])


def beats_since(raw: Any, before: dict[str, int]) -> int:
    return (_at(raw) - before["beat"]) // 1000


def claims_since(raw: Any, before: dict[str, int]) -> int:
    """Scripts run meanwhile, without those of the beats."""
    return int(app_calls(raw)["evalsha"]) - before["evalsha"] - 1 - beats_since(raw, before)
