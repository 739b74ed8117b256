"""One warning for a Redis that evicts keys when its memory is full: a queue is no cache."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING, Any, Final

from bullpen.client.pauses import Pauses
from bullpen.errors import BullpenError, ConnectionLost
from bullpen.protocol.call import Call

if TYPE_CHECKING:
    from bullpen.client.connection import Link

logger = logging.getLogger("bullpen.Redis")

SAFE: Final = "noeviction"
_told: set[str] = set()


async def warn_of_eviction(link: Link) -> None:
    """Asks the link's server for its maxmemory-policy as soon as it answers; warns once a process and server.

    Never raises for what Redis says: a user without the permission to ask is not told.
    """
    policy = await _policy(link)
    server = str(link.location)
    if policy is None or policy == SAFE or server in _told:
        return
    _told.add(server)
    lost = "the keys that expire: locks, rate limits and deduplication" if policy.startswith("volatile") else "any key"
    risk = "jobs run twice" if policy.startswith("volatile") else "jobs and whole queues vanish"
    logger.warning(
        "Redis at %s has maxmemory-policy %s: when its memory is full it drops %s, and %s; set maxmemory-policy %s",
        *(server, policy, lost, risk, SAFE),
    )


async def _policy(link: Link) -> str | None:
    for call in (_MEMORY, _SETTING):
        pauses = Pauses()
        while True:
            try:
                policy = await link.run(call)
                break
            except ConnectionLost:
                if link.closed:
                    return None
                await asyncio.sleep(pauses.next())
            except BullpenError:
                policy = None  # not allowed, or not offered: the other question may be
                break
        if policy is not None:
            return policy
    return None


def _in_memory(reply: Any) -> str | None:
    found = re.search(rb"^maxmemory_policy:(\S+)", reply, re.MULTILINE) if isinstance(reply, bytes) else None
    return found[1].decode(errors="replace") if found else None


def _in_setting(reply: Any) -> str | None:
    return reply[1].decode(errors="replace") if isinstance(reply, list) and len(reply) == 2 else None


# INFO needs less permission than CONFIG, which some providers do not offer at all.
_MEMORY: Final = Call(command=("INFO", "memory"), parse=_in_memory)
_SETTING: Final = Call(command=("CONFIG", "GET", "maxmemory-policy"), parse=_in_setting)
