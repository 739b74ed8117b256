"""A queue whose webhooks go to HOOK_URL."""

from __future__ import annotations

import os

from bullpen import App

app = App()
videos = app.queue("videos")
videos.webhook(os.environ["HOOK_URL"], secret=os.environ["HOOK_SECRET"])


@videos.job()
async def render(data: object) -> object:
    return data
