"""Adding many jobs: in calls of some hundred, one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Iterable
from contextlib import aclosing, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from bullpen.client.payload import NO_DATA, job_data
from bullpen.protocol.calls.bulk import Batch
from bullpen.protocol.options import JobOptions

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from contextlib import AbstractContextManager

    from bullpen.client.connection import Link
    from bullpen.client.tracing import Adding, Tracing
    from bullpen.protocol.call import Call
    from bullpen.protocol.keys import QueueKeys
    from bullpen.protocol.replies import Added

T = TypeVar("T")

# Redis does nothing else during a call of this size, some 3 ms; larger ones are no faster.
CHUNK_JOBS: Final = 250
CHUNK_BYTES: Final = 1 << 18

_PLAIN: Final = JobOptions()


@dataclass(frozen=True, slots=True)
class BulkJob:
    """A job to add: `data` is anything JSON can say, left out it is `{}`."""

    name: str
    data: Any = NO_DATA
    options: JobOptions = _PLAIN


Jobs: TypeAlias = Iterable[BulkJob] | AsyncIterable[BulkJob]
Chunk: TypeAlias = "Call[tuple[Added, ...]]"


class Bulk:
    """Adds to one queue over an open link."""

    def __init__(
        self, *, link: Link, keys: QueueKeys, clock: Callable[[], float], tracing: Tracing | None = None
    ) -> None:
        self._link = link
        self._keys = keys
        self._clock = clock
        self._tracing = tracing

    async def add(self, jobs: Jobs) -> list[Added]:
        """Adds the jobs in order and says of each what became of it.

        All are checked before the first is written: after a ConfigurationError, or an error of what makes the jobs,
        nothing was added. Each 250 jobs, fewer when they are large, are one atomic step. After another error, such as
        ConnectionLost, the first steps were done, the next one may have been, and the others were not.
        """
        with self._adding("add_bulk") as adding:
            chunks = [chunk async for chunk in self._chunks(jobs, adding)]
            all_added = [added async for added in self._run(_each(chunks))]
            if adding is not None:
                adding.added([each.job_id for each in all_added])
            return all_added

    def _adding(self, operation: str) -> AbstractContextManager[Adding | None]:
        return nullcontext() if self._tracing is None else self._tracing.adding(operation, self._keys.queue)

    async def each(self, jobs: Jobs, *, first: int = 0) -> AsyncGenerator[Added, None]:
        """The same for any number of jobs in little memory: takes them as Redis does, and yields in their order.

        After a ConfigurationError, or an error of what makes the jobs, those before it were added and yielded, and
        none behind it. Whoever stops earlier may have added up to 500 more jobs than were yielded. `first` is the place
        of the first job among all, for errors.
        """
        with self._adding("add_each") as adding:
            async with aclosing(self._run(self._chunks(jobs, adding, first=first))) as results:
                async for added in results:
                    yield added

    async def _chunks(self, jobs: Jobs, adding: Adding | None, *, first: int = 0) -> AsyncGenerator[Chunk, None]:
        """The jobs as calls. What is wrong with one of them is raised behind the call with those before it."""
        batch = Batch(self._keys, first=first)
        trouble: Exception | None = None
        try:
            async for job in jobs if isinstance(jobs, AsyncIterable) else _each(jobs):
                text = job_data(job.name, job.data)
                options = job.options if adding is None else adding.carry(job.options)
                batch.put(name=job.name, data=text, now=int(self._clock() * 1000), options=options)
                if len(batch) == CHUNK_JOBS or batch.bytes >= CHUNK_BYTES:
                    yield batch.call()
                    await asyncio.sleep(0)  # others have their turn
        except Exception as error:  # noqa: BLE001 - raised below
            trouble = error
        if len(batch):
            yield batch.call()
        if trouble is not None:
            raise trouble

    async def _run(self, chunks: AsyncGenerator[Chunk, None]) -> AsyncGenerator[Added, None]:
        """One call is made while Redis runs the one before; what `chunks` raises is raised behind their results.

        Only one is on its way: of two, a script lost by Redis would turn round the order (`Link.submit`), and a
        connection lost would leave twice as much in doubt.
        """
        sent: asyncio.Future[Any] | None = None
        running: Chunk | None = None
        trouble: Exception | None = None
        try:
            while trouble is None:
                chunk: Chunk | None = None
                try:
                    chunk = await anext(chunks)
                except Exception as error:  # noqa: BLE001 - raised below
                    trouble = error
                added = running.parse(await sent) if running is not None and sent is not None else ()
                running = chunk
                if chunk is not None:
                    sent = self._link.submit(chunk)
                    await asyncio.sleep(0)  # it leaves
                for each in added:
                    yield each
            if not isinstance(trouble, StopAsyncIteration):  # the regular end
                raise trouble
        finally:
            if sent is not None:
                sent.cancel()
            await chunks.aclose()


async def _each(items: Iterable[T]) -> AsyncGenerator[T, None]:
    for item in items:
        yield item
