"""An app: the queues of one code base, and the one connection its producers share."""

from __future__ import annotations

import asyncio
import os
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING

from bullpen.client.links import Links
from bullpen.client.producer import Producer
from bullpen.client.settings import LocationSource, RedisLocation
from bullpen.protocol.keys import DEFAULT_PREFIX, QueueKeys
from bullpen.queue import Queue
from bullpen.runtime.settings import redis_from_environment

if TYPE_CHECKING:
    from collections.abc import Mapping


class App:
    """Declares queues and jobs; `bullpen serve module:app` runs them, and any code of yours adds jobs through it.

    `redis` (a URL) and `prefix` win over the environment's REDIS_URL_FILE, REDIS_URL and QUEUE_PREFIX, which are read
    when the first job is added. Leave them out in what the operator deploys. Raises ConfigurationError for a bad URL.
    """

    def __init__(self, *, redis: str | None = None, prefix: str | None = None) -> None:
        location = None if redis is None else RedisLocation.parse(redis)
        self._redis: LocationSource | None = None if location is None else lambda: location
        self._prefix = prefix
        self._queues: dict[str, Queue] = {}
        self._producers: dict[str, Producer] = {}
        self._links: Links | None = None
        self._links_loop: asyncio.AbstractEventLoop | None = None

    @property
    def queues(self) -> Mapping[str, Queue]:
        """The queues declared so far, by name."""
        return MappingProxyType(self._queues)

    @property
    def redis(self) -> LocationSource | None:
        """Where Redis is if the app says so itself, None where the environment does."""
        return self._redis

    @property
    def prefix(self) -> str:
        """The prefix of all keys: the app's own, else QUEUE_PREFIX, else BullMQ's default."""
        return self._prefix or os.environ.get("QUEUE_PREFIX") or DEFAULT_PREFIX

    def queue(self, name: str) -> Queue:
        """The queue of that name, declared when first asked for. Raises ConfigurationError for a name with a colon."""
        found = self._queues.get(name)
        if found is None:
            QueueKeys(DEFAULT_PREFIX, name)  # names are checked where they are written
            found = self._queues[name] = Queue(name, app=self)
        return found

    async def producer(self, queue: str) -> Producer:
        """What `Queue` adds and asks through: one connection on the running event loop, opened when first needed.

        In a Redis cluster it is one for each hash slot. Raises ConfigurationError for a queue that cannot live there.
        """
        loop = asyncio.get_running_loop()
        if self._links is not None and self._links_loop is not loop:
            if self._links_loop is not None and self._links_loop.is_running():
                raise RuntimeError("this App is in use on another event loop; make one App for each loop")
            self._links = None  # its loop has ended, and its connections with it
            self._producers.clear()
        source = self._redis or redis_from_environment(os.environ)
        if self._links is None:
            self._links, self._links_loop = Links(source), loop
        if queue not in self._producers:
            keys = QueueKeys(self.prefix, queue)
            self._producers[queue] = Producer(link=await self._links.of(keys), location=source, keys=keys)
        return self._producers[queue]

    async def aclose(self) -> None:
        """Close the connections; a later use opens new ones."""
        links, self._links = self._links, None
        producers, self._producers = self._producers, {}
        for producer in producers.values():
            await producer.aclose()
        if links is not None:
            await links.aclose()

    async def __aenter__(self) -> App:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
