"""The PodDisruptionBudget of a pool: when there is one, and how it gets and stays there."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from bullpen_operator.cluster.disruption import budget_wanted, intended_budget
from bullpen_operator.cluster.port import ClusterError, Kind
from tests.unit.operator.engine_house import EngineHouse
from tests.unit.operator.facts import pool


def test_it_lets_a_tenth_of_the_pods_go_at_a_time_and_belongs_to_the_pool() -> None:
    made = intended_budget(pool())

    assert made["spec"] == {
        "maxUnavailable": "10%",
        "selector": {"matchLabels": {"bullpen.dev/pool": "video"}},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    assert made["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "bullpen-operator"
    assert made["metadata"]["ownerReferences"][0]["uid"] == "uid-1"


@pytest.mark.parametrize(
    ("spec", "replicas", "exists", "wanted"),
    [
        ({}, 0, False, False),
        ({}, 1, False, False),
        ({}, 2, False, True),
        ({}, 1, True, True),
        ({"podDisruptionBudget": {"enabled": False}}, 5, True, False),
        ({"scaling": {"maxReplicas": 1}}, 1, True, False),
    ],
    ids=["idle", "one pod", "two pods", "back to one", "disabled", "never more than one"],
)
def test_there_is_one_from_the_second_pod_on(spec: dict[str, Any], replicas: int, exists: bool, wanted: bool) -> None:
    assert budget_wanted(pool(**spec), replicas=replicas, exists=exists) is wanted


@pytest.fixture
async def house() -> EngineHouse:
    """A pool of one pod, at rest."""
    made = EngineHouse()
    made.see(made.cluster.add_pool("video", replicas=1))
    await made.settle()
    return made


async def pin(house: EngineHouse, replicas: int, **spec: Any) -> None:
    house.see(house.cluster.edit_pool("video", replicas=replicas, **spec))
    await house.turn(after=60)  # longer than one step up waits for the next
    await house.turn()


async def test_the_second_pod_brings_it_and_a_pool_at_rest_writes_nothing_more(house: EngineHouse) -> None:
    assert house.cluster.budgets == {}

    await pin(house, 2)
    await house.turn()
    house.cluster.calls.clear()
    await house.turn(after=120)

    assert house.cluster.budgets["video"]["spec"] == intended_budget(pool())["spec"]
    assert house.cluster.writes() == []


async def test_disabling_it_removes_it(house: EngineHouse) -> None:
    await pin(house, 2)

    await pin(house, 2, podDisruptionBudget={"enabled": False})

    assert house.cluster.budgets == {}


async def test_what_somebody_changed_is_put_back_and_not_in_a_race(house: EngineHouse) -> None:
    await pin(house, 2)
    for _ in range(20):
        theirs = {"minAvailable": 2, "selector": house.cluster.budgets["video"]["spec"]["selector"]}
        house.cache.put(Kind.BUDGET, house.cluster.edit_budget("video", theirs))
        await house.turn()

    assert 1 <= house.cluster.writes().count("budget") - 1 <= 4
    assert "minAvailable" in house.cluster.budgets["video"]["spec"]
    await house.turn(after=600)
    assert house.cluster.budgets["video"]["spec"] == intended_budget(pool())["spec"]


async def test_one_that_was_deleted_by_hand_is_made_again(house: EngineHouse) -> None:
    await pin(house, 2)

    house.cache.remove(Kind.BUDGET, house.cluster.budgets.pop("video"))
    await house.turn()

    assert "video" in house.cluster.budgets


async def test_somebody_elses_is_left_alone_and_told_once(house: EngineHouse) -> None:
    foreign = {"metadata": {"name": "video", "uid": "theirs", "resourceVersion": "1"}, "spec": {"minAvailable": 1}}
    house.cluster.budgets["video"] = foreign

    await pin(house, 2)
    await house.turn()

    assert house.cluster.budgets["video"] == foreign
    assert house.told().count("DisruptionBudgetFailed") == 1
    assert house.condition("Stalled")["status"] == "False"


async def test_its_status_wakes_no_pool(house: EngineHouse) -> None:
    await pin(house, 2)
    await house.turn()
    budget = house.cluster.budgets["video"]
    budget["metadata"]["resourceVersion"] = str(int(budget["metadata"]["resourceVersion"]) + 1_000_000)
    uid = next(iter(house.cache.pools()))["metadata"]["uid"]
    house.cache.take_dirty(uid)

    house.cache.put(Kind.BUDGET, budget | {"status": {"disruptionsAllowed": 1}})

    assert not house.cache.take_dirty(uid)


async def test_a_standby_writes_none(house: EngineHouse) -> None:
    await pin(house, 2)
    budget = house.cluster.budgets.pop("video")
    house.leader = False

    house.cache.remove(Kind.BUDGET, copy.deepcopy(budget))
    await house.turn()

    assert house.cluster.budgets == {}


async def test_a_refusal_is_told_and_the_pods_run_on(house: EngineHouse) -> None:
    house.cluster.refusals["budget"] = [ClusterError(status=403, reason="Forbidden", message="may not create")]

    await pin(house, 2)
    await house.turn(after=10)

    assert [notice.note for notice in house.events.notices if notice.reason == "DisruptionBudgetFailed"] == [
        "may not create"
    ]
    assert "video" in house.cluster.budgets
