"""Keeping one queue in order: pause, limits, and getting rid of many jobs (protocol §7)."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from bullpen.errors import ConfigurationError
from bullpen.protocol import JobState
from bullpen.protocol.calls import look, read, upkeep
from bullpen.protocol.numbers import check_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bullpen.client.connection import Link
    from bullpen.protocol import Call, JobRecord, QueueKeys
    from bullpen.protocol.calls.look import QueueSettings
    from bullpen.protocol.calls.upkeep import Place, Restartable

_PLACES: dict[JobState, tuple[Place, ...]] = {
    # The service order: what is in `paused` comes before what a v6 client left in `wait`.
    JobState.WAITING: ("paused", "wait"),
    JobState.ACTIVE: ("active",),
    JobState.PRIORITIZED: ("prioritized",),
    JobState.DELAYED: ("delayed",),
    JobState.COMPLETED: ("completed",),
    JobState.FAILED: ("failed",),
}
_FINISHED: dict[JobState, Restartable] = {JobState.COMPLETED: "completed", JobState.FAILED: "failed"}
# Records of a page that are asked for together: answers of some megabytes, not of all jobs at once.
_TOGETHER = 100


class Maintenance:
    """Operations on a whole queue over an open link.

    Every method raises ConnectionLost and ConfigurationError as `Link.run` does. Those that may concern many jobs are
    made of many short calls: Redis serves others in between, each call is atomic, and after a ConnectionLost a part
    may be done. All of them may simply be called again.
    """

    def __init__(self, *, link: Link, keys: QueueKeys, clock: Callable[[], float] = time.time) -> None:
        self.keys = keys
        self._link = link
        self._clock = clock

    async def pause(self) -> None:
        """Stops the queue for all workers: running jobs go on, no other is started."""
        await self._link.run(upkeep.pause(self.keys))

    async def resume(self) -> None:
        """Ends a pause; jobs are served in the order they had."""
        await self._link.run(upkeep.resume(self.keys))

    async def settings(self) -> QueueSettings:
        """Whether the queue is paused, and its limits."""
        return await self._link.run(look.settings(self.keys))

    async def set_concurrency(self, concurrency: int | None) -> None:
        """Caps how many jobs run at a time over all workers (1 or more, None = no cap). Raises ConfigurationError."""
        if concurrency is None:
            await self._link.run(upkeep.remove_concurrency(self.keys))
        else:
            await self._link.run(upkeep.set_concurrency(self.keys, concurrency=concurrency))

    async def set_rate_limit(self, starts: int, duration_ms: int) -> None:
        """At most `starts` (1 or more) jobs are started in `duration_ms` (1 or more), over all workers.

        Raises ConfigurationError.
        """
        await self._link.run(upkeep.set_rate_limit(self.keys, starts=starts, duration_ms=duration_ms))

    async def remove_rate_limit(self) -> None:
        """Takes the queue's rate limit away; limiters of workers stay in force."""
        await self._link.run(upkeep.remove_rate_limit(self.keys))

    async def hold_back(self, duration_ms: int) -> None:
        """Starts no jobs for `duration_ms` (1 or more), for workers and queues that have a rate limit.

        Raises ConfigurationError.
        """
        await self._link.run(upkeep.hold_back(self.keys, duration_ms=duration_ms))

    async def stop_holding_back(self) -> None:
        """Ends the present window of the rate limit, also one set by `hold_back`."""
        await self._link.run(upkeep.stop_holding_back(self.keys))

    async def rate_limit_ttl(self, starts: int = 0) -> int:
        """Ms until a used-up rate limit of `starts` a window (0 = the queue's own) ends, 0 when jobs may start.

        With no limit given or set: what is left of a window, -2 when there is none. Raises ConfigurationError.
        """
        return await self._link.run(look.rate_limit_ttl(self.keys, starts=starts))

    async def drain(self, *, delayed: bool = False) -> int:
        """Deletes all jobs that wait to be run, with `delayed` those not yet due too; returns how many it were.

        Active and finished jobs and next runs of schedulers stay. Jobs added meanwhile may be deleted too.
        """
        return await self._repeat(upkeep.drain(self.keys, delayed=delayed))

    async def clean(self, state: JobState, *, grace_ms: int = 0, limit: int = 0) -> list[str]:
        """Deletes jobs of one state older than `grace_ms` (0 or more), at most `limit` (0 = all); returns their ids.

        Age counts from the end, else the last start, else the creation. Jobs a worker holds and next runs of
        schedulers stay; jobs that change their state meanwhile may be passed over. Raises ConfigurationError, also
        for `waiting-children` and `unknown`.
        """
        if state not in _PLACES:
            raise ConfigurationError(f"jobs that are {state} cannot be cleaned: name one of {', '.join(_PLACES)}")
        check_whole("grace", grace_ms)
        check_whole("limit", limit)
        now = self._now
        ids: list[str] = []
        for place in _PLACES[state]:
            part = upkeep.Cleaned(job_ids=(), skip=0, more=True)
            while part.more and (not limit or len(ids) < limit):
                rest = limit - len(ids) if limit else 0
                part = await self._link.run(
                    upkeep.clean(self.keys, place=place, now=now, grace_ms=grace_ms, limit=rest, skip=part.skip)
                )
                ids += part.job_ids
        return ids

    async def obliterate(self, *, force: bool = False) -> None:
        """Deletes the queue with all its jobs and settings, pausing it first; `force`: with its active jobs.

        What is left: jobs in waiting-children, rate limits, deduplication ids that no deleted job holds, heartbeats of
        workers. Raises WrongState when jobs are active, the queue then stays paused, or when somebody resumes it.
        """
        await self.pause()
        while await self._link.run(upkeep.obliterate(self.keys, force=force)):
            pass

    async def retry_jobs(self, state: JobState = JobState.FAILED, *, before_ms: int | None = None) -> int:
        """Makes all jobs ready again that failed (or completed) by `before_ms` (epoch ms, None = now); how many.

        They go to the back of the queue, whatever their priority. Raises ConfigurationError.
        """
        if state not in _FINISHED:
            raise ConfigurationError(f"jobs that are {state} cannot be retried: name failed or completed")
        now = self._now if before_ms is None else before_ms
        check_whole("time before which jobs ended", now)
        return await self._repeat(upkeep.restart(self.keys, place=_FINISHED[state], now=now))

    async def promote_jobs(self) -> int:
        """Makes all delayed jobs ready, at the back of the queue, whatever their priority; returns how many it were."""
        return await self._repeat(upkeep.restart(self.keys, place="delayed", now=self._now))

    async def counts_per_priority(self, priorities: Sequence[int]) -> dict[int, int]:
        """How many ready jobs have each of these priorities (0..2097151, 0 = none). Raises ConfigurationError."""
        if not priorities:
            return {}
        return await self._link.run(look.counts_per_priority(self.keys, priorities=priorities))

    async def job_ids(
        self, state: JobState, *, start: int = 0, end: int = -1, oldest_first: bool = True
    ) -> tuple[str, ...]:
        """Ids `start`..`end` (inclusive, -1 = the last) of the jobs in one state; ready ones by order of service.

        Raises ConfigurationError.
        """
        return await self._link.run(look.page(self.keys, state=state, start=start, end=end, oldest_first=oldest_first))

    async def jobs(
        self, state: JobState, *, start: int = 0, end: int = 99, oldest_first: bool = True
    ) -> list[JobRecord]:
        """Records of the jobs that `job_ids` names; one that is gone by the time it is read is left out."""
        ids = await self.job_ids(state, start=start, end=end, oldest_first=oldest_first)
        records: list[JobRecord] = []
        for first in range(0, len(ids), _TOGETHER):
            some = ids[first : first + _TOGETHER]
            found = await asyncio.gather(*[self._link.run(read.job(self.keys, job_id=job_id)) for job_id in some])
            records += [record for record in found if record is not None]
        return records

    async def _repeat(self, call: Call[int]) -> int:
        done = 0
        while (some := await self._link.run(call)) == upkeep.CHUNK:
            done += some
        return done + some

    @property
    def _now(self) -> int:
        return int(self._clock() * 1000)
