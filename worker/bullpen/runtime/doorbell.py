"""The idle wait of one queue: blocks on the queue's marker, on a connection of its own (protocol §3.2)."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol, TypeVar

from bullpen.errors import BullpenError, ConnectionLost
from bullpen.protocol.calls import marker

if TYPE_CHECKING:
    from collections.abc import Callable

    from bullpen.protocol.call import Call
    from bullpen.protocol.keys import QueueKeys
    from bullpen.runtime.delivery import Delivery

T = TypeVar("T")

BLOCK_SECONDS = 5.0
LONGEST_BLOCK_SECONDS = 10.0
LONGEST_LIMIT_SECONDS = 30.0


class Blocks(Protocol):
    """The blocking connection (`bullpen.client.connection.BlockingLink`)."""

    async def run(self, call: Call[T], *, block: float) -> T: ...


class Doorbell:
    """Waits while slots are idle and the last claim came back short; then rings.

    `ring` returns whether a slot was free: if not, the marker that was popped is put back for another worker.
    """

    def __init__(self, keys: QueueKeys, *, blocking: Blocks, delivery: Delivery, ring: Callable[[], bool]) -> None:
        self._keys = keys
        self._blocking = blocking
        self._delivery = delivery
        self._ring = ring
        self._asked = asyncio.Event()
        self._told_anew = asyncio.Event()
        self._due_ms = 0
        self._limited_until = 0.0

    def listen(self, *, due_ms: int, limited_ms: int) -> None:
        """A claim found less than it asked for: wait for more, for the due time (epoch ms) or a limit's end."""
        self._due_ms = due_ms
        self._limited_until = time.monotonic() + limited_ms / 1000 if limited_ms > 0 else 0.0
        self._asked.set()
        self._told_anew.set()

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            await self._asked.wait()
            try:
                popped = await self._wait()
            except BullpenError as error:
                self._delivery.failed(error)  # the connection itself pauses before its next try
                if isinstance(error, ConnectionLost) and error.sent:
                    self._ring()  # the lost reply may have been the marker, which nobody else gets then
                continue
            self._delivery.answered()
            self._asked.clear()
            if not self._ring() and popped:
                await self._delivery.insist(marker.announce(self._keys))

    async def _wait(self) -> bool:
        """Return when it is time to claim; True when a marker was taken."""
        while (limited := self._limited_until - time.monotonic()) > 0:
            # Not on the marker: the claim after the sleep also promotes delayed jobs that became due meanwhile.
            self._told_anew.clear()
            try:
                async with asyncio.timeout(min(limited, LONGEST_LIMIT_SECONDS)):
                    await self._told_anew.wait()  # a drain mark may be taken back
            except TimeoutError:
                return False
        due_ms = self._due_ms
        while True:
            seconds = BLOCK_SECONDS
            if due_ms:
                seconds = min((due_ms - time.time() * 1000) / 1000, LONGEST_BLOCK_SECONDS)
                if seconds < 0.001:
                    return False
            popped = await self._blocking.run(marker.wait(self._keys, seconds=seconds), block=seconds)
            if popped is None:
                return False
            if popped <= time.time() * 1000 + 1:
                return True
            due_ms = min(due_ms, popped) if due_ms else popped
