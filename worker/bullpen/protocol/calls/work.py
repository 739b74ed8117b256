"""The hot call: finish any number of jobs, then claim some more (protocol §3, §4)."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from bullpen.protocol.call import Argument, Call, job_id
from bullpen.protocol.options import JobOptions, KeepJobs
from bullpen.protocol.replies import Claimed, JobRecord, Outcome, Status, WorkReply, pairs
from bullpen.protocol.scripts import load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bullpen.protocol.keys import QueueKeys

_NO_FIELDS: Mapping[str, str] = MappingProxyType({})
_STATUS = {int(status): status for status in Status}
_KEEP_ALL = KeepJobs()


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """A job to add, in the step that finishes another one, to a queue in the same hash slot: ready at once.

    `options` need an id; of the others those count that do not place a job. It is not added when `told`, the URL of a
    webhook, is one that wants no more (`calls.gone`).
    """

    keys: QueueKeys
    name: str
    data: str
    options: JobOptions
    told: str = ""


@dataclass(frozen=True, slots=True)
class Finish:
    """One decided job: `value` is JSON text when completed and the plain reason when failed.

    `keep` is the effective keep-jobs rule (job option, else worker option, else all: §4.3); `attempts` is the job's
    own option and decides about `retries-exhausted`; `fields` are further hash fields, such as stacktrace.
    `additions` are added if, and only if, this finish is done.
    """

    job_id: str
    token: str
    outcome: Outcome
    value: str
    attempts: int = 0
    keep: KeepJobs = _KEEP_ALL
    fields: Mapping[str, str] = field(default_factory=lambda: _NO_FIELDS)
    additions: Sequence[Addition] = ()


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A worker's limiter: at most `max` starts in `duration_ms`, over all workers of the queue (§3.1 step 3)."""

    max: int
    duration_ms: int


def work(
    keys: QueueKeys,
    *,
    now: int,
    finishes: Sequence[Finish] = (),
    tokens: Sequence[str] = (),
    lock_ms: int = 30_000,
    worker: str = "",
    limiter: RateLimit | None = None,
    metrics: int = 0,
    instance: str = "",
) -> Call[WorkReply]:
    """Finishes the jobs in order, then promotes due jobs and claims one job for each token, as far as there are any.

    Without tokens nothing is promoted or claimed. `lock_ms` > 0 is how long a claim holds without renewal; `worker`
    is stored as the job's processor; `metrics` is how many minutes of throughput to keep (0 = none, §4.5). An
    `instance` with a drain mark (`protocol.drain_marks`) claims nothing.
    """
    command: list[Argument] = [
        keys.base,
        now,
        lock_ms,
        worker,
        "" if limiter is None else limiter.max,
        "" if limiter is None else limiter.duration_ms,
        metrics,
        instance,
        len(tokens),
        *tokens,
    ]
    for finish in finishes:
        command += (
            finish.job_id,
            finish.token,
            finish.outcome.value,
            finish.value,
            finish.keep.argument,
            finish.attempts,
        )
        if finish.additions:
            added = _added(finish.additions, now)
            command += (len(added) + 2 * len(finish.fields), *added)
        else:
            command.append(2 * len(finish.fields))
        for name, value in finish.fields.items():
            command += (name, value)
    parse = partial(_reply, tokens=tuple(tokens), now=b"%d" % now, worker=worker.encode())
    return Call(command=tuple(command), parse=parse, script=load("work"))


def _added(additions: Sequence[Addition], now: int) -> list[Argument]:
    arguments: list[Argument] = [len(additions)]
    for each in additions:
        options = each.options
        arguments += (each.keys.base, options.job_id or "", each.name, each.data, options.dump(), now)
        arguments += (each.keys.gone, each.told)
    return arguments


def _reply(reply: list[Any], *, tokens: tuple[str, ...], now: bytes, worker: bytes) -> WorkReply:
    statuses, claims, limited_ms, due_ms, blocked, troubles, marked_ms = reply
    claimed = []
    for token, (stored_id, starts, flat) in zip(tokens, claims, strict=False):
        # The script returns the hash as it was before it wrote these.
        fields = pairs(flat)
        fields[b"ats"] = b"%d" % starts
        fields[b"processedOn"] = now
        if worker:
            fields[b"pb"] = worker
        claimed.append(Claimed(token=token, job=JobRecord(id=job_id(stored_id), fields=fields)))
    return WorkReply(
        finished=tuple([_STATUS[status] for status in statuses]),
        claimed=tuple(claimed),
        limited_ms=limited_ms,
        due_ms=due_ms,
        blocked=blocked == 1,
        troubles=tuple(map(job_id, troubles)),
        marked_ms=marked_ms,
    )
