"""Jobs that run longer than they may: cancelled, killed with their process, or left behind with their worker."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bullpen.protocol.causes import Cause
from tests.integration.worker.house import ended, process_app, serving, until, working

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bullpen import Queue

APP = "process_app:app"


@pytest.fixture
async def videos(redis_url: str) -> AsyncIterator[Queue]:
    async with process_app(redis_url) as app:
        yield app.queue("videos")


async def test_a_process_job_is_killed_when_its_time_is_up_and_the_next_one_has_a_process(
    videos: Queue, redis_url: str
) -> None:
    async with working(videos.app, redis_url, reference=APP, concurrency=1):
        late, quick = await videos.add("late", 60.0), await videos.add("late", 0.0)
        before = time.time()
        records = await ended(videos, late.id, quick.id)
    assert records[0].failed_reason == "TimeoutError: job ran longer than its timeout of 300ms"
    assert records[0].cause is Cause.TIMEOUT
    assert before < records[1].return_value < time.time() + 0.3  # the deadline it saw
    assert records[1].cause is None


async def test_what_a_killed_process_had_started_is_killed_with_it(videos: Queue, redis_url: str) -> None:
    async with working(videos.app, redis_url, reference=APP):
        job = await videos.add("program")
        (record,) = await ended(videos, job.id)
        started = record.progress
        assert record.cause is Cause.TIMEOUT
        assert started > 0
        await until(lambda: not _lives(started), "the program is gone")


@pytest.mark.parametrize("how", ["cancelled", "swallow"])
async def test_an_async_job_is_cancelled_when_its_time_is_up(videos: Queue, redis_url: str, how: str) -> None:
    async with working(videos.app, redis_url, reference=APP, concurrency=1) as worker:
        job = await videos.add("late-async", how)
        (record,) = await ended(videos, job.id)
        assert await (await videos.add("quick")).result(timeout=20) == "done"
        assert worker.health.queues[0].slots.stuck == 0
    assert record.failed_reason == "TimeoutError: job ran longer than its timeout of 200ms"
    assert record.cause is Cause.TIMEOUT
    assert "asyncio.sleep(" in record.stack_trace[0]  # where it was


async def test_a_thread_job_that_listens_is_no_loss(videos: Queue, redis_url: str) -> None:
    async with working(videos.app, redis_url, reference=APP, concurrency=1) as worker:
        job = await videos.add("late-thread", 60.0)
        (record,) = await ended(videos, job.id)
        assert await (await videos.add("quick")).result(timeout=20) == "done"
        assert worker.health.queues[0].slots.stuck == 0
    assert record.cause is Cause.TIMEOUT


@pytest.mark.parametrize(("name", "data"), [("late-thread", -60.0), ("late-async", "stuck")])
async def test_a_stuck_job_is_failed_its_slot_is_lost_and_the_worker_leaves(
    videos: Queue, redis_url: str, caplog: pytest.LogCaptureFixture, name: str, data: object
) -> None:
    left: list[int] = []
    async with working(videos.app, redis_url, reference=APP, left=left, concurrency=2, stuck_seconds=0.1) as worker:
        job = await videos.add(name, data)
        (record,) = await ended(videos, job.id)
        assert "time is up, and its function does not stop" in caplog.text
        await until(lambda: left != [], "the worker is replaced")
        (queue,) = worker.health.queues
        assert (queue.slots.stuck, queue.slots.running) == (1, 1)
    assert left == [75]
    assert record.cause is Cause.TIMEOUT
    assert "sleep(" in record.stack_trace[0]  # where it still is
    assert "bullpen/runtime" not in record.stack_trace[0]
    if name == "late-thread":
        assert "This worker is to be replaced: 1 stuck job after 100ms; it ends with exit code 75" in caplog.text


async def test_a_stuck_job_that_ends_gives_its_slot_back(videos: Queue, redis_url: str) -> None:
    async with working(videos.app, redis_url, reference=APP, concurrency=1) as worker:
        job = await videos.add("late-thread", -4.0)
        await ended(videos, job.id)
        (queue,) = worker.health.queues
        assert queue.slots.stuck == 1
        assert await (await videos.add("quick")).result(timeout=20) == "done"
        assert queue.slots.stuck == 0


async def test_a_worker_with_a_stuck_thread_ends_its_process(videos: Queue, redis_url: str, tmp_path: Path) -> None:
    """Although the interpreter would wait for the thread."""
    with serving(APP, redis_url, tmp_path / "log", STUCK_JOBS="1") as process:
        job = await videos.add("late-thread", -600.0)
        await ended(videos, job.id)
        process.signal(signal.SIGTERM)
        assert await process.exit_code() == 0  # put up with one, and told to end for another reason


def _lives(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
