"""The relist fills the cache, keeps it true, and survives an API server that is away."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from bullpen_operator.cluster.port import ClusterError, Kind
from bullpen_operator.engine.cache import Cache
from bullpen_operator.engine.relist import Relist
from tests.unit.operator.fake_cluster import FakeCluster

if TYPE_CHECKING:
    from collections.abc import Callable


def of(
    cluster: FakeCluster, on_listed: Callable[[Kind, int], None] = lambda kind, missed: None
) -> tuple[Relist, Cache]:
    cache = Cache(forgotten=lambda _: None)
    return Relist(cluster=cluster, cache=cache, namespaces=(), on_listed=on_listed), cache


async def test_the_first_list_fills_the_cache() -> None:
    cluster = FakeCluster()
    cluster.add_pool("video")
    cluster.add_deployment("video")
    relist, cache = of(cluster)
    task = asyncio.create_task(relist.run())
    async with asyncio.timeout(10):
        await relist.filled.wait()
    assert (cache.size(Kind.POOL), cache.size(Kind.DEPLOYMENT)) == (1, 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_object_that_vanished_unseen_is_gone_after_the_next_list() -> None:
    cluster = FakeCluster()
    cluster.add_pool("video")
    listed: list[tuple[str, int]] = []
    relist, cache = of(cluster, lambda kind, missed: listed.append((kind.value, missed)))
    await relist.once()
    cluster.pools.clear()
    await relist.once()
    assert [missed for kind, missed in listed if kind == "WorkerPool"] == [0, 1]
    assert {kind for kind, _ in listed} == set(Kind)
    assert cache.size(Kind.POOL) == 0


async def test_who_doubts_the_watch_has_it_listed_at_once_but_not_twice() -> None:
    cluster = FakeCluster()
    lists: list[str] = []
    cache = Cache(forgotten=lambda _: None)
    eager = Relist(cluster=cluster, cache=cache, namespaces=(), again_seconds=0)
    lazy = Relist(cluster=cluster, cache=cache, namespaces=(), on_listed=lambda kind, _: lists.append(kind))
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        tasks = [group.create_task(each.run()) for each in (eager, lazy)]
        await eager.filled.wait()
        await lazy.filled.wait()
        before = len(lists)
        cluster.add_pool("video")
        lazy.soon()
        eager.soon()
        while not cache.size(Kind.POOL):  # noqa: ASYNC110 - the list has no event
            await asyncio.sleep(0.005)
        assert len(lists) == before
        for task in tasks:
            task.cancel()


async def test_a_list_of_an_earlier_time_begins_the_watches_anew_and_nothing_is_sound_until_all_is_listed_again() -> (
    None
):
    cluster = FakeCluster()
    cluster.add_pool("kept")
    told: list[bool] = []
    cache = Cache(forgotten=lambda _: None)
    relist = Relist(
        cluster=cluster,
        cache=cache,
        namespaces=(),
        on_listed=lambda *_: sound.append(relist.sound),
        on_rewound=lambda: told.append(True),
    )
    sound: list[bool] = []
    await relist.once()
    assert (told, set(sound)) == ([], {True})

    cluster.restore(count_from=500)
    sound.clear()
    for _ in range(2):
        assert told == [] or not relist.sound
        await relist.once()
    assert (told, set(sound)) == ([True], {False})
    assert relist.sound
    assert [raw["metadata"]["resourceVersion"] for raw in cache.pools()] == ["500"]
    await relist.once()
    assert (told, relist.sound) == ([True], True)


async def test_who_is_told_that_time_went_back_lists_at_once_though_the_versions_have_counted_up_again() -> None:
    cluster = FakeCluster()
    cluster.add_pool("kept")
    relist, cache = of(cluster)
    task = asyncio.create_task(relist.run())
    async with asyncio.timeout(10):
        await relist.filled.wait()
        cluster.restore(count_from=5000)
        (pool,) = cluster.pools.values()
        pool["metadata"]["resourceVersion"] = "501"
        relist.rewound()
        while not relist.sound:  # noqa: ASYNC110 - the list has no event
            await asyncio.sleep(0.005)
    assert [raw["metadata"]["resourceVersion"] for raw in cache.pools()] == ["501"]
    task.cancel()


TROUBLE = {
    "the CRD is missing": (ClusterError(status=404, reason="NotFound", message="no"), "install the WorkerPool CRD"),
    "the role is missing": (ClusterError(status=403, reason="Forbidden", message="no"), "grant"),
    "no answer": (ClusterError(status=0, reason="NoAnswer", message="away"), "away"),
}


@pytest.mark.parametrize("row", TROUBLE.values(), ids=TROUBLE.keys())
async def test_trouble_is_said_and_the_list_is_tried_again(
    row: tuple[ClusterError, str], caplog: pytest.LogCaptureFixture
) -> None:
    error, words = row
    cluster = FakeCluster()
    cluster.refusals["list"] = [error]
    relist, _ = of(cluster)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        task = group.create_task(relist.run())
        await relist.filled.wait()
        task.cancel()
    assert words in caplog.text
