"""Redis that is killed, paused, or stopped in its tracks under workers at work."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bullpen import App
from tests.integration.redis_server import RedisServer
from tests.reliability.counts import LONG_SECONDS, PAUSE_SECONDS, PAUSES, RATE, REDIS_RESTARTS
from tests.reliability.fleet import KEYS, Fleet, loaded, records, settled

# Some outlast any pause, and some hold the interpreter's lock.
MIXED = (("spin", 2.0), ("thread", 12.0), *[("async", 0.05), ("thread", 0.05), ("async", 0.3)] * 40)


def once_each(fleet: Fleet, raw: Any, ids: list[str]) -> None:
    """Every job ran once, to its end."""
    ledger = fleet.ledger()
    assert ledger.more_than_once() == {}
    assert {job for job in ids if not ledger.runs[job]} == set()
    spent = {job: record for job, record in records(raw, ids).items() if record.get("atm") != "1" or "stc" in record}
    assert spent == {}
    assert raw.zcard(KEYS.failed) == 0


async def test_redis_is_killed_and_started_again(
    app: App, server: RedisServer, raw: Any, fleet: Fleet, figures: Callable[..., None]
) -> None:
    await fleet.start(2)
    busiest = 0.0
    async with loaded(app, rate=RATE, kinds=MIXED[2:]) as load:
        for _ in range(REDIS_RESTARTS):
            await asyncio.sleep(3)
            server.kill()
            await asyncio.sleep(1)  # what was running is over
            before, since = [each.cpu_seconds() for each in fleet.workers], time.monotonic()
            await asyncio.sleep(2)
            spent = [now.cpu_seconds() - then for now, then in zip(fleet.workers, before, strict=True)]
            busiest = max(busiest, max(spent) / (time.monotonic() - since))
            server.start()
        await asyncio.sleep(2)
    await settled(raw, len(load.ids))
    once_each(fleet, raw, load.ids)
    figures(redis_restarts=REDIS_RESTARTS, jobs=len(load.ids), cpu_percent_while_away=round(100 * busiest, 1))
    assert busiest < 0.25, "a worker without Redis must not be busy"  # aimed at 5 %; a clock tick is 0.5 % of it


async def _client_pause(server: RedisServer, raw: Any) -> None:
    raw.client_pause(PAUSE_SECONDS * 1000)
    await asyncio.sleep(PAUSE_SECONDS)


async def _stop(server: RedisServer, raw: Any) -> None:
    os.kill(server.pid, signal.SIGSTOP)
    await asyncio.sleep(PAUSE_SECONDS)
    os.kill(server.pid, signal.SIGCONT)


@pytest.mark.parametrize("pause", [_client_pause, _stop], ids=["CLIENT PAUSE", "SIGSTOP"])
async def test_no_job_runs_twice_when_redis_pauses(
    app: App,
    server: RedisServer,
    raw: Any,
    fleet: Fleet,
    figures: Callable[..., None],
    pause: Callable[[RedisServer, Any], Awaitable[None]],
) -> None:
    await fleet.start(3)
    async with loaded(app, rate=RATE // 2, kinds=MIXED) as load:
        for _ in range(PAUSES):
            await asyncio.sleep(3)
            await pause(server, raw)
        await asyncio.sleep(3)
    await settled(raw, len(load.ids))
    once_each(fleet, raw, load.ids)
    figures(pauses=PAUSES, seconds=PAUSE_SECONDS, jobs=len(load.ids), judged=fleet.said(" is gone: "))


async def test_a_job_longer_than_its_lock_runs_once(
    app: App, server: RedisServer, raw: Any, fleet: Fleet, figures: Callable[..., None]
) -> None:
    await fleet.start(3)
    long = [(kind, float(LONG_SECONDS)) for kind in ("block", "thread", "spin", "process")]
    queue = app.queue("steps")
    jobs = [await queue.add(kind, seconds, job_id=kind) for kind, seconds in long]
    await settled(raw, len(jobs), seconds=3 * LONG_SECONDS + 60)
    once_each(fleet, raw, [job.id for job in jobs])
    figures(seconds=LONG_SECONDS)
