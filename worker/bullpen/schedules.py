"""Schedules of a queue: jobs that run again and again, without a process of their own that starts them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bullpen.durations import Duration, milliseconds
from bullpen.errors import ConfigurationError
from bullpen.protocol.calls.schedules import check_scheduler_id
from bullpen.protocol.schedule import Repeat
from bullpen.values import NO_DATA

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bullpen.client.producer import Producer
    from bullpen.job import Job
    from bullpen.protocol.calls.schedules import Scheduler
    from bullpen.protocol.options import JobOptions, KeepJobs
    from bullpen.retry import Retry


class Schedules(ABC):
    """The part of `Queue` that concerns schedules."""

    @abstractmethod
    async def producer(self) -> Producer: ...

    @abstractmethod
    def get(self, job_id: str) -> Job: ...

    @abstractmethod
    def payload(self, name: str, data: object) -> Any: ...

    @abstractmethod
    def options(
        self,
        name: str,
        *,
        retry: Retry | None = None,
        priority: int = 0,
        remove_on_complete: bool | int | KeepJobs | None = None,
        remove_on_fail: bool | int | KeepJobs | None = None,
    ) -> JobOptions: ...

    async def schedule(
        self,
        scheduler_id: str,
        *,
        cron: str | None = None,
        every: Duration | None = None,
        tz: str | None = None,
        name: str | None = None,
        data: object = NO_DATA,
        limit: int | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        offset: Duration | None = None,
        immediately: bool = False,
        retry: Retry | None = None,
        priority: int = 0,
        remove_on_complete: bool | int | KeepJobs | None = None,
        remove_on_fail: bool | int | KeepJobs | None = None,
    ) -> Job:
        """Run a job again and again, `every` so often or by a `cron` pattern; returns the job of the next run.

        A schedule is kept in Redis under its id: the same call again changes nothing but the template of its jobs, so
        that it can stand at the start of a program. `name` is what the jobs are called, the id unless said.
        `cron="30 8 * * mon-fri"` has five fields, or six with seconds first, and runs by the clocks of the zone `tz`
        (UTC unless said). `every="5m"` begins at once, or `offset` after a full interval. At most `limit` jobs, from
        `start` to `end`; `immediately` makes a pattern's first run now. Each run is planned when the one before it
        begins, so workers never pile up runs that were missed. Everything else is as in `add`.
        Raises ConfigurationError for values and patterns that cannot be, before anything is written.
        """
        check_scheduler_id(scheduler_id)
        options = self.options(
            scheduler_id if name is None else name,
            retry=retry,
            priority=priority,
            remove_on_complete=remove_on_complete,
            remove_on_fail=remove_on_fail,
        )
        when = _repeat(
            scheduler_id,
            cron=cron,
            every=every,
            tz=tz,
            limit=limit,
            start=start,
            end=end,
            offset=offset,
            immediately=immediately,
        )
        schedules = (await self.producer()).schedules
        values = self.payload(scheduler_id if name is None else name, data)
        if data is NO_DATA:
            planned = await schedules.schedule(scheduler_id, when, name=name, options=options)
        else:
            planned = await schedules.schedule(scheduler_id, when, name=name, data=values, options=options)
        return self.get(planned.job_id)

    async def unschedule(self, scheduler_id: str) -> bool:
        """End a schedule; False when there is none of that id. A job that is ready or running is left alone."""
        return await (await self.producer()).schedules.unschedule(scheduler_id)

    async def schedulers(self) -> Sequence[Scheduler]:
        """All schedules of the queue, the next to run first."""
        return (await (await self.producer()).schedules.schedulers()).page


def _repeat(
    scheduler_id: str,
    *,
    cron: str | None,
    every: Duration | None,
    tz: str | None,
    limit: int | None,
    start: datetime | None,
    end: datetime | None,
    offset: Duration | None,
    immediately: bool,
) -> Repeat:
    """The arguments of `Queue.schedule` in the units of the wire; raises ConfigurationError as it does."""
    return Repeat(
        every=None if every is None else milliseconds(every, of=f"schedule {scheduler_id!r}: every"),
        pattern=cron,
        tz=tz,
        limit=limit,
        start=_moment(scheduler_id, "start", start),
        end=_moment(scheduler_id, "end", end),
        offset=None if offset is None else milliseconds(offset, of=f"schedule {scheduler_id!r}: offset"),
        immediately=immediately,
    )


def _moment(scheduler_id: str, what: str, moment: datetime | None) -> int | None:
    if moment is None:
        return None
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise ConfigurationError(
            f"schedule {scheduler_id!r}: {what} is {moment!r}; give a datetime with a time zone, for example "
            "datetime(2030, 1, 1, tzinfo=UTC)"
        )
    return round(moment.timestamp() * 1000)
