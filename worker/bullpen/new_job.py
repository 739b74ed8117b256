"""Jobs for `Queue.add_bulk` and `Queue.add_each`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

from bullpen.client.bulk import BulkJob
from bullpen.errors import ConfigurationError
from bullpen.values import NO_DATA

if TYPE_CHECKING:
    from bullpen.dedup import Dedup
    from bullpen.durations import Duration
    from bullpen.protocol.options import KeepJobs
    from bullpen.queue import Queue
    from bullpen.retry import Retry
    from bullpen.webhook import Webhook


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to add, with the settings of `Queue.add`: `NewJob("render", {"user": 7}, delay="5s")`."""

    name: str
    data: object = NO_DATA
    _: KW_ONLY
    delay: Duration = 0
    retry: Retry | None = None
    job_id: str | None = None
    priority: int = 0
    lifo: bool = False
    remove_on_complete: bool | int | KeepJobs | None = None
    remove_on_fail: bool | int | KeepJobs | None = None
    dedup: Dedup | str | None = None
    webhook: Webhook | None = None


async def prepared(jobs: Iterable[NewJob] | AsyncIterable[NewJob], queue: Queue) -> AsyncGenerator[BulkJob, None]:
    """The jobs as the client takes them. Raises ConfigurationError for settings that nobody understands."""
    async for job in jobs if isinstance(jobs, AsyncIterable) else _each(jobs):
        if not isinstance(job, NewJob):
            raise ConfigurationError(f"a bulk has {job!r} for a job: give a NewJob(name, data, …)")
        options = queue.options(
            job.name,
            delay=job.delay,
            retry=job.retry,
            job_id=job.job_id,
            priority=job.priority,
            lifo=job.lifo,
            remove_on_complete=job.remove_on_complete,
            remove_on_fail=job.remove_on_fail,
            dedup=job.dedup,
            webhook=job.webhook,
        )
        yield BulkJob(job.name, queue.payload(job.name, job.data), options)


async def _each(jobs: Iterable[NewJob]) -> AsyncGenerator[NewJob, None]:
    for job in jobs:
        yield job
