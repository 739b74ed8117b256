"""Calls that must reach Redis however long it is away: repeated until they are answered."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Protocol, TypeVar

from bullpen.errors import BullpenError, ConnectionLost, JobMissing, LockLost

if TYPE_CHECKING:
    import logging

    from bullpen.protocol.call import Call

T = TypeVar("T")

FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 2.0


class Runs(Protocol):
    """The command connection (`bullpen.client.connection.Link`)."""

    async def run(self, call: Call[T]) -> T: ...


class Delivery:
    """One queue's way to Redis; counts and logs failures: one line an outage, and one more if a login is refused."""

    def __init__(self, link: Runs, *, logger: logging.Logger) -> None:
        self._link = link
        self._logger = logger
        self._told: set[type[BullpenError]] = set()
        self.errors = 0

    async def run(self, call: Call[T]) -> T:
        """One try; raises what the connection raises."""
        try:
            value = await self._link.run(call)
        except (JobMissing, LockLost):
            self.answered()
            raise
        except BullpenError as error:
            self.failed(error)
            raise
        self.answered()
        return value

    async def insist(self, call: Call[T]) -> T | None:
        """Repeat the call until it is answered; for calls that do no harm when they are done twice.

        None when a repetition finds the job gone or not ours: then the first try had done it, or the lock was lost
        meanwhile, and there is nothing left to do. Raises JobMissing and LockLost when the first try finds that.
        """
        unknown = False
        pause = Pause()
        while True:
            try:
                return await self.run(call)
            except ConnectionLost as error:
                unknown = unknown or error.sent
            except (JobMissing, LockLost):
                if not unknown:
                    raise
                return None
            except BullpenError:
                # Redis refuses (out of memory, no permission): noted, and for whoever runs Redis to mend.
                pass
            await pause.wait()

    def answered(self) -> None:
        """Redis answered; says so once after an outage."""
        if self._told:
            self._told.clear()
            self._logger.info("Redis answers again")

    def failed(self, error: BullpenError) -> None:
        """Redis did not answer, or refused; says so once an outage and kind of error."""
        self.errors += 1
        if type(error) not in self._told:
            self._told.add(type(error))
            self._logger.warning("%s; trying again until Redis answers", error)


class Pause:
    """Growing, jittered pauses between tries: never a busy loop, and no herd after an outage."""

    __slots__ = ("_seconds",)

    def __init__(self) -> None:
        self._seconds = FIRST_PAUSE_SECONDS

    async def wait(self) -> None:
        await asyncio.sleep(self._seconds * random.uniform(0.5, 1))
        self._seconds = min(2 * self._seconds, LONGEST_PAUSE_SECONDS)
