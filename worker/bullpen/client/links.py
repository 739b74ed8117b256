"""The connections of one process: one for all its queues, in a cluster one for each hash slot in which it has any.

A link per slot rather than per node: a slot may move to another node at any time, and takes its link along.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bullpen.client.connection import Link
from bullpen.client.eviction import warn_of_eviction
from bullpen.client.sync import SyncLink
from bullpen.errors import ConfigurationError
from bullpen.protocol.location import LocationSource, RedisLocation
from bullpen.protocol.slots import slot_of

if TYPE_CHECKING:
    from types import TracebackType

    from bullpen.protocol.keys import QueueKeys

_ONE_SERVER = -1


class Links:
    """Opens links when they are first asked for, on one event loop, and closes them all at once.

    `location`, `timeout` and `name` as for `Link`. Each link is asked for the server's eviction policy once it is
    connected.
    """

    def __init__(
        self, location: RedisLocation | LocationSource, *, timeout: float = 10.0, name: str | None = None
    ) -> None:
        self._source: LocationSource = (lambda: location) if isinstance(location, RedisLocation) else location
        self._timeout = timeout
        self._name = name
        self._links: dict[int, Link] = {}
        self._checks: set[asyncio.Task[None]] = set()

    async def of(self, keys: QueueKeys, *others: QueueKeys) -> Link:
        """The link that serves this queue, and the others with it if one script is to touch them all.

        Raises ConfigurationError for a queue that cannot live in the cluster, and for others in another hash slot.
        """
        slot = _ONE_SERVER
        if self._source().cluster:
            slot = slot_of(keys)
            if apart := [other.queue for other in others if slot_of(other) != slot]:
                raise ConfigurationError(
                    f"queues {keys.queue!r} and {apart[0]!r} are in different hash slots of the Redis cluster, and "
                    "what concerns both has to happen at once: give them the same hash tag, for example in the prefix"
                )
        link = self._links.get(slot)
        if link is None:
            link = Link(self._source, timeout=self._timeout, name=self._name, queue=keys)
            self._links[slot] = await link.__aenter__()
            check = asyncio.create_task(warn_of_eviction(link), name="bullpen-eviction-policy")
            self._checks.add(check)
            check.add_done_callback(self._checks.discard)
        return link

    async def __aenter__(self) -> Links:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the links; a later use opens new ones."""
        links, self._links = self._links, {}
        for check in tuple(self._checks):
            check.cancel()
        for link in links.values():
            await link.aclose()
        await asyncio.gather(*self._checks, return_exceptions=True)


class SyncLinks:
    """The same for a thread of its own."""

    def __init__(
        self, location: RedisLocation | LocationSource, *, timeout: float = 5.0, name: str | None = None
    ) -> None:
        self._source: LocationSource = (lambda: location) if isinstance(location, RedisLocation) else location
        self._timeout = timeout
        self._name = name
        self._links: dict[int, SyncLink] = {}

    def of(self, keys: QueueKeys) -> SyncLink:
        """The link that serves this queue. Raises ConfigurationError for a queue that cannot live in the cluster."""
        slot = slot_of(keys) if self._source().cluster else _ONE_SERVER
        link = self._links.get(slot)
        if link is None:
            link = SyncLink(self._source, timeout=self._timeout, name=self._name, queue=keys)
            self._links[slot] = link
        return link

    def close(self) -> None:
        """Drops the connections; a later use opens new ones."""
        for link in self._links.values():
            link.close()
