"""When jobs were ready, ran and ended, as far as they are kept (protocol §1.3)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from bullpen.errors import ProtocolError
from bullpen.protocol.call import Call
from bullpen.protocol.replies import JobRecord

if TYPE_CHECKING:
    from bullpen.protocol.keys import QueueKeys

_FIELDS = ("name", "timestamp", "opts", "processedOn", "finishedOn", "atm")


@dataclass(frozen=True, slots=True)
class JobTimes:
    """One finished job; epoch ms. `attempts` are all that were made, `started_ms` is of the last."""

    ready_ms: int
    started_ms: int
    ended_ms: int
    attempts: int


def times(keys: QueueKeys, *, job_id: str) -> Call[JobTimes | None]:
    """Of a job that ended; None when it did not, is gone, or its record cannot be understood."""
    return Call(command=("HMGET", keys.job(job_id), *_FIELDS), parse=partial(_times, job_id=job_id))


def ids_given(keys: QueueKeys) -> Call[int]:
    """How many jobs got an id from the queue since it exists; jobs with ids of their own are not counted."""
    return Call(command=("GET", keys.base + "id"), parse=lambda reply: int(reply or 0))


def _times(reply: list[bytes | None], *, job_id: str) -> JobTimes | None:
    fields = {name.encode(): value for name, value in zip(_FIELDS, reply, strict=True) if value is not None}
    record = JobRecord(id=job_id, fields=fields)
    try:
        started, ended = record.processed_on, record.finished_on
        if record.lost or started is None or ended is None or ended < started:
            return None
        ready = min(record.timestamp + (record.options.delay or 0), started)
        return JobTimes(ready_ms=ready, started_ms=started, ended_ms=ended, attempts=max(record.attempts_made, 1))
    except ProtocolError:
        return None  # one job among thousands; what is strange about it, `bullpen inspect` tells
