"""Scale-downs step by step: who is marked, who gets a deletion cost, when the number is written, and who then ends."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bullpen_operator.cluster.port import ClusterError, Kind, Raw
from tests.unit.operator.crew_house import CrewHouse
from tests.unit.operator.facts import reading, unreachable

CONFLICT = ClusterError(status=409, reason="Conflict", message="the object has been modified")


@pytest.fixture
def house() -> CrewHouse:
    return CrewHouse()


async def turns_until_scaled(house: CrewHouse, replicas: int, *, most: int = 30) -> int:
    for turn in range(1, most + 1):
        await house.turn()
        if house.replicas == replicas:
            return turn
    raise AssertionError(f"still {house.replicas} replicas after {most} turns")


async def test_the_steps_in_their_order(house: CrewHouse) -> None:
    await house.staff(0, 3, 3)
    house.resize(2)
    await house.turn()
    assert house.marked == ["pod-0"]
    assert house.costs() == {}
    await house.turn()
    assert house.costs() == {"pod-0": "-1000"}, "it says that it is drained"
    assert house.replicas == 3, "the controller has not seen the cost yet"
    await turns_until_scaled(house, 2, most=2)
    assert house.end_pods() == ["pod-0"]


async def test_a_look_in_between_does_not_count_as_the_second_that_the_controller_is_given(house: CrewHouse) -> None:
    await house.staff(0, 3)
    house.resize(1)
    await house.turn()
    await house.turn()
    assert house.costs() == {"pod-0": "-1000"}
    for _ in range(3):
        await house.turn(after=0.4)
        assert house.replicas == 2
    await house.turn(after=0.4)
    assert house.replicas == 1


async def test_a_worker_that_has_not_said_that_it_is_drained_is_waited_for(house: CrewHouse) -> None:
    await house.staff(0, 3)
    house.workers["pod-0"].deaf = True
    house.resize(1)
    for _ in range(20):
        await house.turn()
    assert (house.replicas, house.costs()) == (2, {})


async def test_a_busy_pod_is_waited_for(house: CrewHouse) -> None:
    await house.staff(2, 3)
    house.resize(1)
    for _ in range(100):
        await house.turn()
    assert (house.replicas, house.costs()) == (2, {})
    victim = house.workers[house.marked[0]]
    victim.busy = 0
    await turns_until_scaled(house, 1, most=5)
    assert house.end_pods() == [victim.name]


async def test_when_load_returns_the_marks_and_costs_are_taken_back(house: CrewHouse) -> None:
    await house.staff(0, 3, 3)
    house.resize(2)
    await house.turn()
    await house.turn()
    house.resize(3)
    await house.turn()
    await house.turn()
    assert (house.marked, house.costs(), house.replicas) == ([], {}, 3)


async def test_a_mark_that_redis_does_not_take_means_that_nothing_shrinks(house: CrewHouse) -> None:
    await house.staff(0, 0, 3)
    house.redis_takes = False
    house.resize(1)
    for _ in range(20):
        await house.turn()
    assert (house.replicas, house.costs()) == (3, {})


async def test_a_mark_about_to_end_does_not_count(house: CrewHouse) -> None:
    await house.staff(0, 3)
    house.resize(1)
    await house.turn()
    house.redis_takes = False
    house.workers["pod-0"].lease = 6.0
    for _ in range(10):
        await house.turn()
    assert (house.replicas, house.costs()) == (2, {})


async def test_what_redis_says_is_running_counts_more_than_the_heartbeat(house: CrewHouse) -> None:
    """The heartbeat was on its way while Redis stood still, its mark ran out, and a job was claimed."""
    await house.staff(0, 3)
    house.resize(1)
    await house.turn()
    for _ in range(5):
        house.now += 1
        seen = house.observed()
        assert seen.workers is not None
        assert seen.workers.running is not None
        running = {**seen.workers.running, house.workers["pod-0"].uid: 1}
        await house.turn(replace(seen, workers=replace(seen.workers, running=running)))
    assert house.replicas == 2


async def test_while_a_pod_that_stays_is_not_ready_nothing_shrinks(house: CrewHouse) -> None:
    await house.staff(0, 3, 3)
    house.see_pod(house.cluster.edit_pod("pod-2", conditions=[{"type": "Ready", "status": "False"}]))
    house.rollout()
    house.resize(2)
    for _ in range(10):
        await house.turn()
    assert house.replicas == 3, "pod-2 runs jobs and would be the first to go"
    house.see_pod(house.cluster.edit_pod("pod-2", conditions=[{"type": "Ready", "status": "True"}]))
    house.rollout()
    await turns_until_scaled(house, 2, most=4)
    assert house.end_pods() == ["pod-0"]


async def test_a_pod_that_has_not_started_is_the_first_to_go(house: CrewHouse) -> None:
    await house.staff(3, 3)
    house.resize(3)
    await house.turn()
    house.add_worker("new", beats=False, phase="Pending", ready=False)
    house.rollout()
    house.resize(2)
    await turns_until_scaled(house, 2, most=5)
    assert house.costs() == {}, "it goes first in any case"
    assert house.end_pods() == ["new"]


async def test_to_zero_all_are_marked_first_and_none_needs_a_cost(house: CrewHouse) -> None:
    await house.staff(0, 0, 0)
    house.resize(0)
    await house.turn()
    assert (house.replicas, len(house.marked)) == (3, 3)
    await house.turn()
    assert house.replicas == 0
    assert "annotate" not in house.cluster.writes()


async def test_a_watch_that_is_behind_shrinks_nothing(house: CrewHouse) -> None:
    await house.staff(0, 0, 3)
    house.cluster.add_pod("unseen")
    house.rollout()
    house.resize(1)
    for _ in range(10):
        await house.turn()
    assert house.replicas == 3


async def test_pods_on_their_way_out_are_not_told_to_go_on_when_load_returns(house: CrewHouse) -> None:
    await house.staff(0, 3, 3)
    house.resize(2)
    await turns_until_scaled(house, 2)
    house.resize(3)
    await house.turn()
    assert house.replicas == 3
    assert house.marked == ["pod-0"], "the controller may have seen the 2 only"
    for _ in range(12):
        await house.turn()
    assert (house.marked, house.costs()) == ([], {})


async def test_a_controller_that_takes_its_time_ends_only_pods_that_still_claim_nothing(house: CrewHouse) -> None:
    await house.staff(0, 3, 3)
    house.resize(2)
    await turns_until_scaled(house, 2)
    house.workers["pod-2"].busy = 0
    house.see_pod(house.cluster.edit_pod("pod-2", conditions=[{"type": "Ready", "status": "False"}]))
    for _ in range(60):
        await house.turn()
    assert "pod-0" in house.marked, "though pod-2 would now be the cheaper one"


@pytest.mark.parametrize("steps", range(6))
async def test_an_operator_that_starts_anew_at_any_step_ends_no_busy_pod(steps: int) -> None:
    house = CrewHouse()
    await house.staff(0, 2, 3, 1)
    house.resize(2)
    for _ in range(steps):
        await house.turn()
    successor = _anew(house)
    ended: list[str] = []
    for turn in range(60):
        await successor.turn()
        if turn == 20:
            for name in successor.marked:
                successor.workers[name].busy = 0
        for name in successor.end_pods():
            assert successor.workers[name].busy == 0
            ended.append(name)
            del successor.workers[name]
    assert len(ended) == 2
    assert successor.costs() == {}


def _anew(house: CrewHouse) -> CrewHouse:
    """The same cluster and Redis, four seconds later, and an operator that knows nothing."""
    made = CrewHouse(house.cluster)
    made.workers, made.now = house.workers, house.now + 4
    for worker in made.workers.values():
        worker.lease = max(0.0, worker.lease - 4)
    made.see(*house.cluster.pools.values())
    for deployment in house.cluster.deployments.values():
        made.see_deployment(deployment)
    for pod in house.cluster.pods.values():
        made.see_pod(pod)
    return made


async def test_a_cost_that_met_a_newer_version_of_the_pod_is_tried_again(house: CrewHouse) -> None:
    await house.staff(0, 3)
    house.cluster.refusals["annotate"] = [CONFLICT]
    house.resize(1)
    await turns_until_scaled(house, 1)
    assert house.end_pods() == ["pod-0"]


async def test_one_who_may_not_write_marks_nobody(house: CrewHouse) -> None:
    await house.staff(0, 3)
    house.leader = False
    house.resize(1)
    for _ in range(5):
        await house.turn()
    assert (house.marked, house.cluster.writes()) == ([], [])


async def test_an_outage_of_redis_in_the_middle_only_delays(house: CrewHouse) -> None:
    await house.staff(0, 3)
    house.resize(1)
    await house.turn()
    for _ in range(20):
        await house.turn(unreachable())
    assert house.replicas == 2
    await turns_until_scaled(house, 1, most=6)


async def test_a_rollout_is_left_to_the_deployment(house: CrewHouse) -> None:
    await house.staff(0, 3)
    surge = house.cluster.add_pod("surge")
    surge["metadata"]["labels"]["pod-template-hash"] = "6a"
    surge["metadata"]["ownerReferences"][0]["name"] = "video-6a"
    house.see_pod(surge)
    await house.turn()
    assert house.marked == []


async def test_foreign_workers_go_when_redis_says_they_are_idle(house: CrewHouse) -> None:
    await house.staff(1, 0, beats=False, app=None)
    house.resize(1)
    await turns_until_scaled(house, 1)
    assert house.end_pods() == ["pod-1"]


async def test_foreign_workers_of_which_nobody_can_tell_are_left_to_their_grace_period(house: CrewHouse) -> None:
    await house.staff(0, 0, beats=False, app=None)
    house.unknown = 2
    house.resize(1)
    await turns_until_scaled(house, 1)
    started = next(notice.note for notice in house.events.notices if notice.reason == "DrainStarted")
    assert "only their grace period protects" in started


async def test_the_events_of_a_drain(house: CrewHouse) -> None:
    await house.staff(2, 3)
    house.resize(1)
    for _ in range(400):
        await house.turn()
    house.workers[house.marked[0]].busy = 0
    await turns_until_scaled(house, 1)
    told = [reason for reason in house.told() if reason.startswith("Drain")]
    assert told == ["DrainStarted", "DrainOverran", "DrainCompleted"]


async def test_a_drain_that_is_given_up_is_told(house: CrewHouse) -> None:
    await house.staff(2, 3)
    house.resize(1)
    await house.turn()
    await house.turn()
    house.resize(2)
    await house.turn()
    assert [reason for reason in house.told() if reason.startswith("Drain")] == ["DrainStarted", "DrainCancelled"]


async def test_a_pool_that_something_else_scales_is_left_alone(house: CrewHouse) -> None:
    await house.staff(0, 0)
    hpa: Raw = {
        "metadata": {"namespace": "media", "name": "hpa", "uid": "uid-hpa", "resourceVersion": "99999"},
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "video"}},
    }
    house.cache.put(Kind.SCALER, hpa)
    house.resize(1)
    for _ in range(5):
        await house.turn()
    assert (house.replicas, house.marked) == (2, [])
    assert house.meter.seen[-1].limited_by == "ForeignScaler"
    assert "HorizontalPodAutoscaler/hpa" in house.meter.seen[-1].message
    house.cache.remove(Kind.SCALER, hpa | {"metadata": hpa["metadata"] | {"resourceVersion": "100000"}})
    await turns_until_scaled(house, 1)


async def test_jobs_longer_than_the_grace_period_are_told_once(house: CrewHouse) -> None:
    await house.staff(1, drain={"seconds": 30})
    for _ in range(25):
        await house.turn()
    assert house.told() == []
    for _ in range(60):
        await house.turn()
    assert house.told() == ["GracePeriodTooShort"]


async def test_a_pool_that_is_never_drained_causes_no_patch(house: CrewHouse) -> None:
    await house.staff(0, 0, 0)
    for _ in range(300):
        await house.turn()
    assert "annotate" not in house.cluster.writes()
    assert reading().workers is None


KARPENTER = "karpenter.sh/do-not-disrupt"
AUTOSCALER = "cluster-autoscaler.kubernetes.io/safe-to-evict"


async def test_a_pod_with_a_long_job_is_protected_from_node_autoscalers_until_it_is_idle(house: CrewHouse) -> None:
    await house.staff(1, 0)
    for _ in range(60):
        await house.turn()
    annotations = {name: pod["metadata"]["annotations"] for name, pod in house.cluster.pods.items()}
    assert annotations == {"pod-0": {KARPENTER: "true", AUTOSCALER: "false"}, "pod-1": {}}
    house.workers["pod-0"].busy = 0
    for _ in range(60):
        await house.turn()
    assert house.cluster.pods["pod-0"]["metadata"]["annotations"] == {}
    assert house.cluster.writes().count("annotate") == 2


async def test_without_that_protection_no_pod_is_touched(house: CrewHouse) -> None:
    await house.staff(1, drain={"protectFromConsolidation": False})
    for _ in range(60):
        await house.turn()
    assert "annotate" not in house.cluster.writes()


async def test_where_it_is_not_strict_a_busy_pod_goes_when_its_time_is_up(house: CrewHouse) -> None:
    await house.staff(2, 3, drain={"strict": False, "seconds": 30})
    house.resize(1)
    assert 30 <= await turns_until_scaled(house, 1, most=40) <= 35


async def test_without_a_pin_it_shrinks_to_what_the_queue_needs(house: CrewHouse) -> None:
    await house.staff(3, 2, 2, 2)
    house.resize(None)
    for _ in range(200):
        await house.turn()
    assert (house.replicas, len(house.marked)) == (4, 3), "nine jobs fit into one pod of ten slots"
    for name in house.marked:
        house.workers[name].busy = 0
    for _ in range(100):
        await house.turn()
        assert all(house.workers.pop(name).busy == 0 for name in house.end_pods())
    assert [worker.busy for worker in house.workers.values()] == [2]
