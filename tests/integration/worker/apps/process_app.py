"""Jobs that run in processes of their own, and what they may do there."""

from __future__ import annotations

import asyncio
import logging
import mmap
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from bullpen import App, CallNext, Context, Delay, Requeue, Retry, Unrecoverable

app = App()
videos = app.queue("videos")
ONCE = Retry(attempts=1)


class Render(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    user_id: str


class Busy(Exception):
    def __init__(self, *, after: float) -> None:
        super().__init__("too much to do")
        self.after = after


class Odd(Exception):
    """One that no pickle can carry."""

    def __init__(self) -> None:
        super().__init__("odd")
        self.file = open(os.devnull)  # noqa: SIM115


@app.backoff("as-told")
def as_told(failures: int, error: BaseException, job: object) -> float:
    return error.after if isinstance(error, Busy) else 60.0


@videos.job("render", run="process")
def render(data: Render, ctx: Context) -> Render:
    for line in range(20):
        ctx.log(f"line {line}")
    ctx.progress(50)
    ctx.progress({"step": "merge"})
    ctx.logger.info("half way")
    logging.getLogger("my.library").warning("careful")
    assert (ctx.attempt, ctx.queue, ctx.name, ctx.stopping, ctx.deadline) == (1, "videos", "render", False, None)
    return data


@videos.job("async", run="process")
async def in_loop(data: float, ctx: Context) -> int:
    await ctx.progress(1)
    await asyncio.sleep(data)
    return os.getpid()


@videos.job("pid", run="process")
def pid(data: object) -> list[int]:
    return [os.getpid(), os.getppid()]


@videos.job("sleep", run="process", retry=ONCE)
def sleep(data: float) -> str:
    time.sleep(data)
    return "slept"


@videos.job("report-pid", run="process")
def report_pid(data: float, ctx: Context) -> int:
    ctx.progress(os.getpid())
    time.sleep(data)
    return os.getpid()


@videos.job("cooperative", run="process")
def cooperative(data: float, ctx: Context) -> str:
    end = time.monotonic() + data
    ctx.log("begun")
    while time.monotonic() < end:
        ctx.raise_if_stopping()
        time.sleep(0.01)
    return "slept"


@videos.job("raise", run="process", retry=ONCE)
def raising(data: str, ctx: Context) -> None:
    if data == "value":
        raise ValueError("no such script")
    if data == "odd":
        raise Odd
    if data == "never":
        raise Unrecoverable("the account is closed")
    if data == "exit":
        sys.exit(3)
    if data == "_exit":
        os._exit(4)
    if data == "segv":
        os.kill(os.getpid(), signal.SIGSEGV)
    if data == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if data == "memory":
        raise MemoryError("none left")
    if data == "the worker":
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)


@videos.job("come-back", run="process")
def come_back(data: list[str]) -> str:
    """Raises each of these once, which a file remembers."""
    seen = Path(data[0])
    before = seen.read_text().split() if seen.exists() else []
    left = [each for each in data[1:] if each not in before]
    if not left:
        return "done"
    seen.write_text(" ".join([*before, left[0]]))
    raise Delay("20ms") if left[0] == "delay" else Requeue


@videos.job("busy", run="process", retry=Retry(attempts=2, backoff="as-told"))
def busy(data: object, ctx: Context) -> int:
    if ctx.attempt == 1:
        raise Busy(after=0.01)
    return ctx.attempt


@videos.job("children", run="process")
def children(data: object, ctx: Context) -> dict[str, object]:
    return ctx.children_values().result()


@videos.job("thing", run="process", retry=ONCE)
def thing(data: object) -> object:
    return object()


@videos.job("late", run="process", timeout="300ms", retry=ONCE)
def late(data: float, ctx: Context) -> float | None:
    time.sleep(data)
    return ctx.deadline


@videos.job("program", run="process", timeout="1s", retry=ONCE)
def program(data: object, ctx: Context) -> None:
    with subprocess.Popen(["sleep", "300"]) as running:
        ctx.progress(running.pid)


@videos.job("swell", run="process", retry=ONCE)
def swell(data: int) -> int:
    return len(b"x" * data)


@videos.job("map", run="process", retry=ONCE)
def mapped(data: int) -> int:
    """Memory that Python's allocator knows nothing of, as numeric libraries and shared memory take it."""
    with mmap.mmap(-1, data) as memory:
        for place in range(0, data, mmap.PAGESIZE):
            memory[place] = 1
        return len(memory)


_leaked: list[bytes] = []


@videos.job("leak", run="process", retry=ONCE)
def leak(data: int) -> int:
    _leaked.append(b"x" * data)
    return os.getpid()


@videos.job("swell-with-care", run="process", memory="2GiB", retry=ONCE)
def swell_with_care(data: int) -> int:
    return len(b"x" * data)


@videos.job("late-async", timeout=0.2, retry=ONCE)
async def late_async(data: str) -> str:
    swallow = {"swallow": 1, "stuck": 99}.get(data, 0)
    end = time.monotonic() + 6
    while time.monotonic() < end:
        try:
            await asyncio.sleep(end - time.monotonic())
        except asyncio.CancelledError:
            swallow -= 1
            if swallow < 0:
                raise
    return "slept"


@videos.job("late-thread", timeout=timedelta(milliseconds=200), retry=ONCE)
def late_thread(data: float, ctx: Context) -> str:
    end = time.monotonic() + abs(data)
    while time.monotonic() < end:
        if data > 0:
            ctx.raise_if_stopping()
        time.sleep(0.01)
    return "slept"


@videos.job("quick")
async def quick(data: object) -> str:
    return "done"


class Desk:
    """Made in each process."""

    def __init__(self) -> None:
        self.maker = os.getpid()


@app.resource
def desk() -> Desk:
    return Desk()


@app.middleware
async def timed(ctx: Context, call_next: CallNext) -> object:
    result = await call_next()
    return {**result, "around": os.getpid()} if ctx.name == "surrounded" and isinstance(result, dict) else result


@videos.job("surrounded", run="process", retry=Retry(attempts=2, delay=0))
def surrounded(data: object, ctx: Context, at: Desk) -> dict[str, object]:
    saved = ctx.checkpoint
    if saved is None:
        ctx.save({"by": os.getpid()}).result()
        raise ValueError("once more")
    ctx.update_data({"seen": saved["by"]}).result()
    return {"desk": at.maker, "here": os.getpid(), "saved": saved["by"]}
