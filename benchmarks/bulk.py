"""Bulks that meet a pool at zero: how many pods are asked for, in how many writes, and how soon a bulk is done.

    python benchmarks/bulk.py [--wakes 50] [--jobs 1000] [--rounds 3] [--namespace bullpen-bulk] [--log FILE]

Wakes: 1 to 250 jobs of a service time of 1 to 600 s (both log-uniform, the latter told by `expectedJobSeconds`) are
added in one step to a pool at zero, whose pods ask for a node that does not exist. The first number written must be the
formula's of scaling.md §4 to within one pod, worked out here from what the status says was read and learned; so must
the number 10 s later, or the first write was not the only one that was needed.

Bulk: so many jobs of 2 s, for a pool at zero, and then for the same number of pods that stand ready; the former may
take 1.2 times as long and one pod start (the mean of its own pods). Needs the cluster of `hack/cluster` with the images
quickstart and redis; the operator of this checkout runs as a process outside. Exits 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist, fmean, median
from typing import Any

from operator_figures.watching import heard
from real_pool import Lives, Place, place, until

NOWHERE = {"spec": {"nodeSelector": {"bullpen.dev/no-such-node": "true"}}}
SLOTS = 5
MOST_PODS = 100
OBJECTIVE, LATE = 30.0, 0.01
TICK = 1.0
QUEUE_LENGTH = 100
BULK_SLOTS, BULK_MOST_PODS, BULK_SECONDS = 10, 10, 2.0


def erlang_c(servers: int, load: float) -> float:
    """The share of jobs that find all servers busy, by Erlang's recursion; 1 when the load is too much for them."""
    if load >= servers:
        return 1.0
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = load * blocked / (number + load * blocked)
    return blocked / (1 - load / servers * (1 - blocked))


def formula(backlog: int, told: dict[str, float]) -> int:
    """Pods by scaling.md §4, for a queue where nothing runs and nothing is late."""
    lead, service, rate = told["leadSeconds"], told["serviceSeconds"], told["arrivalsPerSecond"]
    horizon = lead + TICK
    budget = max(OBJECTIVE - horizon, 0.2 * OBJECTIVE)
    z = NormalDist().inv_cdf(1 - LATE)
    sigma = math.sqrt(rate * horizon)
    deadline = (backlog + z * sigma) / (1 + budget / service)
    steady = 0
    if service < budget:
        load = told["sustainedPerSecond"] * service
        steady = math.ceil(load)
        while erlang_c(steady, load) * math.exp(-(steady - load) * budget / service) > LATE:
            steady += 1
    slots = min(max(deadline, steady), backlog + rate * horizon + z * sigma + 1)
    by_length = math.ceil(backlog / QUEUE_LENGTH) if backlog > QUEUE_LENGTH else 0
    return min(max(math.ceil(slots / SLOTS), by_length), MOST_PODS)


@dataclass(frozen=True, slots=True)
class Wake:
    """One bulk that met a pool at zero."""

    jobs: int
    service: int
    first: int
    last: int
    asked: int
    """By the formula."""

    @property
    def good(self) -> bool:
        return abs(self.first - self.asked) <= 1 and abs(self.last - self.first) <= 1


@asynccontextmanager
async def numbers(at: Place) -> AsyncIterator[dict[str, list[int]]]:
    """Every number of replicas that each Deployment had, in order."""
    seen: dict[str, list[int]] = {}

    async def hear(kind: str, gone: bool, raw: dict[str, Any]) -> None:
        known, number = seen.setdefault(raw["metadata"]["name"], []), raw["spec"].get("replicas", 1)
        if known[-1:] != [number]:
            known.append(number)

    async with heard(at.transport, ["deployments"], at.site.kubectl.namespace, hear):
        yield seen


async def wake(at: Place, seen: dict[str, list[int]], number: int, chance: random.Random) -> Wake:
    name = f"wake-{number}"
    jobs, service = round(250 ** chance.random()), round(600 ** chance.random())
    pool = at.manifest(name, slots=SLOTS, most=MOST_PODS)
    pool["spec"] |= {"expectedJobSeconds": service, "template": NOWHERE}
    await at.apply(pool)
    await until(lambda: seen.get(name) == [0], f"Deployment of {name} at zero", within=60)
    # Until it has been watched for a while: what it learns from is the change between two looks.
    await asyncio.sleep(3 + chance.random())
    await at.add(name, [(0.0, service)] * jobs)
    await until(lambda: len(seen[name]) > 1, f"pods for {name}", within=30)
    await asyncio.sleep(10)
    status = (await asyncio.to_thread(at.site.kubectl.get, "workerpool", name))["status"]
    await asyncio.to_thread(at.site.kubectl, "delete", "workerpool", name)
    done = Wake(jobs, service, seen[name][1], seen[name][-1], formula(jobs, status["decision"]["inputs"]))
    print(f"{name}: {done}", file=sys.stderr, flush=True)
    return done


async def wakes(at: Place, count: int) -> bool:
    chance, some = random.Random(8), asyncio.Semaphore(4)

    async def one(number: int) -> Wake:
        async with some:
            return await wake(at, seen, number, chance)

    async with numbers(at) as seen:
        done = await asyncio.gather(*(one(number) for number in range(count)))
    exact = sum(each.first == each.asked for each in done)
    near = sum(abs(each.first - each.asked) <= 1 for each in done)
    once = sum(each.first == each.last for each in done)
    print(f"{count} wakes: formula met {exact}, within one pod {near}; no other number within 10 s {once}", flush=True)
    for each in done:
        if not each.good:
            print(f"  not so: {each}")
    return all(each.good for each in done)


async def bulk(at: Place, name: str, jobs: int, *, standing: int | None) -> tuple[float, Lives]:
    """Seconds from before the bulk is added until its last job has ended, and the pods it took."""
    async with at.followed(name) as lives:
        await at.apply(at.manifest(name, slots=BULK_SLOTS, most=BULK_MOST_PODS, replicas=standing))
        ready = ("wait", f"workerpool/{name}", "--for=condition=Ready", "--timeout=60s")
        await asyncio.to_thread(at.site.kubectl, *ready)
        if standing:
            await until(lambda: len(lives.ready) == standing, f"{standing} pods that are ready", within=120)
        began = time.monotonic()
        await at.add(name, [(0.0, BULK_SECONDS)] * jobs)
        await at.completed(name, jobs)
        took = time.monotonic() - began
    await asyncio.to_thread(at.site.kubectl, "delete", "workerpool", name)
    return took, lives


async def bulks(at: Place, jobs: int, rounds: int) -> bool:
    ratios = []
    for number in range(rounds):
        cold, lives = await bulk(at, f"cold-{number}", jobs, standing=None)
        pods, start = len(lives.created), fmean(lives.starts)
        warm, _ = await bulk(at, f"warm-{number}", jobs, standing=pods)
        ratios.append(cold / (1.2 * warm + start))
        print(
            f"{jobs} jobs of {BULK_SECONDS:g} s: from zero {cold:.1f} s with {pods} pods, ready after {start:.1f} s;"
            f" the same pods standing {warm:.1f} s; {(cold - start) / warm:.2f} times, less one start",
            flush=True,
        )
    return not ratios or median(ratios) <= 1


async def measure(options: argparse.Namespace) -> int:
    """All of it; the exit code."""
    async with place(options.namespace, Path(options.log)) as at:
        good = [await wakes(at, options.wakes), await bulks(at, options.jobs, options.rounds)]
    return 0 if all(good) else 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wakes", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--namespace", default="bullpen-bulk")
    parser.add_argument("--log", default="bulk-operator.log", help="where the operator's output goes")
    sys.exit(asyncio.run(measure(parser.parse_args())))


if __name__ == "__main__":
    main()
