from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from bullpen import App, Context, Flow, JobFailed, RateLimited, Retry
from bullpen.errors import ConfigurationError, ConnectionLost
from bullpen.testing import RunningWorker, sync, worker
from tests.integration.testing.studio import Render, app, mails, videos


def mail(of: str) -> Flow:
    return Flow(queue=mails, name="news", data={"of": of})


async def test_jobs_run_and_what_they_add_too() -> None:
    async with worker(app) as running:
        job = await videos.add("generate", Render(script_id="s1"))
        await running.drained()
        assert await job.result() == {"videoUrl": "https://videos.example/s1"}
        assert [each.name for each in await running.added()] == ["generate", "done"]
        assert [each.return_value for each in await running.completed(mails)] == ["done to s1"]
        assert await running.failed() == []


async def test_every_worker_begins_with_an_empty_redis() -> None:
    for _ in range(2):
        async with worker(app) as running:
            assert (await videos.add("tick")).id == "1"
            await running.drained()
            assert len(await running.added()) == 1


async def test_the_app_is_as_it_was_afterwards() -> None:
    async with worker(app):
        await videos.counts()
    assert app.redis is not None
    assert str(app.redis()) == "redis://127.0.0.1:1/0"
    with pytest.raises((ConnectionLost, TimeoutError)):
        async with asyncio.timeout(0.05):
            await videos.counts()
    await app.aclose()


async def test_retries_are_not_waited_for() -> None:
    async with worker(app) as running:
        job = await videos.add("generate", Render(script_id="s1", fails=2))
        await running.drained()
        assert (await job.state(), (await job.record()).attempts_made) == ("delayed", 1)
        await running.advance("2s")
        assert (await job.record()).attempts_made == 2
        await running.advance("1s")
        assert (await job.record()).attempts_made == 2
        await running.advance("3s")
        assert await job.state() == "completed"
        await running.settled()


async def test_everything_ends_when_it_settles() -> None:
    async with worker(app) as running:
        gone = await videos.add("generate", Render(script_id="s1", fails=9))
        late = await videos.add("tick", delay="1h")
        before = running.now
        await running.settled()
        assert [each.id for each in await running.failed(videos)] == [gone.id]
        assert datetime.fromisoformat(await late.result()) > before + timedelta(minutes=59)
        with pytest.raises(JobFailed, match="no frames"):
            await gone.result()


async def test_a_schedule_runs_at_each_of_its_times() -> None:
    async with worker(app) as running:
        await videos.schedule("hourly", name="tick", every="1h")
        await running.drained()
        had = len(await running.completed(videos))
        await running.advance("5h")
        times = [datetime.fromisoformat(each.return_value) for each in await running.completed(videos)]
        assert len(times) - had in (5, 6)  # one more when the hour ends while the test runs
        for earlier, later in zip(times[had:], times[had + 1 :], strict=False):
            assert timedelta(minutes=59) < later - earlier < timedelta(minutes=61)


async def test_a_cron_schedule_runs_by_the_calendar() -> None:
    async with worker(app) as running:
        await videos.schedule("nightly", name="tick", cron="0 3 * * *", tz="Europe/Berlin")
        await running.advance("3d")
        times = [datetime.fromisoformat(each.return_value) for each in await running.completed(videos)]
        assert len(times) == 3
        assert {each.minute for each in times} == {0}


async def test_the_clock_is_the_real_one_again_afterwards() -> None:
    before = datetime.now(UTC)
    async with worker(app) as running:
        await running.advance("365d")
        assert running.now - before > timedelta(days=364)
    assert datetime.now(UTC) - before < timedelta(days=1)


async def test_a_limit_holds_until_its_time_is_over() -> None:
    async with worker(app) as running:
        for number in range(5):
            await mails.add("news", {"of": str(number)})
        await running.drained()
        assert len(await running.completed(mails)) == 2
        await running.advance("1m")
        assert len(await running.completed(mails)) == 4
        await running.settled()
        assert len(await running.completed(mails)) == 5


async def test_a_job_that_limits_its_queue_holds_up_the_others() -> None:
    limited = App()
    queue = limited.queue("calls")

    @queue.job()
    async def call(data: object, ctx: Context) -> str:
        if ctx.name == "first" and not told:
            told.append(ctx.name)
            raise RateLimited("1m")
        return ctx.name

    told: list[str] = []
    async with worker(limited, concurrency=1) as running:
        await queue.add("first")
        await running.drained()
        await queue.add("second")
        await running.drained()
        assert await running.completed() == []
        await running.advance("1m")
        assert [each.return_value for each in await running.completed()] == ["first", "second"]


async def test_a_running_job_keeps_its_lock_when_the_clock_jumps() -> None:
    slow = App()
    queue = slow.queue("slow")
    go = asyncio.Event()

    @queue.job("wait")
    async def wait(data: object) -> str:
        await go.wait()
        return "done"

    async with worker(slow) as running:
        job = await queue.add("wait")
        with pytest.raises(TimeoutError, match=r"still running: job 1 \(wait\) of slow"):
            await running.drained(timeout="100ms")
        await running._forward(3600)
        go.set()
        await running.drained()
        assert (await job.result(), (await job.record()).attempts_started) == ("done", 1)


async def test_a_paused_queue_counts_as_drained() -> None:
    async with worker(app) as running:
        await videos.pause()
        job = await videos.add("tick")
        await running.drained()
        assert await running.completed() == []
        await videos.resume()
        await running.drained()
        assert await job.state() == "completed"


async def test_a_flow_runs_over_queues() -> None:
    async with worker(app) as running:
        flow = await app.flow(Flow(queue=videos, name="merge", children=[mail("a"), mail("b")]))
        await running.drained()
        assert await flow.job.result() == ["news to a", "news to b"]


async def test_jobs_of_queues_that_nobody_serves_are_there_to_look_at() -> None:
    producer = App()
    own, elsewhere = producer.queue("own"), producer.queue("elsewhere")

    @own.job()
    async def forward(data: int) -> None:
        await elsewhere.add("go", {"n": data}, retry=Retry(attempts=7))

    async with worker(producer) as running:
        await own.add("any", 1)
        await running.drained()
        (added,) = await running.added(elsewhere)
        assert (added.name, added.data, added.options.attempts) == ("go", {"n": 1}, 7)


async def test_an_app_without_jobs_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="have no jobs"):
        async with worker(App()):
            pass
    with pytest.raises(ConfigurationError, match=r"give a bullpen\.App"):
        async with worker("app:app"):  # type: ignore[arg-type]
            pass


async def test_what_goes_wrong_in_the_block_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        async with worker(app):
            raise ZeroDivisionError


async def test_a_timeout_says_what_is_left() -> None:
    async with worker(app) as running:
        assert isinstance(running, RunningWorker)
        await videos.add("tick", delay="1s")
        with pytest.raises(ConfigurationError, match="advance"):
            await running.advance(-1)


def test_a_test_without_an_event_loop_does_the_same() -> None:
    with sync.worker(app) as running:
        job = app.sync.queue("video-generation").add("generate", Render(script_id="s1", fails=1))
        running.drained()
        assert job.state() == "delayed"
        running.advance("2s")
        assert job.result() == {"videoUrl": "https://videos.example/s1"}
        assert [each.name for each in running.added()] == ["generate", "done"]
        assert [each.name for each in running.added(app.sync.queue("mails"))] == ["done"]


def test_an_error_in_a_block_without_an_event_loop_is_raised() -> None:
    with pytest.raises(ZeroDivisionError), sync.worker(app):
        raise ZeroDivisionError
