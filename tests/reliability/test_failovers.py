"""A master that is lost under workers at work, and the one that three real sentinels elect.

Redis replicates asynchronously: what a master acknowledged in its last moments may be lost with it. So the producer
waits for a replica (WAIT), and every job it got that far must be done. What workers wrote in those moments may be lost
as well: then a job runs again, and only such a one may.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import redis

from bullpen import App
from tests.integration.servers.council import Council, standing
from tests.reliability.counts import FAILOVERS, RATE
from tests.reliability.fleet import KEYS, STALLED, Fleet, loaded, records, settled

MIXED = (("async", 0.05), ("thread", 0.05), ("async", 0.3), ("async", 0.01), ("thread", 0.5))
# Silence by which sentinels tell that a master is gone: long enough to see what workers do meanwhile.
DOWN_AFTER_MS = 4000
# After an election: until the workers' links have heard of it, and what they ran has met the new master.
HEARD_SECONDS = 3.0


@pytest.fixture
def council(tmp_path: Path) -> Iterator[Council]:
    with standing(tmp_path / "council", down_after_ms=DOWN_AFTER_MS) as made:
        yield made


class Witness:
    """Loses the master, and says how busy the workers were while there was none."""

    def __init__(self, council: Council, fleet: Fleet) -> None:
        self._council, self._fleet = council, fleet
        self.busiest = 0.0

    async def kill(self) -> None:
        """As a node that fails takes it along."""
        leader, follower = self._council.leader, self._council.follower
        leader.kill()
        await asyncio.sleep(1)  # what was running is over
        before, since = [each.cpu_seconds() for each in self._fleet.workers], time.monotonic()
        await asyncio.sleep(2)
        spent = [now.cpu_seconds() - then for now, then in zip(self._fleet.workers, before, strict=True)]
        self.busiest = max(self.busiest, max(spent) / (time.monotonic() - since))
        await asyncio.to_thread(self._council.elected, follower.port)

    async def switch(self) -> None:
        """As before maintenance of a node: the old master lives on and takes writes that will be thrown away."""
        await asyncio.to_thread(self._council.switch)


@pytest.mark.parametrize("lose", [Witness.kill, Witness.switch], ids=["killed", "switched"])
async def test_work_goes_on_with_the_master_that_is_elected(
    council: Council,
    tmp_path: Path,
    figures: Callable[..., None],
    lose: Callable[[Witness], Awaitable[None]],
) -> None:
    fleet, times, resumed = Fleet(council.url, tmp_path), [], []
    witness = Witness(council, fleet)
    try:
        await fleet.start(2)
        async with App(redis=council.url) as app, loaded(app, rate=RATE, kinds=MIXED, replicas=1) as load:
            for number in range(FAILOVERS):
                if number:
                    await asyncio.to_thread(council.mend)
                await asyncio.sleep(3)
                began = time.monotonic()
                await lose(witness)
                elected = time.monotonic()
                times.append((began, elected + HEARD_SECONDS))
                if not council.follower.running:
                    # It comes back as a replica: without one nothing more is acknowledged twice, and nothing added.
                    await asyncio.to_thread(council.mend)
                await grows(council, 2 * RATE)
                resumed.append(time.monotonic() - elected)
        with redis.Redis(port=council.leader.port, decode_responses=True, protocol=2) as raw:
            await settled(raw, len(load.ids))
            stored = records(raw, load.ids)
        assert [each.code for each in fleet.workers] == [None, None], "the workers are those that began"
    finally:
        fleet.stop()
    ledger = fleet.ledger()
    assert [job for job, record in stored.items() if "finishedOn" not in record] == []
    failed = [record for record in stored.values() if "failedReason" in record]
    # A master that lives on acknowledges ends that are thrown away: two switches in a short time may cost a job two
    # starts, and that is its limit.
    assert {record["failedReason"] for record in failed} <= ({STALLED} if lose is Witness.switch else set())
    assert [job for job in load.ids if not any(run.ended_at for run in ledger.runs[job])] == []
    again, strange = ledger.repeats(times)
    assert strange == [], "run again though no failover had met it"
    figures(
        failovers=FAILOVERS,
        jobs=len(load.ids),
        acknowledged_by_a_lost_master_alone=len(load.unreplicated),
        failed_by_stalls=len(failed),
        run_again=len(again),
        run_again_while_running=len(ledger.doubles()),
        elected_after=[round(heard - HEARD_SECONDS - began, 1) for began, heard in times],
        longest_until_work_went_on=round(max(resumed), 1),
        cpu_percent_while_away=round(100 * witness.busiest, 1),
    )
    assert witness.busiest < 0.25, "a worker without Redis must not be busy"  # as in test_outages


async def grows(council: Council, by: int) -> None:
    """So many jobs more have ended on the master there is now."""
    with redis.Redis(port=council.leader.port, protocol=2) as raw:
        await settled(raw, int(raw.zcard(KEYS.completed)) + by, seconds=30)
