"""The same without an event loop: what a test calls blocks, while the worker turns in a thread of its own."""

from __future__ import annotations

import functools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from bullpen.client.portal import Portal
from bullpen.sync.facade import Facade, blocking
from bullpen.testing import running as awaiting
from bullpen.testing import runs
from bullpen.testing.runs import Ending, JobRun

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from datetime import datetime

    from bullpen.testing.stage import App

__all__ = ["Ending", "JobRun", "RunningWorker", "run_job", "worker"]

P = ParamSpec("P")
T = TypeVar("T")


async def _nothing() -> None:
    """What is open is closed by the block that opened it."""


class RunningWorker(Facade[awaiting.RunningWorker]):
    """What `worker(app)` gives; its methods may be called from any thread."""

    __slots__ = ()

    @property
    def now(self) -> datetime:
        """What time it is in the test, in UTC."""
        return self.awaiting.now

    @property
    def redis(self) -> str:
        """The URL of the Redis inside this process, for another program that is to see it while the test runs."""
        return self.awaiting.redis

    drained = blocking(awaiting.RunningWorker.drained)
    advance = blocking(awaiting.RunningWorker.advance)
    settled = blocking(awaiting.RunningWorker.settled)
    added = blocking(awaiting.RunningWorker.added)
    failed = blocking(awaiting.RunningWorker.failed)
    completed = blocking(awaiting.RunningWorker.completed)


@contextmanager
def worker(app: App, *, concurrency: int = 10) -> Iterator[RunningWorker]:
    """Run the app's worker on an empty Redis inside this process, for as long as the block lasts.

    Jobs are added with `app.sync` (or the app of `bullpen.sync`); otherwise as `bullpen.testing.worker`.
    """
    portal = Portal(_nothing)
    try:
        entered = awaiting.worker(app, concurrency=concurrency)
        running = portal.run(entered.__aenter__())
        try:
            yield RunningWorker(running, portal=portal)
        finally:
            portal.run(entered.__aexit__(None, None, None))
    finally:
        portal.close()


def _blocking(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """The same function, which blocks; on a loop that lasts as long as the call."""

    @functools.wraps(function)
    def call(*arguments: P.args, **options: P.kwargs) -> T:
        portal = Portal(_nothing)
        try:
            return portal.run(function(*arguments, **options))
        finally:
            portal.close()

    return call


run_job = _blocking(runs.run_job)
