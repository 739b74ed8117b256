"""Where a job function runs: on the loop, or in a thread of the worker's own pool."""

from __future__ import annotations

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Threads:
    """A pool with a thread for each slot, so that a plain function never waits for another one's thread.

    Threads are made when they are needed and cannot be killed; a worker that must go before they end leaves by
    `os._exit`.
    """

    def __init__(self, size: int) -> None:
        self._pool = ThreadPoolExecutor(max_workers=size, thread_name_prefix="job")

    async def run(
        self, function: Callable[..., Any], arguments: tuple[Any, ...], named: Mapping[str, Any] = MappingProxyType({})
    ) -> Any:
        """Call the function in a thread, in a copy of the caller's context; returns or raises what it does."""
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(
            self._pool, context.run, _called, function, arguments, named
        )

    def close(self) -> None:
        """Take no more calls; does not wait for those that run."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _called(function: Callable[..., Any], arguments: tuple[Any, ...], named: Mapping[str, Any]) -> Any:
    try:
        return function(*arguments, **named)
    except StopIteration as error:
        # A future takes no StopIteration: before Python 3.11.8 it never ends (python/cpython#112182).
        raise RuntimeError(f"the job raised StopIteration({error})") from error
