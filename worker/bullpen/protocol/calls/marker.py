"""The idle wait of a worker (protocol §3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bullpen.protocol.call import Call

if TYPE_CHECKING:
    from bullpen.protocol.keys import QueueKeys

_LATEST: Final = 2.0**53
"""A delay may be anything; this is later than any clock will show, and still a whole number of ms."""


def wait(keys: QueueKeys, *, seconds: float) -> Call[int | None]:
    """Blocks until work is announced, at most `seconds` (> 0; Redis takes 0 as for ever).

    Returns 0 for "fetch now", the due time in epoch ms of the earliest delayed job, or None after the time is up.
    """
    return Call(command=("BZPOPMIN", keys.marker, f"{max(seconds, 0.001):.3f}"), parse=_marker)


def announce(keys: QueueKeys) -> Call[int]:
    """Wakes an idle worker: what a worker does that took the marker and cannot use it."""
    return Call(command=("ZADD", keys.marker, 0, "0"), parse=int)


def _marker(reply: list[bytes] | None) -> int | None:
    if reply is None:
        return None
    _key, member, score = reply
    return 0 if member == b"0" else int(min(float(score), _LATEST))
