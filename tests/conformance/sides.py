"""One surface of operations, run by Node BullMQ or by us.

An operation is data: a name and plain arguments. What each side does with it is its `perform`; the typed methods here
exist so that scenarios read well. After every operation the reply and the whole database are kept, so that two runs
can be compared step by step and a difference is shown at the operation that made it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from tests.conformance.dump import dump, strip_prefix
from tests.conformance.normalise import Normaliser

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence

    from redis.asyncio import Redis

START: Final = 1_800_000_000_000  # epoch ms at which every injected clock begins
TOKEN: Final = "token-1"
UNDEFINED: Final = object()  # what JavaScript has besides null
PREFIX: Final = "bull"
QUEUE: Final = "things"

Finished = Literal["completed", "failed"]


class Refused(Exception):
    """An operation that the side did not do; `code` is the status of §1.8, or None for a check of the client."""

    def __init__(self, message: str, *, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class OperationMissing(Exception):
    """Our library has no such operation yet; never raised by Node."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operation with what it replied and what it left behind."""

    operation: str
    arguments: Mapping[str, Any]
    reply: Any
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """What a worker passes with its calls; durations in ms, None = BullMQ's default."""

    lock_duration: int | None = None
    name: str | None = None
    limiter: tuple[int, int] | None = None  # max, duration
    max_stalled: int | None = None
    stalled_interval: int | None = None
    remove_on_complete: Any = None
    remove_on_fail: Any = None
    metrics: int | None = None
    max_started: int | None = None
    backoffs: Mapping[str, int] | None = None  # custom strategies: ms before the first retry, the nth waits n times it

    def for_node(self) -> dict[str, Any]:
        given: dict[str, Any] = {
            "lockDuration": self.lock_duration,
            "name": self.name,
            "limiter": self.limiter and {"max": self.limiter[0], "duration": self.limiter[1]},
            "maxStalledCount": self.max_stalled,
            "stalledInterval": self.stalled_interval,
            "removeOnComplete": self.remove_on_complete,
            "removeOnFail": self.remove_on_fail,
            "metrics": self.metrics and {"maxDataPoints": self.metrics},
            "maxStartedAttempts": self.max_started,
            "backoffs": self.backoffs,
        }
        return {key: value for key, value in given.items() if value is not None}


DEFAULT_WORKER: Final = WorkerOptions()


@dataclass
class Side(ABC):
    """A queue as one client sees it, on a Redis database of its own."""

    redis: Redis
    now: int | None = START  # None: the machine's clock
    steps: list[Step] = field(default_factory=list)
    normaliser: Normaliser = field(default_factory=Normaliser)
    prefix: str = f"{PREFIX}:{QUEUE}:"

    @abstractmethod
    async def perform(self, operation: str, arguments: Mapping[str, Any]) -> Any:
        """Run one operation; its plain reply, or `Refused`."""

    async def content(self) -> dict[str, Any]:
        """Return the database as it is now, normalised."""
        return self.normaliser.dump(strip_prefix(await dump(self.redis), self.prefix))

    async def _do(self, operation: str, **arguments: Any) -> Any:
        try:
            reply = await self.perform(operation, arguments)
        except Refused as refusal:
            await self._keep(operation, arguments, {"refused": refusal.code})
            raise
        await self._keep(operation, arguments, reply)
        return reply

    async def _keep(self, operation: str, arguments: Mapping[str, Any], reply: Any) -> None:
        self.steps.append(Step(operation, arguments, self.normaliser.value(reply), await self.content()))

    # Time and damage, made in Redis itself and therefore the same for all sides

    async def advance(self, ms: int) -> None:
        """Let `ms` pass: the injected clock moves on, and every expiry in Redis comes that much nearer."""
        assert self.now is not None, "the machine's clock cannot be advanced"
        self.now += ms
        for name in [name async for name in self.redis.scan_iter(count=10_000)]:
            left = await self.redis.pttl(name)
            if left >= 0:
                await (self.redis.delete(name) if left <= ms else self.redis.pexpire(name, left - ms))

    async def tamper(self, *command: str | int) -> None:
        """Run a raw command whose second word is a key name without the queue's prefix."""
        verb, key, *rest = command
        await self.redis.execute_command(str(verb), f"{self.prefix}{key}", *rest)  # type: ignore[no-untyped-call]

    # Adding

    async def add(self, name: str = "paint", data: Any = UNDEFINED, **opts: Any) -> str:
        return str(await self._do("add", name=name, opts=opts, **_given(data=data)))

    async def add_bulk(self, jobs: Sequence[Mapping[str, Any]]) -> list[str]:
        ids: list[str] = await self._do("add_bulk", jobs=list(jobs))
        return ids

    async def add_flow(self, tree: Mapping[str, Any]) -> dict[str, Any]:
        """Add a tree of jobs as a FlowProducer takes it; the ids as a tree of `id` and `children`."""
        ids: dict[str, Any] = await self._do("add_flow", tree=tree)
        return ids

    async def turn_to(self, queue: str) -> None:
        """Let the operations from now on be those of another queue; the database is shown as from the first one."""
        await self._do("turn_to", queue=queue)

    # A worker's calls

    async def fetch(self, token: str = TOKEN, worker: WorkerOptions = DEFAULT_WORKER) -> dict[str, Any]:
        """Take the next job; the reply has `job` or None, `due` (ms) and `limited` (ms)."""
        reply: dict[str, Any] = await self._do("fetch", token=token, worker=worker)
        return reply

    async def process(
        self, outcome: Mapping[str, Any], token: str = TOKEN, worker: WorkerOptions = DEFAULT_WORKER
    ) -> dict[str, Any]:
        """Fetch one job and do with it what a worker does; the reply says whether the processor was `started`.

        The processor's `outcome`: a `value`, a `reason`, or what it tells the worker: `delay_until` (epoch ms),
        `requeue`, `limit` (ms for which the queue is to rest).
        """
        reply: dict[str, Any] = await self._do("process", token=token, worker=worker, outcome=outcome)
        return reply

    async def complete(
        self, job_id: str, value: Any = UNDEFINED, token: str = TOKEN, *, fetch_next: bool = False
    ) -> Any:
        return await self._do("complete", job_id=job_id, token=token, fetch_next=fetch_next, **_given(value=value))

    async def fail(
        self,
        job_id: str,
        reason: str = "broken",
        token: str = TOKEN,
        *,
        unrecoverable: bool = False,
        fetch_next: bool = False,
    ) -> Any:
        """Report a failure; whether it is retried, delayed or final is decided by the job's options."""
        return await self._do(
            "fail", job_id=job_id, reason=reason, token=token, unrecoverable=unrecoverable, fetch_next=fetch_next
        )

    async def batch(self, finishes: Sequence[Mapping[str, Any]], *, claims: int = 0, token: str = TOKEN) -> Any:
        """Finish several jobs (`job_id` with a `value` or a `reason`), then fetch up to `claims`.

        Node does it one by one, the last finish fetching the next job.
        """
        return await self._do("batch", finishes=list(finishes), claims=claims, token=token)

    async def delay(self, job_id: str, until: int, token: str = TOKEN) -> None:
        """Move an active job to delayed until the epoch ms `until`, without counting an attempt."""
        await self._do("delay", job_id=job_id, until=until, token=token)

    async def wait_for_children(self, job_id: str, token: str = TOKEN, *, child: str | None = None) -> bool:
        """Move an active job to waiting-children; False when nothing is pending, and it goes on."""
        return bool(await self._do("wait_for_children", job_id=job_id, token=token, child=child))

    async def release(self, job_id: str, token: str = TOKEN) -> None:
        await self._do("release", job_id=job_id, token=token)

    async def extend(self, job_id: str, duration: int, token: str = TOKEN) -> int:
        return int(await self._do("extend", job_id=job_id, duration=duration, token=token))

    async def stalled_check(self, worker: WorkerOptions = DEFAULT_WORKER) -> list[str]:
        ids: list[str] = await self._do("stalled_check", worker=worker)
        return ids

    async def progress(self, job_id: str, value: Any) -> None:
        await self._do("progress", job_id=job_id, value=value)

    async def log(self, job_id: str, row: str, keep: int | None = None) -> int:
        return int(await self._do("log", job_id=job_id, row=row, keep=keep))

    async def update_data(self, job_id: str, data: Any) -> None:
        await self._do("update_data", job_id=job_id, data=data)

    # Operations on jobs and queues

    async def call(self, operation: str, **arguments: Any) -> Any:
        """Run an operation that has no method of its own here (pause, resume, promote, retry, clean …)."""
        return await self._do(operation, **arguments)

    # Questions

    async def state(self, job_id: str) -> str:
        return str(await self._do("state", job_id=job_id))

    async def counts(self) -> dict[str, int]:
        answer: dict[str, int] = await self._do("counts")
        return answer

    async def job(self, job_id: str) -> dict[str, Any] | None:
        answer: dict[str, Any] | None = await self._do("job", job_id=job_id)
        return answer

    async def children(self, job_id: str) -> dict[str, Any]:
        """What became of a job's children: values, ignored failures, unprocessed and failed ones, counts."""
        answer: dict[str, Any] = await self._do("children", job_id=job_id)
        return answer

    async def refused(self, operation: Coroutine[Any, Any, Any]) -> int | None:
        """Await an operation that must be refused; its status code."""
        try:
            reply = await operation
        except Refused as refusal:
            return refusal.code
        raise AssertionError(f"{self.steps[-1].operation} was not refused, it replied {reply!r}")

    @abstractmethod
    async def open(self) -> None:
        """Begin a scenario on an empty database."""

    @abstractmethod
    async def close(self) -> None:
        """End what the scenario started."""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Side]:
        await self.redis.flushdb()
        await self.open()
        try:
            yield self
        finally:
            await self.close()


def _given(**arguments: Any) -> dict[str, Any]:
    return {key: value for key, value in arguments.items() if value is not UNDEFINED}
