"""Changing single jobs of a queue from outside (protocol §7.1, §7.4)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from bullpen.client import payload
from bullpen.errors import JobMissing, WrongState
from bullpen.protocol.calls import change, job, read
from bullpen.protocol.replies import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from bullpen.client.connection import Link
    from bullpen.protocol import QueueKeys


class Jobs:
    """Operations on one job each over an open link, every one of them atomic but `retry`, which reads first.

    Every method raises ConnectionLost and ConfigurationError as `Link.run` does.
    """

    def __init__(self, *, link: Link, keys: QueueKeys, clock: Callable[[], float] = time.time) -> None:
        self.keys = keys
        self._link = link
        self._clock = clock

    async def promote(self, job_id: str) -> None:
        """Makes a delayed job ready now. Raises JobMissing or WrongState (not delayed)."""
        await self._link.run(change.promote(self.keys, job_id=job_id))

    async def change_delay(self, job_id: str, delay_ms: int) -> None:
        """Makes a delayed job due `delay_ms` (0 or more) from now.

        Raises ConfigurationError, JobMissing or WrongState (not delayed).
        """
        now = int(self._clock() * 1000)
        await self._link.run(change.change_delay(self.keys, job_id=job_id, now=now, delay_ms=delay_ms))

    async def change_priority(self, job_id: str, priority: int, *, lifo: bool = False) -> None:
        """Gives a job another priority (0..2097151, 0 = none); `lifo` puts it before the others of that priority.

        Raises ConfigurationError or JobMissing.
        """
        await self._link.run(change.change_priority(self.keys, job_id=job_id, priority=priority, lifo=lifo))

    async def retry(self, job_id: str, *, outcome: Outcome = Outcome.FAILED, reset_attempts: bool = False) -> None:
        """Makes a failed (or completed) job ready again; `reset_attempts` gives it all its attempts anew.

        Raises JobMissing or WrongState (it has not ended so).
        """
        record = await self._link.run(read.job(self.keys, job_id=job_id))
        if record is None:
            raise JobMissing(f"job {job_id} does not exist: it was removed, or its id is wrong")
        await self._link.run(
            change.reprocess(
                self.keys,
                job_id=job_id,
                outcome=outcome,
                lifo=record.options.lifo,
                reset_attempts_made=reset_attempts,
                reset_attempts_started=reset_attempts,
            )
        )

    async def remove(self, job_id: str, *, children: bool = True) -> None:
        """Deletes a job, with all its children or without; one that does not exist counts as deleted.

        Raises WrongState when a worker holds it or one of the children it waits for, and for the next run of a
        scheduler.
        """
        if not await self._link.run(change.remove(self.keys, job_id=job_id, children=children)):
            whose = "it, or one of its children" if children else "it"
            raise WrongState(f"job {job_id} cannot be removed: a worker holds {whose}; wait until it has ended")

    async def remove_unprocessed_children(self, job_id: str) -> None:
        """Removes the children that a job waits for and no worker holds, but not those that failed."""
        await self._link.run(change.remove_unprocessed(self.keys, job_id=job_id))

    async def leave_parent(self, job_id: str) -> bool:
        """Breaks a child's link to its parent, which waits for it no more; False when there was none.

        Raises JobMissing, also when the parent does not exist any more.
        """
        return await self._link.run(change.leave_parent(self.keys, job_id=job_id))

    async def update_data(self, job_id: str, data: Any) -> None:
        """Replaces a job's data by anything JSON can say. Raises ConfigurationError or JobMissing."""
        text = payload.dump(data, what=f"data of job {job_id}")
        await self._link.run(job.update_data(self.keys, job_id=job_id, data=text))

    async def log(self, job_id: str, row: str, *, keep: int = 0) -> int:
        """Appends a log row and returns how many there are; `keep` > 0 keeps the newest so many. Raises JobMissing."""
        return await self._link.run(job.log(self.keys, job_id=job_id, row=row, keep=keep))

    async def clear_logs(self, job_id: str, *, keep: int = 0) -> None:
        """Deletes a job's log rows but the newest `keep` (0 or more). Raises ConfigurationError."""
        await self._link.run(change.clear_logs(self.keys, job_id=job_id, keep=keep))
