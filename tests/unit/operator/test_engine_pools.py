"""Turns of a pool against a fake cluster: what is written, when it is not, and what is said about it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bullpen_operator.cluster.deployment import INTENT_ANNOTATION
from bullpen_operator.cluster.port import ClusterError, Kind
from tests.unit.operator.engine_house import EngineHouse
from tests.unit.operator.facts import NOW, reading, unreachable

INVALID = ClusterError(status=422, reason="Invalid", message="spec.template is invalid: no such thing")
AWAY = ClusterError(status=0, reason="NoAnswer", message="no answer within 10 s")
CONFLICT = ClusterError(status=409, reason="Conflict", message="the object has been modified")


@pytest.fixture
def house() -> EngineHouse:
    return EngineHouse()


@pytest.fixture
async def at_rest(house: EngineHouse) -> EngineHouse:
    """A pool with its Deployment at zero, all written that there is to write."""
    house.see(house.cluster.add_pool("video"))
    await house.settle()
    return house


async def test_a_new_pool_gets_a_deployment_checked_by_dry_run_and_then_a_status(house: EngineHouse) -> None:
    house.see(house.cluster.add_pool("video"))
    await house.turn()
    assert house.cluster.calls == [("find", "video"), ("dry-run", "video"), ("apply", "video"), ("status", "video")]
    assert house.cluster.deployments["video"]["spec"]["replicas"] == 0


async def test_a_new_pool_with_jobs_starts_with_the_decided_number(house: EngineHouse) -> None:
    house.see(house.cluster.add_pool("video"))
    await house.turn(reading(waiting=35))
    assert house.cluster.deployments["video"]["spec"]["replicas"] == 4
    assert house.told()[0] == "ScaledFromZero"


async def test_an_idle_pool_causes_no_call_at_all_for_an_hour(at_rest: EngineHouse) -> None:
    for _ in range(3600):
        await at_rest.turn()
    assert at_rest.cluster.calls == []


async def test_jobs_scale_the_deployment_in_one_write_and_the_decision_is_told(at_rest: EngineHouse) -> None:
    await at_rest.turn(reading(waiting=35))
    assert at_rest.cluster.writes() == ["scale", "status"]
    assert at_rest.cluster.deployments["video"]["spec"]["replicas"] == 4
    assert at_rest.told() == ["ScaledFromZero"]
    status = at_rest.cluster.pools["video"]["status"]
    assert (status["decision"]["from"], status["decision"]["to"], status["desiredReplicas"]) == (0, 4, 4)
    assert at_rest.meter.scales == [(0, 4)]


async def test_the_decision_stands_in_the_status_on_later_turns(at_rest: EngineHouse) -> None:
    await at_rest.turn(reading(waiting=35))
    await at_rest.turn(reading(waiting=35))
    assert at_rest.cluster.pools["video"]["status"]["decision"]["from"] == 0


async def test_a_scale_that_meets_a_newer_version_is_decided_again_on_what_is_then_seen(at_rest: EngineHouse) -> None:
    newer = at_rest.cluster.edit_deployment("video", paused=False)
    await at_rest.turn(reading(waiting=35))
    assert at_rest.cluster.deployments["video"]["spec"]["replicas"] == 0
    assert at_rest.told() == []
    at_rest.see_deployment(newer)
    await at_rest.turn(reading(waiting=55))
    assert at_rest.cluster.deployments["video"]["spec"]["replicas"] == 6
    assert at_rest.told() == ["ScaledFromZero"]


async def test_a_scale_that_fails_once_is_tried_again_and_not_worth_a_word(at_rest: EngineHouse) -> None:
    at_rest.cluster.refusals["scale"] = [AWAY]
    for _ in range(3):
        await at_rest.turn(reading(waiting=35))
    assert at_rest.cluster.deployments["video"]["spec"]["replicas"] == 4
    assert at_rest.told() == ["ScaledFromZero"]


async def test_a_scale_that_keeps_failing_is_tried_with_growing_pauses_and_said_until_it_is_taken(
    at_rest: EngineHouse,
) -> None:
    at_rest.cluster.refusals["scale"] = [AWAY] * 8
    attempts = []
    for _ in range(240):
        await at_rest.turn(reading(waiting=35))
        attempts.append(at_rest.cluster.writes().count("scale"))
        if attempts[-1] == 5:
            assert at_rest.condition("Reconciling")["reason"] == "WriteFailed"
    assert attempts[1] == 2, "the first pause is short"
    assert attempts[-1] == 9
    assert attempts.index(9) > 30, "the pauses grow"
    assert at_rest.cluster.deployments["video"]["spec"]["replicas"] == 4
    assert at_rest.told() == ["WriteFailed", "ScaledFromZero"]
    assert at_rest.condition("Reconciling")["reason"] != "WriteFailed"


async def test_a_refused_template_is_said_and_the_running_deployment_stays_and_scales(at_rest: EngineHouse) -> None:
    before = at_rest.cluster.deployments["video"]["spec"]["template"]
    at_rest.cluster.refusals["dry-run"] = [INVALID] * 9
    at_rest.see(at_rest.cluster.edit_pool("video", image="example/app:2"))
    await at_rest.turn()
    assert at_rest.condition("Stalled")["status"] == "True"
    assert at_rest.condition("Ready")["reason"] == "TemplateRejected"
    assert "no such thing" in at_rest.condition("Ready")["message"]
    assert at_rest.told() == ["TemplateRejected"]

    await at_rest.turn(reading(waiting=35))
    deployment = at_rest.cluster.deployments["video"]["spec"]
    assert (deployment["replicas"], deployment["template"]) == (4, before)
    assert "apply" not in at_rest.cluster.writes()


async def test_a_corrected_template_is_tried_at_once_and_the_condition_goes(at_rest: EngineHouse) -> None:
    at_rest.cluster.refusals["dry-run"] = [INVALID]
    at_rest.see(at_rest.cluster.edit_pool("video", image="example/app:2"))
    await at_rest.turn()
    at_rest.see(at_rest.cluster.edit_pool("video", image="example/app:3"))
    await at_rest.turn(after=0.01)
    assert at_rest.cluster.deployments["video"]["spec"]["template"]["spec"]["containers"][0]["image"] == "example/app:3"
    assert at_rest.condition("Stalled")["status"] == "False"


async def test_a_refused_template_is_tried_again_with_growing_pauses(at_rest: EngineHouse) -> None:
    at_rest.cluster.refusals["dry-run"] = [INVALID] * 1000
    at_rest.see(at_rest.cluster.edit_pool("video", image="example/app:2"))
    for _ in range(600):
        await at_rest.turn()
    assert 5 <= at_rest.cluster.writes().count("dry-run") <= 20
    assert at_rest.told() == ["TemplateRejected"], "said once"


async def test_a_template_that_cannot_be_built_is_said_without_asking_the_api_server(at_rest: EngineHouse) -> None:
    taken = {"spec": {"volumes": [{"name": "bullpen-tmp", "emptyDir": {}}]}}
    at_rest.see(at_rest.cluster.edit_pool("video", template=taken))
    await at_rest.turn()
    assert at_rest.cluster.writes() == ["status"]
    assert "bullpen-tmp" in at_rest.condition("Ready")["message"]


@pytest.mark.parametrize("owner", [None, "somebody-else"], ids=["by nobody", "by another controller"])
async def test_a_deployment_of_that_name_owned_otherwise_is_never_touched(
    house: EngineHouse, owner: str | None
) -> None:
    foreign = house.cluster.add_deployment("video", owner=owner)
    house.see(house.cluster.add_pool("video"))
    for _ in range(30):
        await house.turn(reading(waiting=35))
    assert house.cluster.deployments["video"] == foreign
    assert set(house.cluster.writes()) == {"status"}
    assert house.condition("Ready")["reason"] == "DeploymentConflict"
    assert house.told().count("DeploymentConflict") == 1
    assert house.cluster.calls.count(("find", "video")) < 10, "looked at with growing pauses"


async def test_a_conflict_ends_when_the_other_deployment_is_gone(house: EngineHouse) -> None:
    house.cluster.add_deployment("video")
    house.see(house.cluster.add_pool("video"))
    await house.turn()
    del house.cluster.deployments["video"]
    for _ in range(300):
        await house.turn()
    assert INTENT_ANNOTATION in house.cluster.deployments["video"]["metadata"]["annotations"]
    assert house.condition("Stalled")["status"] == "False"


async def test_a_changed_spec_is_applied_with_the_present_number_of_replicas(at_rest: EngineHouse) -> None:
    await at_rest.turn(reading(waiting=35))
    at_rest.cluster.calls.clear()
    at_rest.see(at_rest.cluster.edit_pool("video", image="example/app:2"))
    await at_rest.turn(reading(waiting=35))
    assert at_rest.cluster.writes()[:2] == ["dry-run", "apply"]
    spec = at_rest.cluster.deployments["video"]["spec"]
    assert (spec["replicas"], spec["template"]["spec"]["containers"][0]["image"]) == (4, "example/app:2")


async def test_an_edit_by_hand_is_put_back(at_rest: EngineHouse) -> None:
    template = at_rest.cluster.deployments["video"]["spec"]["template"]
    edited = template | {"spec": template["spec"] | {"terminationGracePeriodSeconds": 1}}
    at_rest.see_deployment(at_rest.cluster.edit_deployment("video", template=edited))
    await at_rest.turn()
    assert at_rest.cluster.writes() == ["dry-run", "apply"]
    assert at_rest.cluster.deployments["video"]["spec"]["template"] == template


async def test_somebody_who_changes_it_back_each_time_is_not_fought_each_second(at_rest: EngineHouse) -> None:
    template = at_rest.cluster.deployments["video"]["spec"]["template"]
    edited = template | {"spec": template["spec"] | {"terminationGracePeriodSeconds": 1}}
    for _ in range(600):
        at_rest.see_deployment(at_rest.cluster.edit_deployment("video", template=edited))
        await at_rest.turn()
    assert 5 <= at_rest.cluster.writes().count("apply") <= 20
    at_rest.see(at_rest.cluster.edit_pool("video", image="example/app:2"))
    await at_rest.turn()
    containers = at_rest.cluster.deployments["video"]["spec"]["template"]["spec"]["containers"]
    assert containers[0]["image"] == "example/app:2", "a changed spec does not wait"


async def test_what_others_add_beside_ours_is_left_and_causes_no_write(at_rest: EngineHouse) -> None:
    raw = at_rest.cluster.edit_deployment("video", minReadySeconds=5)
    raw["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "2"
    at_rest.see_deployment(raw)
    for _ in range(5):
        await at_rest.turn()
    assert at_rest.cluster.writes() == []


async def test_a_deleted_deployment_is_made_again(at_rest: EngineHouse) -> None:
    at_rest.see_deployment(at_rest.cluster.deployments.pop("video"), gone=True)
    await at_rest.turn()
    assert at_rest.cluster.calls[:3] == [("find", "video"), ("dry-run", "video"), ("apply", "video")]


async def test_a_deployment_that_is_being_deleted_is_waited_for(at_rest: EngineHouse) -> None:
    deployment = at_rest.cluster.edit_deployment("video")
    deployment["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    at_rest.see_deployment(deployment)
    await at_rest.turn(reading(waiting=35))
    assert not {"apply", "dry-run", "scale"} & set(at_rest.cluster.writes())


async def test_a_stripped_label_is_restored_though_the_watch_says_deleted(at_rest: EngineHouse) -> None:
    deployment = at_rest.cluster.deployments["video"]
    del deployment["metadata"]["labels"]["app.kubernetes.io/managed-by"]
    at_rest.see_deployment(at_rest.cluster.edit_deployment("video"), gone=True)
    await at_rest.turn()
    assert (
        at_rest.cluster.deployments["video"]["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "bullpen-operator"
    )
    await at_rest.turn(reading(waiting=35))
    assert at_rest.cluster.deployments["video"]["spec"]["replicas"] == 4, "and it is seen again"


async def test_a_restarted_operator_writes_nothing_for_a_pool_at_rest(at_rest: EngineHouse) -> None:
    anew = EngineHouse(at_rest.cluster)
    anew.now = at_rest.now
    for pool in at_rest.cluster.pools.values():
        anew.see(pool)
    anew.see_deployment(at_rest.cluster.deployments["video"])
    for _ in range(100):
        await anew.turn()
    assert anew.cluster.calls == []
    assert anew.told() == []


async def test_a_restarted_operator_still_knows_how_long_jobs_run(at_rest: EngineHouse) -> None:
    for second in range(120):
        await at_rest.turn(reading(at=at_rest.now + 1, active=1, finished=second // 20))
    for _ in range(400):
        await at_rest.turn(reading(at=at_rest.now + 1, finished=6))
    learned = at_rest.cluster.pools["video"]["status"]["rates"]["serviceSeconds"]
    assert learned < 86_400
    at_rest.cluster.calls.clear()
    anew = EngineHouse(at_rest.cluster)
    anew.now = at_rest.now
    anew.see(at_rest.cluster.pools["video"])
    anew.see_deployment(at_rest.cluster.deployments["video"])
    for _ in range(100):
        await anew.turn(reading(at=anew.now + 1, finished=6))
    assert anew.meter.seen[-1].inputs["serviceSeconds"] == learned
    assert anew.cluster.calls == []


async def test_what_was_learned_of_another_spec_is_not_taken_over(at_rest: EngineHouse) -> None:
    pool = at_rest.cluster.pools["video"]
    pool["status"]["rates"] |= {"serviceSeconds": 500}
    pool["metadata"]["generation"] += 1
    anew = EngineHouse(at_rest.cluster)
    anew.see(pool)
    anew.see_deployment(at_rest.cluster.deployments["video"])
    await anew.turn()
    assert anew.meter.seen[-1].inputs["serviceSeconds"] == 86_400


async def test_a_restarted_operator_scales_nothing_down_at_once(at_rest: EngineHouse) -> None:
    await at_rest.turn(reading(waiting=35))
    anew = EngineHouse(at_rest.cluster)
    anew.now = at_rest.now + 3600
    anew.see(at_rest.cluster.pools["video"])
    anew.see_deployment(at_rest.cluster.deployments["video"])
    await anew.turn()
    assert anew.cluster.deployments["video"]["spec"]["replicas"] == 4


async def test_a_deleted_pool_is_forgotten_and_its_metrics_go(at_rest: EngineHouse) -> None:
    at_rest.cache.remove(Kind.POOL, at_rest.cluster.pools.pop("video"))
    await at_rest.turn(reading(waiting=35))
    assert at_rest.cluster.calls == []
    assert at_rest.meter.gone == ["video"]


async def test_a_pool_that_goes_while_its_status_is_written_is_no_failure(at_rest: EngineHouse) -> None:
    at_rest.start_turn(reading(waiting=35))
    at_rest.cluster.pools.clear()
    await at_rest.finish_writes()
    assert at_rest.meter.errors == 0


async def test_a_pool_made_again_under_its_name_starts_anew(at_rest: EngineHouse) -> None:
    old = at_rest.cluster.pools.pop("video")
    at_rest.cache.remove(Kind.POOL, old)
    at_rest.see(at_rest.cluster.add_pool("video"))
    await at_rest.turn()
    assert at_rest.condition("Ready")["reason"] == "DeploymentConflict", "until the old Deployment is collected"


async def test_a_queue_that_cannot_be_read_changes_no_number_and_is_said_once(at_rest: EngineHouse) -> None:
    await at_rest.turn(reading(waiting=35))
    at_rest.cluster.calls.clear()
    at_rest.events.notices.clear()
    for _ in range(600):
        await at_rest.turn(unreachable())
    assert "scale" not in at_rest.cluster.writes()
    assert at_rest.cluster.writes().count("status") == 1
    assert at_rest.told() == ["QueueUnreachable"]
    await at_rest.turn(reading(waiting=35))
    assert at_rest.told() == ["QueueUnreachable", "QueueRecovered"]


async def test_an_outage_that_is_told_otherwise_each_time_is_not_written_each_time(at_rest: EngineHouse) -> None:
    for second in range(300):
        await at_rest.turn(replace(unreachable(), message=f"Redis does not answer ({second % 2})"))
    assert at_rest.cluster.writes().count("status") <= 6
    assert at_rest.told() == ["QueueUnreachable"]


async def test_a_pool_that_this_version_cannot_read_is_told_so_once_and_left_alone(house: EngineHouse) -> None:
    house.see(house.cluster.add_pool("video", scaling={"paused": "Sideways"}))
    house.see(house.cluster.add_pool("audio"))
    for _ in range(100):
        await house.turn(reading(waiting=5))
    assert [verb for verb, name in house.cluster.calls if name == "video"] == ["status"]
    assert house.condition("Stalled")["status"] == "True"
    assert house.condition("Ready")["reason"] == "SpecNotUnderstood"
    assert "spec.scaling.paused" in house.condition("Ready")["message"]
    assert house.told().count("SpecNotUnderstood") == 1
    assert house.cluster.deployments["audio"]["spec"]["replicas"] == 1


async def test_an_unforeseen_error_in_one_pool_leaves_the_others_alone(at_rest: EngineHouse) -> None:
    at_rest.see(at_rest.cluster.add_pool("audio"))
    await at_rest.settle()
    broken = at_rest.cluster.edit_deployment("video")
    del broken["spec"]
    at_rest.see_deployment(broken)
    await at_rest.turn(reading(waiting=35))
    assert at_rest.meter.errors == 1
    assert at_rest.cluster.deployments["audio"]["spec"]["replicas"] == 4


async def test_who_is_not_the_leader_writes_nothing(house: EngineHouse) -> None:
    house.leader = False
    house.see(house.cluster.add_pool("video"))
    for _ in range(10):
        await house.turn(reading(waiting=35))
    assert house.cluster.calls == []
    house.leader = True
    await house.turn(reading(waiting=35))
    assert house.cluster.deployments["video"]["spec"]["replicas"] == 4


async def test_a_slow_write_leaves_the_pool_measured_and_not_written_twice(at_rest: EngineHouse) -> None:
    at_rest.start_turn(reading(waiting=35))
    decided = len(at_rest.meter.seen)
    at_rest.start_turn(reading(waiting=65))
    assert (len(at_rest.pending), len(at_rest.meter.seen)) == (1, decided + 1)
    await at_rest.finish_writes()
    assert at_rest.cluster.writes().count("scale") == 1


async def test_numbers_of_a_busy_queue_are_written_at_most_once_a_minute(at_rest: EngineHouse) -> None:
    for second in range(360):
        if second == 60:  # by then it has grown to what it needs
            at_rest.cluster.calls.clear()
        await at_rest.turn(reading(at=at_rest.now, waiting=5 + second % 5, active=second % 3))
    assert at_rest.cluster.writes().count("scale") == 0
    assert at_rest.cluster.writes().count("status") <= 5


class TestWake:
    """How long the first job of an idle queue waited for the first pods, as far as the operator can help it."""

    async def test_from_when_the_job_was_ready_to_when_the_write_was_taken(self, house: EngineHouse) -> None:
        house.see(house.cluster.add_pool())
        await house.settle()
        waiting = reading(at=house.now + 1, waiting=5, oldest_wait_seconds=0.25)
        await house.turn(waiting)
        assert house.meter.wakes == [0.25]

    async def test_a_clock_that_differs_makes_it_no_longer_than_since_the_queue_was_seen_at_rest(
        self, house: EngineHouse
    ) -> None:
        house.see(house.cluster.add_pool())
        await house.settle()
        await house.turn(reading(at=house.now + 1, waiting=5, oldest_wait_seconds=3600.0))
        assert house.meter.wakes == [1.0]

    async def test_not_for_jobs_that_a_pin_left_waiting(self, house: EngineHouse) -> None:
        house.see(house.cluster.add_pool(replicas=0))
        await house.settle()
        await house.turn(reading(at=house.now + 1, waiting=5, oldest_wait_seconds=0.5))
        house.see(house.cluster.edit_pool("video", replicas=None))
        await house.turn(reading(at=house.now + 1, waiting=5, oldest_wait_seconds=1.5))
        assert house.meter.scales == [(0, 1)]
        assert house.meter.wakes == []

    async def test_a_ring_during_a_write_is_answered_right_after_it(self, house: EngineHouse) -> None:
        house.see(house.cluster.add_pool())
        house.start_turn()  # which makes the Deployment
        house.start_turn(reading(at=house.now + 1, waiting=5, oldest_wait_seconds=0.25))
        await house.finish_writes()
        assert house.cluster.deployments["video"]["spec"]["replicas"] == 1


async def test_another_queue_is_learned_anew(at_rest: EngineHouse) -> None:
    """The counters of one queue are no past of another: the difference between them would be taken for arrivals."""
    for _ in range(5):
        await at_rest.turn(reading(at=at_rest.now + 1, added=100, finished=100, completed=100))
    at_rest.see(at_rest.cluster.edit_pool("video", queue="photos"))

    for second in range(5):
        jobs = 1_000_000 + second
        await at_rest.turn(reading(at=at_rest.now + 1, added=jobs, finished=jobs, completed=9))

    assert at_rest.meter.seen[-1].inputs["arrivalsPerSecond"] < 10
    assert at_rest.cluster.deployments["video"]["spec"]["replicas"] <= 1


async def test_a_crd_without_a_field_of_the_status_gets_the_rest_of_it(at_rest: EngineHouse) -> None:
    """Helm never updates a CRD: after an upgrade the operator may be newer than it."""
    refused = ClusterError(
        status=500,
        reason="Unknown",
        message="failed to create typed patch object (media/video; bullpen.dev/v1alpha1, Kind=WorkerPool): "
        ".status.rates.source: field not declared in schema",
    )
    at_rest.cluster.refusals["status"] = [refused]

    for _ in range(3):
        await at_rest.turn(reading(waiting=35))
    assert "rates" not in at_rest.cluster.pools["video"]["status"]
    assert at_rest.cluster.pools["video"]["status"]["desiredReplicas"] == 4
    writes = at_rest.cluster.writes().count("status")
    for _ in range(30):
        await at_rest.turn(reading(waiting=35))
    assert at_rest.cluster.writes().count("status") <= writes + 1, "what cannot be written is no reason to write"

    await at_rest.turn(reading(waiting=35), after=601)
    assert "rates" in at_rest.cluster.pools["video"]["status"]


async def test_what_pods_say_of_why_they_do_not_run_is_told_and_told_to_be_over(at_rest: EngineHouse) -> None:
    waiting = {"name": "worker", "image": "example/app:1", "ready": False, "restartCount": 0}
    waiting["state"] = {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off"}}
    at_rest.see_deployment(at_rest.cluster.edit_deployment("video", replicas=1))
    at_rest.cluster.add_pod("video-1", phase="Pending", ready=False)
    at_rest.cache.put(Kind.POD, at_rest.cluster.edit_pod("video-1", containerStatuses=[waiting]))
    await at_rest.turn(reading(waiting=5))
    await at_rest.turn(reading(waiting=5))

    told = at_rest.condition("WorkersAvailable")
    assert (told["status"], told["reason"]) == ("False", "ImagePull")
    assert told["message"] == "1 of 1 pods: the image example/app:1 of the container worker cannot be pulled"
    assert at_rest.told().count("ImagePull") == 1

    at_rest.cache.put(Kind.POD, at_rest.cluster.edit_pod("video-1", phase="Running", containerStatuses=[]))
    for _ in range(60):  # a minute after it was told, whatever else is quiet
        await at_rest.turn(reading(waiting=5))
    assert at_rest.condition("WorkersAvailable")["status"] == "True"
    assert at_rest.told().count("WorkersRecovered") == 1


async def test_a_deployment_that_a_quota_forbids_is_told_as_that() -> None:
    house = EngineHouse()
    message = 'deployments.apps "video" is forbidden: exceeded quota: few, requested: count/deployments.apps=1'
    house.cluster.refusals["dry-run"] = [ClusterError(status=403, reason="Forbidden", message=message)]
    house.see(house.cluster.add_pool("video"))

    await house.turn()

    assert house.condition("Stalled")["reason"] == "Quota"
    assert house.condition("Stalled")["message"].startswith("no Deployment: exceeded quota: few")
    assert house.told() == ["Quota"]
    await house.turn(after=10)
    await house.turn()
    assert house.condition("Stalled")["status"] == "False"


async def test_a_namespace_on_its_way_out_is_no_trouble_of_the_pool() -> None:
    house = EngineHouse()
    message = "unable to create new content in namespace media because it is being terminated"
    refusal = ClusterError(status=403, reason="Forbidden", message=f'deployments.apps "video" is forbidden: {message}')
    house.cluster.refusals["dry-run"] = [refusal] * 100
    house.see(house.cluster.add_pool("video"))

    for _ in range(60):
        await house.turn()

    assert house.told() == []
    assert house.condition("Stalled")["status"] == "False"
    assert house.cluster.writes().count("dry-run") <= 10, "the pauses grow"


class TestRest:
    """A pool at zero whose turns can wait, as long as its doorbell tells of jobs."""

    @pytest.fixture
    async def rested(self, house: EngineHouse) -> EngineHouse:
        house.see(house.cluster.add_pool())
        await house.settle()
        await house.turn()
        return house

    def uid(self, house: EngineHouse) -> str:
        return str(house.cluster.pools["video"]["metadata"]["uid"])

    async def test_it_rests_for_some_seconds_at_a_time(self, rested: EngineHouse) -> None:
        assert rested.pools.resting(self.uid(rested))
        rested.now += 3.4
        assert rested.pools.resting(self.uid(rested))
        rested.now += 1.7
        assert not rested.pools.resting(self.uid(rested))

    async def test_a_clock_set_back_prolongs_no_rest(self, rested: EngineHouse) -> None:
        rested.now -= 3600
        assert not rested.pools.resting(self.uid(rested))

    async def test_a_change_of_the_pool_or_its_deployment_ends_it(self, rested: EngineHouse) -> None:
        rested.see(rested.cluster.edit_pool("video", replicas=2))
        assert not rested.pools.resting(self.uid(rested))
        await rested.turn()
        assert rested.cluster.deployments["video"]["spec"]["replicas"] == 2

    @pytest.mark.parametrize(
        "seen",
        [
            {"waiting": 1, "oldest_wait_seconds": 0.1},
            {"active": 1},
            {"delayed": 1, "next_due_at": NOW + 300},
        ],
        ids=["a job waits", "a job runs elsewhere", "a job is due before pods may have started"],
    )
    async def test_it_does_not_rest_while(self, rested: EngineHouse, seen: dict[str, float]) -> None:
        await rested.turn(reading(at=rested.now + 1, **seen))
        await rested.turn(reading(at=rested.now + 1, **seen))
        assert not rested.pools.resting(self.uid(rested))

    async def test_a_pool_whose_queue_cannot_be_read_does_not_rest(self, rested: EngineHouse) -> None:
        for _ in range(3):
            await rested.turn(unreachable())
        assert not rested.pools.resting(self.uid(rested))

    async def test_nor_one_whose_status_could_not_be_written(self, house: EngineHouse) -> None:
        house.cluster.refusals["status"] = [AWAY] * 3
        house.see(house.cluster.add_pool())
        await house.turn()
        await house.turn(after=0.1)
        assert not house.pools.resting(self.uid(house))

    async def test_nor_one_with_pods(self, house: EngineHouse) -> None:
        house.see(house.cluster.add_pool(scaling={"minReplicas": 1}))
        await house.settle()
        await house.turn()
        assert not house.pools.resting(self.uid(house))
