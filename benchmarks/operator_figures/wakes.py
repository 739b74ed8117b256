"""How long it takes from a job that is added to an idle queue to the new number of replicas, as a watch shows it."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from typing import Any

from bullpen.client.connection import Link
from bullpen.protocol.calls.add import add
from operator_figures.changes import Changes
from operator_figures.pools import end_one, is_active, queue_of

PATIENCE_SECONDS = 120.0
"""A pool that was woken goes back to zero only after its pod was drained."""


async def wakes(link: Link, changes: Changes, *, pools: int, count: int) -> dict[str, Any]:
    """Wake idle pools one after the other, at random moments of the operator's tick."""
    idle = [number for number in range(pools) if not is_active(number)]
    taken: list[float] = []
    for turn in range(count):
        number = idle[turn % len(idle)]
        await changes.until_replicas(number, lambda replicas: replicas == 0, within=PATIENCE_SECONDS)
        await asyncio.sleep(random.uniform(0, 1))
        begun = time.monotonic()
        await link.run(add(queue_of(number), name="job", data="{}", now=int(time.time() * 1000)))
        await changes.until_replicas(number, lambda replicas: replicas > 0, within=PATIENCE_SECONDS)
        taken.append(changes.scaled_at[number] - begun)
        await end_one(link, number)
    cut = statistics.quantiles(taken, n=100, method="inclusive")
    return {
        "wakes": len(taken),
        "p50 s": round(cut[49], 3),
        "p99 s": round(cut[98], 3),
        "worst s": round(max(taken), 3),
    }
