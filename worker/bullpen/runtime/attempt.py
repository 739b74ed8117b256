"""One attempt at a job: from the claim to its ending, inside one task that never lets an exception out."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic_core import from_json

from bullpen.context import Context, Stopping, job_fields
from bullpen.durations import spoken
from bullpen.errors import JobMissing, LockLost, ProtocolError, Unrecoverable
from bullpen.protocol.calls.flow import Waited, wait_for_children
from bullpen.runtime.around import layered
from bullpen.runtime.deaths import TimeUp
from bullpen.runtime.endings import (
    Completed,
    Ending,
    Failed,
    LeftAlone,
    Limited,
    Lost,
    Postponed,
    Released,
    Retried,
    Waiting,
    after_failure,
    by_signal,
    left_of,
    stored_options,
    unknown_pause_seconds,
    unstartable,
)
from bullpen.runtime.execution import JobExecution
from bullpen.runtime.handler import Encoded, Handler, Run, encode_result
from bullpen.runtime.planning import plan
from bullpen.runtime.returning import Returned, returning
from bullpen.runtime.station import Station, Stop
from bullpen.signals import Signal

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import CodeType

    from bullpen.protocol.replies import Claimed
    from bullpen.runtime.reports import Reports
    from bullpen.runtime.tally import Tally
    from bullpen.telemetry import JobSpan

T = TypeVar("T")


class Attempt(JobExecution):
    """One claimed job. `work`: its function, where that has a task of its own; `left_behind`: where it still has."""

    __slots__ = (
        "began",
        "decided",
        "error",
        "handler",
        "left_behind",
        "renewed_at",
        "seconds",
        "span",
        "started_at",
        "tally",
        "task",
        "work",
    )

    def __init__(self, claimed: Claimed, station: Station, *, asked_at: float) -> None:
        super().__init__(claimed, station)
        self.started_at = time.monotonic()
        self.renewed_at = asked_at
        self.seconds = 0.0
        self.began = False
        self.decided = False
        self.work: asyncio.Future[Any] | None = None
        self.left_behind: asyncio.Future[Any] | None = None
        self.error: BaseException | None = None
        self.span: JobSpan | None = None
        found = station.handlers.get(claimed.job.name, station.fallback)
        self.handler: Handler | None = None if found is None else found[0]
        self.tally: Tally = station.unhandled if found is None else found[1]
        self.task: asyncio.Task[None] | None = None

    # --- the loop's side -----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin the job, in a task of its own."""
        self.task = self._station.loop.create_task(self._live())

    def tell(self, why: Stop) -> None:
        """Tell the job to stop: an async job is cancelled, a thread sees `ctx.stopping`, a process that or its end.

        Loop thread only.
        """
        if self.decided or self.stop is Stop.LOCK_LOST:
            return
        self.stop = why
        # A task cancelled before its first step never enters its own try: `_live` looks at `stop` instead.
        if self.task is None or not self.began or self.handler is None:
            return
        processes = self._station.executors.processes if self.handler.run is Run.PROCESS else None
        if self.handler.run is Run.ASYNC:
            (self.work or self.task).cancel()
        # Whoever has the lock now runs the job already: this run is not to go on beside it.
        elif processes is not None and not processes.tell(self, at_once=why is Stop.LOCK_LOST):
            self.task.cancel()  # it waits for a process yet

    def refuse(self, error: Exception) -> None:
        """Redis did not take the job's completion: it failed, by this error."""
        self.task = self._station.loop.create_task(self._refused(error))

    async def _live(self) -> None:
        self.began = True
        try:
            ending = await self._ending() if self.stop is None else self._unstarted(self.stop)
            self.seconds = time.monotonic() - self.started_at
            if self._reports is not None:
                await self._last_reports(self._reports, ending)
            await self._conclude(ending)
        except BaseException as error:  # a fault of ours: the worker must not go on one slot short
            self._station.crashed(error)
            raise

    async def _refused(self, error: Exception) -> None:
        try:
            await self._conclude(self._after(error, code=None))
        except BaseException as fault:
            self._station.crashed(fault)
            raise

    async def _conclude(self, ending: Ending) -> None:
        self.decided = True
        if isinstance(ending, Waiting):
            ending = await self._wait_for_children()
        if isinstance(ending, (Retried, Released, Postponed, Limited)):
            ending = await self._put_back(ending)
        self._station.ended(self, ending)

    async def _ending(self) -> Ending:
        telemetry = self._station.telemetry
        if telemetry is None:
            return await self._outcome()
        with telemetry.processing(
            self.queue, job_id=self.job_id, name=self.name, attempt=self.number, options=stored_options(self.job)
        ) as self.span:
            return await self._outcome()

    async def _outcome(self) -> Ending:
        station = self._station
        if station.logger.isEnabledFor(logging.INFO):
            station.logger.info("Job %s started", self.job.id, extra=job_fields(self))
        try:
            value = await self._call()
            if self.stop is Stop.LOCK_LOST:
                return Lost()
            return Completed(encode_result(value).decode())
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001 - CancelledError and SystemExit of a job are that job's failure
            ending = self._ending_by(error)
            if self.span is not None and isinstance(ending, Failed | Retried):
                self.span.failed(error)
            return ending

    def _unstarted(self, stop: Stop) -> Ending:
        return Lost() if stop is Stop.LOCK_LOST else Released()

    async def _call(self) -> Any:
        if b"rjk" in self.job.fields:
            await self._plan_next_run()
        if (why := unstartable(self.job, self._station.rules)) is not None:
            raise Unrecoverable(why)
        handler = self.handler
        if handler is None:
            self._leave_to_others()
            raise Unrecoverable(self._nobody())
        executors = self._station.executors
        layers = self._station.rules.around.middleware
        if not layers:
            return await executors.run(handler, self)

        async def work() -> Any:
            value = await executors.run(handler, self)
            return from_json(value) if isinstance(value, Encoded) else value

        return await layered(layers, Context(self), work)

    def _leave_to_others(self) -> None:
        """If the queue says so: each time for longer, because nothing else keeps this worker from taking it again."""
        station = self._station
        if not station.rules.leaves_unknown:
            return
        station.unhandled.left += 1
        if station.unhandled.left == 1:
            station.logger.warning("%s; it and others like it are left for other workers", self._nobody())
        times = left_of(self.job) + 1
        raise LeftAlone(unknown_pause_seconds(times, random.random), times=times)

    async def _plan_next_run(self) -> None:
        station = self._station
        await plan(
            self.job, station.keys, delivery=station.delivery, stopping=lambda: self.stopping, logger=station.logger
        )
        if self.stopping:  # told so meanwhile: a job in a thread has not been begun, and cannot be cancelled later
            raise Stopping

    def _ending_by(self, error: BaseException) -> Ending:
        if self.stop is Stop.LOCK_LOST:
            return Lost()
        if isinstance(error, Signal):
            return by_signal(error, now=time.time())
        # What a job raises after it was told to stop is its way of stopping, not an error of its work.
        if self.stop is Stop.DRAIN or isinstance(error, Stopping):
            return Released()
        if isinstance(error, asyncio.CancelledError):
            error = RuntimeError("the job was cancelled by its own code").with_traceback(error.__traceback__)
        if isinstance(error, TimeUp):
            self.left_behind = error.left_behind
        return self._after(error, code=None if self.handler is None else self.handler.code)

    def _after(self, error: BaseException, *, code: CodeType | None) -> Ending:
        self.error = error
        return after_failure(self.job, error, code=code, random=random.random, rules=self._station.rules)

    async def _last_reports(self, reports: Reports, ending: Ending) -> None:
        if isinstance(ending, Lost):
            reports.abandon()
            return
        try:
            await reports.flush()
        except asyncio.CancelledError:
            # Told to stop after its work was done: the outcome stands, its last reports may be missing.
            reports.abandon()

    async def _put_back(self, ending: Returned) -> Ending:
        call = returning(self._station.keys, self.job, self.token, ending, now=int(time.time() * 1000))
        try:
            reply = await _whole(self._station.delivery.insist(call))
        except (JobMissing, LockLost):
            return Lost()
        # What is left of the limit, by the clock that counts: Redis'.
        return Limited(reply) if isinstance(ending, Limited) and reply is not None else ending

    async def _wait_for_children(self) -> Ending:
        now = int(time.time() * 1000)
        call = wait_for_children(self._station.keys, job_id=self.job.id, token=self.token, now=now)
        asked = self._station.delivery.insist(call)
        try:
            waited = await _whole(asked)
        except (JobMissing, LockLost):
            return Lost()
        if waited is Waited.CHILDREN_FAILED:
            return self._after(Unrecoverable("a child of this job failed"), code=None)
        # Its children may have ended while it made up its mind: then it goes on as if it had waited.
        return Released() if waited is Waited.NOTHING_PENDING else Waiting()

    def _nobody(self) -> str:
        known = ", ".join(map(repr, sorted(self._station.handlers))) or "none"
        return (
            f"no job named {self.job.name!r} in queue {self.queue!r} of this app (it has {known}); "
            "add @queue.job(name), or @queue.job() for every other name"
        )

    # --- what the loop says about it -----------------------------------------------------------------------------

    def waited(self) -> float | None:
        """Seconds between the moment the job was ready and its start, by the producer's and this host's clocks.

        None for later attempts: the record no longer tells since when the job was ready.
        """
        try:
            if self.job.attempts_started > 1 or self.job.left:
                return None
            ready = self.job.timestamp + stored_options(self.job).delay
            return max(0.0, ((self.job.processed_on or ready) - ready) / 1000)
        except ProtocolError:
            return None

    def took(self) -> str:
        """How long the job ran, for a log line."""
        return spoken(self.seconds)


async def _whole(delivery: Coroutine[Any, Any, T]) -> T:
    """Wait for a delivery to its end, even when the job's own code cancels the job's task, which is ours by now."""
    task = asyncio.ensure_future(delivery)
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise
    return task.result()
