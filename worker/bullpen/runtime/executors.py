"""Where a job function runs: on the loop, in a thread of the worker's own pool, or in a process of its own."""

from __future__ import annotations

import asyncio
import contextvars
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from bullpen.context import Context
from bullpen.runtime.deaths import TimeUp
from bullpen.runtime.handler import Handler, Run
from bullpen.runtime.timeouts import stack_of_task, stack_of_thread, within

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bullpen.runtime.attempt import Attempt
    from bullpen.runtime.processes import Processes
    from bullpen.runtime.resources import Resources
    from bullpen.runtime.stuck import StuckJobs


_NONE: Final[Mapping[str, Any]] = MappingProxyType({})


class Threads:
    """A pool with a thread for each slot, so that a plain function never waits for another one's thread.

    Threads are made when they are needed and cannot be killed; a worker that must go before they end leaves by
    `os._exit`.
    """

    def __init__(self, size: int) -> None:
        self._pool = ThreadPoolExecutor(max_workers=size, thread_name_prefix="job")

    def start(
        self,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        named: Mapping[str, Any] = _NONE,
        begun: Callable[[int], None] | None = None,
    ) -> asyncio.Future[Any]:
        """Call the function in a thread, in a copy of the caller's context; `begun` gets the thread's identifier."""
        context = contextvars.copy_context()
        return asyncio.get_running_loop().run_in_executor(
            self._pool, context.run, _called, function, arguments, named, begun
        )

    def close(self) -> None:
        """Take no more calls; does not wait for those that run."""
        self._pool.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class Executors:
    """All three; they share the slots of the queues. `processes` is None for an app that needs none."""

    threads: Threads
    processes: Processes | None
    stuck: StuckJobs
    resources: Resources

    async def run(self, handler: Handler, attempt: Attempt) -> Any:
        """What the job's function returns (JSON text from a process); raises what it raises, or why it was ended."""
        if handler.run is Run.PROCESS:
            if self.processes is None:
                raise RuntimeError("this worker was made without processes")
            return await self.processes.run(handler, attempt)
        arguments = handler.arguments(attempt.job.data_text, lambda: Context(attempt))
        named = await self.resources.provide(handler) if handler.needs else _NONE
        if handler.timeout is not None:
            return await self._timed(handler, arguments, named, attempt)
        if handler.run is Run.ASYNC:
            return await handler.function(*arguments, **named)
        return await self.threads.start(handler.function, arguments, named)

    async def _timed(
        self, handler: Handler, arguments: tuple[Any, ...], named: Mapping[str, Any], attempt: Attempt
    ) -> Any:
        limit = handler.timeout or math.inf
        attempt.deadline = time.time() + limit
        work, where = self._begun(handler, arguments, named)

        def tell() -> None:
            attempt.timed_out = True
            if handler.run is Run.ASYNC:
                work.cancel()

        attempt.work = work
        try:
            return await within(limit, work, tell=tell, where=where)
        except TimeUp as late:
            if late.left_behind is not None:
                self.stuck.add(attempt, late.left_behind)
            raise
        finally:
            attempt.work = None

    def _begun(
        self, handler: Handler, arguments: tuple[Any, ...], named: Mapping[str, Any]
    ) -> tuple[asyncio.Future[Any], Callable[[], str]]:
        if handler.run is Run.ASYNC:
            task = asyncio.get_running_loop().create_task(handler.function(*arguments, **named))
            return task, lambda: stack_of_task(task)
        threads: list[int] = []
        work = self.threads.start(handler.function, arguments, named, threads.append)
        return work, lambda: stack_of_thread(threads[0] if threads else None)


def _called(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    named: Mapping[str, Any],
    begun: Callable[[int], None] | None,
) -> Any:
    if begun is not None:
        begun(threading.get_ident())
    try:
        return function(*arguments, **named)
    except StopIteration as error:
        # A future takes no StopIteration: before Python 3.11.8 it never ends (python/cpython#112182).
        raise RuntimeError(f"the job raised StopIteration({error})") from error
