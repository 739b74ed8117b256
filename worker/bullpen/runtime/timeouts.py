"""The end of a job's time where it cannot simply be killed: on the loop, and in a thread."""

from __future__ import annotations

import asyncio
import sys
import traceback
from typing import TYPE_CHECKING, Any, TypeVar

from bullpen.runtime.deaths import TimeUp, with_trace

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

# How often a job whose time is up is told, and how long it gets to hear: a coroutine may swallow one cancellation in
# its clean-up, and a thread looks at `ctx.stopping` when it can.
TELLS = 3
HEAR_SECONDS = 1.0
# The function of `runtime.executors` that calls the job's.
FRAME_BELOW = "_called"


async def within(limit: float, work: asyncio.Future[T], *, tell: Callable[[], None], where: Callable[[], str]) -> T:
    """The outcome of `work`, if it comes in `limit` seconds.

    Otherwise raises TimeUp, whatever the work does once it is told, with the stack trace that `where` gives when the
    time is up; what does not even end, TimeUp names as left behind.
    """
    await _ended(work, limit)
    if work.done():
        return work.result()
    stack = where()
    for _ in range(TELLS):
        tell()
        await _ended(work, HEAR_SECONDS)
        if work.done():
            break
    error = TimeUp(limit, left_behind=None if work.done() else work)
    if not work.cancelled() and work.done():
        error.__cause__ = work.exception()
    raise with_trace(error, f"Traceback (most recent call last):\n{stack}TimeoutError: {error}\n")


async def _ended(work: asyncio.Future[Any], seconds: float) -> None:
    """Wait for the work, and for so long only: what `asyncio.wait` does for many, at half the price for one."""
    loop = asyncio.get_running_loop()
    over = loop.create_future()

    def end(_work: object = None) -> None:
        if not over.done():
            over.set_result(None)

    timer = loop.call_later(seconds, end)
    work.add_done_callback(end)
    try:
        await over
    finally:
        timer.cancel()
        work.remove_done_callback(end)


def stack_of_task(task: asyncio.Task[T]) -> str:
    """Where a coroutine waits, and those that it waits for."""
    frames = []
    waiting: Any = task.get_coro()
    while waiting is not None:
        frame = getattr(waiting, "cr_frame", None) or getattr(waiting, "gi_frame", None)
        if frame is not None:
            frames.append((frame, frame.f_lineno))
        waiting = getattr(waiting, "cr_await", None) or getattr(waiting, "gi_yieldfrom", None)
    return "".join(traceback.StackSummary.extract(iter(frames)).format())


def stack_of_thread(thread: int | None) -> str:
    """Where a thread is at this moment; empty when it has not begun, or has just ended."""
    frame = sys._current_frames().get(thread) if thread is not None else None  # noqa: SLF001 - its documented name
    frames = traceback.extract_stack(frame) if frame is not None else []
    below = max((place for place, each in enumerate(frames) if each.name == FRAME_BELOW), default=-1)
    return "".join(traceback.format_list(frames[below + 1 :]))
