"""Enters what has an end of its own, and leaves it in reverse order, all in one task.

One task, because cancel scopes and context variables of whoever enters must be there when it is left, and because a
job that is cancelled while it waits for a resource must not end the making of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    import logging

# For all of them together: the operator gives a pod 15 s beyond its drain.
LEAVE_SECONDS: Final = 5.0

Leave: TypeAlias = Callable[[], Awaitable[Any]]
Opening: TypeAlias = Callable[[], Awaitable[tuple[Any, Leave | None]]]


class Keeper:
    """Used from one event loop, whichever that is when it is first asked."""

    def __init__(self, *, logger: logging.Logger) -> None:
        self._logger = logger
        self._asked: asyncio.Queue[tuple[str, Opening, asyncio.Future[Any]] | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._opening = False

    async def enter(self, label: str, opening: Opening) -> Any:
        """What `opening` gives, to be left later by what it gives beside it; raises what it raises."""
        answer = asyncio.get_running_loop().create_future()
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be waiting any more
        self._asked.put_nowait((label, opening, answer))
        if self._task is None:
            self._task = asyncio.create_task(self._keep(), name="resources")
        return await asyncio.shield(answer)

    async def aclose(self) -> None:
        """Leave all that was entered, the last one first, within 5 s together; what goes wrong is logged."""
        task, self._task = self._task, None
        if task is None:
            return
        self._asked.put_nowait(None)
        if self._opening:
            task.cancel()
        await asyncio.wait({task}, timeout=LEAVE_SECONDS + 1)
        if not task.done():
            self._logger.error("resources were not closed: closing does not end")

    async def _keep(self) -> None:
        entered: list[tuple[str, Leave]] = []
        while (asked := await self._asked.get()) is not None:
            label, opening, answer = asked
            self._opening = True
            try:
                value, leave = await opening()
            except BaseException as error:  # noqa: BLE001 - whoever asked gets it, also when it is cancelled at the end
                answer.set_exception(error)
            else:
                answer.set_result(value)
                if leave is not None:
                    entered.append((label, leave))
            finally:
                self._opening = False
        deadline = asyncio.get_running_loop().time() + LEAVE_SECONDS
        for label, leave in reversed(entered):
            try:
                async with asyncio.timeout_at(deadline):
                    await leave()
            except BaseException as error:  # noqa: BLE001 - the others are to be left all the same
                self._logger.error("%s: closing it raised %s: %s", label, type(error).__name__, error)  # noqa: TRY400
