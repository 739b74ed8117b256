"""A whole queue: pausing, limits, and getting rid of many jobs at once (protocol §1.6, §7.2-§7.5).

What may concern a million jobs works on a bounded part a call, so that Redis serves others in between: each of these
says how its caller knows that it is done. One call is atomic, the sequence is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from bullpen.errors import WrongState
from bullpen.protocol.call import Call, nothing
from bullpen.protocol.call import job_id as read_id
from bullpen.protocol.numbers import LONGEST_MS, check_whole
from bullpen.protocol.scripts import load

if TYPE_CHECKING:
    from bullpen.protocol.keys import QueueKeys

Place = Literal["wait", "paused", "active", "prioritized", "delayed", "completed", "failed"]
"""Where jobs are kept, by the key's name; `wait` and `paused` together are the state `waiting`."""
Restartable = Literal["completed", "failed", "delayed"]

CHUNK: Final = 1000
"""Jobs a call, unless told otherwise: some ten milliseconds of Redis' time."""
NO_LIMIT: Final = 2**53


@dataclass(frozen=True, slots=True)
class Cleaned:
    """One part of a clean: ids of the deleted jobs, how many to pass over next time, whether there may be more."""

    job_ids: tuple[str, ...]
    skip: int
    more: bool


def pause(keys: QueueKeys) -> Call[None]:
    """Stops the queue: running jobs go on, no other is started. Pausing a paused queue changes no job.

    Where `wait` and `paused` both hold jobs (clients of several generations) they are put together, the shorter one
    moved; nothing is lost.
    """
    return Call(command=(keys.base,), parse=nothing, script=load("pause"))


def resume(keys: QueueKeys) -> Call[None]:
    """Ends a pause; jobs that were paused are served in their order, before those a v6 client added to `wait`."""
    return Call(command=(keys.base,), parse=nothing, script=load("resume"))


def clean(
    keys: QueueKeys, *, place: Place, now: int, grace_ms: int = 0, limit: int = 0, skip: int = 0, room: int = CHUNK
) -> Call[Cleaned]:
    """Deletes jobs of one place that are `grace_ms` (0 or more) old, at most `limit` (0 = all), looking at `room`.

    Age counts from the end of a finished job, else from its last start, else from its creation. Jobs that a worker
    holds and next runs of schedulers stay. While the answer says `more`, call again with its `skip` and the rest of
    the limit; jobs that move meanwhile may be passed over. Raises ConfigurationError.
    """
    check_whole("grace", grace_ms, highest=LONGEST_MS)
    check_whole("limit", limit)
    check_whole("room", room, lowest=1)
    return Call(
        command=(keys.base, place, now - grace_ms, limit or NO_LIMIT, room, skip), parse=_cleaned, script=load("clean")
    )


def drain(keys: QueueKeys, *, delayed: bool = False, room: int = CHUNK) -> Call[int]:
    """Deletes up to `room` jobs that wait to be run, with `delayed` those not yet due too; how many it were.

    Fewer than `room` = done. Next runs of schedulers stay; no events. Raises ConfigurationError.
    """
    check_whole("room", room, lowest=1)
    return Call(command=(keys.base, 1 if delayed else 0, room), parse=int, script=load("drain"))


def obliterate(keys: QueueKeys, *, force: bool = False, room: int = CHUNK) -> Call[bool]:
    """Deletes a paused queue with up to `room` of its jobs; True = call again. `force`: active jobs too.

    What is left: jobs in waiting-children, rate limits, deduplication ids no deleted job holds, heartbeats of workers
    (which expire). Raises ConfigurationError, or WrongState for a queue that is not paused or has active jobs.
    """
    check_whole("room", room, lowest=1)
    return Call(command=(keys.base, room, 1 if force else 0), parse=_obliterated, script=load("obliterate"))


def restart(keys: QueueKeys, *, place: Restartable, now: int, room: int = CHUNK) -> Call[int]:
    """Makes up to `room` jobs ready that are delayed, or ended at `now` (epoch ms) or before; how many it were.

    Fewer than `room` = done. All go to the back of the queue, whatever their priority. Parents wait for finished
    children again. The `delay` field of delayed ones stays as it is (§7.2). Raises ConfigurationError.
    """
    check_whole("room", room, lowest=1)
    return Call(command=(keys.base, place, room, now), parse=int, script=load("restart"))


def set_concurrency(keys: QueueKeys, *, concurrency: int) -> Call[None]:
    """Caps how many jobs of the queue run at a time, over all workers (1 or more). Raises ConfigurationError."""
    check_whole("concurrency", concurrency, lowest=1)
    return Call(command=("HSET", keys.meta, "concurrency", concurrency), parse=nothing)


def remove_concurrency(keys: QueueKeys) -> Call[None]:
    """Takes the cap on running jobs away."""
    return Call(command=("HDEL", keys.meta, "concurrency"), parse=nothing)


def set_rate_limit(keys: QueueKeys, *, starts: int, duration_ms: int) -> Call[None]:
    """At most `starts` (1 or more) jobs are started in `duration_ms` (1 or more), over all workers.

    It goes before the limiter of a worker (§3.1). Raises ConfigurationError.
    """
    check_whole("rate limit", starts, lowest=1)
    check_whole("duration of the rate limit", duration_ms, lowest=1, highest=LONGEST_MS)
    return Call(command=("HSET", keys.meta, "max", starts, "duration", duration_ms), parse=nothing)


def remove_rate_limit(keys: QueueKeys) -> Call[None]:
    """Takes the queue's rate limit away; a window that has begun is not ended."""
    return Call(command=("HDEL", keys.meta, "max", "duration"), parse=nothing)


def hold_back(keys: QueueKeys, *, duration_ms: int) -> Call[None]:
    """Starts no jobs for `duration_ms` (1 or more) where a rate limit is in use (§3.2). Raises ConfigurationError."""
    check_whole("duration of the rate limit", duration_ms, lowest=1, highest=LONGEST_MS)
    return Call(command=("SET", keys.limiter, 2**53 - 1, "PX", duration_ms), parse=nothing)


def stop_holding_back(keys: QueueKeys) -> Call[None]:
    """Ends the present window of a rate limit, also one set by hand."""
    return Call(command=("DEL", keys.limiter), parse=nothing)


def _cleaned(reply: list[Any]) -> Cleaned:
    ids, skip, more = reply
    return Cleaned(job_ids=tuple(map(read_id, ids)), skip=skip, more=more == 1)


def _obliterated(reply: int) -> bool:
    if reply == -1:
        raise WrongState("the queue is not paused: pause it, and let nobody resume it before it is obliterated")
    if reply == -2:
        raise WrongState("the queue has active jobs: wait for them, or force it, and their workers lose them")
    return reply == 1
