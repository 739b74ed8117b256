"""Finding the queues of a Redis: bounded, since there may be hundreds of millions of keys of jobs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bullpen.client.blocking import BlockingLink
from bullpen.client.transports import CONNECT_SECONDS
from bullpen.errors import ConnectionLost
from bullpen.protocol.calls import discover

if TYPE_CHECKING:
    from collections.abc import Callable

    from bullpen.protocol.location import LocationSource, RedisLocation


@dataclass(frozen=True, slots=True)
class Found:
    """Queue names in order; `complete` is False when time was up before all keys were looked at."""

    queues: tuple[str, ...]
    complete: bool


async def find_queues(
    source: LocationSource, prefix: str, *, seconds: float, clock: Callable[[], float] = time.monotonic
) -> Found:
    """The queues under a prefix, on every master of a cluster; looks for at most `seconds`.

    Raises ConnectionLost, and ConfigurationError when Redis refuses the login or the command.
    """
    until = clock() + seconds
    names: set[str] = set()
    complete = True
    for location in await _servers(source):
        cursor = 0
        async with BlockingLink(location) as link:
            while True:
                part = await link.run(discover.scan(prefix, cursor=cursor), block=CONNECT_SECONDS)
                names.update(part.queues)
                cursor = part.cursor
                if not cursor:
                    break
                if clock() > until:
                    complete = False
                    break
    return Found(tuple(sorted(names)), complete)


async def _servers(source: LocationSource) -> list[RedisLocation | LocationSource]:
    location = source()
    if not location.seeds:
        return [source]
    failure: ConnectionLost | None = None
    for seed in location.seeds:
        try:
            async with BlockingLink(location.at(seed)) as link:
                nodes = await link.run(discover.masters(), block=CONNECT_SECONDS)
            return [location.at((host or seed[0], port)) for host, port in nodes]
        except ConnectionLost as error:
            failure = error
    raise failure or ConnectionLost(f"the cluster {location} names no node", sent=False)
