"""Changes of single jobs from outside, against a real server."""

from __future__ import annotations

import pytest

from bullpen.client.jobs import Jobs
from bullpen.errors import ConfigurationError, JobMissing, WrongState
from bullpen.protocol.calls import change
from bullpen.protocol.replies import Outcome
from tests.integration.client.desk import NOW, Desk, completed, failed


@pytest.fixture
def jobs(desk: Desk) -> Jobs:
    return Jobs(link=desk.link, keys=desk.keys, clock=lambda: desk.now / 1000)


async def test_a_delayed_job_is_promoted(jobs: Jobs, desk: Desk) -> None:  # 89
    await desk.add(delay=60_000)
    await jobs.promote("1")
    assert (await desk.claim_one()).job.id == "1"
    with pytest.raises(WrongState, match="job 1 is not delayed"):
        await jobs.promote("1")
    with pytest.raises(JobMissing, match="job ghost does not exist"):
        await jobs.promote("ghost")


async def test_a_delay_is_changed(jobs: Jobs, desk: Desk) -> None:  # 89
    await desk.add(delay=60_000)
    await desk.add()
    await jobs.change_delay("1", 5_000)
    assert desk.scores("delayed") == {"1": (NOW + 5_000) * 4096}
    assert desk.job("1")["delay"] == "5000"
    with pytest.raises(WrongState, match="job 2 is not delayed"):
        await jobs.change_delay("2", 5_000)
    with pytest.raises(JobMissing):
        await jobs.change_delay("ghost", 5_000)
    for delay in (-1, 1.5, True):
        with pytest.raises(ConfigurationError, match="delay is"):
            await jobs.change_delay("1", delay)  # type: ignore[arg-type]


async def test_a_priority_is_changed(jobs: Jobs, desk: Desk) -> None:  # 89
    for _ in range(3):
        await desk.add()
    await jobs.change_priority("1", 2)
    await jobs.change_priority("2", 2, lifo=True)
    assert [claimed.job.id for claimed in await desk.claim(3)] == ["3", "2", "1"]
    await jobs.change_priority("3", 7)
    assert desk.job("3")["priority"] == "7"
    assert desk.scores("prioritized") == {}
    for priority in (-1, 2_097_152, 1.5):
        with pytest.raises(ConfigurationError, match="priority is"):
            await jobs.change_priority("1", priority)  # type: ignore[arg-type]
    with pytest.raises(JobMissing):
        await jobs.change_priority("ghost", 1)


async def test_a_job_that_a_v6_client_left_in_wait_changes_its_priority(jobs: Jobs, desk: Desk) -> None:
    await desk.add()
    desk.meta(paused=1)
    await jobs.change_priority("1", 3)
    assert (desk.list("wait"), list(desk.scores("prioritized"))) == ([], ["1"])
    await jobs.change_priority("1", 0)
    assert desk.list("paused") == ["1"]


async def test_finished_jobs_are_retried(jobs: Jobs, desk: Desk) -> None:  # 90
    await desk.add(lifo=True, attempts=3)
    await desk.finish(failed(await desk.claim_one(), fields={"stacktrace": '["here"]'}))
    await desk.add()
    with pytest.raises(WrongState, match="job 1 is not completed"):
        await jobs.retry("1", outcome=Outcome.COMPLETED)
    await jobs.retry("1")
    claimed = await desk.claim_one()
    assert (claimed.job.id, claimed.job.attempts_made, claimed.job.attempts_started) == ("1", 1, 2)
    assert claimed.job.stack_trace == ["here"]
    await desk.finish(completed(claimed, "7"))
    await jobs.retry("1", outcome=Outcome.COMPLETED, reset_attempts=True)
    claimed = await desk.claim_one()
    assert (claimed.job.attempts_made, claimed.job.attempts_started, claimed.job.return_value) == (0, 1, None)
    with pytest.raises(JobMissing):
        await jobs.retry("ghost")


async def test_a_job_is_removed_unless_a_worker_holds_it(jobs: Jobs, desk: Desk) -> None:  # 92
    await desk.add()
    await desk.add()
    await desk.claim_one()
    desk.events()
    await jobs.remove("2")
    assert desk.events() == ["removed jobId=2 prev=wait"]
    await jobs.remove("2")
    assert desk.events() == []
    with pytest.raises(WrongState, match="job 1 cannot be removed: a worker holds it"):
        await jobs.remove("1", children=False)
    assert desk.job("1")


async def test_the_next_run_of_a_scheduler_is_not_removed(jobs: Jobs, desk: Desk) -> None:
    desk.raw.zadd(desk.keys.base + "repeat", {"tick": NOW})
    desk.raw.hset(desk.keys.job(f"repeat:tick:{NOW}"), mapping={"name": "tick", "rjk": "tick"})
    with pytest.raises(WrongState, match="next run of a scheduler"):
        await jobs.remove(f"repeat:tick:{NOW}")


async def test_what_is_no_job_can_be_removed(jobs: Jobs, desk: Desk) -> None:
    await desk.add()
    desk.raw.delete(desk.keys.job("1"))
    desk.raw.lpush(desk.keys.job("1"), "no job")
    await jobs.remove("1")
    assert (desk.list("wait"), desk.raw.exists(desk.keys.job("1"))) == ([], 0)


async def test_a_child_breaks_with_its_parent(jobs: Jobs, desk: Desk) -> None:
    await desk.add(job_id="parent")
    await desk.add(job_id="child")
    assert await jobs.leave_parent("child") is False
    desk.raw.hset(desk.keys.job("child"), "parentKey", desk.keys.job("parent"))
    desk.raw.sadd(desk.keys.job("parent") + ":dependencies", desk.keys.job("child"))
    assert await jobs.leave_parent("child") is True
    assert "parentKey" not in desk.job("child")
    desk.raw.hset(desk.keys.job("child"), "parentKey", desk.keys.job("gone"))
    with pytest.raises(JobMissing, match="the parent of job child"):
        await jobs.leave_parent("child")
    with pytest.raises(JobMissing, match="job ghost"):
        await jobs.leave_parent("ghost")


async def test_pending_children_are_removed(jobs: Jobs, desk: Desk) -> None:
    await desk.add(job_id="parent")
    await desk.add(job_id="child")
    desk.raw.sadd(desk.keys.job("parent") + ":dependencies", desk.keys.job("child"))
    await jobs.remove_unprocessed_children("parent")
    assert desk.job("child") == {}


async def test_data_logs_and_stack_traces(jobs: Jobs, desk: Desk) -> None:
    await desk.add()
    await jobs.update_data("1", {"ü": [1]})
    assert desk.job("1")["data"] == '{"ü":[1]}'
    assert [await jobs.log("1", row) for row in ("a", "b", "c")] == [1, 2, 3]
    await jobs.clear_logs("1", keep=2)
    assert desk.list("1:logs") == ["b", "c"]
    await jobs.clear_logs("1")
    assert desk.list("1:logs") == []
    await desk.link.run(change.save_trace(desk.keys, job_id="1", stacktrace='["here"]', reason="boom"))
    assert (desk.job("1")["stacktrace"], desk.job("1")["failedReason"]) == ('["here"]', "boom")
    with pytest.raises(JobMissing):
        await desk.link.run(change.save_trace(desk.keys, job_id="ghost", stacktrace="[]", reason="boom"))
    with pytest.raises(ConfigurationError, match="number of log rows to keep is -1"):
        await jobs.clear_logs("1", keep=-1)
    with pytest.raises(JobMissing):
        await jobs.update_data("ghost", {})
    assert not desk.raw.exists(desk.keys.job("ghost"))
