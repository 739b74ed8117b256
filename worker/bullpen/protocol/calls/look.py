"""Looking at a whole queue without touching it (protocol §1.6, §7.5)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from bullpen.errors import ConfigurationError, ProtocolError
from bullpen.protocol.call import Call
from bullpen.protocol.call import job_id as read_id
from bullpen.protocol.numbers import check_whole
from bullpen.protocol.options import MAX_PRIORITY
from bullpen.protocol.replies import JobState
from bullpen.protocol.scripts import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bullpen.protocol.keys import QueueKeys


_LIMITS: Final = ("concurrency", "max", "duration")
DUE_SCALE: Final = 4096
"""A delayed job's score is its due ms times this, plus its place among those of the same ms."""


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """What holds for the whole queue; None where nothing is set.

    `concurrency` caps running jobs; `rate_max` jobs are started in `rate_duration_ms`.
    """

    paused: bool
    concurrency: int | None
    rate_max: int | None
    rate_duration_ms: int | None


def settings(keys: QueueKeys) -> Call[QueueSettings]:
    """Whether the queue is paused, and its limits."""
    command = ("HMGET", keys.meta, "paused", *_LIMITS)
    return Call(command=command, parse=partial(_settings, key=keys.meta))


def page(
    keys: QueueKeys, *, state: JobState, start: int = 0, end: int = -1, oldest_first: bool = True
) -> Call[tuple[str, ...]]:
    """Ids `start`..`end` (inclusive, -1 = the last) of the jobs in one state, by the order in which they are served.

    `waiting` has the jobs of a paused queue too. Delayed jobs are in order of their due time, finished ones of their
    end. Not bounded: a page of everything is read in one go. Raises ConfigurationError.
    """
    if state is JobState.UNKNOWN:
        raise ConfigurationError("no job is listed as unknown: name another state")
    check_whole("start", start)
    check_whole("end", end, lowest=-1)
    return Call(command=(keys.base, state.value, start, end, 1 if oldest_first else 0), parse=_ids, script=load("page"))


def counts_per_priority(keys: QueueKeys, *, priorities: Sequence[int]) -> Call[dict[int, int]]:
    """How many ready jobs have each of these priorities (0..2097151; 0 = none). Raises ConfigurationError."""
    for priority in priorities:
        check_whole("priority", priority, highest=MAX_PRIORITY)
    asked = tuple(dict.fromkeys(priorities))

    def parse(reply: list[int]) -> dict[int, int]:
        return dict(zip(asked, reply, strict=True))

    return Call(command=(keys.base, *asked), parse=parse, script=load("priorities"))


def rate_limit_ttl(keys: QueueKeys, *, starts: int = 0) -> Call[int]:
    """Ms until a used-up rate limit of `starts` jobs a window ends (0 = the queue's own), 0 when jobs may start.

    Without any limit known: what is left of a window that somebody began, -2 when there is none. Raises
    ConfigurationError.
    """
    check_whole("rate limit", starts)
    return Call(command=(keys.base, starts), parse=int, script=load("rate_limit_ttl"))


def due_soon(keys: QueueKeys, *, by_ms: int, count: int) -> Call[tuple[str, ...]]:
    """Ids of delayed jobs that are due by then (epoch ms), the first ones, at most `count`."""
    command = ("ZRANGEBYSCORE", keys.delayed, "-inf", f"({(by_ms + 1) * DUE_SCALE}", "LIMIT", 0, count)
    return Call(command=command, parse=_ids)


def due(keys: QueueKeys, *, job_id: str) -> Call[int | None]:
    """When a delayed job is due (epoch ms), None when it is not delayed."""
    return Call(command=("ZSCORE", keys.delayed, job_id), parse=_due)


def _due(reply: bytes | None) -> int | None:
    return None if reply is None else int(float(reply)) // DUE_SCALE


def _settings(reply: list[bytes | None], *, key: str) -> QueueSettings:
    paused, *texts = reply
    limits = []
    for name, text in zip(_LIMITS, texts, strict=True):
        try:
            limits.append(None if text is None else int(float(text)))
        except (ValueError, OverflowError) as error:
            raise ProtocolError(f"{key}: its field {name} is {text!r}, not a number: set it anew") from error
    concurrency, rate_max, duration = limits
    return QueueSettings(
        paused=paused is not None, concurrency=concurrency, rate_max=rate_max, rate_duration_ms=duration
    )


def _ids(reply: list[bytes]) -> tuple[str, ...]:
    return tuple(map(read_id, reply))
