"""What one queue offers to those who add jobs and ask after them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from bullpen.client.adds import Adds
from bullpen.client.bulk import Bulk
from bullpen.client.children import Children
from bullpen.client.jobs import Jobs
from bullpen.client.maintenance import Maintenance
from bullpen.client.payload import NO_DATA, job_data
from bullpen.client.results import Results
from bullpen.client.schedules import Schedules
from bullpen.errors import JobMissing
from bullpen.protocol import JobOptions
from bullpen.protocol.calls import add, clients, dedup, read
from bullpen.protocol.calls.flow import add_child

if TYPE_CHECKING:
    from collections.abc import Callable

    from bullpen.client.connection import Link
    from bullpen.client.tracing import Tracing
    from bullpen.protocol import JobRecord, JobState, QueueKeys
    from bullpen.protocol.calls.flow import OnFailure, Parent
    from bullpen.protocol.location import LocationSource, RedisLocation
    from bullpen.protocol.replies import Added, Counts, Logs


_PLAIN: Final = JobOptions()


class Producer:
    """One queue over an open link. `location` serves the further connection that `result` needs.

    Every method raises ConnectionLost and ConfigurationError as `Link.run` does.
    """

    def __init__(
        self,
        *,
        link: Link,
        location: RedisLocation | LocationSource,
        keys: QueueKeys,
        clock: Callable[[], float] = time.time,
        tracing: Tracing | None = None,
    ) -> None:
        self.keys = keys
        self._link = link
        self._clock = clock
        self._adds = Adds(link)
        self._tracing = tracing
        self.bulk = Bulk(link=link, keys=keys, clock=clock, tracing=tracing)
        self.children = Children(link=link, keys=keys)
        self.jobs = Jobs(link=link, keys=keys, clock=clock)
        self.maintenance = Maintenance(link=link, keys=keys, clock=clock)
        self.schedules = Schedules(link=link, keys=keys, clock=clock)
        self._results = Results(link=link, location=location, keys=keys)

    async def aclose(self) -> None:
        """Ends what `result` started; the link stays open, it is the caller's."""
        await self._results.aclose()

    async def add(
        self,
        name: str,
        data: Any = NO_DATA,
        *,
        options: JobOptions = _PLAIN,
        parent: Parent | None = None,
        on_failure: OnFailure | None = None,
    ) -> Added:
        """Adds a job; `data` is anything JSON can say, left out it is `{}` as for Node's undefined.

        `parent` waits for it, and `on_failure` is what its final failure does to the parent. Raises, before anything
        is written, ConfigurationError for data that is no JSON and for options out of range; JobMissing when the
        parent does not exist, WrongState when a job of the given id has another one.
        """
        if self._tracing is None:
            return await self._add(name, data, options, parent, on_failure)
        with self._tracing.adding("add", self.keys.queue, name=name) as adding:
            added = await self._add(name, data, adding.carry(options), parent, on_failure)
            adding.added([added.job_id])
            return added

    async def _add(
        self, name: str, data: Any, options: JobOptions, parent: Parent | None, on_failure: OnFailure | None
    ) -> Added:
        text = job_data(name, data)
        now = int(self._clock() * 1000)
        if parent is None:
            call = add.add(self.keys, name=name, data=text, now=now, options=options)
            return await self._adds.run(call, size=len(text))
        return await self._link.run(
            add_child(self.keys, parent=parent, name=name, data=text, now=now, options=options, on_failure=on_failure)
        )

    async def get_job(self, job_id: str) -> JobRecord | None:
        """The job's record, None when there is no such job."""
        return await self._link.run(read.job(self.keys, job_id=job_id))

    async def exists(self, job_id: str) -> bool:
        """Whether there is such a job."""
        return await self._link.run(read.exists(self.keys, job_id=job_id))

    async def state(self, job_id: str) -> JobState:
        """Where the job is; `unknown` when it does not exist (any more)."""
        return await self._link.run(read.state(self.keys, job_id=job_id))

    async def counts(self) -> Counts:
        """How many jobs are in each state."""
        return await self._link.run(read.counts(self.keys))

    async def progress(self, job_id: str) -> Any:
        """What the job last reported, 0 before its first report. Raises JobMissing."""
        record = await self.get_job(job_id)
        if record is None:
            raise JobMissing(f"job {job_id} does not exist: it was removed, or its id is wrong")
        return record.progress

    async def logs(self, job_id: str, *, start: int = 0, end: int = -1) -> Logs:
        """Log rows `start`..`end` (inclusive, oldest first, negative from the end), and how many there are."""
        return await self._link.run(read.logs(self.keys, job_id=job_id, start=start, end=end))

    async def result(self, job_id: str, *, timeout: float | None = None) -> Any:
        """Waits for the job to end and returns its value; `timeout` in seconds, None = for ever.

        Raises JobFailed, JobMissing, or TimeoutError; a connection lost meanwhile is waited out.
        """
        return await self._results.wait(job_id, timeout=timeout)

    async def dedup_owner(self, dedup_id: str) -> str | None:
        """Id of the job that owns the deduplication id, None when nobody does."""
        return await self._link.run(dedup.dedup_owner(self.keys, dedup_id=dedup_id))

    async def remove_dedup(self, dedup_id: str) -> bool:
        """Frees the deduplication id, whichever job owns it; whether one did."""
        return await self._link.run(dedup.remove_dedup_key(self.keys, dedup_id=dedup_id))

    async def remove_own_dedup(self, job_id: str) -> bool:
        """Frees the deduplication id the job was added with if the job still owns it; whether it did."""
        return await self._link.run(dedup.remove_own_dedup_key(self.keys, job_id=job_id))

    async def workers(self) -> tuple[clients.ConnectedWorker, ...]:
        """The workers that are connected, ours and Node's."""
        return await self._link.run(clients.workers(self.keys))
