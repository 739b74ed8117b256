"""An app: the queues of one code base, and the one connection that its producers on an event loop share."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import os
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, TypeVar
from weakref import WeakSet

from bullpen.around import AppAround
from bullpen.durations import Duration, milliseconds
from bullpen.errors import ConfigurationError
from bullpen.flow import Flow, FlowJobs, add_flow, read_flow
from bullpen.pipelines import gather
from bullpen.protocol.arguments import shown
from bullpen.protocol.calls.work import RateLimit
from bullpen.protocol.keys import DEFAULT_PREFIX, QueueKeys
from bullpen.protocol.location import LocationSource, RedisLocation
from bullpen.protocol.numbers import LARGEST, check_whole
from bullpen.queue import Queue
from bullpen.retry import BUILT_IN
from bullpen.runtime.resources import Resources
from bullpen.runtime.rules import Strategy
from bullpen.runtime.settings import redis_from_environment
from bullpen.webhooks import AppWebhooks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from opentelemetry.trace import TracerProvider

    from bullpen.client.connection import Link
    from bullpen.client.connections import Connections
    from bullpen.client.producer import Producer
    from bullpen.client.reader import Events
    from bullpen.context import Context
    from bullpen.job import Job
    from bullpen.sync import App as SyncApp
    from bullpen.telemetry import Telemetry

S = TypeVar("S", bound=Strategy)

apps: Final[WeakSet[App]] = WeakSet()
"""All there are in this process: how `bullpen.testing` finds who declared a function."""


class App(AppAround, AppWebhooks):
    """Declares queues and jobs; `bullpen serve module:app` runs them, and any code of yours adds jobs through it.

    `redis` (a URL) and `prefix` win over the environment's REDIS_URL_FILE, REDIS_URL and QUEUE_PREFIX, which are read
    when the first job is added. Leave them out in what the operator deploys. `telemetry=True` traces jobs by
    OpenTelemetry, with the process' tracer provider or the one given. Raises ConfigurationError for a bad URL, and when
    OpenTelemetry is not installed.

    It may be used on several event loops, with connections of their own on each; `sync` is for code without any.
    """

    _connects: ClassVar = True
    """Whether a process that has an app will talk to Redis. A worker's child asks through its parent: without what it
    takes to connect it starts a third sooner, and imports that when a job uses a queue after all."""

    def __init__(
        self, *, redis: str | None = None, prefix: str | None = None, telemetry: bool | TracerProvider = False
    ) -> None:
        super().__init__()
        self._telemetry = _telemetry(telemetry) if telemetry is not False else None
        location = None if redis is None else RedisLocation.parse(redis)
        self._redis: LocationSource | None = None if location is None else lambda: location
        self._prefix = prefix
        self._queues: dict[str, Queue] = {}
        self._readers: WeakSet[Events] = WeakSet()
        self._backoffs: dict[str, Strategy] = {}
        self._connections: dict[asyncio.AbstractEventLoop, Connections] = {}
        self._sync: SyncApp | None = None
        apps.add(self)
        if self._connects:  # now, not with the first request that a server answers
            importlib.import_module("bullpen.client.connections")

    @property
    def queues(self) -> Mapping[str, Queue]:
        """The queues declared so far, by name."""
        return MappingProxyType(self._queues)

    @property
    def redis(self) -> LocationSource | None:
        """Where Redis is if the app says so itself, None where the environment does."""
        return self._redis

    def redirect(self, redis: LocationSource | None) -> LocationSource | None:
        """Take Redis from there (None: from the environment) at the next connect; returns what it replaces.

        For `bullpen.testing`: connections that are open stay where they are, `aclose` and `sync.close` end them.
        """
        before, self._redis = self._redis, redis
        return before

    @property
    def prefix(self) -> str:
        """The prefix of all keys: the app's own, else QUEUE_PREFIX, else BullMQ's default."""
        return self._prefix or os.environ.get("QUEUE_PREFIX") or DEFAULT_PREFIX

    @property
    def telemetry(self) -> Telemetry | None:
        """What follows jobs from their producers to their workers; None unless the app was made with it."""
        return self._telemetry

    @property
    def backoffs(self) -> Mapping[str, Strategy]:
        """The custom backoff strategies declared so far, by name."""
        return MappingProxyType(self._backoffs)

    @property
    def sync(self) -> SyncApp:
        """The same app for code that has no event loop, always the same object: see `bullpen.sync`."""
        if self._sync is None:
            from bullpen.sync import App as SyncApp

            self._sync = SyncApp.of(self)
        return self._sync

    def queue(
        self,
        name: str,
        *,
        limiter: tuple[int, Duration] | None = None,
        max_started_attempts: int | None = None,
        unknown: Literal["fail", "leave"] | None = None,
    ) -> Queue:
        """The queue of that name, declared when first asked for; the options concern the workers that serve it.

        `limiter=(100, "1m")`: at most 100 starts a minute, by all workers of the queue together; a limit stored in
        Redis wins. `max_started_attempts`: a job started more often is failed unrun, however its starts ended.
        `unknown`: a job whose name no function handles fails ("fail", unless said), or is delayed without an attempt
        counted, for a second at first and up to 5 minutes later, until a worker that knows it gets it ("leave").
        Raises ConfigurationError for a name with a colon, options out of range, and other options than the first time.
        """
        QueueKeys(DEFAULT_PREFIX, name)  # names are checked where they are written
        limit = None if limiter is None else _limit(name, limiter)
        if max_started_attempts is not None:
            _check_count(max_started_attempts, f"queue {name!r}: max_started_attempts={shown(max_started_attempts)}")
        if unknown not in (None, "fail", "leave"):
            raise ConfigurationError(f'queue {name!r}: unknown={shown(unknown)}; use "fail" or "leave"')
        found = self._queues.get(name)
        if found is None:
            made = Queue(name, app=self, limiter=limit, max_started_attempts=max_started_attempts, unknown=unknown)
            found = self._queues.setdefault(name, made)  # threads that ask at the same time get the same one
        rules = found.rules
        if (
            limit not in (None, rules.limiter)
            or max_started_attempts not in (None, rules.max_started)
            or unknown not in (None, "leave" if rules.leaves_unknown else "fail")
        ):
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

    def check(self) -> None:
        """Raises ConfigurationError for jobs that ask for a resource nobody provides, and resources in a circle."""
        handlers = [handler for queue in self._queues.values() for handler in queue.handlers]
        Resources(self._resources).check(handlers)

    async def flow(self, tree: Flow, *, parent: Context | Job | None = None) -> FlowJobs:
        """Add jobs that wait for other jobs: all of the tree, or nothing. Returns them in the same shape.

        `parent`, a job there is (or, inside a job, its context), waits for the root: see `WaitForChildren`.
        On Redis Cluster the queues of a flow need one hash tag. Raises ConfigurationError for what `Queue.add` refuses
        and for an id that is twice in the tree, WrongState when a job of a given id has another parent, JobMissing
        when `parent` does not exist, ConnectionLost when Redis did not answer: only then it may have been added.
        """
        return await add_flow(self, tree, parent)

    async def gather(
        self, flows: Iterable[Flow], *, parent: Context, stage: str, as_: type[Any] | None = None
    ) -> list[Any]:
        """Inside a job: have other jobs run in parallel, and return what they returned, in the order given.

        The first time it adds them as children of this job and raises `WaitForChildren`: the job ends here, keeps no
        slot, and starts again from its beginning when they have ended; then this returns at once, in later attempts
        too. `stage` names this step within the job, each step another. A child whose failure is to be outlived
        (`on_failure="ignore_failure"`) gives None. `as_` is the type to read the results as.
        Raises ConfigurationError for what `flow` refuses and for a flow that has a `job_id`, which this gives.
        """
        return await gather(self, flows, parent=parent, stage=stage, as_=as_)

    async def get_flow(self, job: Job, *, depth: int = 10) -> FlowJobs:
        """Read a flow back: a job, its children, and theirs, `depth` levels at most (1: the job alone).

        A job without children, or of no flow, is a tree of one. Each job's children are read at one moment, the tree
        is not. Raises ConfigurationError for a depth below 1, and as `job_at` does.
        """
        check_whole("depth", depth, lowest=1)
        return await read_flow(job, depth=depth)

    def job_at(self, key: str) -> Job:
        """A handle on the job whose record has this full key: so Redis, and `Job.children_values`, name children.

        Raises ConfigurationError for a key that does not begin with the app's prefix.
        """
        before, _, rest = key.partition(f"{self.prefix}:")
        queue, _, job_id = rest.partition(":")
        if before or not queue or not job_id:
            raise ConfigurationError(
                f"job {key!r} is not under the prefix {self.prefix!r} of this app: ask an App with its prefix"
            )
        return self.queue(queue).get(job_id)

    async def producer(self, queue: str) -> Producer:
        """What `Queue` adds and asks through: one connection on the running event loop, opened when first needed.

        In a Redis cluster it is one for each hash slot. Raises ConfigurationError for a queue that cannot live there.
        """
        return await self._opened().producer(self.prefix, queue)

    async def link(self, queues: Iterable[str]) -> Link:
        """The connection for what touches several queues at once; in a Redis cluster they must share a hash slot.

        Raises ConfigurationError when they do not.
        """
        return await self._opened().link(*(QueueKeys(self.prefix, queue) for queue in queues))

    def _opened(self) -> Connections:
        """Those of the running loop. Each loop touches its own alone, so that several may run in threads at a time."""
        loop = asyncio.get_running_loop()
        found = self._connections.get(loop)
        if found is None:
            from bullpen.client.connections import Connections

            for ended in [each for each in tuple(self._connections) if each.is_closed()]:
                self._connections.pop(ended, None)  # its connections have ended with it
            found = self._connections[loop] = Connections(self._source(), tracing=self._telemetry)
        return found

    def events(self, queue: str, *, after: str | None) -> Events:
        """What `Queue.events` hands out; closed with the app, if not before."""
        from bullpen.client.reader import Events

        reader = Events(QueueKeys(self.prefix, queue), location=self._source(), after=after)
        self._readers.add(reader)
        return reader

    def _source(self) -> LocationSource:
        return self._redis or redis_from_environment(os.environ)

    async def aclose(self) -> None:
        """Close the connections of this event loop; a later use opens new ones."""
        connections = self._connections.pop(asyncio.get_running_loop(), None)
        for reader in list(self._readers):
            await reader.aclose()
        if connections is not None:
            await connections.aclose()

    async def __aenter__(self) -> App:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def _telemetry(wanted: bool | TracerProvider) -> Telemetry:
    try:
        from bullpen.telemetry import Telemetry
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"App(telemetry=…): there is no module {error.name!r}; install bullpen[otel] for OpenTelemetry"
        ) from error
    if wanted is True:
        return Telemetry()
    if isinstance(wanted, bool) or not hasattr(wanted, "get_tracer"):
        raise ConfigurationError(f"App(telemetry={shown(wanted)}): give True, or a TracerProvider of OpenTelemetry")
    return Telemetry(wanted)


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
