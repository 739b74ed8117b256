"""Parents and children: adding them, and waiting for them (protocol §9)."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any

from bullpen.errors import ConfigurationError, JobMissing, ProtocolError, WrongState
from bullpen.protocol.call import Argument, Call, job_id
from bullpen.protocol.calls.add import check
from bullpen.protocol.options import JobOptions
from bullpen.protocol.replies import Added, Status
from bullpen.protocol.scripts import load

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bullpen.protocol.keys import QueueKeys

_PLAIN = JobOptions()


class OnFailure(StrEnum):
    """What a child's final failure does to its parent; without any of them the parent waits for ever (§4.4)."""

    FAIL_PARENT = "fpof"
    CONTINUE_PARENT = "cpof"
    IGNORE = "idof"
    REMOVE = "rdof"


class Waited(IntEnum):
    """What came of a job's wish to wait for its children (§5.4)."""

    WAITING = 0
    NOTHING_PENDING = 1
    CHILDREN_FAILED = -9


@dataclass(frozen=True, slots=True)
class Parent:
    """A job as the parent of others."""

    keys: QueueKeys
    job_id: str

    @property
    def key(self) -> str:
        """Full key of its hash."""
        return self.keys.job(self.job_id)

    @property
    def queue(self) -> str:
        """`<prefix>:<queue>`, as children name their parent's queue."""
        return self.keys.base.removesuffix(":")


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowJob:
    """One job of a flow: `data` is JSON text; `job_id` '' takes the queue's next number."""

    keys: QueueKeys
    job_id: str
    name: str
    data: str
    options: JobOptions = _PLAIN
    parent: Parent | None = None
    on_failure: OnFailure | None = None
    has_children: bool = False

    def arguments(self, now: int) -> tuple[Argument, ...]:
        """What the script takes for it; raises ConfigurationError for options that §1.5 or §2.5 forbids."""
        options, family = self._stored()
        stored = options.dump()
        if (self.parent is not None or self.has_children) and "de" in json.loads(stored):
            raise ConfigurationError(
                f"job {self.name!r} of queue {self.keys.queue!r} has a parent or children and cannot be deduplicated: "
                "leave out deduplication, or give it a job id"
            )
        check(options, data=self.data)
        return (
            self.keys.base,
            self.job_id,
            self.name,
            self.data,
            stored,
            now if options.timestamp is None else options.timestamp,
            options.delay,
            options.priority,
            1 if options.lifo else 0,
            1 if self.has_children else 0,
            "" if self.parent is None else self.parent.key,
            family,
        )

    def _stored(self) -> tuple[JobOptions, str]:
        """Its options and its `parent` field as they are stored: both name the parent and the flag."""
        extra: dict[str, Any] = dict(self.options.extra)
        flags = {} if self.on_failure is None else {self.on_failure.value: True}
        extra |= flags
        if self.parent is None:
            return replace(self.options, extra=extra), ""
        extra["parent"] = {"id": self.parent.job_id, "queue": self.parent.queue}
        flags = {flag.value: True for flag in OnFailure if extra.get(flag)}
        family = {"id": self.parent.job_id, "queueKey": self.parent.queue} | flags
        return replace(self.options, extra=extra), json.dumps(family, ensure_ascii=False, separators=(",", ":"))


def add_flow(jobs: Sequence[FlowJob], *, now: int) -> Call[tuple[Added, ...]]:
    """Adds jobs, each parent before its children, all or none; returns their ids in order.

    On Redis Cluster all their queues must be in one slot. Raises ConfigurationError for options that §1.5 or §2.5
    forbids, WrongState when a job of a given id has another parent, JobMissing when a parent outside does not exist.
    """
    arguments = tuple(part for each in jobs for part in each.arguments(now))
    return Call(
        command=(jobs[0].keys.base, now, *arguments), parse=partial(_added, jobs=tuple(jobs)), script=load("flow")
    )


def add_child(
    keys: QueueKeys,
    *,
    parent: Parent,
    name: str,
    data: str,
    now: int,
    options: JobOptions = _PLAIN,
    on_failure: OnFailure | None = None,
) -> Call[Added]:
    """Adds one job as a child of a job there is (§9.2); everything else is as in `add` and `add_flow`."""
    job = FlowJob(
        keys=keys,
        job_id=options.job_id or "",
        name=name,
        data=data,
        options=options,
        parent=parent,
        on_failure=on_failure,
    )
    call = add_flow([job], now=now)
    return Call(command=call.command, parse=partial(_first, parse=call.parse), script=call.script)


def wait_for_children(keys: QueueKeys, *, job_id: str, token: str, now: int, child: str | None = None) -> Call[Waited]:
    """Moves an active job to waiting-children until its children, or the one of the full key `child`, have ended.

    Unless the answer is WAITING the job stays active and locked. Raises JobMissing or LockLost.
    """
    return Call(
        command=(keys.base, now, job_id, token, child or ""),
        parse=partial(_waited, job_id=job_id),
        script=load("wait_for_children"),
    )


def _added(reply: list[Any], *, jobs: tuple[FlowJob, ...]) -> tuple[Added, ...]:
    if isinstance(reply[0], int):
        status, position, parent = reply
        raise _refused(status, jobs[position], parent.decode(errors="replace"))
    pairs = zip(reply[::2], reply[1::2], strict=True)
    return tuple(Added(job_id=job_id(stored), duplicated=bool(duplicated)) for stored, duplicated in pairs)


def _first(reply: list[Any], *, parse: Callable[[list[Any]], tuple[Added, ...]]) -> Added:
    [added] = parse(reply)
    return added


def _refused(status: int, job: FlowJob, parent: str) -> Exception:
    what = f"job {job.job_id or job.name!r} of queue {job.keys.queue!r} was not added"
    if status == -5:
        return JobMissing(f"{what}: its parent {parent} does not exist (any more)")
    if status == -7:
        return WrongState(f"{what}: it exists and belongs to the parent {parent}; give it another id")
    return ProtocolError(f"{what}: unknown status {status}")


def _waited(reply: int, *, job_id: str) -> Waited:
    if reply in (Waited.WAITING, Waited.NOTHING_PENDING, Waited.CHILDREN_FAILED):
        return Waited(reply)
    Status(reply).check(job_id)
    raise ProtocolError(f"job {job_id}: waiting for children was answered by {reply}")
