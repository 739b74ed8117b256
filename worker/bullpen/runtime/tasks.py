"""The end of tasks, and of what is done in passing."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from bullpen.errors import BullpenError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Sequence

logger = logging.getLogger("bullpen.WorkerService")


async def end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they are gone; what they raised has been looked at, or is told by the fault."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def briefly(courtesies: Iterable[Awaitable[Any]]) -> None:
    """What others are owed, but what must not hold up the end."""
    try:
        async with asyncio.timeout(1):
            done = await asyncio.gather(*courtesies, return_exceptions=True)
    except TimeoutError as error:
        done = [error]
    for failed in done:
        if isinstance(failed, (BullpenError, TimeoutError)):
            logger.debug("not told to Redis: %s", failed)
        elif isinstance(failed, BaseException):
            raise failed
