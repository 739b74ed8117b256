"""The smallest useful Bullpen app: one queue, one job that reports its progress."""

import asyncio

import ledger
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from bullpen import App, Context

app = App()
videos = app.queue("video-generation")

STEPS = 4


class Render(BaseModel):
    """What the producer sends: camelCase in Redis, as TypeScript writes it, snake_case here."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    user_id: str
    script_id: str
    seconds: float | None = None
    """How long the work takes; unset: 1 to 3 seconds, the same for the same script."""


class Clip(BaseModel):
    """What the job gives back."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    video_url: str


@videos.job("generate")
async def generate(data: Render, ctx: Context) -> Clip:
    """Stand in for rendering a video: some steps that take time, and the address of the result."""
    seconds = data.seconds if data.seconds is not None else 1 + sum(data.script_id.encode()) % 21 / 10
    async with ledger.entry(ctx.job_id, ctx.attempt):
        for step in range(1, STEPS + 1):
            await asyncio.sleep(seconds / STEPS)
            ctx.progress(100 * step // STEPS)
    return Clip(video_url=f"https://videos.example/{data.user_id}/{data.script_id}.mp4")
