"""Adding jobs (protocol §2)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bullpen.errors import ConfigurationError
from bullpen.protocol.call import Call
from bullpen.protocol.call import job_id as read_id
from bullpen.protocol.options import MAX_PRIORITY, JobOptions
from bullpen.protocol.replies import Added
from bullpen.protocol.scripts import load

if TYPE_CHECKING:
    from bullpen.protocol.keys import QueueKeys

_PLAIN = JobOptions()
_FAILURE_FLAGS = ("fpof", "cpof", "idof", "rdof")
_WHOLE_NUMBER = re.compile(r"0|-?[1-9][0-9]*")
# A job's hash lives beside the queue's own keys; a job of such a name would overwrite one of them (§1.1).
_RESERVED = frozenset(
    (
        "active",
        "completed",
        "delayed",
        "events",
        "failed",
        "id",
        "limiter",
        "marker",
        "meta",
        "paused",
        "pc",
        "prioritized",
        "repeat",
        "stalled",
        "stalled-check",
        "wait",
        "waiting-children",
    )
)


def add(keys: QueueKeys, *, name: str, data: str, now: int, options: JobOptions = _PLAIN) -> Call[Added]:
    """Stores one job and places it by its options: delayed, else prioritized, else waiting (§2.2).

    With a deduplication id that another job owns nothing may be stored; the answer tells (§2.5).
    `data` is JSON text, stored as given. Raises ConfigurationError for options that §1.5 forbids.
    """
    check_single(options, data=data)
    timestamp = now if options.timestamp is None else options.timestamp
    return Call(
        command=(
            keys.base,
            options.job_id or "",
            name,
            data,
            options.dump(),
            timestamp,
            options.delay,
            options.priority,
            1 if options.lifo else 0,
        ),
        parse=_added,
        script=load("add"),
    )


def check_single(options: JobOptions, *, data: str) -> None:
    """`check` for a job that is added without a parent."""
    check(options, data=data)
    if "parent" in options.extra:
        raise ConfigurationError("the job names a parent among its options, which would not know: use add_child")


def check(options: JobOptions, *, data: str) -> None:
    """Raises ConfigurationError for an id, number or size that no client may write (§1.5)."""
    if options.job_id:
        check_job_id(options.job_id)
    if options.deduplication is not None:
        _check_deduplication(options)
    _check_range("priority", options.priority, highest=MAX_PRIORITY)
    _check_range("delay", options.delay, highest=None)
    _check_range("attempts", options.attempts, highest=None)
    if options.backoff is not None:
        _check_range("backoff delay", options.backoff.delay, highest=None)
        jitter = options.backoff.jitter
        if jitter is not None and not 0 <= jitter <= 1:
            raise ConfigurationError(f"backoff jitter is {jitter!r}: give a share between 0 and 1")
    if len(flags := [flag for flag in _FAILURE_FLAGS if options.extra.get(flag)]) > 1:
        raise ConfigurationError(
            f"job options {' and '.join(flags)} exclude each other: a child's failure has one effect"
        )
    if options.size_limit is not None and (size := len(data.encode())) > options.size_limit:
        raise ConfigurationError(
            f"job data has {size} bytes, its size limit is {options.size_limit}: store large data elsewhere "
            "and pass a reference"
        )


def check_job_id(job_id: str) -> None:
    """Raises ConfigurationError for a custom id that collides with generated ids or with keys (§1.5)."""
    if _WHOLE_NUMBER.fullmatch(job_id):
        raise ConfigurationError(
            f"job id {job_id!r} is a whole number, as Redis generates them: add a letter, for example 'job-{job_id}'"
        )
    if job_id in _RESERVED:
        raise ConfigurationError(f"job id {job_id!r} is the name of one of the queue's own keys: use another")
    if ":" in job_id:
        raise ConfigurationError(
            f"job id {job_id!r} contains ':', which separates the parts of a Redis key: use another character"
        )


def _check_deduplication(options: JobOptions) -> None:
    assert options.deduplication is not None  # noqa: S101 - asked by the caller
    options.deduplication.check()
    if "parent" in options.extra:
        raise ConfigurationError(
            f"job has a parent and the deduplication id {options.deduplication.id!r}: a child that is discarded would "
            "leave its parent waiting; leave out one of the two"
        )


def _check_range(what: str, value: object, *, highest: int | None) -> None:
    upper = "or more" if highest is None else f"to {highest}"
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or value < 0 or (highest is not None and value > highest):  # type: ignore[operator]
        raise ConfigurationError(f"job {what} is {value!r}: give a whole number, 0 {upper}")


def _added(reply: list[bytes | int]) -> Added:
    stored_id, how = reply
    assert isinstance(stored_id, bytes)  # noqa: S101 - the script's own reply
    return Added(job_id=read_id(stored_id), duplicated=how == 1, deduplicated=how == 2)
