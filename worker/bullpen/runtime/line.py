"""How the thread that renews locks talks to Redis: one try a call, and what that says about the server."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol, TypeVar

from bullpen.errors import BullpenError, ConfigurationError, ProtocolError

if TYPE_CHECKING:
    import asyncio

    from bullpen.protocol.call import Call
    from bullpen.protocol.keys import QueueKeys
    from bullpen.runtime.loop import QueueLoop

T = TypeVar("T")

# An answer that takes longer tells of a pause of Redis, of its network or of this machine.
SLOW_SECONDS = 1.0


class RunsSync(Protocol):
    """A connection for this thread alone (`bullpen.client.sync.SyncLink`)."""

    def run(self, call: Call[T]) -> T: ...


class RunsSyncFor(Protocol):
    """This thread's connection for each queue (`bullpen.client.links.SyncLinks`)."""

    def of(self, keys: QueueKeys) -> RunsSync: ...
    def close(self) -> None: ...


class Line:
    """Asks for one queue or another. Failures are counted with those of the queue's own calls."""

    def __init__(self, links: RunsSyncFor, loop: asyncio.AbstractEventLoop) -> None:
        self.links = links
        self._loop = loop
        self._failing = False
        self.troubles = 0
        """How often a call failed or was slow."""
        self.recoveries = 0
        """How often Redis answered after it had not."""
        self.turned_at = time.monotonic()
        """When the last call ended: each waits some seconds at the most, so a Redis that hangs does not look stuck."""

    def ask(self, queue: QueueLoop, call: Call[T]) -> T | None:
        """One try, None when it failed; the next turn is the next try."""
        try:
            return self._run(queue, call)
        except BullpenError as error:
            self._failed(queue, error)
            return None

    def ask_if_allowed(self, queue: QueueLoop, call: Call[T]) -> T | None:
        """The same for what the Redis user may not be permitted to ask: raises ConfigurationError, ProtocolError."""
        try:
            return self._run(queue, call)
        except (ConfigurationError, ProtocolError):
            raise
        except BullpenError as error:
            self._failed(queue, error)
            return None

    def _run(self, queue: QueueLoop, call: Call[T]) -> T:
        asked_at = time.monotonic()
        try:
            value = self.links.of(queue.setup.keys).run(call)
        finally:
            self.turned_at = time.monotonic()
            if self.turned_at - asked_at > SLOW_SECONDS:
                self.troubles += 1
        if self._failing:
            self._failing = False
            self.recoveries += 1
            self._loop.call_soon_threadsafe(queue.delivery.answered)
        return value

    def _failed(self, queue: QueueLoop, error: BullpenError) -> None:
        self._failing = True
        self.troubles += 1
        self._loop.call_soon_threadsafe(queue.delivery.failed, error)
