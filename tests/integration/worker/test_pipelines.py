"""Chains, groups and what a job gathers, over several queues."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from bullpen import App, Context, Flow, JobFailed, Retry, chain, group, map_reduce
from tests.integration.worker.house import working

if TYPE_CHECKING:
    import redis

ONCE = Retry(attempts=1)


class Image(BaseModel):
    """What drawing gives."""

    scene: int


async def test_each_step_of_a_chain_gets_what_the_one_before_returned(app: App, redis_url: str) -> None:
    scripts, videos = app.queue("scripts"), app.queue("videos")

    @scripts.job("write")
    async def write(data: str, ctx: Context) -> list[str]:
        assert await ctx.previous() is None
        return data.split()

    @videos.job("count")
    def count(data: object, ctx: Context) -> int:
        return len(ctx.previous(list[str]).result())

    @videos.job("double")
    async def double(data: object, ctx: Context) -> int:
        return 2 * await ctx.previous(int)

    async with working(app, redis_url):
        flow = await app.flow(
            chain(
                Flow(queue=scripts, name="write", data="once upon a time"),
                Flow(queue=videos, name="count"),
                Flow(queue=videos, name="double"),
            )
        )
        assert await flow.job.result(timeout=10) == 8


@pytest.mark.parametrize("ids", [False, True], ids=["ids of the flow", "ids given"])
async def test_a_group_gives_its_results_in_order(app: App, redis_url: str, ids: bool) -> None:
    videos, images = app.queue("videos"), app.queue("images")

    @images.job("draw")
    async def draw(data: int) -> Image:
        return Image(scene=data)

    @videos.job("merge")
    async def merge(data: object, ctx: Context) -> list[int]:
        with pytest.raises(ValueError, match=r"waited for 12 jobs, not for one: ctx.results\(\)"):
            await ctx.previous()
        return [image.scene for image in await ctx.results(Image)]

    members = [
        Flow(queue=images, name="draw", data=n, delay=(12 - n) / 100, job_id=f"scene-{n}" if ids else None)
        for n in range(12)
    ]
    async with working(app, redis_url):
        flow = await app.flow(chain(group(*members), Flow(queue=videos, name="merge")))
        assert await flow.job.result(timeout=10) == list(range(12))


async def test_map_and_reduce(app: App, redis_url: str) -> None:
    numbers = app.queue("numbers")

    @numbers.job("square")
    def square(data: int) -> int:
        return data * data

    @numbers.job("sum")
    async def total(data: object, ctx: Context) -> int:
        return sum(await ctx.results(int))

    async with working(app, redis_url):
        tree = map_reduce(Flow(queue=numbers, name="square"), range(100), reducer=Flow(queue=numbers, name="sum"))
        assert await (await app.flow(tree)).job.result(timeout=10) == sum(n * n for n in range(100))


@pytest.mark.parametrize("run", ["async", "thread"])
async def test_a_job_gathers_stage_after_stage_and_does_no_stage_twice(
    app: App, redis_url: str, raw: redis.Redis, run: str
) -> None:
    videos, images = app.queue("videos"), app.queue("images")
    drawn: list[int] = []
    attempts: list[int] = []

    @images.job("draw")
    async def draw(data: int) -> Image:
        drawn.append(data)
        return Image(scene=data)

    @images.job("encode")
    async def encode(data: int) -> str:
        return f"{data}.mp4"

    @images.job("write")
    async def write(data: object) -> int:
        return 12

    if run == "async":

        @videos.job("movie", retry=Retry(attempts=2, delay=0))
        async def movie(data: object, ctx: Context) -> list[str]:
            scenes = range(await ctx.previous(int))
            drawing = [Flow(queue=images, name="draw", data=n) for n in scenes]
            pictures = await app.gather(drawing, parent=ctx, stage="draw", as_=Image)
            encoding = [Flow(queue="images", name="encode", data=each.scene) for each in pictures]
            parts = await app.gather(encoding, parent=ctx, stage="encode")
            attempts.append(ctx.attempt)
            if ctx.attempt == 1:
                raise ValueError("again")
            return parts
    else:

        @videos.job("movie", retry=Retry(attempts=2, delay=0))
        def movie_in_thread(data: object, ctx: Context) -> list[str]:
            scenes = range(ctx.previous(int).result())
            drawing = [Flow(queue=images, name="draw", data=n) for n in scenes]
            pictures = app.sync.gather(drawing, parent=ctx, stage="draw", as_=Image)
            encoding = [Flow(queue="images", name="encode", data=each.scene) for each in pictures]
            parts = app.sync.gather(encoding, parent=ctx, stage="encode")
            attempts.append(ctx.attempt)
            if ctx.attempt == 1:
                raise ValueError("again")
            return parts

    async with working(app, redis_url):
        flow = await app.flow(chain(Flow(queue=images, name="write"), Flow(queue=videos, name="movie")))
        assert await flow.job.result(timeout=20) == [f"{n}.mp4" for n in range(12)]
    app.sync.close()
    assert sorted(drawn) == list(range(12))
    assert attempts == [1, 2]
    assert raw.hget(f"bull:videos:{flow.job.id}", "atm") == "2"


async def test_a_gathered_job_that_fails_fails_the_job_or_is_none(app: App, redis_url: str) -> None:
    videos = app.queue("videos")

    @videos.job("draw")
    async def draw(data: int) -> int:
        if data == 1:
            raise ValueError("no paint")
        return data

    @videos.job("movie")
    async def movie(data: bool, ctx: Context) -> list[Any]:
        effect: Any = "ignore_failure" if data else "fail_parent"
        flows = [Flow(queue=videos, name="draw", data=n, retry=ONCE, on_failure=effect) for n in range(3)]
        return await app.gather(flows, parent=ctx, stage="draw")

    async with working(app, redis_url):
        assert await (await videos.add("movie", True)).result(timeout=10) == [0, None, 2]
        with pytest.raises(JobFailed, match=r"child .* failed"):
            await (await videos.add("movie", False)).result(timeout=10)
