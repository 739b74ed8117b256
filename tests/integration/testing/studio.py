"""An app under test: videos, a thing of each that a job can do."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from bullpen import App, Context, Delay, RateLimited, Requeue, Retry, Unrecoverable, WaitForChildren

app = App(redis="redis://127.0.0.1:1")  # where nobody listens
videos = app.queue("video-generation")
mails = app.queue("mails", limiter=(2, "1m"))


class Render(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    script_id: str
    fails: int = 0


@videos.job("generate", retry=Retry(attempts=3, backoff="exponential", delay="2s"))
async def generate(data: Render, ctx: Context) -> dict[str, str]:
    await ctx.progress(10)
    if ctx.attempt <= data.fails:
        ctx.log(f"attempt {ctx.attempt} fails")
        raise ValueError("no frames")
    ctx.progress({"frames": 24})
    await mails.add("done", {"of": data.script_id})
    return {"videoUrl": f"https://videos.example/{data.script_id}"}


@videos.job("blocking", retry=Retry(attempts=1))
def blocking(data: Render, ctx: Context) -> str:
    ctx.progress(50)
    if data.fails:
        raise Unrecoverable("nothing to block on")
    return ctx.job_id


@videos.job("signal")
async def signal(data: str) -> str:
    match data:
        case "delay":
            raise Delay("1m")
        case "limit":
            raise RateLimited("30s")
        case "requeue":
            raise Requeue
        case _:
            return data


@videos.job("merge")
async def merge(data: dict[str, object], ctx: Context) -> list[str]:
    values = await ctx.children_values()
    if not values:
        raise WaitForChildren
    return sorted(map(str, values.values()))


@videos.job("odd")
async def odd(data: None) -> object:
    return object()


@videos.job("tick")
async def tick(data: object) -> str:
    return datetime.now(UTC).isoformat()


@mails.job()
async def send(data: dict[str, str], ctx: Context) -> str:
    return f"{ctx.name} to {data['of']}"
