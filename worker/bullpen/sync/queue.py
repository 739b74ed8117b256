"""Queues and jobs, for threads."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from bullpen.client.bulk import CHUNK_JOBS
from bullpen.job import Job as AwaitingJob
from bullpen.new_job import prepared
from bullpen.queue import Queue as AwaitingQueue
from bullpen.sync.events import Events
from bullpen.sync.facade import Facade, blocking, direct

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bullpen.durations import Duration
    from bullpen.new_job import NewJob

T = TypeVar("T")
STEP_JOBS: Final = 2 * CHUNK_JOBS


def _job(of: Queue | Job, job: AwaitingJob) -> Job:
    return Job(job, portal=of.portal)


def _found(of: Queue, job: AwaitingJob | None) -> Job | None:
    return None if job is None else _job(of, job)


def _jobs(of: Queue | Job, jobs: Sequence[AwaitingJob]) -> Sequence[Job]:
    return [_job(of, job) for job in jobs]


def _queue(of: Job, queue: AwaitingQueue) -> Queue:
    return Queue(queue, portal=of.portal)


def _taken(source: Iterator[NewJob]) -> tuple[list[NewJob], Exception | None]:
    """Up to so many jobs, and why there are no more of them."""
    made: list[NewJob] = []
    try:
        while len(made) < STEP_JOBS:
            made.append(next(source))
    except Exception as error:  # noqa: BLE001 - raised when those before it are added
        return made, error
    return made, None


async def _add(queue: AwaitingQueue, made: list[NewJob], *, first: int, added: list[AwaitingJob]) -> None:
    """Those that were added are in `added`, also when it raises."""
    producer = await queue.producer()
    async with aclosing(producer.bulk.each(prepared(made, queue), first=first)) as results:
        async for each in results:
            added.append(AwaitingJob(each.job_id, queue=queue, deduplicated=each.deduplicated))  # noqa: PERF401


class Job(Facade[AwaitingJob]):
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

    @overload
    def result(self, timeout: Duration | None = None, *, as_: type[T]) -> T: ...
    @overload
    def result(self, timeout: Duration | None = None, *, as_: None = None) -> Any: ...
    def result(self, timeout: Duration | None = None, *, as_: Any = None) -> Any:
        return self.portal.run(self.awaiting.result(timeout, as_=as_))

    result.__doc__ = AwaitingJob.result.__doc__

    state = blocking(AwaitingJob.state)
    record = blocking(AwaitingJob.record)
    cause = blocking(AwaitingJob.cause)
    progress = blocking(AwaitingJob.progress)
    remove_dedup = blocking(AwaitingJob.remove_dedup)
    children_values = blocking(AwaitingJob.children_values)
    children_failures = blocking(AwaitingJob.children_failures)
    children_counts = blocking(AwaitingJob.children_counts)
    children = blocking(AwaitingJob.children, _jobs)
    logs = blocking(AwaitingJob.logs)
    clear_logs = blocking(AwaitingJob.clear_logs)
    update_data = blocking(AwaitingJob.update_data)
    promote = blocking(AwaitingJob.promote)
    change_delay = blocking(AwaitingJob.change_delay)
    change_priority = blocking(AwaitingJob.change_priority)
    retry = blocking(AwaitingJob.retry)
    remove = blocking(AwaitingJob.remove)


class Queue(Facade[AwaitingQueue]):
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

    job = direct(AwaitingQueue.job)
    on_completed = direct(AwaitingQueue.on_completed)
    on_failed = direct(AwaitingQueue.on_failed)
    webhook = direct(AwaitingQueue.webhook)
    disabled_webhooks = blocking(AwaitingQueue.disabled_webhooks)
    enable_webhook = blocking(AwaitingQueue.enable_webhook)
    get = direct(AwaitingQueue.get, _job)
    add = blocking(AwaitingQueue.add, _job)

    def add_bulk(self, jobs: Iterable[NewJob]) -> list[Job]:
        made = list(jobs)  # in the caller's thread, to which database cursors and the like belong
        return [_job(self, added) for added in self.portal.run(self.awaiting.add_bulk(made))]

    add_bulk.__doc__ = AwaitingQueue.add_bulk.__doc__

    def add_each(self, jobs: Iterable[NewJob]) -> Iterator[Job]:
        """Add any number of jobs as they are made, and yield each once it is added: `for job in …`.

        At most 500 are held at any time, and `jobs` is asked for more only when the loop is. After a
        ConfigurationError, or an error of what makes the jobs, those before it were added and yielded, and none after
        it; other errors as for `add_bulk`. A loop that is left early may have added 500 jobs beyond the last one.
        """
        source, done = iter(jobs), 0
        trouble: Exception | None = None
        while trouble is None:
            made, trouble = _taken(source)  # in the caller's thread, as above
            added: list[AwaitingJob] = []
            try:
                self.portal.run(_add(self.awaiting, made, first=done, added=added))
            except Exception as error:  # noqa: BLE001 - raised below
                trouble = error
            done += len(made)
            for each in added:
                yield _job(self, each)
        if not isinstance(trouble, StopIteration):  # the regular end
            raise trouble

    get_job = blocking(AwaitingQueue.get_job, _found)
    dedup_owner = blocking(AwaitingQueue.dedup_owner, _found)
    remove_dedup = blocking(AwaitingQueue.remove_dedup)
    workers = blocking(AwaitingQueue.workers)
    schedule = blocking(AwaitingQueue.schedule, _job)
    unschedule = blocking(AwaitingQueue.unschedule)
    schedulers = blocking(AwaitingQueue.schedulers)
    counts = blocking(AwaitingQueue.counts)
    settings = blocking(AwaitingQueue.settings)
    jobs = blocking(AwaitingQueue.jobs)
    pause = blocking(AwaitingQueue.pause)
    resume = blocking(AwaitingQueue.resume)
    set_concurrency = blocking(AwaitingQueue.set_concurrency)
    set_rate_limit = blocking(AwaitingQueue.set_rate_limit)
    retry_failed = blocking(AwaitingQueue.retry_failed)
    promote = blocking(AwaitingQueue.promote)
    drain = blocking(AwaitingQueue.drain)
    clean = blocking(AwaitingQueue.clean)
    obliterate = blocking(AwaitingQueue.obliterate)

    def events(self, *, after: str | None = None) -> Events:
        """Follow what happens in the queue, whoever does it: `with queue.events() as events: for event in events: …`.

        From now on, or from the events after an id on (`Event.id`; "0-0": all that the stream still holds).
        Raises ConfigurationError for something that is no id.
        """
        return Events(self.awaiting, portal=self.portal, after=after)
