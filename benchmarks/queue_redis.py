"""What our calls cost in Redis, and how that grows with the number of jobs: measured in Redis and on the wire."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bullpen.client.bulk import Bulk, BulkJob
from bullpen.client.connection import Link
from bullpen.protocol import Call, JobOptions, QueueKeys
from bullpen.protocol.calls import add
from bullpen.protocol.calls.work import Finish, work
from bullpen.protocol.location import RedisLocation
from bullpen.protocol.replies import Claimed, Outcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

KEYS = QueueKeys("bull", "noop")
LOCK_MS = 600_000
YEAR_MS = 31_536_000_000
_PLAIN = JobOptions()


@dataclass
class Bench:
    """A queue in a database of its own, and the clock of its Redis process."""

    port: int
    keys: QueueKeys = KEYS

    async def __aenter__(self) -> Bench:
        self.link = Link(RedisLocation.parse(f"redis://127.0.0.1:{self.port}"), timeout=60)
        await self.link.__aenter__()
        self.bulk = Bulk(link=self.link, keys=self.keys, clock=time.time)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.link.aclose()

    async def ask(self, *command: str | int) -> Any:
        return await self.link.run(Call(command=command, parse=lambda reply: reply))

    async def empty(self) -> None:
        await self.ask("FLUSHALL")

    async def cpu(self) -> float:
        """Seconds of CPU that Redis has used so far."""
        lines = (await self.ask("INFO", "cpu")).decode().splitlines()
        parts = dict(line.split(":") for line in lines if ":" in line)
        return float(parts["used_cpu_user"]) + float(parts["used_cpu_sys"])

    async def fill(self, count: int, options: JobOptions = _PLAIN) -> None:
        async for _ in self.bulk.each(_jobs(count, options)):
            pass

    async def turn(self, claimed: list[Claimed], wanted: int) -> list[Claimed]:
        """One call: all of these are completed, and so many claimed."""
        finishes = [Finish(each.job.id, each.token, Outcome.COMPLETED, "null") for each in claimed]
        tokens = [f"w:{number}" for number in range(wanted)]
        call = work(self.keys, now=int(time.time() * 1000), finishes=finishes, tokens=tokens, lock_ms=LOCK_MS)
        return list((await self.link.run(call)).claimed)


async def _jobs(count: int, options: JobOptions) -> AsyncIterator[BulkJob]:
    job = BulkJob("noop", {"n": 1}, options)
    for _ in range(count):
        yield job


async def cpu_per_job(bench: Bench, *, batch: int, jobs: int) -> float:
    """µs of Redis CPU for one job that is finished and one that is claimed, in calls of `batch` of both."""
    await bench.empty()
    await bench.fill(jobs + batch)
    claimed = await bench.turn([], batch)
    before = await bench.cpu()
    for _ in range(jobs // batch):
        claimed = await bench.turn(claimed, batch)
    return (await bench.cpu() - before) / jobs * 1e6


async def finish_rate(bench: Bench, *, active: int, jobs: int, batch: int = 10) -> float:
    """Jobs a second, finished in calls of `batch` while `active` long ones, claimed before them, stay active."""
    await bench.empty()
    await bench.fill(active + jobs + batch)
    for start in range(0, active, 500):
        await bench.turn([], min(500, active - start))
    claimed = await bench.turn([], batch)
    started = time.perf_counter()
    for _ in range(jobs // batch):
        claimed = await bench.turn(claimed, batch)
    return jobs / (time.perf_counter() - started)


async def fill_delayed(bench: Bench, waiting: int) -> None:
    """So many delayed jobs, thousands of them due in one ms: as a nightly campaign would be."""
    for start in range(0, waiting, 10_000):
        await bench.fill(min(10_000, waiting - start), JobOptions(delay=YEAR_MS + start))


async def delayed_costs(bench: Bench, *, waiting: int) -> dict[str, float]:
    """µs of Redis CPU of a delayed add in the middle of those waiting, and of a call that promotes 1,000 due jobs."""
    delay = JobOptions(delay=YEAR_MS + waiting // 2)
    before = await bench.cpu()
    for _ in range(1000):
        now = int(time.time() * 1000)
        await bench.link.run(add.add(bench.keys, name="noop", data="{}", now=now, options=delay))
    added = (await bench.cpu() - before) * 1e6 / 1000
    await bench.fill(1000, JobOptions(delay=1, timestamp=int(time.time() * 1000) - 60_000))
    before = await bench.cpu()
    [claimed] = await bench.turn([], 1)
    promoted = (await bench.cpu() - before) * 1e6
    if claimed.job.delay:
        raise SystemExit("the claim got another job than one of those promoted")
    await bench.ask("DEL", bench.keys.wait)
    return {"add": added, "promote": promoted}
