"""Writes that are refused again and again, because the cache is behind and no watch tells it."""

from __future__ import annotations

from bullpen_operator.cluster.port import ClusterError
from bullpen_operator.engine.cache import Cache
from bullpen_operator.engine.execute import Executor
from bullpen_operator.engine.track import Track
from bullpen_operator.engine.turn import Scale
from tests.unit.operator.facts import NOW, pool
from tests.unit.operator.fake_cluster import FakeCluster


async def test_the_third_conflict_in_a_row_asks_for_a_list() -> None:
    cluster, asked = FakeCluster(), list[int]()
    executor = Executor(
        cluster=cluster,
        cache=Cache(forgotten=lambda _: None),
        may_write=lambda: True,
        clock=lambda: NOW,
        outdated=lambda: asked.append(len(cluster.calls)),
    )
    cluster.add_deployment("video")
    track = Track()
    for _ in range(4):
        assert not await executor.scale(track, pool(), Scale(replicas=3, resource_version="1"))
    assert asked == [3, 4]


async def test_any_other_refusal_says_nothing_of_the_cache() -> None:
    cluster, asked = FakeCluster(), list[int]()
    executor = Executor(
        cluster=cluster,
        cache=Cache(forgotten=lambda _: None),
        may_write=lambda: True,
        clock=lambda: NOW,
        outdated=lambda: asked.append(1),
    )
    cluster.refusals["scale"] = [ClusterError(status=500, reason="InternalError", message="etcd is away")] * 4
    track = Track()
    for _ in range(4):
        assert not await executor.scale(track, pool(), Scale(replicas=3, resource_version="1"))
    assert asked == []
