"""A job that was added: a handle to ask after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bullpen.durations import Duration, seconds

if TYPE_CHECKING:
    from bullpen.protocol.replies import JobState
    from bullpen.queue import Queue


class Job:
    """Returned by `Queue.add` and `Queue.get`; holds the id, asks Redis for everything else."""

    __slots__ = ("deduplicated", "id", "queue")

    def __init__(self, job_id: str, *, queue: Queue, deduplicated: bool = False) -> None:
        self.id = job_id
        self.deduplicated = deduplicated
        """Whether `Queue.add` discarded the job it was given: this one owned its deduplication id already."""
        self.queue = queue

    def __repr__(self) -> str:
        return f"Job({self.id!r}, queue={self.queue.name!r})"

    async def state(self) -> JobState:
        """Where the job is; `unknown` when it does not exist (any more)."""
        return await (await self.queue.producer()).state(self.id)

    async def progress(self) -> Any:
        """What the job last reported, 0 before its first report. Raises JobMissing."""
        return await (await self.queue.producer()).progress(self.id)

    async def result(self, timeout: Duration | None = None) -> Any:
        """Wait for the job to end and return its value; for ever without a `timeout`.

        Raises JobFailed with the failed reason, JobMissing, or TimeoutError.
        """
        limit = None if timeout is None else seconds(timeout, of="timeout")
        return await (await self.queue.producer()).result(self.id, timeout=limit)

    async def remove_dedup(self) -> bool:
        """Free the deduplication id of this job for the next one, if the job still owns it; whether it did."""
        return await (await self.queue.producer()).remove_own_dedup(self.id)

    async def children_values(self) -> dict[str, Any]:
        """What the completed children of this job returned, by the full keys of their records."""
        return await (await self.queue.producer()).children.values(self.id)
