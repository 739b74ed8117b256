"""Layers around jobs: in order, wherever the job runs, and what they return or raise counts."""

from __future__ import annotations

from typing import Any

import pytest

from bullpen import App, Context, Delay, JobFailed, Retry, Unrecoverable
from bullpen.runtime.around import CallNext
from tests.integration.worker.house import ended, working

ONCE = Retry(attempts=1)


async def test_layers_are_entered_in_the_order_declared_around_all_kinds_of_jobs(app: App, redis_url: str) -> None:
    videos = app.queue("videos")
    told: list[str] = []

    @app.middleware
    async def outer(ctx: Context, call_next: CallNext) -> Any:
        told.append(f"outer {ctx.name}")
        try:
            return [await call_next()]
        finally:
            told.append("outer done")

    @app.middleware
    async def inner(ctx: Context, call_next: CallNext) -> Any:
        told.append(f"inner {ctx.attempt}")
        return {"value": await call_next()}

    @videos.job("async")
    async def on_the_loop(data: int) -> int:
        told.append("job")
        return data

    @videos.job("thread")
    def in_a_thread(data: int) -> int:
        told.append("job")
        return data

    async with working(app, redis_url):
        for name in ("async", "thread"):
            told.clear()
            assert await (await videos.add(name, 7)).result(timeout=10) == [{"value": 7}]
            assert told == [f"outer {name}", "inner 1", "job", "outer done"]


async def test_a_layer_decides_what_becomes_of_the_job(app: App, redis_url: str) -> None:
    videos = app.queue("videos")
    runs: list[str] = []
    seen: list[str] = []

    @app.middleware
    async def layer(ctx: Context, call_next: CallNext) -> Any:
        if ctx.name == "skipped":
            return "not run"
        if ctx.name == "delayed" and not runs:
            runs.append("put off")
            raise Delay("50ms")
        try:
            return await call_next()
        except ValueError as error:
            raise Unrecoverable(f"will never work: {error}") from error
        except Unrecoverable as error:
            seen.append(str(error))
            raise

    @videos.job("typed")
    async def typed(data: int) -> None: ...

    @videos.job()
    async def anything(data: object, ctx: Context) -> str:
        runs.append(ctx.name)
        if ctx.name == "fails":
            raise ValueError("no paint")
        return "done"

    async with working(app, redis_url):
        assert await (await videos.add("skipped")).result(timeout=10) == "not run"
        job = await videos.add("delayed")
        assert await job.result(timeout=10) == "done"
        assert (await job.record()).attempts_made == 1
        with pytest.raises(JobFailed, match=r"^will never work: no paint$"):
            await (await videos.add("fails", retry=Retry(attempts=5))).result(timeout=10)
        added = await (await videos.producer()).add("typed", "x")
        await ended(videos, added.job_id)
    assert runs == ["put off", "delayed", "fails"]
    assert seen[0].startswith("data does not fit int")
