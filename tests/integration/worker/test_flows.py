"""Flows over two queues, worked off by our worker."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from bullpen import App, ConfigurationError, Context, Flow, JobFailed, JobMissing, Retry, WaitForChildren
from tests.integration.worker.house import ended, working

if TYPE_CHECKING:
    import redis

ONCE = Retry(attempts=1)


async def test_a_parent_gets_the_values_of_its_children(app: App, redis_url: str, raw: redis.Redis) -> None:
    videos, images = app.queue("videos"), app.queue("images")

    @images.job("draw")
    async def draw(data: int) -> dict[str, int]:
        return {"scene": data}

    @videos.job("merge")
    async def merge(data: str, ctx: Context) -> list[Any]:
        with pytest.raises(RuntimeError, match="await the answer instead"):
            ctx.children_values().result()
        values = await ctx.children_values()
        assert all(key.startswith("bull:images:") for key in values)
        return [data, *sorted(value["scene"] for value in values.values())]

    @videos.job("publish")
    def publish(data: object, ctx: Context) -> Any:
        return ctx.children_values().result()

    scenes = [Flow(queue=images, name="draw", data=number) for number in range(5)]
    async with working(app, redis_url):
        flow = await app.flow(
            Flow(queue="videos", name="publish", children=[Flow(queue=videos, name="merge", data="x", children=scenes)])
        )
        [merged] = flow.children
        assert await flow.job.result(timeout=10) == {f"bull:videos:{merged.job.id}": ["x", 0, 1, 2, 3, 4]}
    assert len(merged.children) == 5
    assert await merged.job.children_values() == {
        f"bull:images:{child.job.id}": {"scene": number} for number, child in enumerate(merged.children)
    }
    assert raw.zcard("bull:videos:waiting-children") == 0


async def test_a_child_that_fails_fails_its_parents_unless_told_otherwise(app: App, redis_url: str) -> None:
    videos = app.queue("videos")

    @videos.job("boom")
    async def boom(data: object) -> None:
        raise ValueError("no paint")

    @videos.job()
    async def anything(data: object, ctx: Context) -> int:
        failures = await ctx.children_failures()
        assert list(failures.values()) in ([], ["ValueError: no paint"])
        return len(await ctx.children_values())

    failing = Flow(queue=videos, name="boom", retry=ONCE)
    async with working(app, redis_url):
        flow = await app.flow(
            Flow(queue=videos, name="root", children=[Flow(queue=videos, name="middle", children=[failing])])
        )
        middle = f"bull:videos:{flow.children[0].job.id}"
        with pytest.raises(JobFailed, match=f"child {middle} failed"):
            await flow.job.result(timeout=10)
        ignored = Flow(queue=videos, name="boom", retry=ONCE, on_failure="ignore_failure")
        flow = await app.flow(Flow(queue=videos, name="root", children=[ignored, Flow(queue=videos, name="fine")]))
        assert await flow.job.result(timeout=10) == 1


async def test_a_job_adds_children_and_waits_for_them(app: App, redis_url: str, raw: redis.Redis) -> None:
    videos, images = app.queue("videos"), app.queue("images")

    @images.job("draw")
    async def draw(data: int) -> int:
        return data * 10

    @videos.job("plan")
    async def plan(data: object, ctx: Context) -> int:
        if values := await ctx.children_values():
            return sum(values.values())
        for scene in range(3):
            await app.flow(Flow(queue=images, name="draw", data=scene, job_id=f"scene-{scene}"), parent=ctx)
        raise WaitForChildren

    async with working(app, redis_url):
        job = await videos.add("plan", retry=ONCE)
        assert await job.result(timeout=10) == 30
    assert (raw.hget(f"bull:videos:{job.id}", "ats"), raw.hget(f"bull:videos:{job.id}", "atm")) == ("2", "1")


async def test_a_job_that_waits_for_nothing_goes_on(app: App, redis_url: str) -> None:
    videos = app.queue("videos")
    starts = []

    @videos.job("plan")
    async def plan(data: object) -> int:
        starts.append(1)
        if len(starts) == 1:
            raise WaitForChildren
        return len(starts)

    async with working(app, redis_url):
        assert await (await videos.add("plan", retry=ONCE)).result(timeout=10) == 2


async def test_a_job_cannot_complete_before_its_children(app: App, redis_url: str) -> None:
    """An ordinary failure: it is tried again if it has attempts left (protocol §4.2)."""
    videos = app.queue("videos")

    @videos.job("plan")
    async def plan(data: object, ctx: Context) -> str:
        await app.flow(Flow(queue=videos, name="later", delay="1h"), parent=ctx)
        return "done too early"

    async with working(app, redis_url):
        [record] = await ended(videos, (await videos.add("plan", retry=Retry(attempts=2, delay=0))).id)
    assert "children of it are still pending" in str(record.failed_reason)
    assert record.attempts_made == 2


async def test_a_job_cannot_complete_after_a_child_failed_it(app: App, redis_url: str) -> None:
    videos, images = app.queue("videos"), app.queue("images")
    failed = asyncio.Event()

    @images.job("draw")
    async def draw(data: object) -> None:
        raise ValueError("no paint")

    @videos.job("plan")
    async def plan(data: str, ctx: Context) -> str:
        drawing = await app.flow(Flow(queue=images, name="draw", retry=ONCE), parent=ctx)
        await ended(images, drawing.job.id)
        failed.set()
        if data == "wait":
            raise WaitForChildren
        return "in vain"

    async with working(app, redis_url):
        for data in ("return", "wait"):
            [record] = await ended(videos, (await videos.add("plan", data)).id)
            assert "a child of this job failed" in str(record.failed_reason)
            assert record.attempts_made == 1, "trying again would not mend it"
    assert failed.is_set()


async def test_what_a_flow_refuses(app: App, raw: redis.Redis) -> None:
    with pytest.raises(ConfigurationError, match=r"Flow\(on_failure='explode'\): unknown; use 'fail_parent'"):
        await app.flow(Flow(queue="videos", name="merge", on_failure="explode"))  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="priority"):
        await app.flow(Flow(queue="videos", name="merge", children=[Flow(queue="videos", name="cut", priority=-1)]))
    with pytest.raises(JobMissing, match="parent bull:videos:gone does not exist"):
        await app.flow(Flow(queue="videos", name="merge"), parent=app.queue("videos").get("gone"))
    tree = Flow(queue="videos", name="leaf")
    for _ in range(5_000):
        tree = Flow(queue="videos", name="node", children=[tree])
    with pytest.raises(ConfigurationError, match="nested too deeply"):
        await app.flow(tree)
    assert raw.dbsize() == 0


async def test_a_job_in_a_thread_adds_jobs_and_waits_for_them(app: App, redis_url: str) -> None:
    """By the facade, whose loop is not the worker's: its children are added, and it waits for another queue's job."""
    videos, images = app.queue("videos"), app.queue("images")

    @images.job("draw")
    async def draw(data: int) -> int:
        return data

    @videos.job("merge")
    def merge(data: object, ctx: Context) -> list[int]:
        if not ctx.children_values().result():
            app.sync.flow(Flow(queue=images, name="draw", data=1), parent=ctx)
            raise WaitForChildren
        asked: int = app.sync.queue("images").add("draw", 2).result(timeout=10)
        return [*ctx.children_values().result().values(), asked]

    async with working(app, redis_url):
        assert await (await videos.add("merge")).result(timeout=20) == [1, 2]
    app.sync.close()
