"""Workers that are killed, and workers that are told to go."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from bullpen import App
from tests.integration.redis_server import RedisServer
from tests.reliability.counts import KILLS, RATE, RESTARTS
from tests.reliability.fleet import KEYS, STALLED, Fleet, loaded, records, settled

MIXED = (("async", 0.05), ("thread", 0.05), ("async", 0.3), ("async", 0.01), ("thread", 0.5))


async def settle_down(raw: Any) -> None:
    """For one lock duration after a start of Redis nobody is taken for dead."""
    deadline = time.monotonic() + 60
    while raw.info("server")["uptime_in_seconds"] < 31:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.2)


async def test_jobs_survive_workers_that_are_killed(
    app: App, server: RedisServer, raw: Any, fleet: Fleet, figures: Callable[..., None]
) -> None:
    await fleet.start(3)
    await settle_down(raw)
    async with loaded(app, rate=RATE, kinds=MIXED) as load:
        for _ in range(KILLS):
            await asyncio.sleep(random.uniform(0.2, 1.5))
            fleet.kill(random.choice(fleet.workers))
            await fleet.start()
    await settled(raw, len(load.ids))
    ledger, stored = fleet.ledger(), records(raw, load.ids)
    assert ledger.doubles() == []
    failed = {job: record for job, record in stored.items() if "failedReason" in record}
    late_failures = 0
    for job, record in stored.items():
        runs = ledger.runs[job]
        ends = [run for run in runs if run.ended_at is not None]
        lost = int(record.get("stc", 0))
        # A start that Redis counts and nobody wrote down: the kill came between the claim and the first line.
        assert len(runs) <= int(record["ats"]), (job, record, runs)
        if job in failed:
            assert record["failedReason"] == STALLED
            # Two starts are lost and the third claim fails it (protocol §6). A kill in that very moment loses the claim
            # as well, and the next one fails it: it has run no more often for that.
            assert lost >= 2, record
            assert int(record["ats"]) == lost + 1, record
            assert len(runs) <= 2
            late_failures += lost > 2
        else:
            assert ends, (job, record, runs)
            assert int(record["ats"]) == lost + 1, (job, record, runs)
    waits = ledger.waits_after_death()
    figures(
        kills=KILLS,
        jobs=len(load.ids),
        failed_by_stalls=len(failed),
        killed_while_failing=late_failures,
        lost_starts=sum(int(record.get("stc", 0)) for record in stored.values()),
        causes=Counter(record.get("bp:cause", "-") for record in stored.values() if record.get("stc")),
        again_after=[round(waits[int(len(waits) * part)], 2) for part in (0, 0.5, 0.9, 0.99)] if waits else [],
        again_after_longest=round(waits[-1], 2) if waits else None,
    )


async def test_nothing_is_lost_or_run_twice_when_workers_are_replaced(
    app: App, server: RedisServer, raw: Any, fleet: Fleet, figures: Callable[..., None]
) -> None:
    await fleet.start(2)
    began = time.monotonic()
    async with loaded(app, rate=RATE, kinds=MIXED) as load:
        for _ in range(RESTARTS):
            await fleet.start()
            assert await fleet.retire(fleet.workers[0]) == 0
    await settled(raw, len(load.ids))
    ledger, stored = fleet.ledger(), records(raw, load.ids)
    assert ledger.more_than_once() == {}
    assert set(ledger.runs) == set(load.ids)
    spent = {job: record for job, record in stored.items() if (record.get("atm"), record.get("stc")) != ("1", None)}
    assert spent == {}
    assert raw.zcard(KEYS.failed) == 0
    figures(restarts=RESTARTS, jobs=len(load.ids), seconds=round(time.monotonic() - began))
