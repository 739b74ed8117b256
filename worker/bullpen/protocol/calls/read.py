"""Looking without touching (protocol §7.5)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from bullpen.errors import JobMissing
from bullpen.protocol.call import Call
from bullpen.protocol.numbers import LARGEST, check_whole
from bullpen.protocol.replies import Counts, Finished, JobRecord, JobState, Logs, Outcome, pairs
from bullpen.protocol.scripts import load

if TYPE_CHECKING:
    from bullpen.protocol.keys import QueueKeys


def state(keys: QueueKeys, *, job_id: str) -> Call[JobState]:
    """Where the job is; `unknown` when it does not exist (any more)."""
    return Call(command=(keys.base, job_id), parse=_state, script=load("state"))


def counts(keys: QueueKeys) -> Call[Counts]:
    """How many jobs are in each state, at one moment."""
    return Call(command=(keys.base,), parse=_counts, script=load("counts"))


def job(keys: QueueKeys, *, job_id: str) -> Call[JobRecord | None]:
    """The job's record, None when there is no such job."""
    return Call(command=("HGETALL", keys.job(job_id)), parse=partial(_record, job_id=job_id))


def exists(keys: QueueKeys, *, job_id: str) -> Call[bool]:
    """Whether there is such a job. Raises ProtocolError when something else has its key."""
    # Every job has this field (§1.3), and a scheduler's record, which has the key of a job too, has it not.
    return Call(command=("HEXISTS", keys.job(job_id), "timestamp"), parse=bool)


def finished(keys: QueueKeys, *, job_id: str) -> Call[Finished]:
    """Whether the job has ended, and with what. Raises JobMissing."""
    return Call(command=(keys.base, job_id), parse=partial(_finished, job_id=job_id), script=load("finished"))


def logs(keys: QueueKeys, *, job_id: str, start: int = 0, end: int = -1) -> Call[Logs]:
    """Log rows `start`..`end` (inclusive, oldest first, negative from the end), and how many there are.

    Raises ConfigurationError.
    """
    check_whole("start", start, lowest=-LARGEST)
    check_whole("end", end, lowest=-LARGEST)
    return Call(command=(keys.base, job_id, start, end), parse=_logs, script=load("logs"))


def _state(reply: bytes) -> JobState:
    return JobState(reply.decode())


def _counts(reply: list[int]) -> Counts:
    return Counts(*reply)


def _record(reply: list[bytes], *, job_id: str) -> JobRecord | None:
    return JobRecord(id=job_id, fields=pairs(reply)) if reply else None


def _finished(reply: list[Any], *, job_id: str) -> Finished:
    code, value = reply
    if code == -1:
        raise JobMissing(f"job {job_id} does not exist: it was removed, or its id is wrong")
    outcome = {0: None, 1: Outcome.COMPLETED, 2: Outcome.FAILED}[code]
    return Finished(outcome=outcome, value=value.decode(errors="replace"))


def _logs(reply: list[Any]) -> Logs:
    rows, count = reply
    return Logs(rows=tuple(row.decode(errors="replace") for row in rows), count=count)
