"""What an app puts around its jobs is there in a test too, and where they run."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from bullpen import App, Context
from bullpen.testing import Ending, run_job, worker

app = App()
jobs = app.queue("around")
seen: list[str] = []


class Pool:
    """Something to be opened once."""


@app.resource
async def pool() -> AsyncIterator[Pool]:
    seen.append("open")
    yield Pool()
    seen.append("close")


@app.middleware
async def around(ctx: Context, call_next: Callable[[], Awaitable[object]]) -> object:
    seen.append(f"before {ctx.name}")
    try:
        return await call_next()
    finally:
        seen.append(f"after {ctx.name}")


@jobs.job("use")
async def use(data: int, pool: Pool) -> str:
    return f"{type(pool).__name__} {data}"


@jobs.job("where", run="process")
def where(data: int, ctx: Context) -> int:
    ctx.progress(data)
    return os.getpid()


@jobs.job("late", timeout="100ms")
async def late(data: object) -> None:
    await asyncio.Event().wait()


@jobs.job("late-process", run="process", timeout="200ms")
def late_process(data: object) -> None:
    time.sleep(600)


@jobs.job("step")
async def step(data: object, ctx: Context) -> int:
    done: int = ctx.checkpoint or 0
    await ctx.save(done + 1)
    if not done:
        raise ValueError("after the first step")
    return done


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    seen.clear()


async def test_a_job_alone_has_its_resources_and_what_is_around() -> None:
    run = await run_job(use, 7)
    assert run.value == "Pool 7"
    assert seen == ["open", "before use", "after use", "close"]


async def test_resources_are_made_once_whatever_time_it_becomes() -> None:
    async with worker(app) as running:
        for number in range(3):
            await jobs.add("use", number)
            await running.advance("1h")
        assert [each.return_value for each in await running.completed()] == ["Pool 0", "Pool 1", "Pool 2"]
    assert (seen.count("open"), seen.count("close"), seen[-1]) == (1, 1, "close")


async def test_a_job_for_a_process_runs_here_when_it_is_alone() -> None:
    run = await run_job(where, 5)
    assert (run.value, run.progress) == (os.getpid(), (5,))


async def test_a_job_for_a_process_has_one_when_the_app_is_at_work() -> None:
    async with worker(app, concurrency=2) as running:
        job = await jobs.add("where", 5)
        await running.drained(timeout="60s")
        assert await job.result() != os.getpid()
        assert await job.progress() == 5


async def test_a_job_whose_time_is_up_fails() -> None:
    run = await run_job(late)
    assert (run.ending, run.again_in) == (Ending.RETRIED, 1.0)
    assert run.reason is not None
    assert "timeout of 100ms" in run.reason


async def test_a_process_whose_time_is_up_is_ended() -> None:
    async with worker(app, concurrency=2) as running:
        await jobs.add("late-process")
        await running.settled(timeout="60s")
        (failed,) = await running.failed()
        assert (failed.attempts_made, "timeout of 200ms" in str(failed.failed_reason)) == (4, True)


async def test_what_an_attempt_saved_is_seen_and_can_be_given() -> None:
    first = await run_job(step)
    assert (first.ending, first.checkpoint) == (Ending.RETRIED, 1)
    second = await run_job(step, attempt=2, checkpoint=first.checkpoint)
    assert (second.value, second.checkpoint) == (1, 2)
