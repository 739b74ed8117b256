"""Ownership of active jobs: renewing, giving back, and noticing who lost it (protocol §6)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bullpen.protocol.call import Call
from bullpen.protocol.call import job_id as read_id
from bullpen.protocol.replies import Status
from bullpen.protocol.scripts import load

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bullpen.protocol.keys import QueueKeys


def extend(keys: QueueKeys, *, locks: Iterable[tuple[str, str]], lock_ms: int) -> Call[frozenset[str]]:
    """Renews the locks given as (job id, token) for `lock_ms` from now; returns the ids whose lock is not ours."""
    return Call(
        command=(keys.base, lock_ms, *(part for lock in locks for part in lock)),
        parse=_ids,
        script=load("extend"),
    )


def release(keys: QueueKeys, *, job_id: str, token: str, limit_ms: int = 0) -> Call[int]:
    """Gives an active job back to the front of the queue, no attempt counted (§6.3).

    With `limit_ms` > 0 it also begins a rate limit of that length, for every claim that has a limiter (§3.2, manual
    limit). Returns the ms until a rate limit in force ends, else 0. Raises JobMissing or LockLost.
    """
    return Call(
        command=(keys.base, job_id, token, limit_ms), parse=partial(_released, job_id=job_id), script=load("release")
    )


def stalled_check(
    keys: QueueKeys, *, now: int, interval_ms: int = 30_000, max_stalled: int = 1
) -> Call[tuple[str, ...]]:
    """Returns lost jobs to wait, at most once per `interval_ms` and queue whoever calls (§6.2); returns their ids.

    A job lost more than `max_stalled` times gets a deferred failure: the next worker fails it unrun.
    """
    return Call(command=(keys.base, now, interval_ms, max_stalled), parse=_list, script=load("stalled"))


def _ids(reply: list[bytes]) -> frozenset[str]:
    return frozenset(map(read_id, reply))


def _list(reply: list[bytes]) -> tuple[str, ...]:
    return tuple(map(read_id, reply))


def _released(reply: int, *, job_id: str) -> int:
    if reply < 0:
        Status(reply).check(job_id)
    return reply
