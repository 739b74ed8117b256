"""Queues and jobs as those who look after them are offered them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import BaseModel

from bullpen import App, ConfigurationError, JobMissing, WrongState
from bullpen.protocol import QueueKeys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import redis

KEYS = QueueKeys("bull", "videos")


@pytest.fixture
async def app(redis_url: str) -> AsyncIterator[App]:
    async with App(redis=redis_url) as opened:
        yield opened


async def test_a_queue_is_paused_looked_at_and_emptied(app: App, raw: redis.Redis) -> None:
    videos = app.queue("videos")
    for delay in (0, 0, "1h"):
        await videos.add("render", delay=delay)
    await videos.pause()
    await videos.set_concurrency(3)
    await videos.set_rate_limit((100, "1m"))
    settings = await videos.settings()
    assert (settings.paused, settings.concurrency) == (True, 3)
    assert (settings.rate_max, settings.rate_duration_ms) == (100, 60_000)
    counts = await videos.counts()
    assert (counts.waiting, counts.paused, counts.delayed) == (0, 2, 1)
    assert [record.id for record in await videos.jobs("waiting")] == ["1", "2"]
    await videos.resume()
    await videos.set_concurrency(None)
    await videos.set_rate_limit(None)
    assert (await videos.settings()).rate_max is None
    assert await videos.promote() == 1
    assert await videos.clean("waiting", older_than="1h") == []
    assert await videos.clean("waiting", limit=1) == ["1"]
    assert await videos.drain() == 2
    await videos.obliterate()
    assert raw.keys() == []


async def test_finished_jobs_are_retried_together_and_alone(app: App, raw: redis.Redis) -> None:
    videos = app.queue("videos")
    jobs = [await videos.add("render") for _ in range(3)]
    raw.delete(KEYS.wait)
    for job, state in zip(jobs, ("failed", "failed", "completed"), strict=True):
        raw.zadd(f"{KEYS.base}{state}", {job.id: 1})
    await jobs[0].retry()
    assert await videos.retry_failed() == 1
    await jobs[2].retry(completed=True, reset_attempts=True)
    assert (await videos.counts()).waiting == 3
    assert await videos.retry_failed(completed=True) == 0
    with pytest.raises(WrongState, match="job 1 is not failed"):
        await jobs[0].retry()


class Film(BaseModel):
    title: str


async def test_one_job_is_changed(app: App, raw: redis.Redis) -> None:
    videos = app.queue("videos")
    job = await videos.add("render", Film(title="one"), delay="1h")
    await job.update_data(Film(title="ü"))
    assert raw.hget(KEYS.job(job.id), "data") == '{"title":"ü"}'
    await job.change_delay("2h")
    assert raw.hget(KEYS.job(job.id), "delay") == "7200000"
    await job.change_priority(5)
    await job.promote()
    assert await job.state() == "prioritized"
    assert (await job.logs()).rows == ()
    await job.clear_logs()
    with pytest.raises(WrongState, match="job 1 is not delayed"):
        await job.promote()
    await job.remove()
    assert await job.state() == "unknown"
    with pytest.raises(JobMissing):
        await job.update_data({})


async def test_what_cannot_work_is_refused(app: App, raw: redis.Redis) -> None:
    videos = app.queue("videos")
    with pytest.raises(ConfigurationError, match="state is 'done': use one of completed"):
        await videos.clean("done")
    with pytest.raises(ConfigurationError, match="cannot be cleaned"):
        await videos.clean("unknown")
    with pytest.raises(ConfigurationError, match="older_than"):
        await videos.clean("failed", older_than="soon")
    with pytest.raises(ConfigurationError, match="duration of the rate limit is 0"):
        await videos.set_rate_limit((1, 0))
    with pytest.raises(ConfigurationError, match="priority is -1"):
        await videos.get("1").change_priority(-1)
    with pytest.raises(ConfigurationError, match="no JSON"):
        await videos.get("1").update_data(object())
    assert raw.keys() == []
