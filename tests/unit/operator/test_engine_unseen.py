"""What the watch did not tell, what nobody can read, clocks that are set back: turns of a pool on shaky ground."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bullpen_operator.cluster.port import ClusterError, Kind
from tests.unit.operator.engine_house import EngineHouse
from tests.unit.operator.facts import reading, unreachable

if TYPE_CHECKING:
    from bullpen_operator.scaling.observation import QueueReading, ReadingFailed

AWAY = ClusterError(status=0, reason="NoAnswer", message="no answer within 10 s")


@pytest.fixture
async def at_rest() -> EngineHouse:
    """A pool with its Deployment at zero, all written that there is to write."""
    house = EngineHouse()
    house.see(house.cluster.add_pool("video"))
    await house.settle()
    return house


async def scaled_to(house: EngineHouse, jobs: int) -> None:
    await house.turn(reading(waiting=jobs))
    await house.turn(reading(active=jobs))
    house.cluster.calls.clear()
    house.events.notices.clear()


@pytest.mark.parametrize(
    "observed",
    [reading(active=65), reading(active=5), reading(), unreachable()],
    ids=["as many jobs run", "a few jobs run", "idle for a second", "Redis is away"],
)
async def test_a_stripped_label_ends_no_pod(at_rest: EngineHouse, observed: QueueReading | ReadingFailed) -> None:
    await scaled_to(at_rest, 65)
    del at_rest.cluster.deployments["video"]["metadata"]["labels"]["app.kubernetes.io/managed-by"]
    at_rest.see_deployment(at_rest.cluster.edit_deployment("video"), gone=True)
    for _ in range(5):
        await at_rest.turn(observed)
    deployment = at_rest.cluster.deployments["video"]
    assert deployment["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "bullpen-operator"
    assert deployment["spec"]["replicas"] == 7
    assert not {"ScaledUp", "ScaledFromZero", "ScaledToZero"} & set(at_rest.told()), "no number was changed"


async def test_a_changed_spec_is_never_applied_with_a_number_that_was_changed_unseen(at_rest: EngineHouse) -> None:
    await scaled_to(at_rest, 15)
    at_rest.cluster.edit_deployment("video", replicas=6)  # by hand, and the watch has not told yet
    at_rest.see(at_rest.cluster.edit_pool("video", image="example/app:2"))
    for _ in range(5):
        await at_rest.turn(reading(active=15))
    spec = at_rest.cluster.deployments["video"]["spec"]
    assert (spec["replicas"], spec["template"]["spec"]["containers"][0]["image"]) == (6, "example/app:2")


async def test_a_pool_that_is_being_deleted_gets_no_deployment_any_more(at_rest: EngineHouse) -> None:
    (uid,) = (uid for uid, _ in at_rest.pools.current())
    at_rest.cluster.pools["video"]["metadata"]["deletionTimestamp"] = "2027-01-15T08:00:00Z"
    at_rest.see(at_rest.cluster.edit_pool("video"))
    at_rest.see_deployment(at_rest.cluster.deployments.pop("video"), gone=True)
    at_rest.pools.take_turn(uid, reading(waiting=35))  # by a lane that has not heard of it yet
    await at_rest.finish_writes()
    assert at_rest.cluster.writes() == []


async def test_nothing_is_counted_or_told_of_a_pool_that_goes_while_it_is_scaled(at_rest: EngineHouse) -> None:
    at_rest.start_turn(reading(waiting=35))
    at_rest.cache.remove(Kind.POOL, at_rest.cluster.pools["video"])
    await at_rest.finish_writes()
    assert (at_rest.meter.gone, at_rest.meter.scales, at_rest.told()) == (["video"], [], [])


async def test_a_pool_whose_end_the_watch_missed_is_forgotten_with_the_first_write(at_rest: EngineHouse) -> None:
    at_rest.cluster.pools.clear()
    at_rest.see_deployment(at_rest.cluster.deployments.pop("video"), gone=True)  # the garbage collector's work
    for _ in range(30):
        await at_rest.turn()
        if "video" in at_rest.cluster.deployments:
            at_rest.see_deployment(at_rest.cluster.deployments.pop("video"), gone=True)
    assert at_rest.cluster.writes().count("apply") == 1
    assert at_rest.cluster.writes().count("status") == 1
    assert at_rest.meter.gone == ["video"]


async def test_a_deployment_whose_end_the_watch_missed_is_made_again(at_rest: EngineHouse) -> None:
    del at_rest.cluster.deployments["video"]
    for _ in range(5):
        await at_rest.turn(reading(waiting=35))
    assert at_rest.cluster.deployments["video"]["spec"]["replicas"] == 4


async def test_a_404_of_somebody_in_between_removes_nothing(at_rest: EngineHouse) -> None:
    at_rest.cluster.refusals["status"] = [ClusterError(status=404, reason="Unknown", message="HTTP 404")]
    for _ in range(5):
        await at_rest.turn(unreachable())
    assert at_rest.meter.gone == []
    assert at_rest.condition("QueueReachable")["status"] == "False"


async def test_a_clock_set_back_prolongs_no_pause(at_rest: EngineHouse) -> None:
    at_rest.cluster.refusals["scale"] = [AWAY]
    await at_rest.turn(reading(waiting=35))
    await at_rest.turn(reading(waiting=35), after=-3600)
    assert at_rest.cluster.deployments["video"]["spec"]["replicas"] == 4


async def test_a_clock_set_back_does_not_keep_old_numbers_on_the_status(at_rest: EngineHouse) -> None:
    await at_rest.turn(reading(failed=1))
    await at_rest.turn(reading(failed=2), after=-3600)
    assert at_rest.cluster.pools["video"]["status"]["queue"]["failed"] == 2


async def test_a_refusal_of_any_length_is_said(at_rest: EngineHouse) -> None:
    at_rest.cluster.refusals["dry-run"] = [ClusterError(status=422, reason="Invalid", message="x" * 50_000)] * 9
    at_rest.see(at_rest.cluster.edit_pool("video", image="example/app:2"))
    await at_rest.turn()
    message = at_rest.condition("Ready")["message"]
    assert message.endswith("…")
    assert len(message) <= 32768, "the CRD's maxLength"


NO_PODS = {
    "volumes that are a number": {"volumes": 5},
    "a volume named by a list": {"volumes": [{"name": ["bullpen-tmp"]}]},
    "mounts that are a number": {"containers": [{"name": "worker", "volumeMounts": 5}]},
}


@pytest.mark.parametrize("spec", NO_PODS.values(), ids=NO_PODS.keys())
async def test_a_template_that_is_no_pod_is_said(at_rest: EngineHouse, spec: dict[str, Any]) -> None:
    at_rest.see(at_rest.cluster.edit_pool("video", template={"spec": spec}))
    await at_rest.turn()
    assert at_rest.condition("Ready")["reason"] == "TemplateRejected"
    assert at_rest.meter.errors == 0


async def test_what_a_sidecar_holds_is_left_to_the_api_server(at_rest: EngineHouse) -> None:
    sidecar = {"name": "sidecar", "image": "example/side:1", "volumeMounts": 5}
    at_rest.see(at_rest.cluster.edit_pool("video", template={"spec": {"containers": [sidecar]}}))
    await at_rest.turn()
    assert "dry-run" in at_rest.cluster.writes()


async def test_a_pool_that_can_no_longer_be_read_keeps_its_pods_and_comes_back(at_rest: EngineHouse) -> None:
    await scaled_to(at_rest, 35)
    at_rest.see(at_rest.cluster.edit_pool("video", scaling={"paused": "Sideways"}))
    for _ in range(3):
        await at_rest.turn()
    status = at_rest.cluster.pools["video"]["status"]
    assert at_rest.condition("Stalled")["status"] == "True"
    assert at_rest.condition("QueueReachable")["status"] == "True", "as last seen"
    assert (status["observedGeneration"], status["desiredReplicas"]) == (2, 4)
    at_rest.see(at_rest.cluster.edit_pool("video", scaling={"paused": "None"}))
    for _ in range(3):
        await at_rest.turn(reading(active=35))
    assert at_rest.condition("Stalled")["status"] == "False"
    assert at_rest.cluster.deployments["video"]["spec"]["replicas"] == 4
