"""What a job tells Redis while it runs: written in order, in the background, and all before the job's end."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from bullpen.errors import BullpenError

if TYPE_CHECKING:
    import logging
    from collections.abc import Awaitable


LONGEST_REPORT: Final = 65_536
"""Characters of a log row, or of progress as JSON: events carry progress too, and Redis keeps 10,000 of them."""


def cut(text: str) -> str:
    """The text, or as much of it as is kept, and a note how long it was."""
    if len(text) <= LONGEST_REPORT:
        return text
    note = f"… (cut: it had {len(text):,} characters, of {LONGEST_REPORT:,} at most)"
    return text[: LONGEST_REPORT - len(note)] + note


class Deliver(Protocol):
    """Runs one call until Redis has answered it (`Delivery.insist`)."""

    def __call__(self, call: Any) -> Awaitable[Any]: ...


Pending: TypeAlias = tuple[Any, str, "asyncio.Future[None]"]


class Reports:
    """The ordered writes of one attempt; made when its first report comes."""

    __slots__ = ("_deliver", "_label", "_logger", "_loop", "_pending", "_task")

    def __init__(
        self, deliver: Deliver, *, label: str, logger: logging.Logger, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._deliver = deliver
        self._label = label
        self._logger = logger
        self._loop = loop
        self._pending: deque[Pending] = deque()
        self._task: asyncio.Task[None] | None = None

    def submit(self, call: Any, what: str, *, from_loop: bool) -> asyncio.Future[None]:
        """Queue a write, from the loop's thread or another; the future ends when Redis has answered."""
        written: asyncio.Future[None] = asyncio.Future(loop=self._loop)
        if from_loop:
            self._queue((call, what, written))
        else:
            # Callbacks run in the order they were given: before the end of the thread's own job is heard of.
            self._loop.call_soon_threadsafe(self._queue, (call, what, written))
        return written

    async def flush(self) -> None:
        """Return when everything submitted so far is written or has failed."""
        while self._task is not None and not self._task.done():
            await asyncio.wait({self._task})

    def abandon(self) -> None:
        """Write nothing more: the job is not ours any longer."""
        for _, _, written in self._pending:
            written.cancel()
        self._pending.clear()
        if self._task is not None:
            self._task.cancel()

    def _queue(self, pending: Pending) -> None:
        self._pending.append(pending)
        if self._task is None or self._task.done():
            self._task = self._loop.create_task(self._write_all())

    async def _write_all(self) -> None:
        while self._pending:
            call, what, written = self._pending.popleft()
            try:
                await self._deliver(call)
            except BullpenError as error:
                self._logger.warning("%s: %s was not recorded: %s", self._label, what, error)
                if not written.done():
                    written.set_exception(error)
                    written.exception()  # it is logged; whoever awaits gets it as well, nobody has to
            else:
                if not written.done():
                    written.set_result(None)
