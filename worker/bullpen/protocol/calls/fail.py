"""Failures that get another attempt (protocol §5.2, §5.3); a final failure is a `Finish` of `work`."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from bullpen.protocol.call import Argument, Call
from bullpen.protocol.replies import Status
from bullpen.protocol.scripts import load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bullpen.protocol.keys import QueueKeys

_NO_FIELDS: Mapping[str, str] = MappingProxyType({})


def retry(
    keys: QueueKeys,
    *,
    job_id: str,
    token: str,
    now: int,
    lifo: bool = False,
    fields: Mapping[str, str] = _NO_FIELDS,
) -> Call[None]:
    """Puts an active job back to wait, its attempt counted; to the back of the queue unless `lifo`.

    `fields` (failedReason, stacktrace) are written to its hash. Raises JobMissing or LockLost.
    """
    return Call(
        command=(keys.base, now, job_id, token, 1 if lifo else 0, *_flat(fields)),
        parse=partial(_decided, job_id=job_id),
        script=load("retry"),
    )


def delay(
    keys: QueueKeys,
    *,
    job_id: str,
    token: str,
    now: int,
    delay_ms: int,
    skip_attempt: bool = False,
    fields: Mapping[str, str] = _NO_FIELDS,
) -> Call[None]:
    """Moves an active job to delayed, due in `delay_ms` (0 or more); `skip_attempt` leaves its attempts as they are.

    `fields` (failedReason, stacktrace) are written to its hash. Raises JobMissing or LockLost.
    """
    return Call(
        command=(keys.base, now, job_id, token, delay_ms, 1 if skip_attempt else 0, *_flat(fields)),
        parse=partial(_decided, job_id=job_id),
        script=load("delay"),
    )


def _flat(fields: Mapping[str, str]) -> tuple[Argument, ...]:
    return tuple(part for item in fields.items() for part in item)


def _decided(reply: int, *, job_id: str) -> None:
    Status(reply).check(job_id)
