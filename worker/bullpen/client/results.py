"""Waiting for jobs to end: the event stream, with the "finished?" query for what happened before (§10)."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from bullpen.client.blocking import BlockingLink
from bullpen.errors import BullpenError, ConnectionLost, JobFailed, JobMissing, ProtocolError
from bullpen.protocol import events
from bullpen.protocol.calls import read
from bullpen.protocol.replies import Finished, Outcome

if TYPE_CHECKING:
    from bullpen.client.connection import Link
    from bullpen.protocol.keys import QueueKeys
    from bullpen.protocol.location import LocationSource, RedisLocation

BLOCK_SECONDS = 10.0
# How often a waiter asks again: events can be trimmed away, or lost with a server, before they were read.
ASK_SECONDS = 10.0
# How long an event may lag behind the disappearance of its job, which was removed on completion.
LAG_SECONDS = 1.0


class Results:
    """All waiters of one process on one queue share one reader of its events, which lives while somebody waits."""

    def __init__(self, *, link: Link, location: RedisLocation | LocationSource, keys: QueueKeys) -> None:
        self._link = link
        self._location = location
        self._keys = keys
        self._waiting: dict[str, set[asyncio.Future[Finished]]] = {}
        self._position: str | None = None
        self._starting = asyncio.Lock()
        self._reader: asyncio.Task[None] | None = None

    async def aclose(self) -> None:
        """Ends the reader; those who still wait go on asking by themselves."""
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait([self._reader])
            self._reader = None

    async def wait(self, job_id: str, *, timeout: float | None) -> Any:
        """The job's return value, once it has one; `timeout` in seconds, None = for ever.

        Raises JobFailed with the failed reason, JobMissing, TimeoutError, and ConfigurationError when Redis refuses
        the login. A lost connection is waited out.
        """
        future: asyncio.Future[Finished] = asyncio.get_running_loop().create_future()
        waiters = self._waiting.setdefault(job_id, set())
        waiters.add(future)
        try:
            async with asyncio.timeout(timeout):
                finished = await self._outcome(job_id, future)
        except TimeoutError:
            raise TimeoutError(
                f"job {job_id} of queue {self._keys.queue} did not end within {timeout:g} s; it goes on all the same"
            ) from None
        finally:
            if future.done() and not future.cancelled():
                future.exception()  # looked at, though the query may have told the same first
            waiters.discard(future)
            if not waiters and self._waiting.get(job_id) is waiters:
                del self._waiting[job_id]
        if finished.outcome is Outcome.FAILED:
            raise JobFailed(finished.value)
        try:
            return json.loads(finished.value)
        except ValueError as error:
            raise ProtocolError(f"job {job_id} returned something that is no JSON: {error}") from error

    async def _outcome(self, job_id: str, future: asyncio.Future[Finished]) -> Finished:
        while True:
            try:
                await self._listen()
                asked = await self._link.run(read.finished(self._keys, job_id=job_id))
                if asked.outcome is not None:
                    return asked
                patience = ASK_SECONDS
            except ConnectionLost:
                patience = LAG_SECONDS
            except JobMissing:
                if await self._settled(future, LAG_SECONDS):
                    return future.result()
                raise
            if await self._settled(future, patience):
                return future.result()

    @staticmethod
    async def _settled(future: asyncio.Future[Finished], patience: float) -> bool:
        done, _pending = await asyncio.wait([future], timeout=patience)
        return bool(done)

    async def _listen(self) -> None:
        """Sees to it that every event from now on is read."""
        async with self._starting:
            if self._reader is not None and not self._reader.done():
                return
            self._position = await self._link.run(events.last(self._keys))
            self._reader = asyncio.create_task(self._read(), name=f"bullpen-events-{self._keys.queue}")

    async def _read(self) -> None:
        # Asked again after hanging up, which takes some turns: whoever came meanwhile saw a reader and relies on it.
        while self._waiting:
            try:
                async with BlockingLink(self._location, queue=self._keys) as link:
                    await self._read_on(link)
            except BullpenError as error:
                self._give_up(error)
                return

    async def _read_on(self, link: BlockingLink) -> None:
        while self._waiting:
            call = events.read(self._keys, after=self._position or events.START, block_ms=int(BLOCK_SECONDS * 1000))
            try:
                batch = await link.run(call, block=BLOCK_SECONDS)
            except ConnectionLost:
                continue  # the next call pauses and connects anew
            for event in batch:
                self._position = event.id
                self._tell(event)

    def _tell(self, event: events.Event) -> None:
        if event.kind == "completed":
            finished = Finished(outcome=Outcome.COMPLETED, value=event.fields.get("returnvalue", "null"))
        elif event.kind == "failed":
            finished = Finished(outcome=Outcome.FAILED, value=event.fields.get("failedReason", ""))
        else:
            return
        for future in self._waiting.get(event.job_id or "", ()):
            if not future.done():
                future.set_result(finished)

    def _give_up(self, error: BullpenError) -> None:
        for waiters in self._waiting.values():
            for future in waiters:
                if not future.done():
                    future.set_exception(type(error)(*error.args))
