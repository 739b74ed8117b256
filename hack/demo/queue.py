"""The queue while the demo runs, read the way the operator reads it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from bullpen_operator.queues.endpoint import Endpoint
from bullpen_operator.queues.location import Location
from bullpen_operator.queues.question import Question
from bullpen_operator.scaling.observation import QueueReading


@asynccontextmanager
async def watched(url: str, queue: str) -> AsyncIterator[Callable[[], Awaitable[QueueReading]]]:
    """A function that reads the queue as it is now, for as long as the block lasts.

    Raises (the function):
        ConnectionError: Redis did not answer.
    """
    question = Question("bull", queue)
    endpoint = Endpoint(Location.parse(url), on_round_trip=lambda seconds, answered: None)

    async def look() -> QueueReading:
        answer = (await endpoint.read([question], now=time.time()))[question]
        if not isinstance(answer, QueueReading):
            raise ConnectionError(answer.message)
        return answer

    try:
        yield look
    finally:
        await endpoint.close()
