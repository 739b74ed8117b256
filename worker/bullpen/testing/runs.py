"""One job function, run alone as the worker runs it, with all that is around it, and how that run ended."""

from __future__ import annotations

import asyncio
import functools
import time
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import from_json, to_json

from bullpen.cli.serve import served_queues
from bullpen.durations import Duration, seconds
from bullpen.errors import ConfigurationError
from bullpen.protocol.calls.work import RateLimit
from bullpen.protocol.keys import QueueKeys
from bullpen.protocol.numbers import check_whole
from bullpen.protocol.replies import JobRecord, JobState
from bullpen.runtime.handler import Handler, Run
from bullpen.signals import RateLimited
from bullpen.testing.declared import Declared, declared
from bullpen.testing.running import at_work
from bullpen.testing.stage import Stage, staged
from bullpen.values import NO_DATA, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bullpen.queue import Queue
    from bullpen.retry import Retry
    from bullpen.runtime.served import Served
    from bullpen.sync.queue import Queue as SyncQueue
    from bullpen.testing.door import Data

_LOOK_SECONDS: Final = 0.001
CHECKPOINT: Final = "bp:state"
# A run is one start: the next one, of a job that is tried again at once, is not to happen.
_ONE_START: Final = RateLimit(max=1, duration_ms=3_600_000)


class Ending(StrEnum):
    """How one run of a job ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    """For good."""
    RETRIED = "retried"
    """Failed, and is to be tried again."""
    DELAYED = "delayed"
    """Put itself off (`Delay`), no attempt counted."""
    RATE_LIMITED = "rate limited"
    """Gave itself back (`RateLimited`), no attempt counted."""
    REQUEUED = "requeued"
    """Gave itself back (`Requeue`, `raise_if_stopping`), no attempt counted."""
    WAITING_FOR_CHILDREN = "waiting for children"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRun:
    """What one run of a job came to.

    `value` is what Redis keeps of the return value, None unless it completed. `error` is what the function raised,
    None when it did not, or was not called because its data did not fit; `reason` says why in any case. `again_in` is
    in seconds, None when the job does not run again by itself. `checkpoint` is what it, or the attempt before, saved
    last. `added` has the jobs that it added.
    """

    job_id: str
    ending: Ending
    value: Any
    error: BaseException | None
    reason: str | None
    again_in: float | None
    progress: tuple[Any, ...]
    logs: tuple[str, ...]
    checkpoint: Any
    record: JobRecord
    added: tuple[JobRecord, ...]


async def run_job(
    function: Callable[..., Any],
    data: object = NO_DATA,
    *,
    attempt: int = 1,
    name: str | None = None,
    queue: Queue | SyncQueue | None = None,
    job_id: str | None = None,
    retry: Retry | None = None,
    children: Mapping[str, object] | None = None,
    checkpoint: object = None,
    timeout: Duration = "10s",
) -> JobRun:
    """Run one attempt at a job that was declared with `@queue.job`, and tell how it ended.

    The job is added with `data` and `retry` as any producer might, and a worker runs it, on an empty Redis inside this
    process; but no other job, and one of `run="process"` in a thread here. `attempt` 2 is the first retry.
    `children` are what `ctx.children_values` gives, `checkpoint` is what an earlier attempt saved. `name` is the job's
    name where the function does several.
    Raises ConfigurationError for what `Queue.add` refuses, and TimeoutError when it has not ended in time.
    """
    check_whole("attempt", attempt, lowest=1)
    found = declared(function, queue=queue, name=name)
    deadline = time.monotonic() + seconds(timeout, of="timeout")
    async with staged(found.app) as stage:
        job = await _add(found, _name(found, name), data, retry=retry, job_id=job_id)
        keys = QueueKeys(found.app.prefix, found.queue.name)
        await stage.ask(lambda client: _prepare(client, keys, job, attempt, children or {}, checkpoint))
        call = _Call()
        async with at_work(stage, _alone(found, call), concurrency=1):
            while not (seen := await stage.ask(lambda client: _look(client, keys, job, attempt))):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"job {_name(found, name)!r} has not ended within {timeout!r}")
                await asyncio.sleep(_LOOK_SECONDS)
            return await _told(stage, keys, job, seen, call, attempt)


class _Call:
    """The call of the function, and what it raised."""

    def __init__(self) -> None:
        self.error: BaseException | None = None

    def wrapped(self, handler: Handler) -> Handler:
        function = handler.function

        @functools.wraps(function)
        async def awaited(*arguments: Any, **named: Any) -> Any:
            try:
                return await function(*arguments, **named)
            except BaseException as error:
                self.error = error
                raise

        @functools.wraps(function)
        def called(*arguments: Any, **named: Any) -> Any:
            try:
                return function(*arguments, **named)
            except BaseException as error:
                self.error = error
                raise

        if handler.run is Run.ASYNC:
            return replace(handler, function=awaited)
        return replace(handler, function=called, run=Run.THREAD)


def _name(found: Declared, name: str | None) -> str:
    if name is None and found.handler.name is None:
        return "any"  # a job of every other name
    if name is not None and found.handler.name not in (None, name):
        raise ConfigurationError(f"{found.handler.function.__qualname__} does jobs named {found.handler.name!r} only")
    return name or found.handler.name or ""


async def _add(found: Declared, name: str, data: object, *, retry: Retry | None, job_id: str | None) -> str:
    """As another producer may add it: whether the data fits is for the worker to say."""
    options = found.queue.options(name, retry=retry, job_id=job_id)
    added = await (await found.queue.producer()).add(name, plain(name, data), options=options)
    return added.job_id


def _alone(found: Declared, call: _Call) -> Sequence[Served]:
    """The queue as it is served, with this one function, and started once."""
    return [
        replace(
            each,
            handlers=[call.wrapped(handler) for handler in each.handlers if handler is found.handler],
            rules=replace(each.rules, limiter=_ONE_START),
        )
        for each in served_queues(found.app, None)
        if each.name == found.queue.name
    ]


def _prepare(
    client: Data, keys: QueueKeys, job_id: str, attempt: int, children: Mapping[str, object], checkpoint: object
) -> None:
    made = attempt - 1
    client.hset(keys.job(job_id), mapping={"atm": made, "ats": made})
    if checkpoint is not None:
        client.hset(keys.job(job_id), CHECKPOINT, to_json(checkpoint, by_alias=True))
    for child, value in children.items():
        client.hset(f"{keys.job(job_id)}:processed", child, to_json(value, by_alias=True))


@dataclass(frozen=True, slots=True)
class _Seen:
    state: JobState
    record: JobRecord
    progress: tuple[Any, ...]
    logs: tuple[str, ...]
    limit_ms: int


def _look(client: Data, keys: QueueKeys, job_id: str, attempt: int) -> _Seen | None:
    """What is stored of the job once this start of it has ended."""
    record = JobRecord(job_id, client.hgetall(keys.job(job_id)))
    if record.attempts_started < attempt or client.llen(keys.active):
        return None
    reports = [entry for _, entry in client.xrange(keys.events) if entry.get(b"event") == b"progress"]
    return _Seen(
        state=_state(client, keys, job_id),
        record=record,
        progress=tuple(from_json(entry[b"data"]) for entry in reports),
        logs=tuple(row.decode() for row in client.lrange(keys.logs(job_id), 0, -1)),
        limit_ms=max(0, client.pttl(keys.limiter)),
    )


def _state(client: Data, keys: QueueKeys, job_id: str) -> JobState:
    places = (
        (keys.completed, JobState.COMPLETED),
        (keys.failed, JobState.FAILED),
        (keys.delayed, JobState.DELAYED),
        (keys.waiting_children, JobState.WAITING_CHILDREN),
    )
    return next((state for key, state in places if client.zscore(key, job_id) is not None), JobState.WAITING)


async def _told(stage: Stage, keys: QueueKeys, job_id: str, seen: _Seen, call: _Call, attempt: int) -> JobRun:
    ending, again_in = _ending(seen, call.error, tried=seen.record.attempts_made >= attempt)
    others = await stage.records()
    return JobRun(
        job_id=job_id,
        ending=ending,
        value=seen.record.return_value if ending is Ending.COMPLETED else None,
        error=call.error,
        reason=seen.record.failed_reason,
        again_in=again_in,
        progress=seen.progress,
        logs=seen.logs,
        checkpoint=None if seen.record.checkpoint is None else from_json(seen.record.checkpoint),
        record=seen.record,
        added=tuple(job for queue, job in others if (queue, job.id) != (keys.queue, job_id)),
    )


def _ending(seen: _Seen, error: BaseException | None, *, tried: bool) -> tuple[Ending, float | None]:
    match seen.state:
        case JobState.COMPLETED:
            return Ending.COMPLETED, None
        case JobState.FAILED:
            return Ending.FAILED, None
        case JobState.WAITING_CHILDREN:
            return Ending.WAITING_FOR_CHILDREN, None
        case JobState.DELAYED:
            return Ending.RETRIED if tried else Ending.DELAYED, seen.record.delay / 1000
        case _ if tried:
            return Ending.RETRIED, 0.0
        case _ if isinstance(error, RateLimited):
            return Ending.RATE_LIMITED, error.limit_ms / 1000
        case _:
            return Ending.REQUEUED, 0.0
