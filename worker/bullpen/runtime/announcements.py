"""Calls the hooks of an app when Redis has taken the end of a job, beside the jobs that go on meanwhile."""

from __future__ import annotations

import asyncio
import inspect
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from bullpen.hooks import Ended
from bullpen.runtime.endings import Completed, Failed, Retried

if TYPE_CHECKING:
    import logging
    from collections.abc import Awaitable, Callable, Sequence

    from bullpen.hooks import Hook, Hooks
    from bullpen.runtime.attempt import Attempt
    from bullpen.runtime.endings import Ending

HOOK_SECONDS: Final = 30.0
# What hooks get at the worker's end, within the 15 s that the operator gives a pod beyond its drain.
LAST_SECONDS: Final = 3.0
# A worker whose hooks are slower than its jobs claims nothing more until they have caught up.
MOST_PENDING: Final = 1000
_THREADS: Final = 8


class Announcements:
    """Those of one queue. `caught_up` is called when claims may go on that `behind` has held up."""

    def __init__(self, hooks: Hooks, *, logger: logging.Logger, caught_up: Callable[[], None]) -> None:
        self._hooks = hooks
        self._logger = logger
        self._caught_up = caught_up
        self._pending: set[asyncio.Task[None]] = set()
        self._in_threads: set[object] = set()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="hook")

    @property
    def behind(self) -> bool:
        """Whether so many calls have not ended that no more jobs should be claimed."""
        return len(self._pending) >= MOST_PENDING

    def ended(self, attempt: Attempt, ending: Ending) -> None:
        """Redis has taken this ending: tell it, if anybody wants to know."""
        if not isinstance(ending, (Completed, Failed, Retried)):
            return
        hooks = self._hooks.completed if isinstance(ending, Completed) else self._hooks.failed
        if not hooks:
            return
        task = asyncio.create_task(self._call(hooks, _told(attempt, ending)), name=f"hooks of job {attempt.job.id}")
        self._pending.add(task)
        task.add_done_callback(self._done)

    async def aclose(self) -> bool:
        """Wait up to 3 s for the calls under way, then cancel them; whether no thread is left, which cannot be."""
        if self._pending:
            await asyncio.wait(self._pending, timeout=LAST_SECONDS)
        left = list(self._pending)
        for task in left:
            task.cancel()
        if left:
            self._logger.error("%d calls of hooks have not ended within %g s: given up", len(left), LAST_SECONDS)
            await asyncio.wait(left, timeout=1)
        self._threads.shutdown(wait=False, cancel_futures=True)
        return not self._in_threads and all(task.done() for task in left)

    def _done(self, task: asyncio.Task[None]) -> None:
        was_behind = self.behind
        self._pending.discard(task)
        if was_behind and not self.behind:
            self._caught_up()

    async def _call(self, hooks: Sequence[Hook], ended: Ended) -> None:
        for hook in hooks:
            name = getattr(hook, "__qualname__", repr(hook))
            try:
                async with asyncio.timeout(HOOK_SECONDS) as limit:
                    await self._called(hook, ended)
            except (Exception, SystemExit) as error:
                what = f"raised {type(error).__name__}: {error}"
                if isinstance(error, TimeoutError) and limit.expired():
                    what = f"has not ended within {HOOK_SECONDS:g} s"
                self._logger.exception("Job %s: hook %s %s", ended.job_id, name, what)

    def _in_thread(self, hook: Hook, ended: Ended) -> Awaitable[None] | None:
        call = object()
        self._in_threads.add(call)
        try:
            return hook(ended)
        finally:
            self._in_threads.discard(call)

    async def _called(self, hook: Hook, ended: Ended) -> None:
        if inspect.iscoroutinefunction(hook) or inspect.iscoroutinefunction(getattr(hook, "__call__", None)):  # noqa: B004
            answer = hook(ended)
        else:
            answer = await asyncio.get_running_loop().run_in_executor(self._threads, self._in_thread, hook, ended)
        if inspect.isawaitable(answer):
            await answer


def _told(attempt: Attempt, ending: Completed | Failed | Retried) -> Ended:
    failed = None if isinstance(ending, Completed) else ending
    return Ended(
        queue=attempt.queue,
        job=attempt.job,
        attempt=attempt.number,
        seconds=attempt.seconds,
        value=ending.value if isinstance(ending, Completed) else None,
        error=None if failed is None else attempt.error,
        reason=None if failed is None else failed.reason,
        retry_in=failed.delay_ms / 1000 if isinstance(failed, Retried) else None,
    )
