"""The end of a worker's life: what fits in the time given is finished, the rest goes back to the front of the queue."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bullpen.runtime.station import Stop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bullpen.runtime.loop import QueueLoop

# What told jobs get to stop: cancelled coroutines to run their `finally`, threads to look at `ctx.stopping`.
GRACE_SECONDS = 3.0


async def drain(queues: Sequence[QueueLoop], *, seconds: float, hurry: asyncio.Event) -> bool:
    """Stop claiming, wait up to `seconds` (or until `hurry`) for running jobs, then tell the rest to stop.

    Returns whether every job has ended or given itself back; what is held then must be handed back as the last act.
    """
    for queue in queues:
        queue.stop()
    if await _empty(queues, seconds, hurry):
        return True
    for queue in queues:
        queue.tell(Stop.DRAIN)
    return await _empty(queues, GRACE_SECONDS, asyncio.Event())


async def _empty(queues: Sequence[QueueLoop], seconds: float, hurry: asyncio.Event) -> bool:
    async def all_empty() -> None:
        for queue in queues:
            await queue.empty()

    emptied = asyncio.create_task(all_empty())
    hurried = asyncio.create_task(hurry.wait())
    try:
        await asyncio.wait({emptied, hurried}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return emptied.done()
    finally:
        for task in (emptied, hurried):
            task.cancel()
        await asyncio.gather(emptied, hurried, return_exceptions=True)
