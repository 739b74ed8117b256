"""What a job keeps for its next attempt, and what of its reports is too long to keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from bullpen import App, Context, LockLost, ProtocolError, Retry
from bullpen.runtime.reports import LONGEST_REPORT
from tests.integration.worker.house import ended, working

if TYPE_CHECKING:
    import redis

AGAIN = Retry(attempts=3, delay=0)


class Progress(BaseModel):
    """How far a render is."""

    scene: int
    files: list[str]


@pytest.mark.parametrize("run", ["async", "thread"])
async def test_a_later_attempt_on_another_worker_goes_on_where_the_first_was(
    app: App, redis_url: str, raw: redis.Redis, run: str
) -> None:
    videos = app.queue("videos")
    starts: list[Any] = []

    if run == "async":

        @videos.job("render", retry=AGAIN)
        async def render(data: object, ctx: Context) -> int:
            state = ctx.checkpoint_as(Progress) or Progress(scene=0, files=[])
            starts.append(ctx.checkpoint)
            await ctx.save(Progress(scene=state.scene + 1, files=[*state.files, "a.png"]))
            assert ctx.checkpoint == {"scene": state.scene + 1, "files": [*state.files, "a.png"]}
            if ctx.attempt < 3:
                raise ValueError("again")
            return state.scene
    else:

        @videos.job("render", retry=AGAIN)
        def render_in_thread(data: object, ctx: Context) -> int:
            state = ctx.checkpoint_as(Progress) or Progress(scene=0, files=[])
            starts.append(ctx.checkpoint)
            ctx.save(Progress(scene=state.scene + 1, files=[*state.files, "a.png"])).result()
            if ctx.attempt < 3:
                raise ValueError("again")
            return state.scene

    job = await videos.add("render")
    async with working(app, redis_url, concurrency=1), working(app, redis_url, concurrency=1):
        assert await job.result(timeout=10) == 2
    assert starts == [None, {"scene": 1, "files": ["a.png"]}, {"scene": 2, "files": ["a.png", "a.png"]}]
    assert (await job.record()).checkpoint == raw.hget(f"bull:videos:{job.id}", "bp:state")
    await job.remove()
    assert not raw.exists(f"bull:videos:{job.id}")


async def test_what_cannot_be_saved_is_refused(app: App, redis_url: str, raw: redis.Redis) -> None:
    videos = app.queue("videos")

    @videos.job()
    async def anything(data: object, ctx: Context) -> None:
        with pytest.raises(
            ValueError, match="has 1,000,002 characters of JSON, of 1,000,000 at most: store it elsewhere"
        ):
            ctx.save("x" * 1_000_000)
        with pytest.raises(TypeError, match=r"^checkpoint.scenes\[1\]: a builtin|^checkpoint.scenes\[1\]: a object"):
            ctx.save({"scenes": [1, object()]})
        await ctx.save([1])
        with pytest.raises(ProtocolError, match="has saved something that is no Progress"):
            ctx.checkpoint_as(Progress)
        await ctx.save(None)
        assert ctx.checkpoint is None
        await ctx.save("mine")
        raw.set(f"bull:videos:{ctx.job_id}:lock", "somebody else's", px=30_000)
        with pytest.raises(LockLost):
            await ctx.save("too late")
        assert ctx.checkpoint == "mine"

    async with working(app, redis_url):
        job = await videos.add("x")
        await until_saved(raw, job.id)
    assert (await job.record()).checkpoint == '"mine"'


async def until_saved(raw: redis.Redis, job_id: str) -> None:
    from tests.integration.worker.house import until

    await until(lambda: raw.get(f"bull:videos:{job_id}:lock") == "somebody else's", "the lock is another's")


async def test_a_job_changes_its_data(app: App, redis_url: str) -> None:
    videos = app.queue("videos")

    @videos.job("render", retry=AGAIN)
    async def render(data: dict[str, int], ctx: Context) -> dict[str, int]:
        if ctx.attempt == 1:
            await ctx.update_data({"scene": data["scene"] + 1})
            raise ValueError("again")
        return data

    async with working(app, redis_url):
        assert await (await videos.add("render", {"scene": 1})).result(timeout=10) == {"scene": 2}


async def test_reports_of_ten_megabytes_are_cut_with_a_note(app: App, redis_url: str) -> None:
    videos = app.queue("videos")
    long = "x" * 10_000_000

    @videos.job()
    async def anything(data: object, ctx: Context) -> str:
        await ctx.log(long)
        await ctx.progress({"frames": long})
        return "done"

    async with working(app, redis_url):
        job = await videos.add("x")
        assert await job.result(timeout=20) == "done"
    [row] = (await job.logs()).rows
    assert len(row) == LONGEST_REPORT
    assert row.endswith("… (cut: it had 10,000,000 characters, of 65,536 at most)")
    progress = await job.progress()
    assert progress.startswith('{"frames":"xxx')
    assert progress.endswith("… (cut: it had 10,000,013 characters, of 65,536 at most)")


async def test_a_result_that_is_no_json_names_its_place(app: App, redis_url: str) -> None:
    videos = app.queue("videos")

    @videos.job()
    async def anything(data: object) -> Any:
        return {"items": [1, {"when": Progress.__init__}]}

    async with working(app, redis_url):
        job = await videos.add("x", retry=AGAIN)
        [record] = await ended(videos, job.id)
    assert record.attempts_made == 1
    assert str(record.failed_reason).startswith(
        "the job returned what is no JSON: result.items[1].when: a function is no JSON"
    )
