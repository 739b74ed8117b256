"""Who is to claim no more jobs for now: `<prefix>:<queue>:bullpen:drain`, instance -> end of a lease in epoch ms.

Whoever wants a pod gone (the operator) marks it and waits until its heartbeat says `drained`. A mark holds for its
lease only, by the clock of Redis, and has to be renewed; every claim looks at it in the same atomic step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bullpen.protocol.call import Call
from bullpen.protocol.scripts import load

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bullpen.protocol.keys import QueueKeys

LEASE_SECONDS = 15.0


def mark(keys: QueueKeys, *, instances: Iterable[str], seconds: float = LEASE_SECONDS) -> Call[float]:
    """Marks workers, or renews their marks, for so many seconds from now; returns the end (epoch s, Redis' clock)."""
    return Call(command=(keys.base, max(1, int(seconds * 1000)), *instances), parse=_seconds, script=load("mark_drain"))


def clear(keys: QueueKeys, *, instances: Iterable[str]) -> Call[int]:
    """Takes the marks of these workers back (at least one); they notice within a second. Returns how many had one."""
    return Call(command=("HDEL", keys.drain, *instances), parse=int)


def _seconds(reply: int) -> float:
    return reply / 1000
