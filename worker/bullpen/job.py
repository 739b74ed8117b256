"""A job that was added: a handle to ask after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from bullpen.durations import Duration, milliseconds, seconds
from bullpen.errors import JobMissing
from bullpen.protocol.arguments import check_flag
from bullpen.protocol.replies import Outcome
from bullpen.values import plain, typed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bullpen.protocol.calls.children import ChildrenCounts
    from bullpen.protocol.causes import Cause
    from bullpen.protocol.replies import JobRecord, JobState, Logs
    from bullpen.queue import Queue

T = TypeVar("T")


class Job:
    """Returned by `Queue.add`, `Queue.get` and `Queue.get_job`; holds the id, asks Redis for everything else.

    Every method raises ConnectionLost when Redis does not answer, and ConfigurationError when it refuses the login.
    """

    __slots__ = ("_name", "deduplicated", "id", "queue")

    def __init__(self, job_id: str, *, queue: Queue, deduplicated: bool = False, name: str | None = None) -> None:
        self.id = job_id
        self.deduplicated = deduplicated
        """Whether `Queue.add` discarded the job it was given: this one owned its deduplication id already."""
        self.queue = queue
        self._name = name

    def __repr__(self) -> str:
        return f"Job({self.id!r}, queue={self.queue.name!r})"

    async def state(self) -> JobState:
        """Where the job is; `unknown` when it does not exist (any more)."""
        return await (await self.queue.producer()).state(self.id)

    async def record(self) -> JobRecord:
        """All that is stored of it: data, options, attempts, times, how it ended. Raises JobMissing."""
        record = await (await self.queue.producer()).get_job(self.id)
        if record is None:
            raise JobMissing(f"job {self.id} does not exist: it was removed, or its id is wrong")
        return record

    async def cause(self) -> Cause | None:
        """What its last failed attempt died of ("error", "timeout", "oom", "signal", "lost"); None if none did.

        Failures under Node's workers leave no cause. Raises JobMissing.
        """
        return (await self.record()).cause

    async def progress(self) -> Any:
        """What the job last reported, 0 before its first report. Raises JobMissing."""
        return await (await self.queue.producer()).progress(self.id)

    @overload
    async def result(self, timeout: Duration | None = None, *, as_: type[T]) -> T: ...
    @overload
    async def result(self, timeout: Duration | None = None, *, as_: None = None) -> Any: ...
    async def result(self, timeout: Duration | None = None, *, as_: Any = None) -> Any:
        """Wait for the job to end and return its value; for ever without a `timeout`.

        `as_` is the type to read it as, by pydantic. Without it the value of a job that this app has just added is
        read as the model that its function returns, if it is annotated with one; everything else is JSON values.
        Raises JobFailed with the failed reason, JobMissing, TimeoutError, or ProtocolError for a value of another type.
        """
        limit = None if timeout is None else seconds(timeout, of="timeout")
        value = await (await self.queue.producer()).result(self.id, timeout=limit)
        kind = as_ if as_ is not None else self.queue.returned_by(self._name)
        return value if kind is None else typed(value, kind, what=f"job {self.id} returned something")

    async def remove_dedup(self) -> bool:
        """Free the deduplication id of this job for the next one, if the job still owns it; whether it did."""
        return await (await self.queue.producer()).remove_own_dedup(self.id)

    async def children_values(self) -> dict[str, Any]:
        """What the completed children of this job returned, by the full keys of their records."""
        return await (await self.queue.producer()).children.values(self.id)

    async def children_failures(self) -> dict[str, str]:
        """Why children failed whose failure this job outlives (`on_failure` "continue_parent", "ignore_failure")."""
        return await (await self.queue.producer()).children.ignored_failures(self.id)

    async def children_counts(self) -> ChildrenCounts:
        """How many children have not ended, and how the others did."""
        return await (await self.queue.producer()).children.counts(self.id)

    async def children(self) -> Sequence[Job]:
        """All its children, whatever became of them, those that have not ended first; a removed one stays named.

        Raises ConfigurationError for a child under another prefix than the app's.
        """
        names = await (await self.queue.producer()).children.names(self.id)
        return [self.queue.app.job_at(name) for name in names]

    async def logs(self, *, start: int = 0, end: int = -1) -> Logs:
        """Its log rows from `start` to `end` (inclusive, the oldest first, negative from the end), and their number."""
        return await (await self.queue.producer()).logs(self.id, start=start, end=end)

    async def clear_logs(self, *, keep: int = 0) -> None:
        """Delete its log rows but the newest `keep`. Raises ConfigurationError for a negative number."""
        await (await self.queue.producer()).jobs.clear_logs(self.id, keep=keep)

    async def update_data(self, data: object) -> None:
        """Replace its data by a model or anything JSON can say. Raises ConfigurationError or JobMissing."""
        await (await self.queue.producer()).jobs.update_data(self.id, plain(self.id, data))

    async def promote(self) -> None:
        """Make it ready now. Raises JobMissing, or WrongState when it is not delayed."""
        await (await self.queue.producer()).jobs.promote(self.id)

    async def change_delay(self, delay: Duration) -> None:
        """Make it due that long from now. Raises JobMissing, or WrongState when it is not delayed."""
        await (await self.queue.producer()).jobs.change_delay(self.id, milliseconds(delay, of="delay"))

    async def change_priority(self, priority: int, *, lifo: bool = False) -> None:
        """Give it another priority, 0 (none) to 2097151; `lifo` puts it before the others that have the same.

        Raises ConfigurationError or JobMissing.
        """
        check_flag("lifo", lifo)
        await (await self.queue.producer()).jobs.change_priority(self.id, priority, lifo=lifo)

    async def retry(self, *, completed: bool = False, reset_attempts: bool = False) -> None:
        """Make it ready again after it failed, or, with `completed`, after it completed.

        `reset_attempts` gives it all its attempts anew. Raises JobMissing, or WrongState when it has not ended so.
        """
        check_flag("completed", completed)
        check_flag("reset_attempts", reset_attempts)
        outcome = Outcome.COMPLETED if completed else Outcome.FAILED
        await (await self.queue.producer()).jobs.retry(self.id, outcome=outcome, reset_attempts=reset_attempts)

    async def remove(self, *, children: bool = True) -> None:
        """Delete it, with all its children or without; a job that does not exist counts as deleted.

        Raises WrongState when a worker holds it or a child it waits for, and for the next run of a schedule.
        """
        check_flag("children", children)
        await (await self.queue.producer()).jobs.remove(self.id, children=children)
