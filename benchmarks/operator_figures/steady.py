"""What the operator costs while jobs come and go at a steady rate, and what it asks of the API server meanwhile."""

from __future__ import annotations

import asyncio
import math
import os
import statistics
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import redis

from hack.stage.door import Door
from operator_figures.changes import Changes
from operator_figures.pools import is_active
from operator_figures.process import Operator

SCRAPE_SECONDS = 30.0
"""Prometheus' usual interval; a scrape costs CPU too."""
SAMPLE_SECONDS = 1.0
OBJECTS = ("workerpools", "deployments", "pods", "poddisruptionbudgets", "events")


@dataclass(frozen=True, slots=True)
class Steady:
    """Measures `operator` over a time in which nothing but jobs comes and goes."""

    operator: Operator
    changes: Changes
    redis_port: int
    pools: int

    async def figures(self, seconds: float) -> dict[str, Any]:
        first = await asyncio.to_thread(self.operator.scrape)
        cpu, begun = self.operator.cpu_seconds(), time.monotonic()
        scrapes, memory, connections = [first], [self.operator.mebibytes()], [self._connections()]
        scrape_due = begun + SCRAPE_SECONDS
        while (now := time.monotonic()) < begun + seconds:
            await asyncio.sleep(min(SAMPLE_SECONDS, begun + seconds - now))
            self.operator.check()
            memory.append(self.operator.mebibytes())
            connections.append(self._connections())
            if time.monotonic() >= scrape_due:
                scrape_due += SCRAPE_SECONDS
                scrapes.append(await asyncio.to_thread(self.operator.scrape))
        used, elapsed = self.operator.cpu_seconds() - cpu, time.monotonic() - begun
        last = await asyncio.to_thread(self.operator.scrape)
        ticks = last.since(first, "bullpen_sweep_lag_seconds_count")
        lag = last.since(first, "bullpen_sweep_lag_seconds_sum") / max(1, ticks)
        return {
            "seconds": round(elapsed, 1),
            "load average": round(os.getloadavg()[0], 1),
            "cpu m": round(1000 * used / elapsed, 1),
            "rss MiB": round(max(memory), 1),
            "sweep lag p99 ms": round(1000 * last.quantile_since(first, "bullpen_sweep_lag_seconds", 0.99), 1),
            "sweep lag mean ms": round(1000 * lag, 1),
            "ticks a second": round(ticks / elapsed, 2),
            "Redis connections": max(connections),
            "Redis round trips a tick": round(
                last.since(first, "bullpen_redis_round_trip_seconds_count") / max(1, ticks), 3
            ),
            "failed turns": int(last.since(first, "bullpen_turn_errors_total")),
            "scrape s": round(statistics.median(each.seconds for each in [*scrapes, last]), 2),
            "scrape MiB": round(last.mebibytes, 2),
            **self._writes(begun, begun + elapsed),
        }

    def _connections(self) -> int:
        """As Redis lists them."""
        with redis.Redis(port=self.redis_port) as server:
            listed = {int(client["addr"].rpartition(":")[2]) for client in server.client_list()}
        return len(listed & self.operator.ports_to(self.redis_port))

    def _writes(self, since: float, until: float) -> dict[str, Any]:
        written = self.changes.written(since=since, until=until, kinds=OBJECTS)
        idle = [each for each in written if each.pool is None or not is_active(each.pool)]
        busy = Counter(each.pool for each in written if each.pool is not None and is_active(each.pool))
        minutes, active = (until - since) / 60, math.ceil(self.pools / 10)
        leases = self.changes.written(since=since, until=until, kinds=["leases"])
        return {
            "writes to idle pools": len(idle),
            "writes a minute and active pool": round(sum(busy.values()) / active / minutes, 2),
            "the same, the most written one": round(max(busy.values(), default=0) / minutes, 2),
            "writes by kind": dict(Counter(each.kind for each in written)),
            "Lease renewals a minute": round(len(leases) / minutes, 1),
        }


def requests(door: Door, *, since: float, until: float) -> dict[str, Any]:
    """What passed a door meanwhile, the Lease aside."""
    reads = [each for each in list(door.reads) if since <= each.sent_at < until]
    writes = [each for each in list(door.writes) if since <= each.sent_at < until]
    polls = [each for each in reads if not each.watches and not each.lists]
    return {
        "seconds": round(until - since, 1),
        "polling GETs": len(polls),
        "polled": sorted({each.path for each in polls}),
        "watches begun": sum(each.watches for each in reads),
        "pages of lists": sum(each.lists for each in reads),
        "writes": dict(Counter(each.method for each in writes if each.lease_holder is None)),
        "writes of the Lease": sum(each.lease_holder is not None for each in writes),
        "refused": sum(not each.accepted for each in writes),
    }
