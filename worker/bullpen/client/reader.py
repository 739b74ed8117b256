"""Following the events of a queue (protocol §10)."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from typing import TYPE_CHECKING, TypeVar

from bullpen.client.blocking import BlockingLink
from bullpen.client.transports import CONNECT_SECONDS
from bullpen.errors import ConfigurationError, ConnectionLost
from bullpen.protocol import events
from bullpen.protocol.arguments import shown

if TYPE_CHECKING:
    from types import TracebackType

    from bullpen.protocol.call import Call
    from bullpen.protocol.events import Event
    from bullpen.protocol.keys import QueueKeys
    from bullpen.protocol.location import LocationSource, RedisLocation

T = TypeVar("T")

BLOCK_SECONDS = 10.0
_ID = re.compile(r"\d{1,20}(-\d{1,20})?")


def _is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None and all(int(part) < 2**64 for part in text.split("-"))


class Events:
    """Every event of a queue in order, each once; made by `Queue.events`.

    async with queue.events() as events:
        async for event in events: ...

    Entering says from where on, if `after` did not; without `async with` the first step does. A lost connection is
    waited out, and reading goes on behind the last event it brought. What was trimmed off the stream meanwhile
    (by default it holds about 10,000 events) is not to be had any more. Cancelling a step loses nothing.

    A step raises ConfigurationError or ProtocolError when Redis refuses, RuntimeError while another one waits.
    """

    def __init__(self, keys: QueueKeys, *, location: RedisLocation | LocationSource, after: str | None = None) -> None:
        if after is not None and not (isinstance(after, str) and _is_id(after)):
            raise ConfigurationError(
                f"events(after={shown(after)}): must be the id of an event, such as '1700000000000-0', "
                "or '0-0' for all there are"
            )
        self._keys = keys
        self._blocking = BlockingLink(location, name=keys.listener_name, queue=keys)
        self._read_up_to = after
        self._position = after
        self._ready: deque[Event] = deque()
        self._step: asyncio.Task[None] | None = None
        self._closing = False
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def position(self) -> str | None:
        """Id of the last event that was handed out: what a later reader takes as `after` to go on from here."""
        return self._position

    async def __aenter__(self) -> Events:
        await self._begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection and end an iteration that waits; a later one goes on where this one was."""
        if self._loop is not asyncio.get_running_loop():
            return  # never begun, or on a loop that has ended and took its connections with it
        if (step := self._step) is not None:
            self._closing = True
            step.cancel()
            await asyncio.wait([step])
        await self._blocking.aclose()

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> Event:
        while not self._ready:
            await self._wait()
        event = self._ready.popleft()
        self._position = event.id
        return event

    async def _wait(self) -> None:
        if self._step is not None:
            raise RuntimeError("these events are being read already: give each reader its own queue.events()")
        step = self._step = asyncio.ensure_future(self._read())
        self._closing = False
        try:
            await step
        except asyncio.CancelledError:
            told = asyncio.current_task()
            if self._closing and not (told and told.cancelling()):
                raise StopAsyncIteration from None
            raise
        finally:
            self._step = None

    async def _begin(self) -> str:
        while self._read_up_to is None:
            newest = await self._ask(events.last(self._keys), block=CONNECT_SECONDS)
            if newest is not None:
                self._read_up_to = self._position = newest
        return self._read_up_to

    async def _read(self) -> None:
        after = await self._begin()
        call = events.read(self._keys, after=after, block_ms=int(BLOCK_SECONDS * 1000))
        batch = await self._ask(call, block=BLOCK_SECONDS)
        if batch:
            self._ready.extend(batch)
            self._read_up_to = batch[-1].id

    async def _ask(self, call: Call[T], *, block: float) -> T | None:
        self._loop = asyncio.get_running_loop()
        try:
            return await self._blocking.run(call, block=block)
        except ConnectionLost:
            return None  # the next call pauses and connects anew
