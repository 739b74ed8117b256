"""A pool on the kind cluster for a measurement: its site, its operator, its jobs, and the lives of its pods."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

from operator_figures.process import Operator
from operator_figures.watching import heard, transport

from bullpen import App, NewJob
from bullpen_operator.api.pods import POOL_LABEL
from bullpen_operator.cluster.transport import Transport
from hack.stage.kubectl import ROOT, Kubectl, harness
from hack.stage.site import APP_IMAGE, Site

QUEUE = "video-generation"

Jobs = list[tuple[float, float]]
"""When each is added, in seconds from the start, and how long it runs."""


@dataclass(slots=True)
class Lives:
    """The pods of a pool, as a watch tells of them; seconds of this machine's clock."""

    created: dict[str, float] = field(default_factory=dict)
    ready: dict[str, float] = field(default_factory=dict)
    gone: dict[str, float] = field(default_factory=dict)

    def hear(self, gone: bool, pod: dict[str, Any]) -> None:
        name, now = pod["metadata"]["name"], time.time()
        self.created.setdefault(name, now)
        conditions = pod.get("status", {}).get("conditions") or []
        if any(each["type"] == "Ready" and each["status"] == "True" for each in conditions):
            self.ready.setdefault(name, now)
        if gone:
            self.gone.setdefault(name, now)

    @property
    def seconds(self) -> float:
        """From each pod's creation to its end, all together."""
        return sum(self.gone[name] - at for name, at in self.created.items())

    @property
    def starts(self) -> list[float]:
        """From creation to ready, which is up to a second after the first claim."""
        return [self.ready[name] - at for name, at in self.created.items() if name in self.ready]

    @property
    def ended(self) -> bool:
        return bool(self.created) and len(self.gone) == len(self.created)


@dataclass(frozen=True, slots=True)
class Place:
    """A namespace with Redis, and the operator of this checkout at work on it."""

    site: Site
    transport: Transport
    url: str
    """Redis, for the operator on this machine and for the pods alike."""

    def manifest(self, name: str, *, slots: int, most: int, replicas: int | None = None) -> dict[str, Any]:
        spec = {
            "queue": QUEUE,
            "prefix": name,
            "concurrency": slots,
            "image": APP_IMAGE,
            "app": "app:app",
            "redis": {"url": self.url},
            "resources": {"requests": {"cpu": "10m", "memory": "48Mi"}, "limits": {"memory": "256Mi"}},
            "scaling": {"maxReplicas": most},
            **({} if replicas is None else {"replicas": replicas}),
        }
        return {"apiVersion": "bullpen.dev/v1alpha1", "kind": "WorkerPool", "metadata": {"name": name}, "spec": spec}

    async def apply(self, manifest: dict[str, Any]) -> None:
        await asyncio.to_thread(self.site.kubectl.apply, json.dumps(manifest))

    @asynccontextmanager
    async def followed(self, pool: str) -> AsyncIterator[Lives]:
        """The lives of its pods, for as long as the block lasts."""
        lives = Lives()

        async def hear(kind: str, gone: bool, pod: dict[str, Any]) -> None:
            if pod["metadata"].get("labels", {}).get(POOL_LABEL) == pool:
                lives.hear(gone, pod)

        async with heard(self.transport, ["pods"], self.site.kubectl.namespace, hear):
            yield lives

    async def add(self, prefix: str, jobs: Jobs) -> None:
        """Each at its time, those of one moment in one call."""
        async with App(redis=self.url, prefix=prefix) as app:
            queue = app.queue(QUEUE)
            began, left = time.monotonic(), sorted(jobs)
            while left:
                await asyncio.sleep(max(0.0, left[0][0] - (time.monotonic() - began)))
                past = time.monotonic() - began
                due = [seconds for at, seconds in left if at <= past]
                left = left[len(due) :]
                data = [{"userId": "u", "scriptId": "s", "seconds": seconds} for seconds in due]
                await queue.add_bulk([NewJob("generate", each, remove_on_complete=False) for each in data])

    async def first_claims(self, prefix: str) -> dict[str, float]:
        """When each pod of the pool, by name, started its first job; of the jobs that are kept."""
        first: dict[str, float] = {}
        async with App(redis=self.url, prefix=prefix) as app:
            for job in await app.queue(QUEUE).jobs("completed", end=-1):
                pod, at = job.processed_by or "", (job.processed_on or 0) / 1000
                first[pod] = min(at, first.get(pod, at))
        return first

    async def completed(self, prefix: str, jobs: int) -> None:
        """Wait until so many jobs of the pool's queue have ended."""
        async with App(redis=self.url, prefix=prefix) as app:
            queue = app.queue(QUEUE)
            while (await queue.counts()).completed < jobs:
                await asyncio.sleep(0.1)


@asynccontextmanager
async def place(namespace: str, log: Path) -> AsyncIterator[Place]:
    """All set up, from nothing; the namespace is deleted at the end."""
    site = Site(Kubectl.connect(namespace))
    site.open()
    site.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
    site.kubectl("patch", "service", "redis", '--patch={"spec":{"type":"NodePort"}}')
    url = site.redis.url.replace("redis:6379", harness("address", "-n", namespace, "redis"))
    site.redis.flush()
    kubeconfig = Path(site.kubectl.kubeconfig)
    operator = Operator(kubeconfig, namespace, log)
    try:
        operator.await_ready()
        async with transport(kubeconfig) as opened:
            yield Place(site, opened, url)
    finally:
        site.kubectl("delete", "workerpools", "--all", "--timeout=60s")
        operator.stop()
        site.kubectl("delete", "namespace", namespace, "--wait=false")


async def until(true: Callable[[], bool], what: str, *, within: float) -> None:
    """Poll a condition four times a second. Raises SystemExit when it does not come true."""
    deadline = time.monotonic() + within
    while not true():
        if time.monotonic() > deadline:
            raise SystemExit(f"no {what} within {within:g} s")
        await asyncio.sleep(0.25)
