"""Apps, queues and jobs for code without an event loop: Django, Flask, scripts, jobs that run in a thread.

    from bullpen.sync import App

    app = App()
    job = app.queue("video-generation").add("generate", {"scriptId": "s1"})
    print(job.result(timeout="5m"))

Or, where there is a `bullpen.App` already, `app.sync`. Methods, arguments, errors and results are those of `bullpen`,
save that they block. One thread with an event loop serves all threads of the process over one connection; it starts
with the first call, and again in each child of a fork (gunicorn's workers, after its master has used the app). A
call inside a running event loop works, and stops that loop until it has its answer: await the `bullpen.App` there.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

import bullpen.app
import bullpen.client.reader
import bullpen.flow
import bullpen.job
import bullpen.queue
from bullpen.client.portal import Portal

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from bullpen.client.settings import LocationSource
    from bullpen.context import Context
    from bullpen.flow import Flow
    from bullpen.protocol.events import Event
    from bullpen.runtime.rules import Strategy

__all__ = ["App", "Events", "FlowJobs", "Job", "Queue"]

A = TypeVar("A")
A_co = TypeVar("A_co", covariant=True)
P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound="Facade[Any]")
T = TypeVar("T")


class Facade(Generic[A_co]):
    """What blocks while something of `bullpen` awaits."""

    __slots__ = ("awaiting", "portal")

    def __init__(self, awaiting: A_co, *, portal: Portal) -> None:
        self.awaiting = awaiting
        """The same in `bullpen`."""
        self.portal = portal
        """The event loop on which it awaits."""


@overload
def blocking(
    method: Callable[Concatenate[A, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Facade[A], P], T]: ...
@overload
def blocking(
    method: Callable[Concatenate[A, P], Coroutine[Any, Any, T]], gives: Callable[[S, T], R]
) -> Callable[Concatenate[S, P], R]: ...
def blocking(method: Callable[..., Any], gives: Callable[[Any, Any], Any] | None = None) -> Callable[..., Any]:
    """The same method, which blocks; `gives` makes a result of this module from what it returns."""

    @functools.wraps(method)
    def call(self: Facade[Any], /, *args: Any, **arguments: Any) -> Any:
        answer = self.portal.run(method(self.awaiting, *args, **arguments))
        return answer if gives is None else gives(self, answer)

    return call


@overload
def direct(method: Callable[Concatenate[A, P], T]) -> Callable[Concatenate[Facade[A], P], T]: ...
@overload
def direct(method: Callable[Concatenate[A, P], T], gives: Callable[[S, T], R]) -> Callable[Concatenate[S, P], R]: ...
def direct(method: Callable[..., Any], gives: Callable[[Any, Any], Any] | None = None) -> Callable[..., Any]:
    """The same method, for one that awaits nothing."""

    @functools.wraps(method)
    def call(self: Facade[Any], /, *args: Any, **arguments: Any) -> Any:
        answer = method(self.awaiting, *args, **arguments)
        return answer if gives is None else gives(self, answer)

    return call


def _job(of: App | Queue | Job, job: bullpen.job.Job) -> Job:
    return Job(job, portal=of.portal)


def _found(of: Queue, job: bullpen.job.Job | None) -> Job | None:
    return None if job is None else _job(of, job)


def _jobs(of: Queue | Job, jobs: Sequence[bullpen.job.Job]) -> Sequence[Job]:
    return [_job(of, job) for job in jobs]


def _queue(of: App | Job, queue: bullpen.queue.Queue) -> Queue:
    return Queue(queue, portal=of.portal)


def _flow_jobs(of: App, jobs: bullpen.flow.FlowJobs) -> FlowJobs:
    return FlowJobs(_job(of, jobs.job), tuple(_flow_jobs(of, child) for child in jobs.children))


class Job(Facade[bullpen.job.Job]):
    """Returned by `Queue.add`, `Queue.get` and `Queue.get_job`; holds the id, asks Redis for everything else.

    Every method raises ConnectionLost when Redis does not answer, and ConfigurationError when it refuses the login.
    """

    __slots__ = ()

    @property
    def id(self) -> str:
        """The job's id."""
        return self.awaiting.id

    @property
    def queue(self) -> Queue:
        """The queue it is in."""
        return _queue(self, self.awaiting.queue)

    @property
    def deduplicated(self) -> bool:
        """Whether `Queue.add` discarded the job it was given: this one owned its deduplication id already."""
        return self.awaiting.deduplicated

    def __repr__(self) -> str:
        return repr(self.awaiting)

    state = blocking(bullpen.job.Job.state)
    record = blocking(bullpen.job.Job.record)
    progress = blocking(bullpen.job.Job.progress)
    result = blocking(bullpen.job.Job.result)
    remove_dedup = blocking(bullpen.job.Job.remove_dedup)
    children_values = blocking(bullpen.job.Job.children_values)
    children_failures = blocking(bullpen.job.Job.children_failures)
    children_counts = blocking(bullpen.job.Job.children_counts)
    children = blocking(bullpen.job.Job.children, _jobs)
    logs = blocking(bullpen.job.Job.logs)
    clear_logs = blocking(bullpen.job.Job.clear_logs)
    update_data = blocking(bullpen.job.Job.update_data)
    promote = blocking(bullpen.job.Job.promote)
    change_delay = blocking(bullpen.job.Job.change_delay)
    change_priority = blocking(bullpen.job.Job.change_priority)
    retry = blocking(bullpen.job.Job.retry)
    remove = blocking(bullpen.job.Job.remove)


@dataclass(frozen=True, slots=True)
class FlowJobs:
    """The jobs of a flow, in the shape of its tree."""

    job: Job
    children: tuple[FlowJobs, ...]


class Events:
    """Every event of a queue in order, each once; made by `Queue.events`, for one thread at a time.

    with queue.events() as events:
        for event in events: ...

    Entering says from where on, if `after` did not; without `with` the first step does. A lost connection is
    waited out, and reading goes on behind the last event it brought. What was trimmed off the stream meanwhile
    (by default it holds about 10,000 events) is not to be had any more. Interrupting a step loses nothing.

    A step raises ConfigurationError or ProtocolError when Redis refuses, RuntimeError while another one waits.
    """

    def __init__(self, queue: bullpen.queue.Queue, *, portal: Portal, after: str | None) -> None:
        self._queue = queue
        self.portal = portal
        self._open(after)

    def _open(self, after: str | None) -> None:
        async def make() -> bullpen.client.reader.Events:  # where the app, which will close it, looks through all
            return self._queue.events(after=after)

        self.awaiting = self.portal.run(make())
        self._process = os.getpid()

    @property
    def position(self) -> str | None:
        """Id of the last event that was handed out: what a later reader takes as `after` to go on from here."""
        return self.awaiting.position

    def __enter__(self) -> Events:
        self.portal.run(self._of_this_process().__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and end an iteration that waits; a later one goes on where this one was."""
        self.portal.run(self._of_this_process().aclose())

    def __iter__(self) -> Events:
        return self

    def __next__(self) -> Event:
        try:
            return self.portal.run(self._of_this_process().__anext__())
        except StopAsyncIteration:
            raise StopIteration from None

    def _of_this_process(self) -> bullpen.client.reader.Events:
        if self._process != os.getpid():  # the connection is the parent's, the place in the stream is ours too
            self._open(self.awaiting.position)
        return self.awaiting


class Queue(Facade[bullpen.queue.Queue]):
    """Made by `App.queue(name)`; all threads may share it.

    Every method that asks Redis raises ConnectionLost when it does not answer, ConfigurationError when it refuses the
    login or a command, and ProtocolError when what is stored is none of BullMQ's.
    """

    __slots__ = ()

    @property
    def name(self) -> str:
        """Its name."""
        return self.awaiting.name

    def __repr__(self) -> str:
        return repr(self.awaiting)

    job = direct(bullpen.queue.Queue.job)
    get = direct(bullpen.queue.Queue.get, _job)
    add = blocking(bullpen.queue.Queue.add, _job)
    add_bulk = blocking(bullpen.queue.Queue.add_bulk, _jobs)
    get_job = blocking(bullpen.queue.Queue.get_job, _found)
    dedup_owner = blocking(bullpen.queue.Queue.dedup_owner, _found)
    remove_dedup = blocking(bullpen.queue.Queue.remove_dedup)
    workers = blocking(bullpen.queue.Queue.workers)
    schedule = blocking(bullpen.queue.Queue.schedule, _job)
    unschedule = blocking(bullpen.queue.Queue.unschedule)
    schedulers = blocking(bullpen.queue.Queue.schedulers)
    counts = blocking(bullpen.queue.Queue.counts)
    settings = blocking(bullpen.queue.Queue.settings)
    jobs = blocking(bullpen.queue.Queue.jobs)
    pause = blocking(bullpen.queue.Queue.pause)
    resume = blocking(bullpen.queue.Queue.resume)
    set_concurrency = blocking(bullpen.queue.Queue.set_concurrency)
    set_rate_limit = blocking(bullpen.queue.Queue.set_rate_limit)
    retry_failed = blocking(bullpen.queue.Queue.retry_failed)
    promote = blocking(bullpen.queue.Queue.promote)
    drain = blocking(bullpen.queue.Queue.drain)
    clean = blocking(bullpen.queue.Queue.clean)
    obliterate = blocking(bullpen.queue.Queue.obliterate)

    def events(self, *, after: str | None = None) -> Events:
        """Follow what happens in the queue, whoever does it: `with queue.events() as events: for event in events: …`.

        From now on, or from the events after an id on (`Event.id`; "0-0": all that the stream still holds).
        Raises ConfigurationError for something that is no id.
        """
        return Events(self.awaiting, portal=self.portal, after=after)


class App(Facade[bullpen.app.App]):
    """Declares queues and jobs as `bullpen.App` does, and adds jobs from any thread; `bullpen serve` runs it too.

    `redis` (a URL) and `prefix` win over the environment's REDIS_URL_FILE, REDIS_URL and QUEUE_PREFIX, which are read
    when the first job is added. Leave them out in what the operator deploys. Raises ConfigurationError for a bad URL.
    It may be shared by all threads and used before and after a fork.
    """

    __slots__ = ()

    def __init__(self, *, redis: str | None = None, prefix: str | None = None) -> None:
        app = bullpen.app.App(redis=redis, prefix=prefix)
        super().__init__(app, portal=Portal(app.aclose))

    @classmethod
    def of(cls, app: bullpen.app.App) -> App:
        """A facade of its own for an app there is; `bullpen.App.sync` is the one that all share."""
        made = cls.__new__(cls)
        Facade.__init__(made, app, portal=Portal(app.aclose))
        return made

    @property
    def queues(self) -> Mapping[str, Queue]:
        """The queues declared so far, by name."""
        return MappingProxyType({name: _queue(self, queue) for name, queue in self.awaiting.queues.items()})

    @property
    def redis(self) -> LocationSource | None:
        """Where Redis is if the app says so itself, None where the environment does."""
        return self.awaiting.redis

    @property
    def prefix(self) -> str:
        """The prefix of all keys: the app's own, else QUEUE_PREFIX, else BullMQ's default."""
        return self.awaiting.prefix

    @property
    def backoffs(self) -> Mapping[str, Strategy]:
        """The custom backoff strategies declared so far, by name."""
        return self.awaiting.backoffs

    queue = direct(bullpen.app.App.queue, _queue)
    backoff = direct(bullpen.app.App.backoff)
    job_at = direct(bullpen.app.App.job_at, _job)

    def flow(self, tree: Flow, *, parent: Context | Job | None = None) -> FlowJobs:
        above = parent.awaiting if isinstance(parent, Job) else parent
        return _flow_jobs(self, self.portal.run(self.awaiting.flow(tree, parent=above)))

    def get_flow(self, job: Job, *, depth: int = 10) -> FlowJobs:
        return _flow_jobs(self, self.portal.run(self.awaiting.get_flow(job.awaiting, depth=depth)))

    flow.__doc__ = bullpen.app.App.flow.__doc__
    get_flow.__doc__ = bullpen.app.App.get_flow.__doc__

    def close(self) -> None:
        """Close the connection and end its thread; a later use opens new ones. Left out, the end of the process does.

        Calls that other threads wait for fail with ConnectionLost.
        """
        self.portal.close()

    def __enter__(self) -> App:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
