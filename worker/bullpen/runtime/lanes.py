"""The lanes of a queue's loop that have nothing to do."""

from __future__ import annotations

import asyncio
from collections import deque


class IdleLanes:
    """For one event loop; whoever has something for a lane to do wakes one."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._idle: deque[asyncio.Future[None]] = deque()
        self._woken = False

    def __len__(self) -> int:
        return len(self._idle)

    async def wait(self) -> None:
        """Until woken."""
        turn = self._loop.create_future()
        self._idle.append(turn)
        await turn
        self._woken = False

    def wake(self) -> None:
        """Call one idle lane, once a turn: it takes all there is by then, and calls the next one for the rest."""
        if self._woken:
            return
        while self._idle:
            turn = self._idle.popleft()
            if not turn.done():
                self._woken = True
                turn.set_result(None)
                return

    def wake_all(self) -> None:
        """Call all of them, to end."""
        for turn in self._idle:
            if not turn.done():
                turn.set_result(None)
        self._idle.clear()
