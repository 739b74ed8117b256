"""Which queues there are: nothing lists them, so the keys of a server are looked through (protocol §1.6)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from bullpen.protocol.call import Call

if TYPE_CHECKING:
    from bullpen.protocol.keys import QueueKeys

LOOKED_THROUGH: Final = 5000
"""Keys a call: some milliseconds of Redis' time."""
_END: Final = ":meta"


@dataclass(frozen=True, slots=True)
class Part:
    """Queues found in one part of the keys; `cursor` 0 = that was the last part."""

    cursor: int
    queues: tuple[str, ...]


def scan(prefix: str, *, cursor: int = 0) -> Call[Part]:
    """Looks through some keys for queues under the prefix; one that never had a job or a setting is not found."""
    pattern = re.sub(r"([\\*?\[\]])", r"\\\1", prefix) + ":*" + _END
    command = ("SCAN", cursor, "MATCH", pattern, "COUNT", LOOKED_THROUGH, "TYPE", "hash")
    return Call(command=command, parse=partial(_part, head=f"{prefix}:"))


def masters() -> Call[tuple[tuple[str, int], ...]]:
    """Host and port of each master of a cluster that serves slots."""
    return Call(command=("CLUSTER", "SLOTS"), parse=_masters)


def known(keys: QueueKeys) -> Call[bool]:
    """Whether anything of the queue is stored: settings, jobs, or workers that serve it."""
    places = (keys.meta, keys.wait, keys.paused, keys.active, keys.prioritized, keys.delayed, keys.waiting_children)
    command = ("EXISTS", *places, keys.completed, keys.failed, keys.workers)
    return Call(command=command, parse=bool)


def _part(reply: list[Any], *, head: str) -> Part:
    cursor, found = reply
    names = (key.decode(errors="replace").removeprefix(head).removesuffix(_END) for key in found)
    return Part(cursor=int(cursor), queues=tuple(name for name in names if name and ":" not in name))


def _masters(reply: list[Any]) -> tuple[tuple[str, int], ...]:
    found = {(master[0].decode(), int(master[1])) for _first, _last, master, *_replicas in reply}
    return tuple(sorted(found))
