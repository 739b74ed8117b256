"""One Redis, one connection, one round trip: what all queues of its pools look like now.

The commands are written in one go and the replies read in order, which is what a pipeline is; the connection
is held here rather than in a pool, so that there is one, whatever the number of queues.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING, Any

from redis.exceptions import NoScriptError, ResponseError

from bullpen_operator.queues.failures import failed_connection, failed_mark, failed_queue
from bullpen_operator.queues.question import UnreadableReplyError, reading

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from redis.asyncio.connection import Connection

    from bullpen.protocol.call import Call
    from bullpen_operator.queues.location import Location
    from bullpen_operator.queues.question import Question
    from bullpen_operator.scaling.observation import QueueReading, ReadingFailed

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 3.0
"""For the connection, and for the answers."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0

Answers = dict["Question", "QueueReading | ReadingFailed"]


class Endpoint:
    """Reads the queues of one location. One caller at a time. `on_round_trip` hears of each one: seconds, and
    whether it succeeded.
    """

    def __init__(
        self, location: Location, *, on_round_trip: Callable[[float, bool], None], timeout: float = TIMEOUT_SECONDS
    ) -> None:
        self.location = location
        self._timeout = timeout
        self._on_round_trip = on_round_trip
        self._connection: Connection | None = None
        self._failures = 0
        self._last_failure: ReadingFailed | None = None
        self._failed_at = 0.0
        self._retry_at = 0.0

    async def read(self, questions: Sequence[Question], *, now: float) -> Answers:
        """An answer for each question, within twice the timeout; `now` in seconds since
        the epoch.

        Never raises for what Redis or the network does: that is an answer too. After a failed connection the
        next attempts are spaced (0.5 to 5 s, jittered), and the failure is repeated in between.
        """
        # Not before `_failed_at`: then the clock was set back, and the pause would last as long as that.
        if self._last_failure is not None and self._failed_at <= now < self._retry_at:
            return dict.fromkeys(questions, self._last_failure)
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with asyncio.timeout(2 * self._timeout):
                replies = await self._ask(questions, now)
        except Exception as error:  # noqa: BLE001 - a bulkhead: what one URL brings redis-py to must not end the operator
            self._on_round_trip(loop.time() - started, False)
            await self.close()
            failure = self._remember(error, now)
            return dict.fromkeys(questions, failure)
        self._on_round_trip(loop.time() - started, True)
        self._failures, self._last_failure = 0, None
        return {question: self._answer(question, replies[question], now) for question in questions}

    async def write(self, calls: Sequence[Call[Any]]) -> None:
        """One round trip more, for drain marks; a failure only shows in that they do not hold."""
        if not calls or self._connection is None:
            return  # a connection that failed is opened by the next reading
        loop = asyncio.get_running_loop()
        started, taken = loop.time(), False
        try:
            async with asyncio.timeout(self._timeout):
                await self._send(calls)
            taken = True
        except Exception as error:  # noqa: BLE001 - as in `read`, whose next attempt says what is the matter
            await self.close()
            log.warning("drain marks not written: %s", failed_connection(error, self.location, at=0.0).message)
        self._on_round_trip(loop.time() - started, taken)

    async def _send(self, calls: Sequence[Call[Any]]) -> None:
        replies = await self._replies([call.wire for call in calls])
        again = [
            call for call, reply in zip(calls, replies, strict=True) if isinstance(reply, NoScriptError) and call.script
        ]
        texts = [("EVAL", call.script.text, 1, *call.command) for call in again if call.script is not None]
        for reply in (*replies, *(await self._replies(texts) if texts else ())):
            if isinstance(reply, ResponseError) and not isinstance(reply, NoScriptError):
                # Of one queue: the marks of the others are written.
                log.warning("Redis %s refuses a drain mark: %s", self.location, failed_mark(reply))

    async def close(self) -> None:
        """Drop the connection; the next read makes a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)

    async def _ask(self, questions: Sequence[Question], now: float) -> Mapping[Question, object]:
        if self._connection is None:
            self._connection = self.location.connection(timeout=self._timeout)
            await self._connection.connect()  # type: ignore[no-untyped-call]
        replies = await self._pipeline({question: question.by_digest(now) for question in questions})
        unknown = [question for question, reply in replies.items() if isinstance(reply, NoScriptError)]
        if unknown:  # a new server, or SCRIPT FLUSH: the first teaches it, the others follow in the same breath
            again = {question: question.by_digest(now) for question in unknown}
            again[unknown[0]] = unknown[0].by_text(now)
            replies = {**replies, **await self._pipeline(again)}
        return replies

    async def _pipeline(self, commands: Mapping[Question, tuple[str | int, ...]]) -> dict[Question, object]:
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

    def _answer(self, question: Question, reply: object, now: float) -> QueueReading | ReadingFailed:
        if isinstance(reply, ResponseError):
            return failed_queue(reply, self.location, question.key, at=now)
        try:
            return reading(reply, now=now)
        except UnreadableReplyError as error:
            return failed_queue(error, self.location, question.key, at=now)

    def _remember(self, error: Exception, now: float) -> ReadingFailed:
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**self._failures)
        self._failures = min(self._failures + 1, 16)
        self._failed_at, self._retry_at = now, now + pause * random.uniform(0.5, 1.0)
        self._last_failure = failed_connection(error, self.location, at=now)
        return self._last_failure
