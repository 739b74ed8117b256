"""Calls the hooks of an app when Redis has taken the end of a job, beside the jobs that go on meanwhile."""

from __future__ import annotations

import asyncio
import inspect
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

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


@dataclass(frozen=True, slots=True)
class _Listener:
    """A hook, and what is asked of it once instead of at each job."""

    function: Hook
    name: str
    waits: bool

    @classmethod
    def of(cls, hook: Hook) -> _Listener:
        asynchronous = inspect.iscoroutinefunction(hook) or inspect.iscoroutinefunction(getattr(hook, "__call__", None))  # noqa: B004
        return cls(hook, getattr(hook, "__qualname__", repr(hook)), asynchronous)


@dataclass(slots=True)
class _Call:
    """Of the hooks of one job, one after the other: since when the present one runs, and whether it ran too long."""

    since: float
    expired: bool = False


class Announcements:
    """Those of one queue. `caught_up` is called when claims may go on that `behind` has held up.

    A hook gets `seconds`.
    """

    def __init__(
        self, hooks: Hooks, *, logger: logging.Logger, caught_up: Callable[[], None], seconds: float = HOOK_SECONDS
    ) -> None:
        self._seconds = seconds
        self._completed = [_Listener.of(each) for each in hooks.completed]
        self._failed = [_Listener.of(each) for each in hooks.failed]
        self._logger = logger
        self._caught_up = caught_up
        self._loop = asyncio.get_running_loop()
        self._pending: dict[asyncio.Task[None], _Call] = {}
        self._watch: asyncio.TimerHandle | None = None
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
        hooks = self._completed if isinstance(ending, Completed) else self._failed
        if not hooks:
            return
        call = _Call(self._loop.time())
        task = self._loop.create_task(self._call(hooks, _told(attempt, ending), call))
        self._pending[task] = call
        task.add_done_callback(self._done)
        if self._watch is None:  # one timer for all of them: a timer for each would cost as much as its job
            self._watch = self._loop.call_later(self._seconds, self._look)

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
        if self._watch is not None:
            self._watch.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)
        return not self._in_threads and all(task.done() for task in left)

    def _done(self, task: asyncio.Task[None]) -> None:
        was_behind = self.behind
        del self._pending[task]
        if was_behind and not self.behind:
            self._caught_up()

    def _look(self) -> None:
        """Cancel what runs for too long, and look again when the next one would."""
        self._watch, now = None, self._loop.time()
        for task, call in self._pending.items():
            if not call.expired and now - call.since >= self._seconds:
                call.expired = True
                task.cancel()
        if self._pending:  # one that was cancelled goes on to its next hook
            since = min(now if call.expired else call.since for call in self._pending.values())
            self._watch = self._loop.call_at(since + self._seconds, self._look)

    async def _call(self, hooks: Sequence[_Listener], ended: Ended, call: _Call) -> None:
        for hook in hooks:
            call.since = self._loop.time()
            try:
                await self._called(hook, ended)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if not call.expired or task is None:
                    raise
                call.expired = False
                task.uncancel()
                self._say(ended, hook, f"has not ended within {self._seconds:g} s")
            except (Exception, SystemExit) as error:  # noqa: BLE001 - the log says it
                self._say(ended, hook, f"raised {type(error).__name__}: {error}")

    def _say(self, ended: Ended, hook: _Listener, what: str) -> None:
        self._logger.exception("Job %s: hook %s %s", ended.job_id, hook.name, what)

    def _in_thread(self, hook: Hook, ended: Ended) -> Awaitable[None] | None:
        call = object()
        self._in_threads.add(call)
        try:
            return hook(ended)
        finally:
            self._in_threads.discard(call)

    async def _called(self, hook: _Listener, ended: Ended) -> None:
        if hook.waits:
            await cast("Awaitable[None]", hook.function(ended))
            return
        answer = await self._loop.run_in_executor(self._threads, self._in_thread, hook.function, ended)
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
