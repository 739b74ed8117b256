"""What a running job says about itself (protocol §7.1)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bullpen.protocol.call import Call
from bullpen.protocol.replies import Status
from bullpen.protocol.scripts import load

if TYPE_CHECKING:
    from bullpen.protocol.keys import QueueKeys


def progress(keys: QueueKeys, *, job_id: str, value: str) -> Call[None]:
    """Stores and announces progress, `value` being JSON text. Raises JobMissing."""
    return Call(command=(keys.base, job_id, value), parse=partial(_stored, job_id=job_id), script=load("progress"))


def log(keys: QueueKeys, *, job_id: str, row: str, keep: int = 0) -> Call[int]:
    """Appends a log row and returns how many there are; `keep` > 0 keeps the newest so many. Raises JobMissing."""
    return Call(command=(keys.base, job_id, row, keep), parse=partial(_counted, job_id=job_id), script=load("log"))


def update_data(keys: QueueKeys, *, job_id: str, data: str) -> Call[None]:
    """Replaces the job's data by the given JSON text. Raises JobMissing."""
    return Call(command=(keys.base, job_id, data), parse=partial(_stored, job_id=job_id), script=load("update_data"))


def save_state(keys: QueueKeys, *, job_id: str, token: str, state: str) -> Call[None]:
    """Keeps JSON text for later attempts at the job, '' removes it. Raises JobMissing, LockLost for another's."""
    return Call(
        command=(keys.base, job_id, token, state), parse=partial(_stored, job_id=job_id), script=load("save_state")
    )


def _stored(reply: int, *, job_id: str) -> None:
    Status(reply).check(job_id)


def _counted(reply: int, *, job_id: str) -> int:
    if reply < 0:
        Status(reply).check(job_id)
    return reply
