"""Jobs for tests that need a worker process of its own."""

from __future__ import annotations

import asyncio
import os
import threading
import time

from bullpen import App, Context

app = App()
videos = app.queue("video-generation")
second = app.queue("emails")


@videos.job("quick")
async def quick(data: dict[str, int], ctx: Context) -> dict[str, int]:
    ctx.progress(50)
    ctx.logger.info("half way")
    return {"doubled": data["n"] * 2}


@videos.job("async-sleep")
async def async_sleep(data: float) -> str:
    await asyncio.sleep(data)
    return "slept"


@videos.job("thread-sleep")
def thread_sleep(data: float) -> str:
    time.sleep(data)
    return "slept"


@videos.job("cooperative")
def cooperative(data: float, ctx: Context) -> str:
    end = time.monotonic() + data
    while time.monotonic() < end:
        ctx.raise_if_stopping()
        time.sleep(0.01)
    return "slept"


@videos.job("block-the-loop")
async def block_the_loop(data: float) -> str:
    time.sleep(data)  # noqa: ASYNC251 - what no job should do
    return "blocked"


@videos.job("cancel-the-loop")
async def cancel_the_loop(data: object) -> None:
    """As code of an app does that cancels every task it finds."""
    next(task for task in asyncio.all_tasks() if task.get_name() == "queue video-generation").cancel()


@videos.job("add")
async def add(data: object) -> str:
    return (await second.add("later", data)).id


@videos.job("leave")
async def leave(data: object) -> None:
    os.kill(os.getpid(), 9)


@videos.job("threads")
def threads(data: object) -> list[str]:
    return sorted(each.name.split("_")[0] for each in threading.enumerate())


@second.job()
async def anything(data: object) -> object:
    return data
