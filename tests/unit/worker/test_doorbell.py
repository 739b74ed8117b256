from __future__ import annotations

import asyncio
import logging
from typing import Any

from bullpen import BullpenError, ConnectionLost
from bullpen.protocol import Call, QueueKeys
from bullpen.runtime.delivery import Delivery
from bullpen.runtime.doorbell import Doorbell

KEYS = QueueKeys("bull", "videos")


class Blocks:
    """A blocking connection that answers as it is told, and then never again."""

    def __init__(self, *answers: BullpenError | list[bytes] | None) -> None:
        self.answers = list(answers)

    async def run(self, call: Call[Any], *, block: float) -> Any:
        if not self.answers:
            await asyncio.Event().wait()
        answer = self.answers.pop(0)
        if isinstance(answer, BullpenError):
            raise answer
        return call.parse(answer)


class Silent:
    async def run(self, call: Call[Any]) -> Any:
        return call.parse(0)


async def rings(*answers: BullpenError | list[bytes] | None) -> int:
    """How often it rings for these answers before it waits for good."""
    rung = 0
    all_given = asyncio.Event()

    def ring() -> bool:
        nonlocal rung
        rung += 1
        return True

    blocks = Blocks(*answers)
    bell = Doorbell(KEYS, blocking=blocks, delivery=Delivery(Silent(), logger=logging.getLogger("test")), ring=ring)
    bell.listen(due_ms=0, limited_ms=0)
    task = asyncio.create_task(bell.run())
    for _ in range(100):
        await asyncio.sleep(0)
        assert not task.done()
        if not blocks.answers:
            all_given.set()
    assert all_given.is_set()
    task.cancel()
    await asyncio.wait([task])
    return rung


async def test_it_rings_for_a_marker() -> None:
    assert await rings([KEYS.marker.encode(), b"0", b"0"]) == 1


async def test_a_marker_may_be_lost_with_the_connection_so_it_rings() -> None:
    """Redis may have popped the marker for a reply that never came; nobody else would wake up for those jobs."""
    assert await rings(ConnectionLost("no reply in time", sent=True)) == 1


async def test_a_connection_that_was_never_made_took_no_marker() -> None:
    assert await rings(ConnectionLost("refused", sent=False)) == 0


async def test_a_due_time_beyond_all_clocks_is_waited_for() -> None:
    assert await rings([KEYS.marker.encode(), b"1", b"inf"]) == 0
