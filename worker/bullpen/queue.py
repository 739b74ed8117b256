"""A queue of an app: where jobs are declared, and where they are added."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Sequence
from contextlib import aclosing
from operator import is_
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from bullpen.dedup import Dedup
from bullpen.durations import Duration, milliseconds
from bullpen.errors import ConfigurationError
from bullpen.hooks import Hooked
from bullpen.job import Job
from bullpen.new_job import NewJob, prepared
from bullpen.protocol.arguments import check_text, shown
from bullpen.protocol.calls.add import check_job_id
from bullpen.protocol.options import Backoff, JobOptions, KeepJobs
from bullpen.retry import BUILT_IN, DEFAULT_RETRY, Retry
from bullpen.runtime.handler import Handler, Timeout, describe
from bullpen.runtime.rules import Rules
from bullpen.schedules import Schedules
from bullpen.upkeep import Upkeep
from bullpen.values import NO_DATA, plain
from bullpen.webhooks import QueueWebhooks

if TYPE_CHECKING:
    from bullpen.app import App
    from bullpen.client.producer import Producer
    from bullpen.client.reader import Events
    from bullpen.protocol.calls.clients import ConnectedWorker
    from bullpen.protocol.calls.work import RateLimit
    from bullpen.protocol.deduplication import Deduplication
    from bullpen.sizes import Size
    from bullpen.webhook import Webhook

F = TypeVar("F", bound=Callable[..., Any])


class Queue(Hooked, Schedules, Upkeep, QueueWebhooks):
    """Made by `App.queue(name)`.

    Every method that asks Redis raises ConnectionLost when it does not answer, ConfigurationError when it refuses the
    login or a command, and ProtocolError when what is stored is none of BullMQ's.
    """

    def __init__(
        self,
        name: str,
        *,
        app: App,
        limiter: RateLimit | None = None,
        max_started_attempts: int | None = None,
        unknown: Literal["fail", "leave"] | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        self._app = app
        self._limiter = limiter
        self._max_started = max_started_attempts
        self._unknown = unknown
        self._handlers: dict[str | None, Handler] = {}
        self._settled: tuple[tuple[object, ...], JobOptions] | None = None

    def __repr__(self) -> str:
        return f"Queue({self.name!r})"

    @property
    def app(self) -> App:
        """The app it belongs to."""
        return self._app

    @property
    def handlers(self) -> Sequence[Handler]:
        """The job functions declared so far."""
        return tuple(self._handlers.values())

    @property
    def rules(self) -> Rules:
        """How its jobs are worked on."""
        return Rules(
            limiter=self._limiter,
            max_started=self._max_started,
            backoffs=self._app.backoffs,
            leaves_unknown=self._unknown == "leave",
            around=self._app.around,
            hooks=self.hooks(self._app),
        )

    def job(
        self,
        name: str | None = None,
        *,
        run: Literal["async", "thread", "process"] | None = None,
        retry: Retry | None = None,
        timeout: Timeout | None = None,
        memory: Size | None = None,
    ) -> Callable[[F], F]:
        """Declare the function that does jobs of this name, or, without a name, of every other name.

        The function takes the job's data, validated against its annotation, if it wants a `Context`, and resources by
        their types (`App.resource`). `run` is "async" for coroutine functions and "thread" for plain ones unless said;
        "process" is for either. `retry` is what `add` stores with the jobs it adds; jobs of other producers bring their
        own. An attempt that runs longer than `timeout` (a duration or a timedelta) fails; `memory` (bytes, or text such
        as "512MiB") caps what the process of a job with run="process" may use. Raises ConfigurationError for what
        cannot work.
        """
        if name == "":
            raise ConfigurationError(
                f"queue {self.name!r}: a job name is empty; give it a name, or none for all others"
            )
        if name is not None:
            check_text(f"queue {self.name!r}: job name", name)

        def declare(function: F) -> F:
            if name in self._handlers:
                what = f"jobs named {name!r}" if name is not None else "all other jobs"
                known = self._handlers[name].function.__qualname__
                raise ConfigurationError(
                    f"queue {self.name!r}: {what} are done by {known} already; "
                    f"{function.__qualname__} needs another name"
                )
            self._handlers[name] = describe(function, name=name, run=run, retry=retry, timeout=timeout, memory=memory)
            self._settled = None  # its retry counts from now on
            return function

        return declare

    async def add(
        self,
        name: str,
        data: object = NO_DATA,
        *,
        delay: Duration = 0,
        retry: Retry | None = None,
        job_id: str | None = None,
        priority: int = 0,
        lifo: bool = False,
        remove_on_complete: bool | int | KeepJobs | None = None,
        remove_on_fail: bool | int | KeepJobs | None = None,
        dedup: Dedup | str | None = None,
        webhook: Webhook | None = None,
    ) -> Job:
        """Add a job; `data` is a pydantic model (written by alias), a dataclass, or anything JSON can say.

        It becomes ready after `delay`. `retry` wins over the decorator's of that name, which wins over 3 retries after
        1 s, 2 s and 4 s. A `job_id` that exists already adds nothing: the returned `Job` is the existing one.
        `priority` 1 is the first among those with one; 0 (none) goes before them all, up to 2097151.
        `remove_on_complete` and `remove_on_fail`: True, or how many to keep; unset keeps all.
        `dedup` is an id that one job may own at a time, or a `Dedup` that says for how long; a job that is discarded
        for the owner's sake shows in `Job.deduplicated`, and the returned `Job` is the owner.
        `webhook` is told when the job has completed or failed for good.
        Raises ConfigurationError for values outside these ranges and data that is no JSON, ConnectionLost when Redis
        did not answer.
        """
        options = self.options(
            name,
            delay=delay,
            retry=retry,
            job_id=job_id,
            priority=priority,
            lifo=lifo,
            remove_on_complete=remove_on_complete,
            remove_on_fail=remove_on_fail,
            dedup=dedup,
            webhook=webhook,
        )
        producer = await self._app.producer(self.name)
        added = await producer.add(name, self.payload(name, data), options=options)
        # A job there is already may have any name.
        own = not added.deduplicated and job_id is None
        return Job(added.job_id, queue=self, deduplicated=added.deduplicated, name=name if own else None)

    async def add_bulk(self, jobs: Iterable[NewJob] | AsyncIterable[NewJob]) -> list[Job]:
        """Add many jobs, in order; returns them in the same order. Much faster than one `add` after the other.

        All are checked before the first is written: after a ConfigurationError, which says the job's place, or an
        error of what makes the jobs, nothing was added. They go in steps of up to 250 jobs, each all or nothing; after
        another error, such as ConnectionLost, the first steps were done, the next one may have been, and the others
        were not. What does not fit into memory goes through `add_each`.
        """
        producer = await self._app.producer(self.name)
        added = await producer.bulk.add(prepared(jobs, self))
        return [Job(each.job_id, queue=self, deduplicated=each.deduplicated) for each in added]

    async def add_each(self, jobs: Iterable[NewJob] | AsyncIterable[NewJob]) -> AsyncGenerator[Job, None]:
        """Add any number of jobs as they are made, and yield each once it is added: `async for job in …`.

        At most 750 are held at any time, and `jobs` is asked for more only when the loop is. After a
        ConfigurationError, or an error of what makes the jobs, those before it were added and yielded, and none after
        it; other errors as for `add_bulk`. A loop that is left early may have added 500 jobs beyond the last one.
        """
        producer = await self._app.producer(self.name)
        async with aclosing(producer.bulk.each(prepared(jobs, self))) as all_added:
            async for added in all_added:
                yield Job(added.job_id, queue=self, deduplicated=added.deduplicated)

    def options(
        self,
        name: str,
        *,
        delay: Duration = 0,
        retry: Retry | None = None,
        job_id: str | None = None,
        priority: int = 0,
        lifo: bool = False,
        remove_on_complete: bool | int | KeepJobs | None = None,
        remove_on_fail: bool | int | KeepJobs | None = None,
        dedup: Dedup | str | None = None,
        webhook: Webhook | None = None,
    ) -> JobOptions:
        """What is stored with a job of that name that is added with these settings of `add`.

        Raises ConfigurationError for durations and backoffs that nobody understands.
        """
        settings = (name, delay, retry, job_id, priority, lifo, remove_on_complete, remove_on_fail, dedup, webhook)
        # Most jobs are added with the settings of the one before. Not by equality: True and 1 are different rules.
        settled = self._settled  # looked at once: another thread's loop may use the queue too (`App.sync`)
        if settled is None or not all(map(is_, settings, settled[0])):
            settled = self._settled = settings, self._options(*settings)
        return settled[1]

    def _options(
        self,
        name: str,
        delay: Duration,
        retry: Retry | None,
        job_id: str | None,
        priority: int,
        lifo: bool,
        remove_on_complete: bool | int | KeepJobs | None,
        remove_on_fail: bool | int | KeepJobs | None,
        dedup: Dedup | str | None,
        webhook: Webhook | None,
    ) -> JobOptions:
        if retry is not None and not isinstance(retry, Retry):
            raise ConfigurationError(f"retry is {shown(retry)}: give a Retry")
        check_text("job name", name)
        if job_id is not None and job_id != "":
            check_job_id(job_id)
        tries = retry or self._declared_retry(name) or DEFAULT_RETRY
        self._check_backoff(tries.backoff)
        return JobOptions(
            attempts=tries.attempts,
            backoff=Backoff(tries.backoff, milliseconds(tries.delay, of="Retry(delay=…)"), tries.jitter or None),
            delay=milliseconds(delay, of="delay"),
            priority=priority,
            lifo=lifo,
            job_id=job_id,
            remove_on_complete=_keep("remove_on_complete", remove_on_complete),
            remove_on_fail=_keep("remove_on_fail", remove_on_fail),
            deduplication=_dedup(dedup),
            extra={} if webhook is None else self.webhook_option(webhook),
        )

    def payload(self, name: str, data: object) -> Any:
        """Data of a job of that name as JSON values.

        Raises ConfigurationError for what is no JSON, and what does not fit the function of this app that does it.
        """
        check_text("job name", name)
        value = plain(name, data)
        handler = self._handlers.get(name)
        if handler is not None:
            handler.check(data, value)
        return value

    def returned_by(self, name: str | None) -> Any:
        """The model that jobs of that name return, None when this app does not know one."""
        handler = self._handlers.get(name) if name is not None else None
        return None if handler is None else handler.returns

    async def dedup_owner(self, dedup_id: str) -> Job | None:
        """The job that owns a deduplication id; None when the next job added with it is stored."""
        owner = await (await self._app.producer(self.name)).dedup_owner(dedup_id)
        return None if owner is None else Job(owner, queue=self)

    async def remove_dedup(self, dedup_id: str) -> bool:
        """Free a deduplication id, whichever job owns it; whether one did. The job itself is left alone."""
        return await (await self._app.producer(self.name)).remove_dedup(dedup_id)

    def events(self, *, after: str | None = None) -> Events:
        """Follow what happens in the queue, whoever does it: `async with queue.events() as events: async for …`.

        From now on, or from the events after an id on (`Event.id`; "0-0": all that the stream still holds).
        Raises ConfigurationError for something that is no id.
        """
        return self._app.events(self.name, after=after)

    async def workers(self) -> Sequence[ConnectedWorker]:
        """The workers that serve the queue at this moment, ours and Node's, as Redis knows their connections.

        The Redis user must be allowed `CLIENT LIST`; it raises ConfigurationError if not.
        """
        return await (await self._app.producer(self.name)).workers()

    def get(self, job_id: str) -> Job:
        """A handle on a job by its id, without asking Redis: whether it exists shows when it is asked something.

        Raises ConfigurationError for something that is no id.
        """
        if not isinstance(job_id, str) or not job_id:
            raise ConfigurationError(f"job id is {shown(job_id)}: give a text that is not empty")
        return Job(job_id, queue=self)

    async def get_job(self, job_id: str) -> Job | None:
        """The job of that id, None when there is none (any more); what is stored of it tells `Job.record`."""
        found = await (await self._app.producer(self.name)).exists(job_id)
        return Job(job_id, queue=self) if found else None

    async def producer(self) -> Producer:
        """The client underneath, for what this class does not offer."""
        return await self._app.producer(self.name)

    def _declared_retry(self, name: str) -> Retry | None:
        handler = self._handlers.get(name) or self._handlers.get(None)
        return handler.retry if handler is not None else None

    def _check_backoff(self, backoff: str) -> None:
        if backoff not in BUILT_IN and backoff not in self._app.backoffs:
            raise ConfigurationError(
                f"Retry(backoff={backoff!r}): unknown; use {' or '.join(map(repr, BUILT_IN))}, "
                f"or declare it with @app.backoff({backoff!r})"
            )


def _dedup(value: Dedup | str | None) -> Deduplication | None:
    if value is None:
        return None
    if not isinstance(value, Dedup | str):
        raise ConfigurationError(f"dedup is {shown(value)}: give an id or a Dedup")
    return (value if isinstance(value, Dedup) else Dedup(value)).stored()


def _keep(what: str, value: bool | int | KeepJobs | None) -> KeepJobs | None:
    if isinstance(value, KeepJobs):
        return value
    if value is not None and not isinstance(value, int):
        raise ConfigurationError(f"{what} is {shown(value)}: give True, False, how many to keep, or a KeepJobs")
    return KeepJobs.parse(value)
