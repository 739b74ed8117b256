"""The same jobs on the Redis of the kit and on a real one leave the same behind."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import redis.asyncio as redis

from bullpen import (
    App,
    Context,
    Dedup,
    Delay,
    Flow,
    JobFailed,
    NewJob,
    Queue,
    RateLimited,
    Requeue,
    Retry,
    Unrecoverable,
    WaitForChildren,
)
from bullpen.cli.serve import served_queues
from bullpen.testing.running import at_work
from bullpen.testing.stage import staged
from tests.conformance.dump import dump, strip_prefix
from tests.conformance.normalise import Normaliser
from tests.integration.worker.house import working

Scenario = Callable[[App, Queue], Awaitable[None]]
PATIENCE = 20.0
# The name of the worker, and how far the beginning of a schedule was from a whole multiple of its interval.
MOMENTARY = ("pb", "offset")


def declare(app: App) -> Queue:
    queue = app.queue("work", limiter=(50, "100ms"))

    @queue.job("ok")
    async def ok(data: Any, ctx: Context) -> Any:
        ctx.progress(50)
        ctx.log(f"{ctx.name} {ctx.attempt}")
        return data

    @queue.job("thread")
    def thread(data: int, ctx: Context) -> int:
        ctx.progress({"half": data})
        return data + 1

    @queue.job("flaky", retry=Retry(attempts=3, delay="20ms", backoff="exponential"))
    async def flaky(data: int, ctx: Context) -> int:
        if ctx.attempt <= data:
            raise ValueError(f"attempt {ctx.attempt}")
        return ctx.attempt

    @queue.job("signal")
    async def signal(data: str) -> str:
        if data not in told:
            told.add(data)
            raise {"delay": Delay("30ms"), "requeue": Requeue(), "limit": RateLimited("50ms")}[data]
        return data

    @queue.job("final")
    async def final(data: Any) -> None:
        raise Unrecoverable("for good")

    @queue.job("parent")
    async def parent(data: Any, ctx: Context) -> Any:
        values = await ctx.children_values()
        if not values and data == "grow":
            await app.flow(Flow(queue=queue, name="ok", data="grown", job_id="child"), parent=ctx)
            raise WaitForChildren
        return sorted(values.values())

    told: set[str] = set()
    return queue


async def plain(_app: App, queue: Queue) -> None:
    for number in range(3):
        await queue.add("ok", {"n": number, "text": "späť"})
    await queue.add("thread", 4)


async def bulk(_app: App, queue: Queue) -> None:
    await queue.add_bulk([NewJob("ok", number, priority=number % 3) for number in range(30)])


async def retries(_app: App, queue: Queue) -> None:
    for fails in range(5):
        await queue.add("flaky", fails)


async def delays(_app: App, queue: Queue) -> None:
    await queue.add("ok", 1, delay="60ms")
    await queue.add("ok", 2, delay="20ms", job_id="own")
    await queue.add("ok", 3, delay="1h", job_id="later")
    await queue.get("later").promote()


async def signals(_app: App, queue: Queue) -> None:
    for each in ("delay", "requeue", "limit"):
        await queue.add("signal", each)


async def failures(_app: App, queue: Queue) -> None:
    await queue.add("final", None)
    await queue.add("unknown", None)
    other = await queue.producer()  # as another producer, who does not know what fits
    await other.add("thread", "no number", options=queue.options("thread"))
    await queue.add("final", None, remove_on_fail=True)


async def priorities(_app: App, queue: Queue) -> None:
    await queue.pause()
    for priority in (5, 1, 3, 0):
        await queue.add("ok", priority, priority=priority)
    await queue.add("ok", "front", lifo=True)
    await queue.resume()


async def deduplication(_app: App, queue: Queue) -> None:
    await queue.pause()
    await queue.add("ok", 1, dedup="one")
    await queue.add("ok", 2, dedup="one")
    await queue.add("ok", 3, dedup=Dedup("other", ttl="1h"))
    await queue.add("ok", 4, dedup=Dedup("other", ttl="1h"))
    await queue.resume()


async def flow(app: App, queue: Queue) -> None:
    def child(n: int) -> Flow:
        return Flow(queue=queue, name="ok", data=n, job_id=f"c{n}")

    await app.flow(Flow(queue=queue, name="parent", job_id="root", children=[child(1), child(2)]))


async def failing_flow(app: App, queue: Queue) -> None:
    bad = Flow(queue=queue, name="final", job_id="bad")
    await app.flow(Flow(queue=queue, name="parent", job_id="root", children=[bad]))
    ignored = Flow(queue=queue, name="final", job_id="ignored", on_failure="ignore_failure")
    await app.flow(Flow(queue=queue, name="parent", job_id="lives", children=[ignored]))


async def growing_flow(_app: App, queue: Queue) -> None:
    await queue.add("parent", "grow", job_id="root")


async def schedule(_app: App, queue: Queue) -> None:
    await queue.schedule("often", name="ok", every="50ms", limit=3, immediately=True)


async def kept(_app: App, queue: Queue) -> None:
    await queue.pause()
    for number in range(5):
        await queue.add("ok", number, remove_on_complete=2)
    await queue.resume()


async def again(_app: App, queue: Queue) -> None:
    job = await queue.add("final", 1)
    with pytest.raises(JobFailed):
        await job.result(timeout="10s")
    await job.retry(reset_attempts=True)


SCENARIOS: list[Scenario] = [
    plain,
    bulk,
    retries,
    delays,
    signals,
    failures,
    priorities,
    deduplication,
    flow,
    failing_flow,
    growing_flow,
    schedule,
    kept,
    again,
]


async def left_behind(queue: Queue, url: str, began: float) -> dict[str, Any]:
    """What is stored of each job, what happened to it in order, and where jobs are. No worker is there any more."""
    async with redis.Redis.from_url(url, decode_responses=True, protocol=2) as client:
        await client.delete(f"bull:{queue.name}:limiter")  # it would expire while it is read
        content = strip_prefix(await dump(client), f"bull:{queue.name}:")
    events = content.pop("events").value
    normal = Normaliser(began=int(began * 1000) - 1).dump(content)
    jobs = {name: each for name, each in normal.items() if name.endswith(":logs") or "opts" in each["value"]}
    for job in jobs.values():
        if job["type"] == "hash":
            for momentary in MOMENTARY:
                job["value"].pop(momentary, None)
            if "rjk" in job["value"]:
                del job["value"]["opts"]["delay"]  # until the run of a schedule, from the end of the one before
    places = {name: sorted(normal.get(name, {"value": ()})["value"]) for name in ("completed", "failed")}
    return {"jobs": jobs, "histories": histories(events), "places": places}


def histories(events: list[list[tuple[str, str]]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for entry in map(dict, events):
        if "jobId" in entry:
            what = " ".join(
                entry[name] for name in ("event", "prev", "data", "returnvalue", "failedReason") if name in entry
            )
            found.setdefault(re.sub(r"\d{13}", "<ms>", entry["jobId"]), []).append(what)
    return found


def differences(found: Any, expected: Any, path: str = "") -> list[str]:
    """Each place at which they differ, so that the report is no longer than what is wrong."""
    if isinstance(found, dict) and isinstance(expected, dict):
        names = sorted(found.keys() | expected.keys())
        return [each for n in names for each in differences(found.get(n), expected.get(n), f"{path}/{n}")]
    return [] if found == expected else [f"{path}: {found!r}, on a real Redis {expected!r}"]


async def ended(queue: Queue) -> None:
    deadline = time.monotonic() + PATIENCE
    while any(await pending(queue)):
        assert time.monotonic() < deadline, await queue.counts()
        await asyncio.sleep(0.005)


async def pending(queue: Queue) -> tuple[int, ...]:
    counts = await queue.counts()
    return (counts.waiting, counts.active, counts.delayed, counts.prioritized, counts.waiting_children, counts.paused)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_both_leave_the_same(scenario: Scenario, redis_url: str) -> None:
    async with App(redis=redis_url) as real:
        queue, began = declare(real), time.time()
        async with working(real, redis_url, concurrency=1):
            await scenario(real, queue)
            await ended(queue)
        expected = await left_behind(queue, redis_url, began)
    app = App(redis="redis://127.0.0.1:1")
    queue, began = declare(app), time.time()
    async with staged(app) as stage:
        async with at_work(stage, served_queues(app, None), concurrency=1):
            await scenario(app, queue)
            await ended(queue)
        found = await left_behind(queue, str(stage.location), began)
    assert expected["jobs"]
    assert differences(found, expected) == []
