"""Queues and jobs, for threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bullpen.job import Job as AwaitingJob
from bullpen.queue import Queue as AwaitingQueue
from bullpen.sync.events import Events
from bullpen.sync.facade import Facade, blocking, direct

if TYPE_CHECKING:
    from collections.abc import Sequence


def _job(of: Queue | Job, job: AwaitingJob) -> Job:
    return Job(job, portal=of.portal)


def _found(of: Queue, job: AwaitingJob | None) -> Job | None:
    return None if job is None else _job(of, job)


def _jobs(of: Queue | Job, jobs: Sequence[AwaitingJob]) -> Sequence[Job]:
    return [_job(of, job) for job in jobs]


def _queue(of: Job, queue: AwaitingQueue) -> Queue:
    return Queue(queue, portal=of.portal)


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

    state = blocking(AwaitingJob.state)
    record = blocking(AwaitingJob.record)
    progress = blocking(AwaitingJob.progress)
    result = blocking(AwaitingJob.result)
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
    get = direct(AwaitingQueue.get, _job)
    add = blocking(AwaitingQueue.add, _job)
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
