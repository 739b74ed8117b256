"""The engine with a fake cluster, a clock that stands still, and write tasks that run when the test says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bullpen_operator.cluster.port import Kind
from bullpen_operator.cluster.recorder import Recorder
from bullpen_operator.engine.cache import Cache
from bullpen_operator.engine.execute import Executor
from bullpen_operator.engine.pools import Pools
from bullpen_operator.engine.shard import WHOLE, Shard
from tests.unit.operator.facts import NOW, reading
from tests.unit.operator.fake_cluster import FakeCluster

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from bullpen_operator.api.pool import WorkerPool
    from bullpen_operator.cluster.port import Raw
    from bullpen_operator.cluster.recorder import Notice
    from bullpen_operator.scaling.decision import Decision
    from bullpen_operator.scaling.observation import Fleet, QueueReading, ReadingFailed


class Ledger(Recorder):
    """Keeps the notices instead of posting them."""

    def __init__(self, cluster: FakeCluster) -> None:
        super().__init__(cluster, instance="test")
        self.notices: list[Notice] = []

    def record(self, notice: Notice, *, now: float) -> None:
        self.notices.append(notice)


class Tally:
    """A `Meter` that keeps what it was told."""

    def __init__(self) -> None:
        self.scales: list[tuple[int, int]] = []
        self.gone: list[str] = []
        self.misread: list[tuple[str, int]] = []
        self.errors = 0
        self.wakes: list[float] = []
        self.seen: list[Decision] = []

    def pool_seen(self, pool: WorkerPool, *, reading: QueueReading | None, fleet: Fleet, decision: Decision) -> None:
        self.seen.append(decision)

    def pool_misread(self, namespace: str, name: str, *, status: Mapping[str, Any], fleet: Fleet) -> None:
        self.misread.append((name, fleet.replicas))

    def pool_gone(self, namespace: str, name: str) -> None:
        self.gone.append(name)

    def scaled(self, pool: WorkerPool, decision: Decision) -> None:
        self.scales.append((decision.from_, decision.to))

    def woken(self, pool: WorkerPool, *, seconds: float) -> None:
        self.wakes.append(seconds)

    def swept(self, *, lag: float) -> None:
        pass

    def failed_turn(self) -> None:
        self.errors += 1


class EngineHouse:
    """Turns of pools, one by one."""

    def __init__(self, cluster: FakeCluster | None = None, *, shard: Shard = WHOLE) -> None:
        self.cluster = cluster or FakeCluster()
        self.now = NOW
        self.leader = True
        self.meter = Tally()
        self.events = Ledger(self.cluster)
        self.cache = Cache(forgotten=lambda raw: self.pools.forget(raw))
        executor = Executor(
            cluster=self.cluster, cache=self.cache, may_write=lambda: self.leader, clock=lambda: self.now
        )
        self.pending: list[Coroutine[Any, Any, None]] = []
        self.pools = Pools(
            cache=self.cache,
            executor=executor,
            recorder=self.events,
            meter=self.meter,
            clock=lambda: self.now,
            spawn=self.pending.append,
            shard=shard,
        )

    def see(self, *pools: Raw) -> None:
        """The watch tells of pools."""
        for pool in pools:
            self.cache.put(Kind.POOL, pool)

    def see_deployment(self, raw: Raw, *, gone: bool = False) -> None:
        (self.cache.remove if gone else self.cache.put)(Kind.DEPLOYMENT, raw)

    def see_pod(self, raw: Raw, *, gone: bool = False) -> None:
        (self.cache.remove if gone else self.cache.put)(Kind.POD, raw)

    async def turn(self, observed: QueueReading | ReadingFailed | None = None, *, after: float = 1.0) -> None:
        """A tick `after` seconds later: every pool's turn with the same observation, then all writes."""
        self.start_turn(observed, after=after)
        await self.finish_writes()

    def start_turn(self, observed: QueueReading | ReadingFailed | None = None, *, after: float = 1.0) -> None:
        self.now += after
        for uid, _ in list(self.pools.current()):
            self.pools.take_turn(uid, observed if observed is not None else reading(at=self.now))

    async def finish_writes(self) -> None:
        while self.pending:
            await self.pending.pop(0)

    async def settle(self) -> None:
        """Turns with an idle queue until nothing is written any more; then forget what was called."""
        for _ in range(3):
            await self.turn()
        self.cluster.calls.clear()
        self.events.notices.clear()

    def told(self) -> list[str]:
        """The reasons of the Events so far."""
        return [notice.reason.value for notice in self.events.notices]

    def condition(self, kind: str, pool: str = "video") -> dict[str, Any]:
        conditions = self.cluster.pools[pool]["status"]["conditions"]
        return next(condition for condition in conditions if condition["type"] == kind)
