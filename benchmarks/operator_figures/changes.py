"""What changes in the benchmark's namespace and who wrote it, as the API server tells it in watches.

The operator's field manager stands in `managedFields` with the time of its last write, so an entry of it that differs
from the one before is a write of the operator. What it says of itself is not asked.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bullpen_operator.api.pods import POOL_LABEL
from bullpen_operator.cluster.port import FIELD_MANAGER
from operator_figures.pools import is_active, name_of, number_of
from operator_figures.watching import KINDS, heard, transport


@dataclass(frozen=True, slots=True)
class Write:
    """One write of the operator, seen at `at` (`time.monotonic()`); `pool` None: of no pool's, as the Lease."""

    at: float
    kind: str
    pool: int | None


@dataclass(frozen=True, slots=True)
class Deployment:
    """Of a pool: replicas asked for and ready, whether its controller has seen the last change, when it changed."""

    replicas: int
    ready: int
    observed: bool
    at: float


@dataclass(slots=True)
class Changes:
    """Fed by watches; `deployments` by the pool's number, `shown` the pools that have a status."""

    writes: list[Write] = field(default_factory=list)
    deployments: dict[int, Deployment] = field(default_factory=dict)
    shown: set[int] = field(default_factory=set)
    scaled_at: dict[int, float] = field(default_factory=dict)
    """When the present number of replicas was first seen."""
    _marks: dict[tuple[str, str], int] = field(default_factory=dict)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def hear(self, kind: str, gone: bool, raw: dict[str, Any]) -> None:
        name, pool = raw["metadata"]["name"], _pool(kind, raw)
        if gone:
            self._marks.pop((kind, name), None)
        else:
            self._count(kind, name, pool, raw)
        if pool is not None and kind == "deployments":
            self._see(pool, gone, raw)
        if pool is not None and kind == "workerpools":
            (self.shown.discard if gone or not raw.get("status") else self.shown.add)(pool)
        async with self._news:
            self._news.notify_all()

    async def until_replicas(self, pool: int, right: Callable[[int], bool], *, within: float) -> None:
        """Wait until the pool's Deployment asks for a right number. Raises TimeoutError."""
        async with asyncio.timeout(within), self._news:
            await self._news.wait_for(lambda: (seen := self.deployments.get(pool)) is not None and right(seen.replicas))

    def written(self, *, since: float, until: float, kinds: Iterable[str] = KINDS) -> list[Write]:
        wanted = frozenset(kinds)
        return [write for write in self.writes if since <= write.at < until and write.kind in wanted]

    def unsettled(self, pools: int, *, quiet: float) -> str | None:
        """What is not yet as it is when nothing but jobs comes and goes; None when all is.

        `quiet`: seconds for which no number of replicas changed, no idle pool was written to, and no Deployment of one
        changed.
        """
        now = time.monotonic()
        for number in range(pools):
            seen = self.deployments.get(number)
            if seen is None or number not in self.shown:
                return f"{name_of(number)} has no Deployment, or no status"
            if not seen.observed:
                return f"the Deployment of {name_of(number)} waits for its controller"
            if is_active(number) and not 0 < seen.replicas == seen.ready:
                return f"{name_of(number)} is active, and {seen.ready} of its {seen.replicas} pods are ready"
            if not is_active(number) and (seen.replicas, seen.ready) != (0, 0):
                return f"{name_of(number)} is idle and has pods"
            if not is_active(number) and now - seen.at < quiet:
                return f"the Deployment of {name_of(number)}, which is idle, changed a moment ago"
            if now - self.scaled_at[number] < quiet:
                return f"{name_of(number)} was scaled a moment ago"
        for write in reversed(self.writes):
            if now - write.at >= quiet:
                break
            if write.pool is not None and not is_active(write.pool):
                return f"{name_of(write.pool)}, which is idle, was written to a moment ago"
        return None

    def _count(self, kind: str, name: str, pool: int | None, raw: dict[str, Any]) -> None:
        entries = [each for each in raw["metadata"].get("managedFields", ()) if each.get("manager") == FIELD_MANAGER]
        if not entries:
            return
        mark = hash(json.dumps(entries, sort_keys=True))
        if self._marks.get((kind, name)) != mark:
            self._marks[kind, name] = mark
            self.writes.append(Write(time.monotonic(), kind, pool))

    def _see(self, pool: int, gone: bool, raw: dict[str, Any]) -> None:
        if gone:
            self.deployments.pop(pool, None)
            return
        spec, status, before = raw["spec"], raw.get("status") or {}, self.deployments.get(pool)
        now = time.monotonic()
        self.deployments[pool] = Deployment(
            replicas=spec.get("replicas", 1),
            ready=status.get("readyReplicas", 0),
            observed=status.get("observedGeneration", 0) >= raw["metadata"]["generation"],
            at=now,
        )
        if before is None or before.replicas != self.deployments[pool].replicas:
            self.scaled_at[pool] = now


@asynccontextmanager
async def changes(kubeconfig: Path, namespace: str) -> AsyncIterator[Changes]:
    """Watch the namespace for as long as the block lasts."""
    found = Changes()
    async with transport(kubeconfig) as opened, heard(opened, KINDS, namespace, found.hear):
        yield found


def _pool(kind: str, raw: dict[str, Any]) -> int | None:
    if kind == "pods":
        return number_of((raw["metadata"].get("labels") or {}).get(POOL_LABEL, ""))
    if kind == "events":
        return number_of((raw.get("regarding") or {}).get("name", ""))
    return number_of(raw["metadata"]["name"])
