"""Stopping a worker once its queues are empty: for a job of cron's, and for tests."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from bullpen.errors import ConnectionLost
from bullpen.protocol.calls import clock, look, read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bullpen.client.connection import Link
    from bullpen.protocol.keys import QueueKeys

logger = logging.getLogger("bullpen.WorkerService")

SOON_SECONDS: Final = 10
"""A delayed job that is due within this is waited for: the retries after 1, 2 and 4 s of jobs added by our client."""
LOOK_SECONDS: Final = 0.25
# Runs of schedules that may hide another delayed job behind them.
_MOST_RUNS: Final = 1000


async def stop_when_empty(queues: Sequence[tuple[Link, QueueKeys]], stop: Callable[[], None]) -> None:
    """Look at the queues until nothing is to be done in any of them, then call `stop`.

    Two looks in a row must say so: a job that ends may have added one to a queue that had been looked at.
    """
    quiet = 0
    while quiet < 2:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            busy = [keys.queue for link, keys in queues if await has_work(link, keys)]
        except ConnectionLost:
            quiet = 0  # the worker says so itself, and goes on trying
        else:
            quiet = 0 if busy else quiet + 1
    logger.info("All queues are empty")
    stop()


async def has_work(link: Link, keys: QueueKeys) -> bool:
    """Whether something waits, runs, or will be due soon.

    The jobs of a paused queue wait for a person, and the next run of a schedule would be waited for again and again:
    neither counts. Jobs that wait for children count as little, since the children do.
    """
    counts, settings, now = await asyncio.gather(
        link.run(read.counts(keys)), link.run(look.settings(keys)), link.run(clock.now())
    )
    if counts.active or settings.paused:
        return bool(counts.active)
    if counts.waiting or counts.paused or counts.prioritized:
        return True
    if not counts.delayed:
        return False
    soon = await link.run(look.due_soon(keys, by_ms=now + SOON_SECONDS * 1000, count=_MOST_RUNS))
    return not all(job_id.startswith("repeat:") for job_id in soon)
