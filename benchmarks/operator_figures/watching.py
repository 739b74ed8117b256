"""Watches on kinds of objects in a namespace, begun again whenever the API server ends them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bullpen_operator.cluster.access import access
from bullpen_operator.cluster.port import ClusterError
from bullpen_operator.cluster.transport import Transport

KINDS = {
    "workerpools": "/apis/bullpen.dev/v1alpha1",
    "deployments": "/apis/apps/v1",
    "pods": "/api/v1",
    "poddisruptionbudgets": "/apis/policy/v1",
    "leases": "/apis/coordination.k8s.io/v1",
    "events": "/apis/events.k8s.io/v1",
}
_WATCH_SECONDS = 3000
_PAUSE_SECONDS = 1.0


@asynccontextmanager
async def transport(kubeconfig: Path) -> AsyncIterator[Transport]:
    """Requests of the benchmark's own to the API server; no fence, and nobody counts them."""
    async with Transport(
        await access(kubeconfig), timeout=60, concurrency=64, on_request=lambda verb, resource, code: None
    ) as opened:
        yield opened


async def events(opened: Transport, kind: str, namespace: str) -> AsyncIterator[tuple[bool, dict[str, Any]]]:
    """Whether it is gone, and the object. All objects there are come first, and again each time the watch is begun
    anew.
    """
    path = f"{KINDS[kind]}/namespaces/{namespace}/{kind}"
    while True:
        try:
            async for event in opened.lines(kind, path, query={"watch": "1", "timeoutSeconds": str(_WATCH_SECONDS)}):
                if event["type"] in ("ADDED", "MODIFIED", "DELETED"):
                    yield event["type"] == "DELETED", event["object"]
        except ClusterError:
            await asyncio.sleep(_PAUSE_SECONDS)  # the API server is busy, or was away


@asynccontextmanager
async def heard(
    opened: Transport,
    kinds: Iterable[str],
    namespace: str,
    hear: Callable[[str, bool, dict[str, Any]], Awaitable[None]],
) -> AsyncIterator[None]:
    """`hear(kind, gone, object)` is called for as long as the block lasts."""

    async def follow(kind: str) -> None:
        async for gone, raw in events(opened, kind, namespace):
            await hear(kind, gone, raw)

    tasks = [asyncio.create_task(follow(kind)) for kind in kinds]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
