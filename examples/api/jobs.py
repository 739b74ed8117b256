"""The jobs of the example: what the worker runs, and what the API adds."""

from __future__ import annotations

import asyncio
import os

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from bullpen import App, Context, Retry, Unrecoverable

app = App()
videos = app.queue("video-generation")

if url := os.environ.get("WEBHOOK_URL"):  # whoever asks is told, and need not ask again; docs/webhooks.md
    videos.webhook(url, secret=os.environ["WEBHOOK_SECRET"], allow_private=True)  # the API is on a private network

STEPS = 4


class Camel(BaseModel):
    """camelCase outside, as TypeScript writes it; snake_case here."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Render(Camel):
    """A video to make."""

    user_id: str
    script_id: str
    seconds: float = 2.0
    """How long the work takes."""


class Video(Camel):
    """What comes out."""

    video_url: str


@videos.job("generate", retry=Retry(attempts=3, delay="1s"))
async def generate(data: Render, ctx: Context) -> Video:
    """Stand in for rendering: steps that take time, and the address of the result."""
    if data.script_id == "unknown":
        raise Unrecoverable("there is no script 'unknown'")
    for step in range(1, STEPS + 1):
        await asyncio.sleep(data.seconds / STEPS)
        ctx.progress(100 * step // STEPS)
    return Video(video_url=f"https://videos.example/{data.user_id}/{data.script_id}.mp4")
