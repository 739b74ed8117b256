"""The pools of the benchmark, by number: one in ten of them is active."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

from bullpen.client.connection import Link
from bullpen.protocol import QueueKeys
from bullpen.protocol.calls.add import add
from bullpen.protocol.calls.work import Finish, work
from bullpen.protocol.options import KeepJobs
from bullpen.protocol.replies import Outcome
from bullpen_operator.api.pool import API_VERSION, GROUP, KIND, PLURAL, VERSION
from bullpen_operator.cluster.transport import Transport

ACTIVE_EVERY = 10
CONCURRENCY = 5
MOST_PODS = 3
IDLE_SECONDS = 1
AT_ONCE = 8
"""Requests in flight while pools are made: more would only wait in the API server, before those of others."""
_PREFIX = "pool-"
REMOVED = KeepJobs(count=0)


def name_of(number: int) -> str:
    return f"{_PREFIX}{number}"


def number_of(name: str) -> int | None:
    digits = name.removeprefix(_PREFIX)
    return int(digits) if digits.isdecimal() and digits != name else None


def is_active(number: int) -> bool:
    """Whether jobs keep coming to it."""
    return number % ACTIVE_EVERY == 0


def queue_of(number: int) -> QueueKeys:
    return QueueKeys("bull", f"queue-{number}")


def path(namespace: str) -> str:
    return f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{PLURAL}"


def manifest(number: int, namespace: str, *, redis_url: str, template: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": name_of(number), "namespace": namespace},
        "spec": {
            "queue": f"queue-{number}",
            "image": "example/worker:1",
            "app": "app:app",
            "concurrency": CONCURRENCY,
            "redis": {"url": redis_url},
            "template": template,
            "scaling": {"maxReplicas": MOST_PODS, "idleSeconds": IDLE_SECONDS},
        },
    }


async def seed(link: Link, numbers: Iterable[int]) -> None:
    """Let every queue exist, as one does that has had a job: one that never had looks like a wrong name."""
    for number in numbers:
        await run_one(link, number)


async def run_one(link: Link, number: int) -> None:
    """Add a job, and run it at once."""
    await link.run(add(queue_of(number), name="job", data="{}", now=int(time.time() * 1000)))
    await end_one(link, number)


async def end_one(link: Link, number: int) -> None:
    """Claim the job that waits, and finish it."""
    keys, now = queue_of(number), int(time.time() * 1000)
    claimed = await link.run(work(keys, now=now, tokens=["t"]))
    for each in claimed.claimed:
        done = Finish(job_id=each.job.id, token="t", outcome=Outcome.COMPLETED, value="null", keep=REMOVED)
        await link.run(work(keys, now=now, finishes=[done]))


async def create(
    transport: Transport, namespace: str, numbers: Iterable[int], *, redis_url: str, template: dict[str, Any]
) -> None:
    """Make these pools, a few at a time."""
    left = iter(numbers)

    async def some() -> None:
        for number in left:
            body = manifest(number, namespace, redis_url=redis_url, template=template)
            await transport.call("POST", PLURAL, path(namespace), body=body)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(some())
