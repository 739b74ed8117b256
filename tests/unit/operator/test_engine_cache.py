"""The cache between a watch, a list and our own writes, which overtake each other."""

from __future__ import annotations

from typing import Any

import pytest

from bullpen_operator.cluster.port import Kind, Listing
from bullpen_operator.engine.cache import Cache

POOL, DEPLOYMENT = Kind.POOL, Kind.DEPLOYMENT


def raw(uid: str, version: int, *, name: str = "video", owner: str | None = None, **fields: Any) -> dict[str, Any]:
    metadata: dict[str, Any] = {"uid": uid, "name": name, "namespace": "media", "resourceVersion": str(version)}
    if owner is not None:
        metadata["ownerReferences"] = [{"uid": owner, "controller": True}]
    return {"metadata": metadata, **fields}


@pytest.fixture
def forgotten() -> list[str]:
    return []


@pytest.fixture
def cache(forgotten: list[str]) -> Cache:
    return Cache(forgotten=lambda pool: forgotten.append(pool["metadata"]["uid"]))


def versions(cache: Cache) -> dict[str, str]:
    return {pool["metadata"]["uid"]: pool["metadata"]["resourceVersion"] for pool in cache.pools()}


def test_an_older_version_does_not_replace_a_newer_one(cache: Cache) -> None:
    cache.put(POOL, raw("a", 5))
    cache.put(POOL, raw("a", 4))
    assert versions(cache) == {"a": "5"}


def test_versions_are_compared_as_numbers(cache: Cache) -> None:
    cache.put(POOL, raw("a", 9))
    cache.put(POOL, raw("a", 10))
    assert versions(cache) == {"a": "10"}


def test_a_late_echo_of_a_deleted_object_does_not_bring_it_back(cache: Cache, forgotten: list[str]) -> None:
    cache.put(POOL, raw("a", 5))
    cache.remove(POOL, raw("a", 7))
    cache.put(POOL, raw("a", 6))
    assert versions(cache) == {}
    assert forgotten == ["a"]


def test_an_object_that_matches_the_selector_again_comes_back(cache: Cache) -> None:
    pool = raw("pool", 1)
    cache.put(POOL, pool)
    cache.put(DEPLOYMENT, raw("d", 5, owner="pool"))
    cache.remove(DEPLOYMENT, raw("d", 7, owner="pool"))
    assert cache.deployment(pool) is None
    cache.put(DEPLOYMENT, raw("d", 8, owner="pool"))
    assert cache.deployment(pool) is not None


def test_a_list_replaces_what_the_watch_missed(cache: Cache, forgotten: list[str]) -> None:
    for uid in "abc":
        cache.put(POOL, raw(uid, 5, name=uid))
    cache.start_relist(POOL)
    listed = [raw(uid, version, name=uid) for uid, version in (("b", 5), ("c", 8), ("d", 9))]
    missed = cache.replace(POOL, Listing(listed, "10"), namespace=None)
    assert versions(cache) == {"b": "5", "c": "8", "d": "9"}
    assert (missed, forgotten) == (1, ["a"])


def test_a_list_does_not_remove_what_was_made_after_it(cache: Cache) -> None:
    cache.start_relist(POOL)
    cache.put(POOL, raw("new", 11))
    cache.replace(POOL, Listing([], "10"), namespace=None)
    assert versions(cache) == {"new": "11"}


def test_a_list_does_not_bring_back_what_was_deleted_while_it_was_made(cache: Cache) -> None:
    cache.put(POOL, raw("a", 5))
    cache.start_relist(POOL)
    cache.remove(POOL, raw("a", 11))
    cache.replace(POOL, Listing([raw("a", 5)], "10"), namespace=None)
    assert versions(cache) == {}


def test_the_list_of_one_namespace_says_nothing_of_another(cache: Cache) -> None:
    cache.put(POOL, raw("a", 5))
    cache.replace(POOL, Listing([], "10"), namespace="elsewhere")
    assert versions(cache) == {"a": "5"}


def test_a_deployment_is_its_owners_and_nobody_elses(cache: Cache) -> None:
    cache.put(DEPLOYMENT, raw("d", 5, owner="former"))
    assert cache.deployment(raw("former", 1)) is not None
    assert cache.deployment(raw("present", 6)) is None


def test_what_happens_to_a_deployment_makes_its_pool_dirty_once(cache: Cache) -> None:
    cache.put(POOL, raw("pool", 1))
    assert cache.take_dirty("pool")
    cache.put(DEPLOYMENT, raw("d", 5, owner="pool"))
    assert [cache.take_dirty("pool"), cache.take_dirty("pool")] == [True, False]
    cache.remove(DEPLOYMENT, raw("d", 6, owner="pool"))
    assert cache.take_dirty("pool")


def test_managed_fields_are_not_kept_and_the_callers_object_is_left_alone(cache: Cache) -> None:
    pool = raw("a", 5)
    pool["metadata"]["managedFields"] = [{"manager": "kubectl"}]
    cache.put(POOL, pool)
    kept = cache.pool("a")
    assert kept is not None
    assert "managedFields" not in kept["metadata"]
    assert "managedFields" in pool["metadata"]


def test_a_pool_made_anew_under_its_name_takes_the_place_of_one_whose_end_nobody_told(
    cache: Cache, forgotten: list[str]
) -> None:
    cache.put(POOL, raw("former", 5))
    cache.put(POOL, raw("present", 9))
    assert versions(cache) == {"present": "9"}
    assert forgotten == ["former"]


def test_a_deployment_that_loses_its_owner_makes_the_pool_dirty(cache: Cache) -> None:
    cache.put(POOL, raw("pool", 1))
    cache.put(DEPLOYMENT, raw("d", 5, owner="pool"))
    cache.take_dirty("pool")
    cache.put(DEPLOYMENT, raw("d", 6))
    assert cache.take_dirty("pool")


def test_nothing_is_kept_of_a_deleted_pool_whose_deployment_goes_after_it(cache: Cache) -> None:
    cache.put(POOL, raw("pool", 1))
    cache.put(DEPLOYMENT, raw("d", 5, owner="pool"))
    cache.remove(POOL, raw("pool", 6))
    cache.remove(DEPLOYMENT, raw("d", 7, owner="pool"))
    assert not cache.take_dirty("pool")


def test_a_list_of_an_etcd_that_was_restored_takes_the_place_of_what_was_newer(cache: Cache) -> None:
    cache.put(Kind.POOL, raw("kept", 900, name="kept", spec={"of": "later"}))
    cache.put(Kind.POOL, raw("made-later", 950, name="made-later"))
    cache.remove(Kind.POOL, raw("deleted-later", 960, name="deleted-later"))
    cache.start_relist(Kind.POOL)
    restored = Listing([raw("kept", 400, name="kept"), raw("deleted-later", 410, name="deleted-later")], "500")
    assert cache.is_ahead_of(Kind.POOL, restored)
    cache.replace(Kind.POOL, restored, namespace=None, rewound=True)
    assert versions(cache) == {"kept": "400", "deleted-later": "410"}
    cache.put(Kind.POOL, raw("kept", 501, name="kept"))
    assert versions(cache)["kept"] == "501"


def test_a_list_that_is_merely_older_than_what_came_meanwhile_is_no_restored_etcd(cache: Cache) -> None:
    cache.start_relist(Kind.POOL)
    cache.put(Kind.POOL, raw("a", 900))
    older = Listing([raw("a", 400)], "500")
    assert not cache.is_ahead_of(Kind.POOL, older)
    cache.replace(Kind.POOL, older, namespace=None)
    assert versions(cache) == {"a": "900"}


def test_an_object_that_became_older_than_it_was_tells_of_a_restored_etcd_whose_versions_go_on(cache: Cache) -> None:
    cache.put(Kind.POOL, raw("a", 900))
    cache.start_relist(Kind.POOL)
    assert cache.is_ahead_of(Kind.POOL, Listing([raw("a", 400)], "1000500"))
    assert not cache.is_ahead_of(Kind.POOL, Listing([raw("a", 900)], "1000500"))


def test_a_list_tells_how_far_the_versions_had_counted_though_nothing_changed_since(cache: Cache) -> None:
    cache.replace(Kind.POOL, Listing([raw("a", 400)], "900"), namespace=None)
    cache.start_relist(Kind.POOL)
    assert cache.is_ahead_of(Kind.POOL, Listing([raw("a", 400)], "500"))
