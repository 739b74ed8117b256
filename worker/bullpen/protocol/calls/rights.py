"""Whether a user may do what a worker does, asked without doing it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bullpen.protocol.call import Call
from bullpen.protocol.scripts import load

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bullpen.protocol.keys import QueueKeys

SCRIPTS: Final = (
    *("work", "beat", "extend", "release", "retry", "delay", "stalled", "reclaim", "counts", "state", "disable"),
    *("progress", "log", "save_state", "save_trace", "update_data", "children", "children_counts"),
    *("wait_for_children", "schedule_next", "add", "add_bulk", "flow"),
)
"""Those that workers and their jobs run."""
_DIRECT: Final = ("BZPOPMIN", "ZADD", "HDEL", "HGETALL", "LRANGE", "MGET")
_WORD: Final = re.compile(r"'([A-Z]{3,})'")


def commands() -> frozenset[str]:
    """The commands that a worker needs on keys, and words of its scripts that are none."""
    return frozenset(_DIRECT).union(*(_WORD.findall(load(name).text) for name in SCRIPTS))


def denied(keys: QueueKeys, words: Iterable[str]) -> Call[tuple[str, ...]]:
    """Those of the commands that Redis would refuse this user on keys of the queue, in their order; it runs none.

    A server older than Redis 7.0 cannot tell: none.
    """
    return Call(command=(keys.base, *words), parse=_names, script=load("denied"))


def _names(reply: list[bytes]) -> tuple[str, ...]:
    return tuple(name.decode() for name in reply)
