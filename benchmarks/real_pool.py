"""A pool on the kind cluster for a measurement: its site, its operator, its jobs, and the lives of its pods."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

from drain import Operator
from kubernetes.aio import watch
from kubernetes.aio.client import ApiClient, CoreV1Api

from bullpen import App, NewJob
from bullpen_operator.cluster.access import access
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

    def hear(self, kind: str, pod: dict[str, Any]) -> None:
        name, now = pod["metadata"]["name"], time.time()
        self.created.setdefault(name, now)
        conditions = pod.get("status", {}).get("conditions") or []
        if any(each["type"] == "Ready" and each["status"] == "True" for each in conditions):
            self.ready.setdefault(name, now)
        if kind == "DELETED":
            self.gone.setdefault(name, now)

    @property
    def seconds(self) -> float:
        """From each pod's creation to its end, all together."""
        return sum(self.gone[name] - at for name, at in self.created.items())

    @property
    def starts(self) -> list[float]:
        """From creation to ready."""
        return [self.ready[name] - at for name, at in self.created.items() if name in self.ready]

    @property
    def ended(self) -> bool:
        return bool(self.created) and len(self.gone) == len(self.created)


@dataclass(frozen=True, slots=True)
class Place:
    """A namespace with Redis, and the operator of this checkout at work on it."""

    site: Site
    client: ApiClient
    url: str
    """Redis, from this machine."""

    def manifest(self, name: str, *, slots: int, most: int, replicas: int | None = None) -> dict[str, Any]:
        spec = {
            "queue": QUEUE,
            "prefix": name,
            "concurrency": slots,
            "image": APP_IMAGE,
            "app": "app:app",
            "redis": {"url": self.site.redis.url},
            "resources": {"requests": {"cpu": "10m", "memory": "48Mi"}, "limits": {"memory": "256Mi"}},
            "scaling": {"maxReplicas": most},
            **({} if replicas is None else {"replicas": replicas}),
        }
        return {"apiVersion": "bullpen.dev/v1alpha1", "kind": "WorkerPool", "metadata": {"name": name}, "spec": spec}

    async def apply(self, manifest: dict[str, Any]) -> None:
        await asyncio.to_thread(self.site.kubectl.apply, json.dumps(manifest))

    @asynccontextmanager
    async def followed(self, pool: str) -> AsyncIterator[Lives]:
        """The lives of its pods, for as long as the block lasts. Raises whatever ended the watch too early."""
        lives = Lives()

        async def follow() -> None:
            pods = CoreV1Api(self.client).list_namespaced_pod
            selector = f"bullpen.dev/pool={pool}"
            stream: Any = watch.Watch  # untyped
            async for event in stream().stream(pods, self.site.kubectl.namespace, label_selector=selector):
                lives.hear(event["type"], event["raw_object"])

        task = asyncio.create_task(follow())
        try:
            yield lives
        finally:
            if not task.cancel():
                await task
            await asyncio.wait([task])

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


@asynccontextmanager
async def place(namespace: str, log: Path) -> AsyncIterator[Place]:
    """All set up, from nothing; the namespace is deleted at the end."""
    site = Site(Kubectl.connect(namespace))
    site.open()
    site.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
    site.kubectl("patch", "service", "redis", '--patch={"spec":{"type":"NodePort"}}')
    url = site.redis.url.replace("redis:6379", harness("address", "-n", namespace, "redis"))
    site.redis.flush()
    operator = Operator(site.kubectl.kubeconfig, namespace, log)
    await operator.start()
    try:
        async with ApiClient(await access(Path(site.kubectl.kubeconfig))) as client:
            yield Place(site, client, url)
    finally:
        site.kubectl("delete", "workerpools", "--all", "--timeout=60s")
        await operator.stop()
        site.kubectl("delete", "namespace", namespace, "--wait=false")


async def until(true: Any, what: str, *, within: float) -> None:
    """Poll a condition four times a second. Raises SystemExit when it does not come true."""
    deadline = time.monotonic() + within
    while not true():
        if time.monotonic() > deadline:
            raise SystemExit(f"no {what} within {within:g} s")
        await asyncio.sleep(0.25)
