"""Jobs that write down when they begin and end, in a file that no Redis knows of."""

from __future__ import annotations

import asyncio
import os
import time

from bullpen import App, Context

app = App()
steps = app.queue("steps")
_ledger = os.open(os.environ["LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def _note(what: str, ctx: Context) -> None:
    # One short write to a file opened for appending: lines of many processes do not mix. The clock is the machine's.
    os.write(_ledger, f"{what} {ctx.job_id} {os.getpid()} {time.monotonic():.4f}\n".encode())


@steps.job("async")
async def in_loop(data: float, ctx: Context) -> None:
    _note("start", ctx)
    await asyncio.sleep(data)
    _note("end", ctx)


@steps.job("thread")
def in_thread(data: float, ctx: Context) -> None:
    _note("start", ctx)
    time.sleep(data)
    _note("end", ctx)


@steps.job("process", run="process")
def in_process(data: float, ctx: Context) -> None:
    _note("start", ctx)
    time.sleep(data)
    _note("end", ctx)


@steps.job("block")
async def blocking(data: float, ctx: Context) -> None:
    _note("start", ctx)
    time.sleep(data)  # noqa: ASYNC251 - what no job should do
    _note("end", ctx)


@steps.job("spin")
def spinning(data: float, ctx: Context) -> None:
    """Holds the interpreter's lock as long as it is let."""
    _note("start", ctx)
    end = time.monotonic() + data
    while time.monotonic() < end:
        sum(range(1000))
    _note("end", ctx)
