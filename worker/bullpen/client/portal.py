"""An event loop in a thread of its own, for callers that have none: Django, Flask, scripts (`bullpen.sync`).

What is hard about it is not the running but the ends: the interpreter's, which must neither hang nor leave connections
half closed, and a fork's, whose child has everything of the thread but the thread. The child's copies of its sockets
and of its epoll are the parent's: one byte written to them, or one file descriptor taken off, and the parent's
connections break. They are therefore replaced by the null device at once, before anything can finalize them.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import os
import selectors
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar
from weakref import WeakSet

from bullpen.errors import ConnectionLost

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

# How long to wait for the end of the thread: what it does then is a few turns of its loop.
END_SECONDS: Final = 5.0


class Portal:
    """Runs coroutines for any number of threads, all on one event loop; starts its thread when first needed.

    `farewell` closes what they have opened, on that loop, at the end. The loop ends with `close` or with the
    interpreter; a call after that starts another one. So does the first call in the child of a fork.
    """

    def __init__(self, farewell: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._farewell = farewell
        self._lock = threading.Lock()
        self._turning: _Turning | None = None
        _portals.add(self)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Block until the coroutine has ended, and return or raise what it does; it sees the caller's context vars.

        An exception in the waiting thread itself (KeyboardInterrupt) cancels it. Raises ConnectionLost when the portal
        is closed meanwhile.
        """
        try:
            future = self._submit(coroutine)
        except BaseException:
            coroutine.close()
            raise
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise ConnectionLost(
                "the app was closed meanwhile; the command may or may not have run", sent=True
            ) from None
        except BaseException:
            future.cancel()
            raise

    def _submit(self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        with self._lock:  # held for no I/O: whatever is submitted before an end is still run
            if self._turning is None or not self._turning.thread.is_alive():
                self._turning = _Turning(self._farewell, owner=self)
            if self._turning.thread is threading.current_thread():
                raise RuntimeError("a blocking call on the event loop that would have to serve it: use the async API")
            return asyncio.run_coroutine_threadsafe(coroutine, self._turning.loop)

    def close(self) -> None:
        """End the loop and its thread; calls that wait fail with ConnectionLost. May be called again."""
        with self._lock:
            turning, self._turning = self._turning, None
            if turning is not None:
                turning.stop()
        if turning is not None and turning.thread is not threading.current_thread():
            turning.thread.join(END_SECONDS)

    def _begin_anew(self) -> None:
        """In the child of a fork, where the thread is not, and the lock may be held by one that is not either."""
        self._lock = threading.Lock()
        turning, self._turning = self._turning, None
        if turning is not None:
            turning.disown()


class _Turning:
    """A loop and the thread in which it turns."""

    def __init__(self, farewell: Callable[[], Coroutine[Any, Any, None]], *, owner: Portal) -> None:
        self._farewell = farewell
        self._owner = owner  # kept until the thread ends, so that the end of the interpreter finds it
        self._selector = selectors.DefaultSelector()
        self.loop = asyncio.SelectorEventLoop(self._selector)
        self._ending = asyncio.Event()
        # A daemon: others are waited for before `atexit` could end it.
        self.thread = threading.Thread(target=self._turn, name="bullpen-sync", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        with suppress(RuntimeError):  # the loop is closed: it has ended by itself
            self.loop.call_soon_threadsafe(self._ending.set)

    def disown(self) -> None:
        """Cuts this process' copy of the loop off from what it shares with the parent, and leaves it alone for ever."""
        self.loop.set_exception_handler(lambda _loop, _context: None)  # its tasks never end, which is not worth a line
        shared = [key.fd for key in self._selector.get_map().values()]
        if isinstance(self._selector, selectors.EpollSelector):
            shared.append(self._selector.fileno())
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in shared:
            os.dup2(null, descriptor, inheritable=False)
        os.close(null)
        _disowned.append(self)

    def _turn(self) -> None:
        # Its end cancels what still runs, which is how waiting callers learn of it.
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(self._until_stopped())

    async def _until_stopped(self) -> None:
        await self._ending.wait()
        await self._farewell()


_portals: Final[WeakSet[Portal]] = WeakSet()
_disowned: Final[list[_Turning]] = []


@atexit.register
def _end() -> None:
    for portal in tuple(_portals):
        portal.close()


def _forked() -> None:
    for portal in tuple(_portals):
        portal._begin_anew()  # noqa: SLF001 - of this module


os.register_at_fork(after_in_child=_forked)
