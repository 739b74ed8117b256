"""What an app has open on one event loop: its links, and the producers that share them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bullpen.client.links import Links
from bullpen.client.producer import Producer
from bullpen.protocol.keys import QueueKeys

if TYPE_CHECKING:
    from bullpen.client.connection import Link
    from bullpen.client.tracing import Tracing
    from bullpen.protocol.location import LocationSource


class Connections:
    """To be used and closed on the event loop on which it was first used; `location` as for `Links`."""

    def __init__(self, location: LocationSource, *, tracing: Tracing | None = None) -> None:
        self._location = location
        self._tracing = tracing
        self._links = Links(location)
        self._producers: dict[tuple[str, str], Producer] = {}

    async def producer(self, prefix: str, queue: str) -> Producer:
        """The producer of a queue. Raises ConfigurationError for bad names, and a queue that no cluster can hold."""
        found = self._producers.get((prefix, queue))
        if found is None:
            keys = QueueKeys(prefix, queue)
            link = await self._links.of(keys)
            found = self._producers[prefix, queue] = Producer(
                link=link, location=self._location, keys=keys, tracing=self._tracing
            )
        return found

    async def link(self, *keys: QueueKeys) -> Link:
        """The link that serves all these queues. Raises ConfigurationError when no one link can."""
        return await self._links.of(*keys)

    async def aclose(self) -> None:
        """Closes all of it; calls that are still waiting fail with ConnectionLost."""
        producers, self._producers = self._producers, {}
        for producer in producers.values():
            await producer.aclose()
        await self._links.aclose()
