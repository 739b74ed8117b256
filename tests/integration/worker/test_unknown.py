"""Jobs whose names the app does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bullpen import App, Context, NewJob, Retry
from bullpen.serving.metrics import exposition
from tests.integration.worker.house import ended, working

if TYPE_CHECKING:
    import pytest
    import redis

UNKNOWN = 10_000


async def test_ten_thousand_unknown_names_are_left_and_hold_up_nobody(
    app: App, redis_url: str, raw: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    videos = app.queue("videos", unknown="leave")

    @videos.job("known")
    async def known(data: int) -> int:
        return data

    await videos.add_bulk([NewJob(f"unknown-{n}") for n in range(UNKNOWN)])
    async with working(app, redis_url) as worker:
        jobs = await videos.add_bulk([NewJob("known", n) for n in range(100)])
        await ended(videos, *(job.id for job in jobs))
        text = exposition(worker.counts)().decode()
    assert "unknown-" not in text
    assert len(text) < 50_000
    assert caplog.text.count("are left for other workers") == 1
    counts = await videos.counts()
    assert (counts.failed, counts.delayed + counts.waiting) == (0, UNKNOWN)
    # Not taken again and again: after a second, and two, and so on.
    assert int(str(raw.hget("bull:videos:1", "bp:left"))) < 10
    assert raw.hget("bull:videos:1", "ats") == "0"
    assert raw.hget("bull:videos:1", "atm") is None


async def test_a_job_that_is_left_waits_for_a_worker_that_knows_it(app: App, redis_url: str, raw: redis.Redis) -> None:
    async with App(redis=redis_url) as other:

        @app.queue("videos", unknown="leave").job("ours")
        async def ours(data: object) -> None: ...

        job = await app.queue("videos").add("theirs", retry=Retry(attempts=1))
        async with working(app, redis_url):
            while await job.state() != "delayed":
                pass
        due = float(raw.zscore("bull:videos:delayed", job.id) or 0) / 4096

        @other.queue("videos").job("theirs")
        async def theirs(data: object, ctx: Context) -> int:
            return ctx.attempt

        async with working(other, redis_url):
            assert await job.result(timeout=10) == 1
        record = await job.record()
    assert record.processed_on is not None
    assert record.processed_on >= due
    assert record.attempts_made == 1


async def test_being_left_uses_up_no_start(app: App, redis_url: str, raw: redis.Redis) -> None:
    async with App(redis=redis_url) as other:

        @app.queue("videos", unknown="leave").job("ours")
        async def ours(data: object) -> None: ...

        job = await app.queue("videos").add("theirs", retry=Retry(attempts=2, delay=0))
        async with working(app, redis_url):
            for times in ("1", "2", "3"):
                while await job.state() != "delayed" or raw.hget(f"bull:videos:{job.id}", "bp:left") != times:
                    pass
                if times != "3":
                    await job.promote()

        starts: list[int] = []

        @other.queue("videos", max_started_attempts=2).job("theirs")
        async def theirs(data: object, ctx: Context) -> None:
            starts.append(ctx.attempt)
            if len(starts) == 1:
                raise ValueError("once more")

        await job.promote()
        async with working(other, redis_url):
            await job.result(timeout=10)
        record = await job.record()
    assert starts == [1, 2]
    assert (record.attempts_made, record.attempts_started, record.left) == (2, 2, 3)


async def test_unknown_names_that_fail_hold_up_nobody(app: App, redis_url: str) -> None:
    videos = app.queue("videos")

    @videos.job("known")
    async def known(data: int) -> int:
        return data

    jobs = await videos.add_bulk([NewJob(f"unknown-{n}", retry=Retry(attempts=1)) for n in range(1000)])
    async with working(app, redis_url) as worker:
        assert await (await videos.add("known", 1)).result(timeout=20) == 1
        records = await ended(videos, *(job.id for job in jobs))
        assert "unknown-" not in exposition(worker.counts)().decode()
    assert all("no job named 'unknown-" in str(record.failed_reason) for record in records)
