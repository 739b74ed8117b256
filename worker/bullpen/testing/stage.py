"""What a test stands on: an empty Redis of its own, to which an app is turned for as long as it lasts."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from bullpen.app import App as AwaitingApp
from bullpen.errors import ConfigurationError
from bullpen.protocol.replies import JobRecord
from bullpen.sync.app import App as SyncApp
from bullpen.testing.clock import Clock
from bullpen.testing.door import Data, Door

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from bullpen.protocol.keys import QueueKeys
    from bullpen.protocol.location import RedisLocation

T = TypeVar("T")
App = AwaitingApp | SyncApp

# What keeps locks alive while the clock jumps: nothing else would renew them in time.
LOCK_MS: Final = 30_000
_DUE_UNIT: Final = 4096  # §1.5: a score of `delayed` is the due time in ms times this, and a sequence number


@dataclass(frozen=True, slots=True)
class Stage:
    """An app on a Redis inside the process. Questions to `ask` see all of it at one moment."""

    app: AwaitingApp
    door: Door
    location: RedisLocation
    clock: Clock = field(default_factory=Clock)

    async def ask(self, question: Callable[[Data], T]) -> T:
        """Look at the data, or change it, without a connection."""
        return await asyncio.wrap_future(self.door.run(question))

    async def forward(self, seconds: float, *, queues: Sequence[QueueKeys]) -> None:
        """Make it later for everybody at the same moment. Who holds a job keeps it; idle workers look around."""

        def jump(client: Data) -> None:
            held = list(client.scan_iter("*:lock"))
            for lock in held:
                client.persist(lock)
            self.clock.forward(seconds)
            for lock in held:
                client.pexpire(lock, LOCK_MS)
            for keys in queues:
                client.zadd(keys.marker, {"0": 0})

        await self.ask(jump)

    async def records(self, *, queue: str | None = None) -> list[tuple[str, JobRecord]]:
        """All jobs there are, with their queues, in the order in which they were created."""
        return await self.ask(lambda client: list(_records(client, self.app.prefix, queue)))


def awaiting(app: App) -> AwaitingApp:
    """The app behind the app for threads. Raises ConfigurationError for anything else."""
    if isinstance(app, SyncApp):
        return app.awaiting
    if not isinstance(app, AwaitingApp):
        raise ConfigurationError(f"app is {app!r}: give a bullpen.App")
    return app


@asynccontextmanager
async def staged(app: App) -> AsyncIterator[Stage]:
    """Turn an app to an empty Redis of its own, wherever it says that its Redis is; and back again at the end."""
    turned = awaiting(app)
    door = Door()
    location = door.open()
    stage = Stage(turned, door, location)
    await _hang_up(turned)
    before = turned.redirect(lambda: location)
    try:
        yield stage
    finally:
        await _hang_up(turned)
        turned.redirect(before)
        stage.clock.stop()
        door.close()


def due_seconds(score: float) -> float:
    """When a job is due, in epoch seconds, by its score in `delayed`."""
    return int(score / _DUE_UNIT) / 1000


async def _hang_up(app: AwaitingApp) -> None:
    """End the app's connections on this loop, and those of its threads."""
    await app.aclose()
    await asyncio.to_thread(app.sync.close)


def _records(client: Data, prefix: str, queue: str | None) -> Iterator[tuple[str, JobRecord]]:
    found = []
    for key in client.scan_iter(f"{prefix}:{'*' if queue is None else queue}:*", _type="hash"):
        fields = client.hgetall(key)
        if b"opts" in fields and b"timestamp" in fields:  # a job: other hashes of a queue have neither
            name, _, job_id = key.decode().removeprefix(f"{prefix}:").partition(":")
            found.append((name, JobRecord(job_id, fields)))
    yield from sorted(found, key=_age)


def _age(found: tuple[str, JobRecord]) -> tuple[int, int]:
    job = found[1]
    return job.timestamp, int(job.id) if job.id.isdecimal() else 0
