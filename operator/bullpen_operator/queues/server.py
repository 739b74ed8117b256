"""One connection to one server: a pipeline of questions in one round trip."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from redis.exceptions import NoScriptError, ResponseError

from bullpen.farewell import hang_up
from bullpen_operator.queues.dial import dial
from bullpen_operator.queues.failures import failed_connection
from bullpen_operator.queues.outage import Outage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from redis.asyncio.connection import Connection

    from bullpen.protocol.call import Call
    from bullpen.protocol.location import RedisLocation
    from bullpen_operator.queues.location import Location
    from bullpen_operator.queues.question import Question
    from bullpen_operator.scaling.observation import ReadingFailed

Replies = dict["Question", object]
"""What Redis said to each question; a ResponseError where it refused that one."""


class Server:
    """The commands are written in one go and the replies read in order, which is what a pipeline is; the connection is
    held here rather than in a pool, so that there is one, whatever the number of queues.

    `find` says where the server is, each time it is connected to. One caller at a time.
    """

    def __init__(
        self,
        location: Location,
        find: Callable[[], Awaitable[RedisLocation]],
        *,
        timeout: float,
        on_round_trip: Callable[[float, bool], None],
    ) -> None:
        self._location = location
        self._find = find
        self._timeout = timeout
        self._on_round_trip = on_round_trip
        self._connection: Connection | None = None
        self._outage = Outage()
        self._left = False
        self.where: RedisLocation | None = None
        """The server that answered last, None while none does."""

    async def ask(self, questions: Sequence[Question], *, now: float) -> Replies | ReadingFailed:
        """Within twice the timeout. Never raises for what Redis or the network does: that is an answer too."""
        standing = self._outage.standing(now)
        if standing is not None:
            return standing
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with asyncio.timeout(2 * self._timeout):
                replies = await self._ask(questions, now)
        except Exception as error:  # noqa: BLE001 - a bulkhead: what one URL brings redis-py to must not end the operator
            self._on_round_trip(loop.time() - started, False)
            await self.close()
            return self._outage.failed(failed_connection(error, self._location, at=now), now)
        self._on_round_trip(loop.time() - started, True)
        self._outage.over()
        return replies

    async def tell(self, calls: Sequence[Call[Any]]) -> list[object] | ReadingFailed:
        """The replies to these, a ResponseError for what was refused; none when there is no connection, which `ask`
        opens. Never raises for what Redis or the network does.
        """
        if self._connection is None:
            return []
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with asyncio.timeout(self._timeout):
                replies = await self._tell(calls)
        except Exception as error:  # noqa: BLE001 - the bulkhead of `ask`
            self._on_round_trip(loop.time() - started, False)
            await self.close()
            return failed_connection(error, self._location, at=0.0)
        self._on_round_trip(loop.time() - started, True)
        return replies

    async def _tell(self, calls: Sequence[Call[Any]]) -> list[object]:
        replies = await self._replies([call.wire for call in calls])
        unknown = [n for n, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        texts = [
            ("EVAL", script.text, 1, *calls[n].command) for n in unknown if (script := calls[n].script) is not None
        ]
        if texts:
            for n, reply in zip(unknown, await self._replies(texts), strict=True):
                replies[n] = reply
        return replies

    def leave(self) -> None:
        """The server is the wrong one by now: find it anew before the next question."""
        self._left = True

    async def close(self) -> None:
        """Drop the connection; the next question makes a new one."""
        connection, self._connection, self.where = self._connection, None, None
        await hang_up(connection)

    async def _ask(self, questions: Sequence[Question], now: float) -> Replies:
        if self._left:
            await self.close()
            self._left = False
        if self._connection is None:
            where = await self._find()
            self._connection = await dial(where, self._location.certificates, timeout=self._timeout)
            self.where = where
        replies = await self._pipeline({question: question.by_digest(now) for question in questions})
        unknown = [question for question, reply in replies.items() if isinstance(reply, NoScriptError)]
        if unknown:  # a new server, or SCRIPT FLUSH: the first teaches it, the others follow in the same breath
            again = {question: question.by_digest(now) for question in unknown}
            again[unknown[0]] = unknown[0].by_text(now)
            replies = {**replies, **await self._pipeline(again)}
        return replies

    async def _pipeline(self, commands: Mapping[Question, tuple[str | int, ...]]) -> Replies:
        return dict(zip(commands, await self._replies(list(commands.values())), strict=True))

    async def _replies(self, commands: Sequence[tuple[Any, ...]]) -> list[object]:
        connection = self._connection
        if connection is None:
            raise ConnectionError("closed while it was used")
        await connection.send_packed_command(connection.pack_commands(commands), check_health=False)
        replies: list[object] = []
        for _ in commands:
            try:
                replies.append(await connection.read_response())
            except ResponseError as error:  # of this one command; the replies of the others follow
                replies.append(error)
        return replies
