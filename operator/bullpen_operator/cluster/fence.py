"""What stands between a decision and the API server: open only while this process holds the Lease.

It is asked at the last moment before a request leaves, because a process may be stopped, or its event loop be held up,
between any two lines. What was stopped behind even that point still leaves later; the API server refuses it by the
resourceVersion that every write carries.
"""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class FencedError(Exception):
    """A write was about to leave that this process may not send (any more)."""


def uptime() -> float:
    """Seconds on a clock that nobody sets, and that goes on while the machine sleeps where the system has one."""
    # CLOCK_MONOTONIC stands still during suspend; who wakes from it would still believe to hold the Lease.
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Fence:
    """Open until the moment that `extend` named last; `close` is for good. `clock` as in `uptime`."""

    def __init__(self, clock: Callable[[], float] = uptime) -> None:
        self._clock = clock
        self._until = -math.inf
        self._closed = False
        self._passing = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    def extend(self, until: float) -> None:
        """Open until then; `math.inf` for an operator that is the only one."""
        self._until = until

    def close(self) -> None:
        """Let no further write pass."""
        self._closed = True

    def left(self) -> float:
        """Seconds for which writes may still leave, 0 or less: none."""
        return 0.0 if self._closed else self._until - self._clock()

    def open(self) -> bool:
        """Whether a write may leave now."""
        return self.left() > 0

    def check(self) -> None:
        """Raise FencedError unless a write may leave now."""
        if not self.open():
            raise FencedError("this operator does not hold the Lease")

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Around one write, from before it leaves until its answer; raises FencedError at once when closed."""
        self.check()
        self._passing += 1
        self._quiet.clear()
        try:
            yield
        finally:
            self._passing -= 1
            if not self._passing:
                self._quiet.set()

    async def quiet(self, *, within: float) -> bool:
        """Wait until the answers of all writes are there, at most `within` seconds; whether they are."""
        try:
            async with asyncio.timeout(within):
                await self._quiet.wait()
        except TimeoutError:
            return False
        return True
