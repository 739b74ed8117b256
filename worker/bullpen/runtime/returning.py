"""The call that gives an undecided job back to its queue: to be tried again, or because it said so. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from bullpen.protocol.calls import fail, locks
from bullpen.protocol.causes import FIELD
from bullpen.protocol.replies import LEFT
from bullpen.runtime.endings import Limited, Postponed, Released, Retried, started_of, stored_options

if TYPE_CHECKING:
    from bullpen.protocol.call import Call
    from bullpen.protocol.keys import QueueKeys
    from bullpen.protocol.replies import JobRecord

Returned: TypeAlias = Retried | Released | Postponed | Limited


def returning(keys: QueueKeys, job: JobRecord, token: str, ending: Returned, *, now: int) -> Call[Any]:
    """The one call that does it (protocol §5.2, §5.3, §6.3); `now` in epoch ms."""
    match ending:
        case Released():
            return locks.release(keys, job_id=job.id, token=token)
        case Limited(limit_ms=limit):
            return locks.release(keys, job_id=job.id, token=token, limit_ms=limit)
        case Postponed(delay_ms=pause, left=left):
            # The lock is ours until this very call: nobody else counts starts meanwhile.
            fields = {LEFT: str(left), "ats": str(max(0, started_of(job) - 1))} if left else {}
            return fail.delay(
                keys, job_id=job.id, token=token, now=now, delay_ms=pause, skip_attempt=True, fields=fields
            )
        case Retried(reason=reason, stacktrace=trace, delay_ms=pause, cause=cause):
            fields = {"failedReason": reason, "stacktrace": trace, FIELD: cause}
            if pause > 0:
                return fail.delay(keys, job_id=job.id, token=token, now=now, delay_ms=pause, fields=fields)
            lifo = stored_options(job).lifo
            return fail.retry(keys, job_id=job.id, token=token, now=now, lifo=lifo, fields=fields)
