"""An app: the queues of one code base, and the one connection its producers share."""

from __future__ import annotations

import asyncio
import inspect
import os
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakSet

from bullpen.client.links import Links
from bullpen.client.producer import Producer
from bullpen.client.reader import Events
from bullpen.client.settings import LocationSource, RedisLocation
from bullpen.durations import Duration, milliseconds
from bullpen.errors import ConfigurationError
from bullpen.flow import Flow, FlowJobs, add_flow
from bullpen.protocol.arguments import shown
from bullpen.protocol.calls.work import RateLimit
from bullpen.protocol.keys import DEFAULT_PREFIX, QueueKeys
from bullpen.protocol.numbers import LARGEST
from bullpen.queue import Queue
from bullpen.retry import BUILT_IN
from bullpen.runtime.rules import Strategy
from bullpen.runtime.settings import redis_from_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bullpen.client.connection import Link
    from bullpen.context import Context
    from bullpen.job import Job

S = TypeVar("S", bound=Strategy)


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
        self._readers: WeakSet[Events] = WeakSet()
        self._backoffs: dict[str, Strategy] = {}
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

    @property
    def backoffs(self) -> Mapping[str, Strategy]:
        """The custom backoff strategies declared so far, by name."""
        return MappingProxyType(self._backoffs)

    def queue(
        self,
        name: str,
        *,
        limiter: tuple[int, Duration] | None = None,
        max_started_attempts: int | None = None,
    ) -> Queue:
        """The queue of that name, declared when first asked for; the options concern the workers that serve it.

        `limiter=(100, "1m")`: at most 100 starts a minute, by all workers of the queue together; a limit stored in
        Redis wins. `max_started_attempts`: a job started more often is failed unrun, however its starts ended.
        Raises ConfigurationError for a name with a colon, options out of range, and other options than the first time.
        """
        QueueKeys(DEFAULT_PREFIX, name)  # names are checked where they are written
        limit = None if limiter is None else _limit(name, limiter)
        if max_started_attempts is not None:
            _check_count(max_started_attempts, f"queue {name!r}: max_started_attempts={shown(max_started_attempts)}")
        found = self._queues.get(name)
        if found is None:
            found = self._queues[name] = Queue(name, app=self, limiter=limit, max_started_attempts=max_started_attempts)
        rules = found.rules
        if limit not in (None, rules.limiter) or max_started_attempts not in (None, rules.max_started):
            raise ConfigurationError(f"queue {name!r} is declared already, with other options; give them there")
        return found

    def backoff(self, name: str) -> Callable[[S], S]:
        """Declare a function that says how long to wait before a retry, for jobs whose backoff has this name.

        It gets the number of failures (1 for the first), the error and the job's record, and returns a duration; a
        negative number fails the job for good. It runs on the event loop: no I/O. Raises ConfigurationError for the
        names built in, a name declared before, and a coroutine function.

            @app.backoff("by-status")
            def by_status(failures: int, error: BaseException, job: JobRecord) -> Duration: ...
        """
        if not name or name in BUILT_IN or name in self._backoffs:
            why = "is empty" if not name else "is built in" if name in BUILT_IN else "is declared already"
            raise ConfigurationError(f"backoff name {name!r} {why}: use another")

        def declare(strategy: S) -> S:
            if not callable(strategy) or inspect.iscoroutinefunction(strategy):
                raise ConfigurationError(f"backoff {name!r}: {strategy!r} must be a plain function, it computes only")
            self._backoffs[name] = strategy
            return strategy

        return declare

    async def flow(self, tree: Flow, *, parent: Context | Job | None = None) -> FlowJobs:
        """Add jobs that wait for other jobs: all of the tree, or nothing. Returns them in the same shape.

        `parent`, a job there is (or, inside a job, its context), waits for the root: see `WaitForChildren`.
        On Redis Cluster the queues of a flow need one hash tag. Raises ConfigurationError for what `Queue.add` refuses
        and for an id that is twice in the tree, WrongState when a job of a given id has another parent, JobMissing
        when `parent` does not exist, ConnectionLost when Redis did not answer: only then it may have been added.
        """
        return await add_flow(self, tree, parent)

    async def producer(self, queue: str) -> Producer:
        """What `Queue` adds and asks through: one connection on the running event loop, opened when first needed.

        In a Redis cluster it is one for each hash slot. Raises ConfigurationError for a queue that cannot live there.
        """
        links = self._open_links()
        if queue not in self._producers:
            keys = QueueKeys(self.prefix, queue)
            self._producers[queue] = Producer(link=await links.of(keys), location=self._source(), keys=keys)
        return self._producers[queue]

    async def link(self, queues: Iterable[str]) -> Link:
        """The connection for what touches several queues at once; in a Redis cluster they must share a hash slot.

        Raises ConfigurationError when they do not.
        """
        return await self._open_links().of(*(QueueKeys(self.prefix, queue) for queue in queues))

    def _open_links(self) -> Links:
        loop = asyncio.get_running_loop()
        if self._links is not None and self._links_loop is not loop:
            if self._links_loop is not None and self._links_loop.is_running():
                raise RuntimeError("this App is in use on another event loop; make one App for each loop")
            self._links = None  # its loop has ended, and its connections with it
            self._producers.clear()
        if self._links is None:
            self._links, self._links_loop = Links(self._source()), loop
        return self._links

    def events(self, queue: str, *, after: str | None) -> Events:
        """What `Queue.events` hands out; closed with the app, if not before."""
        reader = Events(QueueKeys(self.prefix, queue), location=self._source(), after=after)
        self._readers.add(reader)
        return reader

    def _source(self) -> LocationSource:
        return self._redis or redis_from_environment(os.environ)

    async def aclose(self) -> None:
        """Close the connections; a later use opens new ones."""
        links, self._links = self._links, None
        producers, self._producers = self._producers, {}
        for producer in producers.values():
            await producer.aclose()
        for reader in list(self._readers):
            await reader.aclose()
        if links is not None:
            await links.aclose()

    async def __aenter__(self) -> App:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def _limit(queue: str, limiter: tuple[int, Duration]) -> RateLimit:
    told = f"queue {queue!r}: limiter={shown(limiter)}"
    if not isinstance(limiter, tuple) or len(limiter) != 2:
        raise ConfigurationError(f'{told}: must be how many starts in how long, for example (100, "1m")')
    most, duration = limiter
    _check_count(most, told)
    duration_ms = milliseconds(duration, of=told)
    if duration_ms < 1:
        raise ConfigurationError(f"{told}: a window shorter than a millisecond limits nothing")
    return RateLimit(max=most, duration_ms=duration_ms)


def _check_count(value: object, told: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LARGEST:
        raise ConfigurationError(f"{told}: must be a whole number >= 1 and <= {LARGEST}")
