"""What Redis says about jobs, as values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from bullpen.errors import JobMissing, LockLost, ProtocolError
from bullpen.protocol.causes import FIELD, Cause
from bullpen.protocol.options import JobOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

LEFT: Final = "bp:left"
"""How often a worker that does not know the job's name left it to others; a field of ours, which BullMQ ignores."""


class JobState(StrEnum):
    """Where a job is (§7.5); jobs of a paused queue are `waiting`."""

    COMPLETED = "completed"
    FAILED = "failed"
    DELAYED = "delayed"
    PRIORITIZED = "prioritized"
    ACTIVE = "active"
    WAITING = "waiting"
    WAITING_CHILDREN = "waiting-children"
    UNKNOWN = "unknown"


class Outcome(StrEnum):
    """How a job ends."""

    COMPLETED = "completed"
    FAILED = "failed"


class Status(IntEnum):
    """Replies of the scripts about one job (§1.8)."""

    OK = 0
    MISSING = -1
    LOCK_MISSING = -2
    NOT_IN_STATE = -3
    PENDING_CHILDREN = -4
    LOCK_FOREIGN = -6
    FAILED_CHILDREN = -9

    def check(self, job_id: str) -> None:
        """Raises JobMissing or LockLost for everything but OK; §4.2 says what a worker makes of it."""
        if self is Status.OK:
            return
        if self is Status.MISSING:
            raise JobMissing(f"job {job_id} does not exist: it was removed, or its id is wrong")
        raise LockLost(f"job {job_id} {_LOST[self]}: leave its outcome to whoever owns it now")


_LOST = {
    Status.LOCK_MISSING: "has no lock (it expired or was released)",
    Status.NOT_IN_STATE: "is not active",
    Status.LOCK_FOREIGN: "is locked by another worker",
    Status.PENDING_CHILDREN: "still has pending children",
    Status.FAILED_CHILDREN: "has failed children",
}


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One job hash as it was read (§1.3). Fields are decoded when asked for; absent ones have BullMQ's defaults.

    Times are epoch ms, delays ms. Raises ProtocolError where a stored value cannot be understood.
    """

    id: str
    fields: Mapping[bytes, bytes]

    @property
    def lost(self) -> bool:
        """True when the id was queued but its hash is gone (§3.1, last paragraph)."""
        return b"name" not in self.fields

    @property
    def name(self) -> str:
        """Job name."""
        return self.text(b"name") or ""

    @property
    def data_text(self) -> str:
        """The producer's JSON text."""
        return self.text(b"data") or "{}"

    @property
    def data(self) -> Any:
        """The producer's data, parsed."""
        return self.json(b"data", default={})

    @property
    def options(self) -> JobOptions:
        """Options as stored; a later change of priority or delay shows only in the record's own fields."""
        return _options(self.fields.get(b"opts", b"{}"))

    @property
    def timestamp(self) -> int:
        """When the job was created."""
        return self.number(b"timestamp") or 0

    @property
    def delay(self) -> int:
        """Present delay, 0 when none."""
        return self.number(b"delay") or 0

    @property
    def priority(self) -> int:
        """Present priority, 0 when none."""
        return self.number(b"priority") or 0

    @property
    def attempts_made(self) -> int:
        """Decided attempts: completed, failed or retried."""
        return self.number(b"atm") or 0

    @property
    def attempts_started(self) -> int:
        """Starts, the present one included."""
        return self.number(b"ats") or 0

    @property
    def stalled_count(self) -> int:
        """How often the job lost its worker."""
        return self.number(b"stc") or 0

    @property
    def checkpoint(self) -> str | None:
        """JSON text of what an attempt saved for later ones; a field of ours, which BullMQ ignores."""
        return self.text(b"bp:state")

    @property
    def left(self) -> int:
        """How often a worker that does not know its name left it to others."""
        return self.number(LEFT.encode()) or 0

    @property
    def deferred_failure(self) -> str | None:
        """Why the next worker must fail the job without running it."""
        return self.text(b"defa")

    @property
    def processed_on(self) -> int | None:
        """Last start."""
        return self.number(b"processedOn")

    @property
    def processed_by(self) -> str | None:
        """Name of the worker that started it last."""
        return self.text(b"pb")

    @property
    def finished_on(self) -> int | None:
        """End."""
        return self.number(b"finishedOn")

    @property
    def return_value(self) -> Any:
        """What the job returned; None before it did."""
        return self.json(b"returnvalue", default=None)

    @property
    def failed_reason(self) -> str | None:
        """Reason of the last failure."""
        return self.text(b"failedReason")

    @property
    def cause(self) -> Cause | None:
        """What its last failure, or the loss of its worker, was; None before any, and for failures under Node."""
        value = self.text(FIELD.encode())
        return Cause(value) if value in set(Cause) else None

    @property
    def stack_trace(self) -> list[str]:
        """Stack traces of the failures, oldest first."""
        # An array that went through Lua's cjson empty comes back as an object (§1.4).
        return list(self.json(b"stacktrace", default=[]) or [])

    @property
    def progress(self) -> Any:
        """Last reported progress; 0 before the first report."""
        return self.json(b"progress", default=0)

    @property
    def scheduler_id(self) -> str | None:
        """The scheduler this is an iteration of."""
        return self.text(b"rjk")

    @property
    def deduplication_id(self) -> str | None:
        """The deduplication id the job was added with; whether the job still owns it is another question."""
        return self.text(b"deid")

    @property
    def parent_key(self) -> str | None:
        """Full key of the parent's hash."""
        return self.text(b"parentKey")

    def text(self, field: bytes) -> str | None:
        """A field as text, None when absent."""
        value = self.fields.get(field)
        return None if value is None else value.decode(errors="replace")

    def number(self, field: bytes) -> int | None:
        """A field as a whole number, None when absent."""
        value = self.fields.get(field)
        if value is None:
            return None
        try:
            return int(value) if value.isdigit() else int(float(value))
        except (ValueError, OverflowError) as error:
            raise ProtocolError(f"job {self.id}: field {field.decode()} is {value[:40]!r}, not a number") from error

    def json(self, field: bytes, *, default: Any) -> Any:
        """A field parsed as JSON, the default when absent."""
        value = self.fields.get(field)
        if value is None:
            return default
        try:
            return json.loads(value)
        except ValueError as error:
            raise ProtocolError(f"job {self.id}: field {field.decode()} is no JSON: {error}") from error


# Jobs of one queue mostly share their options, and parsing them is a third of the cost of a claim.
@lru_cache(maxsize=512)
def _options(text: bytes) -> JobOptions:
    return JobOptions.parse(text)


@dataclass(frozen=True, slots=True)
class Added:
    """Result of an add: the job's id; `duplicated` when a job of that custom id existed already (§2.4).

    `deduplicated`: nothing was added, the id is that of the job which owns the deduplication id (§2.5).
    """

    job_id: str
    duplicated: bool
    deduplicated: bool = False


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job this caller now owns under `token`."""

    token: str
    job: JobRecord


@dataclass(frozen=True, slots=True)
class WorkReply:
    """Answer of one `work` call.

    `finished` has one status for each finish, in order. When fewer jobs were claimed than asked for, exactly one
    thing explains it: `marked_ms` > 0 (this worker is marked for draining for so long), `limited_ms` > 0 (rate limit
    ends in that many ms), `blocked` (paused, or global concurrency reached), or an empty queue, of which `due_ms` tells
    the due time of the earliest delayed job (epoch ms, 0 = none). `troubles` are sentences about damage in Redis that
    was passed over, each naming its key.
    """

    finished: tuple[Status, ...]
    claimed: tuple[Claimed, ...]
    limited_ms: int
    due_ms: int
    blocked: bool
    troubles: tuple[str, ...] = ()
    marked_ms: int = 0


@dataclass(frozen=True, slots=True)
class Counts:
    """Jobs of a queue by state; `paused` counts v5's paused list, which `waiting` leaves out."""

    waiting: int
    paused: int
    active: int
    prioritized: int
    delayed: int
    waiting_children: int
    completed: int
    failed: int


@dataclass(frozen=True, slots=True)
class Finished:
    """Answer to the "finished?" query (§7.5): outcome None = not yet; value = JSON text or failed reason."""

    outcome: Outcome | None
    value: str


@dataclass(frozen=True, slots=True)
class Logs:
    """A page of log rows, and how many there are in all."""

    rows: tuple[str, ...]
    count: int


def pairs(reply: list[bytes]) -> dict[bytes, bytes]:
    """A flat RESP2 list of names and values as a dict."""
    entries = iter(reply)
    return dict(zip(entries, entries, strict=True))
