"""Changing one job from outside (protocol §7.1, §7.4): what producers and dashboards do, no worker's lock needed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bullpen.errors import JobMissing, WrongState
from bullpen.protocol.call import Call, nothing
from bullpen.protocol.numbers import LONGEST_MS, check_whole
from bullpen.protocol.options import MAX_PRIORITY
from bullpen.protocol.scripts import load

if TYPE_CHECKING:
    from bullpen.protocol.keys import QueueKeys
    from bullpen.protocol.replies import Outcome


def promote(keys: QueueKeys, *, job_id: str) -> Call[None]:
    """Makes a delayed job ready now, at the back of the queue. Raises JobMissing or WrongState (not delayed)."""
    return Call(command=(keys.base, job_id), parse=_check(job_id, "delayed"), script=load("promote"))


def change_delay(keys: QueueKeys, *, job_id: str, now: int, delay_ms: int) -> Call[None]:
    """Makes a delayed job due `delay_ms` (0 or more) from now.

    Raises ConfigurationError, JobMissing or WrongState (not delayed).
    """
    check_whole("delay", delay_ms, highest=LONGEST_MS)
    return Call(
        command=(keys.base, now, job_id, delay_ms), parse=_check(job_id, "delayed"), script=load("change_delay")
    )


def change_priority(keys: QueueKeys, *, job_id: str, priority: int, lifo: bool = False) -> Call[None]:
    """Gives a job another priority, 0 (none) to 2097151, in whatever state it is; a ready one moves at once.

    `lifo` puts it before the others of that priority instead of behind them. The stored options keep the old value.
    Raises ConfigurationError or JobMissing.
    """
    check_whole("priority", priority, highest=MAX_PRIORITY)
    return Call(
        command=(keys.base, job_id, priority, 1 if lifo else 0),
        parse=_check(job_id, ""),
        script=load("change_priority"),
    )


def reprocess(
    keys: QueueKeys,
    *,
    job_id: str,
    outcome: Outcome,
    lifo: bool = False,
    reset_attempts_made: bool = False,
    reset_attempts_started: bool = False,
) -> Call[None]:
    """Makes a job ready again that ended as `outcome`, by its priority, else at the back of the queue (front: `lifo`).

    Its stack traces stay; a parent that was told of its end waits for it again, without changing its own state.
    Raises JobMissing or WrongState (it has not ended so).
    """
    flags = [1 if flag else 0 for flag in (lifo, reset_attempts_made, reset_attempts_started)]
    return Call(
        command=(keys.base, job_id, outcome.value, *flags),
        parse=_check(job_id, outcome.value),
        script=load("reprocess"),
    )


def remove(keys: QueueKeys, *, job_id: str, children: bool = True) -> Call[bool]:
    """Deletes a job, with all its children or without; False, and nothing done, when a worker holds one of them.

    A parent that waited for this job alone becomes ready. A job that does not exist counts as removed. Not bounded:
    one call takes the whole family. Raises WrongState for the next run of a scheduler.
    """
    return Call(
        command=(keys.base, job_id, 1 if children else 0), parse=partial(_removed, job_id=job_id), script=load("remove")
    )


def remove_unprocessed(keys: QueueKeys, *, job_id: str) -> Call[None]:
    """Removes the children a job waits for that no worker holds and that have not failed, with their own children."""
    return Call(command=(keys.base, job_id), parse=nothing, script=load("remove_unprocessed"))


def leave_parent(keys: QueueKeys, *, job_id: str) -> Call[bool]:
    """Breaks a child's link to its parent, which waits for it no more; False when there was none.

    Raises JobMissing for the child and for a parent that does not exist any more.
    """
    return Call(command=(keys.base, job_id), parse=partial(_left, job_id=job_id), script=load("leave_parent"))


def clear_logs(keys: QueueKeys, *, job_id: str, keep: int = 0) -> Call[None]:
    """Deletes a job's log rows but the newest `keep` (0 or more). Raises ConfigurationError."""
    check_whole("number of log rows to keep", keep)
    logs = keys.logs(job_id)
    return Call(command=("LTRIM", logs, -keep, -1) if keep else ("DEL", logs), parse=nothing)


def save_trace(keys: QueueKeys, *, job_id: str, stacktrace: str, reason: str) -> Call[None]:
    """Writes stack traces (JSON array of texts, oldest first) and the failed reason, in any state.

    Raises JobMissing.
    """
    return Call(command=(keys.base, job_id, stacktrace, reason), parse=_check(job_id, ""), script=load("save_trace"))


def _check(job_id: str, state: str) -> partial[None]:
    return partial(_changed, job_id=job_id, state=state)


def _changed(reply: int, *, job_id: str, state: str) -> None:
    if reply == -1:
        raise JobMissing(f"job {job_id} does not exist: it was removed, or its id is wrong")
    if reply == -3:
        raise WrongState(f"job {job_id} is not {state}: look at its state, it has moved on or was never there")


def _removed(reply: int, *, job_id: str) -> bool:
    if reply == -8:
        raise WrongState(f"job {job_id} is the next run of a scheduler: remove the scheduler instead")
    return reply == 1


def _left(reply: int, *, job_id: str) -> bool:
    if reply == -1:
        raise JobMissing(f"job {job_id} does not exist: it was removed, or its id is wrong")
    if reply == -5:
        raise JobMissing(f"the parent of job {job_id} does not exist any more")
    return reply == 0
