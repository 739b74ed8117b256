"""Hooks: told what became of a job once Redis has it, and no danger to the job."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING

import pytest

from bullpen import App, Context, Ended, Retry
from bullpen.runtime import announcements
from tests.integration.worker.house import ended, until, working

if TYPE_CHECKING:
    import redis


async def test_hooks_hear_of_ends_after_redis_has_them(app: App, redis_url: str, raw: redis.Redis) -> None:
    videos, images = app.queue("videos"), app.queue("images")
    told: list[tuple[str, Ended]] = []
    states: list[tuple[str | None, str | None]] = []

    @app.on_completed
    def stored(event: Ended) -> None:
        assert threading.current_thread() is not threading.main_thread()
        key = f"bull:{event.queue}:{event.job_id}"
        states.append((raw.hget(key, "returnvalue"), raw.hget(key, "atm")))  # type: ignore[arg-type]
        told.append(("app", event))

    @videos.on_completed
    async def of_videos(event: Ended) -> None:
        told.append(("videos", event))

    @app.on_failed
    async def failed(event: Ended) -> None:
        told.append(("failed", event))

    @images.job()
    @videos.job()
    async def anything(data: str, ctx: Context) -> dict[str, str]:
        if data == "fail":
            raise KeyError("paint")
        return {"got": data}

    async with working(app, redis_url):
        for queue in (videos, images):
            await ended(queue, (await queue.add("draw", "x")).id)
        await ended(videos, (await videos.add("draw", "fail", retry=Retry(attempts=2, delay="10ms"))).id)
    assert sorted(who for who, _ in told) == ["app", "app", "failed", "failed", "videos"]
    assert states == [('{"got":"x"}', "1")] * 2
    [first, second] = [event for who, event in told if who == "failed"]
    assert isinstance(first.error, KeyError)
    assert (first.attempt, first.will_retry, first.retry_in, first.reason) == (1, True, 0.01, "KeyError: 'paint'")
    assert (second.attempt, second.will_retry, second.result) == (2, False, None)
    [event] = [event for who, event in told if who == "videos"]
    assert (event.result, event.job.data, event.error, event.will_retry) == ({"got": "x"}, "x", None, False)


async def test_a_hook_that_raises_is_logged_and_the_next_one_is_called(
    app: App, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    videos = app.queue("videos")
    told: list[str] = []

    @app.on_completed
    def broken(event: Ended) -> None:
        raise OSError("no such host")

    @app.on_completed
    async def fine(event: Ended) -> None:
        told.append(event.job_id)

    @videos.job()
    async def anything(data: object) -> str:
        return "done"

    with caplog.at_level(logging.ERROR):
        async with working(app, redis_url):
            job = await videos.add("x")
            assert await job.result(timeout=10) == "done"
            await until(lambda: told == [job.id], "the second hook is called")
    assert f"Job {job.id}: hook " in caplog.text
    assert "broken raised OSError: no such host" in caplog.text


async def test_a_worker_waits_for_its_hooks_and_then_gives_up(
    app: App, redis_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(announcements, "LAST_SECONDS", 0.2)
    videos = app.queue("videos")
    told: list[str] = []
    cancelled = asyncio.Event()

    @app.on_completed
    async def slow(event: Ended) -> None:
        if event.name == "waited for":
            await asyncio.sleep(0)
            told.append(event.name)
            return
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    @videos.job()
    async def anything(data: object) -> None: ...

    async with working(app, redis_url):
        await ended(videos, (await videos.add("waited for")).id, (await videos.add("stuck")).id)
    assert told == ["waited for"]
    assert cancelled.is_set()
    assert "1 calls of hooks have not ended" in caplog.text


async def test_a_worker_claims_no_more_than_its_hooks_can_hear_of(
    app: App, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcements, "MOST_PENDING", 10)
    videos = app.queue("videos")
    going_on = asyncio.Event()
    most: list[int] = []
    waiting: set[str] = set()

    @app.on_completed
    async def slow(event: Ended) -> None:
        waiting.add(event.job_id)
        most.append(len(waiting))
        await going_on.wait()
        waiting.discard(event.job_id)

    @videos.job()
    async def anything(data: object) -> None: ...

    async with working(app, redis_url, concurrency=5):
        jobs = [await videos.add("x") for _ in range(60)]
        await until(lambda: len(waiting) >= 10, "the hooks are behind")
        going_on.set()
        await ended(videos, *(job.id for job in jobs))
    assert max(most) <= 10 + 5 * 3
