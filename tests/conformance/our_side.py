"""Our own library as a side: the calls of `bullpen.protocol`, run one by one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from bullpen.client.bulk import CHUNK_JOBS
from bullpen.errors import BullpenError, ConfigurationError, Unrecoverable
from bullpen.protocol.calls import add, dedup, fail, job, locks, read, work
from bullpen.protocol.calls.bulk import Batch
from bullpen.protocol.keys import QueueKeys
from bullpen.protocol.options import KeepJobs
from bullpen.protocol.replies import Added, JobRecord, JobState, Outcome, Status
from bullpen.runtime.endings import Failed, Retried, Waiting, after_failure, by_signal, unstartable
from bullpen.runtime.returning import returning
from tests.conformance.our_flows import OurFlows
from tests.conformance.our_options import from_node_options, to_json
from tests.conformance.our_rules import rules_of, signal_of
from tests.conformance.our_schedules import OurSchedules
from tests.conformance.our_upkeep import UpkeepOperations
from tests.conformance.sides import DEFAULT_WORKER, PREFIX, QUEUE, OperationMissing, Refused, Side, WorkerOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bullpen.protocol.call import Call
    from bullpen.protocol.replies import WorkReply
    from bullpen.protocol.scripts import Script

T = TypeVar("T")


class Runner(Protocol):
    """What runs calls: `bullpen.client`'s Link."""

    async def run(self, call: Call[T]) -> T: ...


@dataclass(slots=True)
class Held:
    """A job this side's worker fetched, and with which options."""

    record: JobRecord
    worker: WorkerOptions


@dataclass
class OurSide(OurFlows, OurSchedules, UpkeepOperations, Side):
    """Our behaviour. `alter` replaces script texts before they are run, which is how mutations are planted."""

    link: Runner = field(kw_only=True)
    alter: Callable[[Script], Script] | None = None
    keys: QueueKeys = field(default_factory=lambda: QueueKeys(PREFIX, QUEUE))
    held: dict[str, Held] = field(default_factory=dict)
    elsewhere: dict[str, dict[str, Held]] = field(default_factory=dict)

    async def perform(self, operation: str, arguments: Mapping[str, Any]) -> Any:
        method = getattr(self, f"_{operation}", None)
        if method is None:
            raise OperationMissing(f"bullpen has no operation {operation} yet")
        try:
            return await method(**arguments)
        except ConfigurationError as error:
            raise Refused(str(error)) from error

    async def open(self) -> None:
        self.held.clear()

    async def close(self) -> None:
        self.held.clear()

    async def _run(self, call: Call[T]) -> T:
        """Run a call; a negative status becomes `Refused` with that code, as the scenario compares codes."""
        replied: list[Any] = []

        def parse(reply: Any) -> T:
            replied.append(reply)
            return call.parse(reply)

        script = self.alter(call.script) if self.alter and call.script else call.script
        try:
            return await self.link.run(replace(call, parse=parse, script=script))
        except BullpenError as error:
            match replied:
                case [int(code)] | [[int(code), *_]] if code < 0:
                    raise Refused(str(error), code=code) from error
                case _:
                    raise

    @property
    def _now(self) -> int:
        assert self.now is not None, "running workers are not driven through single calls"
        return self.now

    async def _turn_to(self, queue: str) -> None:
        self.elsewhere[self.keys.queue] = self.held
        self.keys, self.held = QueueKeys(PREFIX, queue), self.elsewhere.get(queue, {})

    # Adding

    async def _add(self, name: str, opts: Mapping[str, Any], **data: Any) -> str:
        if "parent" in opts:
            return await self._add_child(name, dict(opts), **data)
        return (await self._run(self._add_call(name=name, opts=opts, **data))).job_id

    async def _add_bulk(self, jobs: list[Mapping[str, Any]]) -> list[str]:
        batch, calls = Batch(self.keys), []
        for each in jobs:
            text = to_json(each["data"]) if "data" in each else "{}"
            options = from_node_options(each.get("opts", {}))
            batch.put(name=each["name"], data=text, now=self._now, options=options)
            if len(batch) == CHUNK_JOBS:
                calls.append(batch.call())
        if len(batch):
            calls.append(batch.call())
        return [added.job_id for call in calls for added in await self._run(call)]

    def _add_call(self, *, name: str, opts: Mapping[str, Any], **data: Any) -> Call[Added]:
        text = to_json(data["data"]) if "data" in data else "{}"
        return add.add(self.keys, name=name, data=text, now=self._now, options=from_node_options(opts))

    # A worker's calls

    async def _fetch(self, token: str, worker: WorkerOptions) -> dict[str, Any]:
        reply = await self._work(worker, tokens=[token])
        for claimed in reply.claimed:
            await self._plan(claimed.job)
        return self._fetched(reply, worker)

    async def _complete(self, job_id: str, token: str, fetch_next: bool, **value: Any) -> Any:
        text = to_json(value["value"]) if "value" in value else "null"
        return await self._finish(job_id, token, Outcome.COMPLETED, text, {}, fetch_next=fetch_next)

    async def _fail(
        self, job_id: str, reason: str, token: str, unrecoverable: bool, fetch_next: bool
    ) -> dict[str, Any] | None:
        if fetch_next:
            raise OperationMissing("a failure with fetch-next is two calls of ours; compare them one by one")
        error = Unrecoverable(reason) if unrecoverable else BullpenError(reason)
        await self._failed(await self._holding(job_id), error, token)
        return None

    async def _failed(self, held: Held, error: BaseException, token: str) -> None:
        # The runtime's own decision; the middle of the jitter's range stands for chance.
        rules = rules_of(held.worker)
        match after_failure(held.record, error, code=None, random=lambda: 0.5, rules=rules):
            case Failed(reason=told, stacktrace=trace):
                fields = {"failedReason": told, "stacktrace": trace}
                await self._finish(held.record.id, token, Outcome.FAILED, told, fields, fetch_next=False)
            case Retried() as ending:
                await self._run(returning(self.keys, held.record, token, ending, now=self._now))

    async def _batch(self, finishes: list[Mapping[str, Any]], claims: int, token: str) -> list[str]:
        calls = []
        for each in finishes:
            if "reason" in each:
                record = (await self._holding(each["job_id"])).record
                error = BullpenError(each["reason"])
                ending = after_failure(record, error, code=None, random=lambda: 0.5)
                assert isinstance(ending, Failed), "only final failures are part of a batch"
                fields = {"failedReason": ending.reason, "stacktrace": ending.stacktrace}
                finish, _ = await self._finish_of(each["job_id"], token, Outcome.FAILED, ending.reason, fields)
            else:
                value = to_json(each["value"]) if "value" in each else "null"
                finish, _ = await self._finish_of(each["job_id"], token, Outcome.COMPLETED, value, {})
            calls.append(finish)
        reply = await self._work(DEFAULT_WORKER, finishes=calls, tokens=[token] * claims)
        self._fetched(reply, DEFAULT_WORKER)
        return [claimed.job.id for claimed in reply.claimed]

    async def _process(self, token: str, worker: WorkerOptions, outcome: Mapping[str, Any]) -> dict[str, Any]:
        fetched = await self._fetch(token, worker)
        if fetched["job"] is None:
            return {"started": False}
        held = self.held[fetched["job"]["id"]]
        if (why := unstartable(held.record, rules_of(worker))) is not None:
            await self._failed(held, Unrecoverable(why), token)
            return {"started": False}
        if "reason" in outcome:
            error = Unrecoverable if outcome.get("unrecoverable") else BullpenError
            await self._failed(held, error(outcome["reason"]), token)
        elif (signal := signal_of(outcome)) is not None:
            ending = by_signal(signal, now=self._now / 1000)
            assert not isinstance(ending, Waiting), "a job that waits for children is told by `wait_for_children`"
            await self._run(returning(self.keys, held.record, token, ending, now=self._now))
        else:
            await self._complete(held.record.id, token, fetch_next=False, **outcome)
        return {"started": True}

    async def _delay(self, job_id: str, until: int, token: str) -> None:
        pause = max(0, until - self._now)
        await self._run(
            fail.delay(self.keys, job_id=job_id, token=token, now=self._now, delay_ms=pause, skip_attempt=True)
        )

    async def _release(self, job_id: str, token: str) -> None:
        await self._run(locks.release(self.keys, job_id=job_id, token=token))

    async def _extend(self, job_id: str, duration: int, token: str) -> int:
        lost = await self._run(locks.extend(self.keys, locks=[(job_id, token)], lock_ms=duration))
        return 0 if job_id in lost else 1

    async def _stalled_check(self, worker: WorkerOptions) -> list[str]:
        ids = await self._run(
            locks.stalled_check(
                self.keys,
                now=self._now,
                interval_ms=30_000 if worker.stalled_interval is None else worker.stalled_interval,
                max_stalled=1 if worker.max_stalled is None else worker.max_stalled,
            )
        )
        return list(ids)

    async def _progress(self, job_id: str, value: Any) -> None:
        await self._run(job.progress(self.keys, job_id=job_id, value=to_json(value)))

    async def _log(self, job_id: str, row: str, keep: int | None) -> int:
        return await self._run(job.log(self.keys, job_id=job_id, row=row, keep=keep or 0))

    async def _update_data(self, job_id: str, data: Any) -> None:
        await self._run(job.update_data(self.keys, job_id=job_id, data=to_json(data)))

    # Deduplication

    async def _dedup_owner(self, dedup_id: str) -> str | None:
        return await self._run(dedup.dedup_owner(self.keys, dedup_id=dedup_id))

    async def _remove_dedup_key(self, dedup_id: str) -> bool:
        return await self._run(dedup.remove_dedup_key(self.keys, dedup_id=dedup_id))

    async def _remove_own_dedup_key(self, job_id: str) -> bool:
        return await self._run(dedup.remove_own_dedup_key(self.keys, job_id=job_id))

    # Questions

    async def _state(self, job_id: str) -> str:
        state: JobState = await self._run(read.state(self.keys, job_id=job_id))
        return str(state)

    async def _counts(self) -> dict[str, int]:
        counts = await self._run(read.counts(self.keys))
        return {
            "active": counts.active,
            "completed": counts.completed,
            "delayed": counts.delayed,
            "failed": counts.failed,
            "paused": counts.paused,
            "prioritized": counts.prioritized,
            "waiting": counts.waiting,
            "waiting-children": counts.waiting_children,
        }

    async def _job(self, job_id: str) -> dict[str, Any] | None:
        record = await self._run(read.job(self.keys, job_id=job_id))
        return None if record is None else view(record)

    async def _logs(self, job_id: str) -> dict[str, Any]:
        logs = await self._run(read.logs(self.keys, job_id=job_id))
        return {"logs": list(logs.rows), "count": logs.count}

    # What several operations share

    async def _work(self, worker: WorkerOptions, **arguments: Any) -> WorkReply:
        limiter = worker.limiter and work.RateLimit(max=worker.limiter[0], duration_ms=worker.limiter[1])
        return await self._run(
            work.work(
                self.keys,
                now=self._now,
                lock_ms=30_000 if worker.lock_duration is None else worker.lock_duration,
                worker=worker.name or "",
                limiter=limiter or None,
                metrics=worker.metrics or 0,
                **arguments,
            )
        )

    def _fetched(self, reply: WorkReply, worker: WorkerOptions) -> dict[str, Any]:
        for claimed in reply.claimed:
            self.held[claimed.job.id] = Held(claimed.job, worker)
        found = view(reply.claimed[0].job) if reply.claimed else None
        return {"job": found, "due": reply.due_ms, "limited": reply.limited_ms}

    async def _finish(
        self, job_id: str, token: str, outcome: Outcome, value: str, fields: Mapping[str, str], *, fetch_next: bool
    ) -> dict[str, Any] | None:
        finish, worker = await self._finish_of(job_id, token, outcome, value, fields)
        reply = await self._work(worker, finishes=[finish], tokens=[token] if fetch_next else [])
        status = reply.finished[0]
        if status is not Status.OK:
            raise Refused(f"finish of job {job_id}: {status.name}", code=int(status))
        return self._fetched(reply, worker) if fetch_next else None

    async def _finish_of(
        self, job_id: str, token: str, outcome: Outcome, value: str, fields: Mapping[str, str]
    ) -> tuple[work.Finish, WorkerOptions]:
        held = await self._holding(job_id)
        options, worker = held.record.options, held.worker
        own, general = (
            (options.remove_on_complete, worker.remove_on_complete)
            if outcome is Outcome.COMPLETED
            else (options.remove_on_fail, worker.remove_on_fail)
        )
        finish = work.Finish(
            job_id=job_id,
            token=token,
            outcome=outcome,
            value=value,
            attempts=options.attempts,
            keep=own or KeepJobs.parse(general) or KeepJobs(),
            fields=fields,
        )
        return finish, worker

    async def _holding(self, job_id: str) -> Held:
        if job_id not in self.held:
            record = await self._run(read.job(self.keys, job_id=job_id))
            if record is None:
                raise Refused(f"the scenario has never held job {job_id}, and Redis does not know it")
            return Held(record, DEFAULT_WORKER)
        return self.held[job_id]


def view(record: JobRecord) -> dict[str, Any]:
    """Show a job as the Node driver shows one."""
    return {
        "id": record.id,
        "name": record.name,
        "data": record.data,
        "timestamp": record.timestamp,
        "delay": record.delay,
        "priority": record.priority,
        "processedOn": record.processed_on,
        "attemptsStarted": record.attempts_started,
        "attemptsMade": record.attempts_made,
        "stalledCounter": record.stalled_count,
        "deferredFailure": record.deferred_failure,
    }
