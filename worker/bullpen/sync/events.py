"""Following the events of a queue, from a thread."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from bullpen.client.portal import Portal
    from bullpen.client.reader import Events as AwaitingEvents
    from bullpen.protocol.events import Event
    from bullpen.queue import Queue as AwaitingQueue


class Events:
    """Every event of a queue in order, each once; made by `Queue.events`, for one thread at a time.

    with queue.events() as events:
        for event in events: ...

    Entering says from where on, if `after` did not; without `with` the first step does. A lost connection is
    waited out, and reading goes on behind the last event it brought. What was trimmed off the stream meanwhile
    (by default it holds about 10,000 events) is not to be had any more. Interrupting a step loses nothing.

    A step raises ConfigurationError or ProtocolError when Redis refuses, RuntimeError while another one waits.
    """

    def __init__(self, queue: AwaitingQueue, *, portal: Portal, after: str | None) -> None:
        self._queue = queue
        self.portal = portal
        self._open(after)

    def _open(self, after: str | None) -> None:
        async def make() -> AwaitingEvents:  # where the app, which will close it, looks through all
            return self._queue.events(after=after)

        self.awaiting = self.portal.run(make())
        self._process = os.getpid()

    @property
    def position(self) -> str | None:
        """Id of the last event that was handed out: what a later reader takes as `after` to go on from here."""
        return self.awaiting.position

    def __enter__(self) -> Events:
        self.portal.run(self._of_this_process().__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and end an iteration that waits; a later one goes on where this one was."""
        self.portal.run(self._of_this_process().aclose())

    def __iter__(self) -> Events:
        return self

    def __next__(self) -> Event:
        try:
            return self.portal.run(self._of_this_process().__anext__())
        except StopAsyncIteration:
            raise StopIteration from None

    def _of_this_process(self) -> AwaitingEvents:
        if self._process != os.getpid():  # the connection is the parent's, the place in the stream is ours too
            self._open(self.awaiting.position)
        return self.awaiting
