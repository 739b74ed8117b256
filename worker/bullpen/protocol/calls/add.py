"""Adding jobs (protocol §2)."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from bullpen.errors import ConfigurationError
from bullpen.protocol.arguments import check_flag, check_text, shown
from bullpen.protocol.call import Call
from bullpen.protocol.call import job_id as read_id
from bullpen.protocol.numbers import LONGEST_MS, check_whole
from bullpen.protocol.options import MAX_PRIORITY, JobOptions, KeepJobs
from bullpen.protocol.replies import Added
from bullpen.protocol.scripts import load

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    options.checked(_check_options)
    if options.size_limit is not None and (size := len(data.encode(errors="surrogatepass"))) > options.size_limit:
        raise ConfigurationError(
            f"job data has {size} bytes, its size limit is {options.size_limit}: store large data elsewhere "
            "and pass a reference"
        )


def _check_options(options: JobOptions) -> None:
    if options.job_id is not None and options.job_id != "":
        check_job_id(options.job_id)
    if options.deduplication is not None:
        _check_deduplication(options)
    check_whole("job priority", options.priority, highest=MAX_PRIORITY)
    check_whole("job delay", options.delay, highest=LONGEST_MS)
    check_whole("job attempts", options.attempts)
    check_flag("job lifo", options.lifo)
    for what, number in (
        ("timestamp", options.timestamp),
        ("stack trace limit", options.stack_trace_limit),
        ("number of log rows to keep", options.keep_logs),
        ("size limit", options.size_limit),
    ):
        if number is not None:
            check_whole(f"job {what}", number)
    _check_backoff(options)
    check_keep("remove_on_complete", options.remove_on_complete)
    check_keep("remove_on_fail", options.remove_on_fail)
    if options.extra:
        _check_extra(options.extra)
    if len(flags := [flag for flag in _FAILURE_FLAGS if options.extra.get(flag)]) > 1:
        raise ConfigurationError(
            f"job options {' and '.join(flags)} exclude each other: a child's failure has one effect"
        )


def check_job_id(job_id: str) -> None:
    """Raises ConfigurationError for a custom id that collides with generated ids or with keys (§1.5)."""
    check_text("job id", job_id)
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


def _check_extra(extra: Mapping[str, Any]) -> None:
    try:
        json.dumps(dict(extra), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"job options cannot be written as JSON: {error}") from error


def _check_backoff(options: JobOptions) -> None:
    backoff = options.backoff
    if backoff is None:
        return
    check_text("backoff type", backoff.type)
    check_whole("job backoff delay", backoff.delay, highest=LONGEST_MS)
    jitter = backoff.jitter
    if jitter is not None and (isinstance(jitter, bool) or not isinstance(jitter, int | float) or not 0 <= jitter <= 1):
        raise ConfigurationError(f"backoff jitter is {shown(jitter)}: give a share between 0 and 1")


def check_keep(what: str, keep: KeepJobs | None) -> None:
    """Raises ConfigurationError for a rule of which finished jobs to keep that no client may write (§4.3)."""
    if keep is None:
        return
    if keep.count is not None:
        check_whole(f"job {what}: count", keep.count)
    if keep.limit is not None:
        check_whole(f"job {what}: limit", keep.limit, lowest=1)
    age = keep.age
    number = isinstance(age, int | float) and not isinstance(age, bool)
    if age is not None and not (number and 0 <= age <= LONGEST_MS / 1000):
        raise ConfigurationError(
            f"job {what}: age is {shown(age)}: give seconds, 0 to {LONGEST_MS // 1000}, or leave it out"
        )


def _added(reply: list[bytes | int]) -> Added:
    stored_id, how = reply
    assert isinstance(stored_id, bytes)  # noqa: S101 - the script's own reply
    return Added(job_id=read_id(stored_id), duplicated=how == 1, deduplicated=how == 2)
