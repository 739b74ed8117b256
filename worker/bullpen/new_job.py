"""Jobs for `Queue.add_bulk` and `Queue.add_each`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from dataclasses import KW_ONLY, dataclass
from operator import attrgetter, is_
from typing import TYPE_CHECKING, Final

from bullpen.client.bulk import BulkJob
from bullpen.errors import ConfigurationError
from bullpen.values import NO_DATA, plain

if TYPE_CHECKING:
    from bullpen.dedup import Dedup
    from bullpen.durations import Duration
    from bullpen.protocol.options import JobOptions, KeepJobs
    from bullpen.queue import Queue
    from bullpen.retry import Retry

_SETTINGS: Final = ("delay", "retry", "job_id", "priority", "lifo", "remove_on_complete", "remove_on_fail", "dedup")
_settings: Final = attrgetter("name", *_SETTINGS)


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


async def prepared(jobs: Iterable[NewJob] | AsyncIterable[NewJob], queue: Queue) -> AsyncGenerator[BulkJob, None]:
    """The jobs as the client takes them. Raises ConfigurationError for settings that nobody understands."""
    known: tuple[object, ...] = ()
    options: JobOptions | None = None
    async for job in jobs if isinstance(jobs, AsyncIterable) else _each(jobs):
        if not isinstance(job, NewJob):
            raise ConfigurationError(f"a bulk has {job!r} for a job: give a NewJob(name, data, …)")
        settings: tuple[object, ...] = _settings(job)
        # Most jobs of a bulk have the very same ones. Not by equality: True and 1 are different rules.
        if options is None or not all(map(is_, settings, known)):
            options = queue.options(job.name, **{setting: getattr(job, setting) for setting in _SETTINGS})
            known = settings
        yield BulkJob(job.name, plain(job.name, job.data), options)


async def _each(jobs: Iterable[NewJob]) -> AsyncGenerator[NewJob, None]:
    for job in jobs:
        yield job
