"""A connection for calls that wait in Redis, one at a time: the marker (§3.2) and event streams (§10)."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, TypeVar

from redis.exceptions import RedisError, ResponseError

from bullpen.client.dial import coded, dial, refusal
from bullpen.client.pauses import Pauses
from bullpen.client.route import Route
from bullpen.client.transports import cancellable
from bullpen.errors import BullpenError, ConnectionLost
from bullpen.farewell import hang_up

if TYPE_CHECKING:
    from types import TracebackType

    from redis.asyncio.connection import AbstractConnection

    from bullpen.protocol.call import Call
    from bullpen.protocol.keys import QueueKeys
    from bullpen.protocol.location import LocationSource, RedisLocation

T = TypeVar("T")

GUARD_SECONDS = 1.0


class BlockingLink:
    """One blocking call at a time, its read timeout derived from how long the call says it blocks.

    It connects at the first call. After a failure the next call first pauses (jittered, growing to 5 s), so a caller
    may simply go on. `name` is the connection's client name (`QueueKeys.client_name`); `queue` as for `Link`.
    """

    def __init__(
        self, location: RedisLocation | LocationSource, *, name: str | None = None, queue: QueueKeys | None = None
    ) -> None:
        self._route = Route(location, queue=queue)
        self._name = name
        self._location: RedisLocation | None = None
        self._connection: AbstractConnection | None = None
        self._pauses = Pauses()

    async def __aenter__(self) -> BlockingLink:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Drops the connection; a later call opens a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await hang_up(connection)

    async def run(self, call: Call[T], *, block: float) -> T:
        """Sends a call that blocks for at most `block` seconds and returns its parsed reply.

        Raises ConnectionLost, also when no reply has come one second after `block`; ConfigurationError when the login
        is refused. Cancelling drops the connection: a late reply must not answer the next call.
        """
        if self._pauses.failures:
            await asyncio.sleep(self._pauses.next())
        try:
            reply = await self._ask(call, block)
        except BullpenError:
            await self._drop()
            raise
        except BaseException:
            await self.aclose()
            raise
        self._pauses.reset()
        return call.parse(reply)

    async def _ask(self, call: Call[T], block: float) -> object:
        if self._connection is None:
            self._location, self._connection = await dial(self._route, name=self._name)
        try:
            async with asyncio.timeout(block + GUARD_SECONDS):
                with cancellable():
                    await self._connection.send_packed_command(self._connection.pack_command(*call.wire))
                return await self._connection.read_response(timeout=math.inf)
        except ResponseError as error:
            self._route.heard(error, by=self._location)
            raise refusal(coded(error), title=call.title, location=self._location) from error
        except (RedisError, OSError) as error:  # asyncio's TimeoutError is an OSError
            why = "no reply in time" if isinstance(error, TimeoutError) else str(error)
            raise ConnectionLost(f"lost Redis at {self._location} in {call.title}: {why}", sent=True) from error

    async def _drop(self) -> None:
        if not self._pauses.failures:
            self._pauses.failures = 1
        await self.aclose()
