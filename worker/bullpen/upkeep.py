"""What a queue offers to those who look after it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from bullpen.durations import Duration, milliseconds
from bullpen.errors import ConfigurationError
from bullpen.protocol.arguments import check_flag, shown
from bullpen.protocol.replies import JobState

if TYPE_CHECKING:
    from bullpen.client.maintenance import Maintenance
    from bullpen.client.producer import Producer
    from bullpen.protocol.calls.look import QueueSettings
    from bullpen.protocol.replies import Counts, JobRecord


class Upkeep(ABC):
    """The part of `Queue` that concerns many jobs at once, and what holds for all of them.

    What may concern a million jobs is done a thousand at a time, so that Redis serves others in between; after a
    ConnectionLost a part of it may be done, and it may be called again.
    """

    @abstractmethod
    async def producer(self) -> Producer:
        """The client underneath."""

    async def counts(self) -> Counts:
        """How many jobs are in each state; `paused` are the ready ones of a paused queue."""
        return await (await self.producer()).counts()

    async def settings(self) -> QueueSettings:
        """Whether the queue is paused, and its limits."""
        return await (await self._maintenance()).settings()

    async def jobs(self, state: JobState | str, *, start: int = 0, end: int = 99) -> list[JobRecord]:
        """The jobs in one state, those from `start` to `end` (inclusive, -1 = the last), the oldest first.

        Ready jobs come in the order of service. Raises ConfigurationError for a state that does not exist and for
        negative numbers.
        """
        return await (await self._maintenance()).jobs(_state(state), start=start, end=end)

    async def pause(self) -> None:
        """Stop the queue for all workers: running jobs go on, no other is started."""
        await (await self._maintenance()).pause()

    async def resume(self) -> None:
        """End a pause; jobs are served in the order they had."""
        await (await self._maintenance()).resume()

    async def set_concurrency(self, concurrency: int | None) -> None:
        """Cap how many jobs of the queue run at a time, over all workers; None takes the cap away.

        Raises ConfigurationError for less than 1.
        """
        await (await self._maintenance()).set_concurrency(concurrency)

    async def set_rate_limit(self, limit: tuple[int, Duration] | None) -> None:
        """`(100, "1m")`: at most 100 jobs are started a minute, over all workers; None takes the limit away.

        It wins over the limiters of workers. Raises ConfigurationError for less than 1 job or 1 ms.
        """
        maintenance = await self._maintenance()
        if limit is None:
            await maintenance.remove_rate_limit()
        else:
            if not isinstance(limit, tuple) or len(limit) != 2:
                raise ConfigurationError(f'rate limit is {shown(limit)}: give (jobs, duration), such as (100, "1m")')
            starts, duration = limit
            await maintenance.set_rate_limit(starts, milliseconds(duration, of="duration of the rate limit"))

    async def retry_failed(self, *, completed: bool = False) -> int:
        """Make all failed jobs ready again, with `completed` all completed ones instead; how many it were.

        They go to the back of the queue, whatever their priority; their attempts are counted on.
        """
        check_flag("completed", completed)
        state = JobState.COMPLETED if completed else JobState.FAILED
        return await (await self._maintenance()).retry_jobs(state)

    async def promote(self) -> int:
        """Make all delayed jobs ready now, at the back of the queue, whatever their priority; how many it were."""
        return await (await self._maintenance()).promote_jobs()

    async def drain(self, *, delayed: bool = False) -> int:
        """Delete all jobs that wait to be run, with `delayed` those not yet due too; how many it were.

        Active and finished jobs stay, and the next runs of schedules.
        """
        check_flag("delayed", delayed)
        return await (await self._maintenance()).drain(delayed=delayed)

    async def clean(self, state: JobState | str, *, older_than: Duration = 0, limit: int = 0) -> list[str]:
        """Delete jobs of one state, at most `limit` (0 = all), that are older than so long; the ids of the deleted.

        Age counts from the end of a job, else from its last start, else from its creation. Jobs that a worker holds
        stay, and the next runs of schedules. Raises ConfigurationError for a state in which nothing can be cleaned.
        """
        grace = milliseconds(older_than, of="older_than")
        return await (await self._maintenance()).clean(_state(state), grace_ms=grace, limit=limit)

    async def obliterate(self, *, force: bool = False) -> None:
        """Delete the queue with all its jobs, limits and events, pausing it first; with `force` its active jobs too.

        Jobs that wait for children stay. Raises WrongState, the queue then stays paused, when jobs are active.
        """
        check_flag("force", force)
        await (await self._maintenance()).obliterate(force=force)

    async def _maintenance(self) -> Maintenance:
        return (await self.producer()).maintenance


def _state(value: JobState | str) -> JobState:
    try:
        return JobState(value)
    except (TypeError, ValueError):
        raise ConfigurationError(f"state is {shown(value)}: use one of {', '.join(JobState)}") from None
