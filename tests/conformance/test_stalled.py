"""Checklist: locks and stalled jobs (bullmq-protocol.md §6, items 66-69)."""

from __future__ import annotations

from tests.conformance.arena import item
from tests.conformance.sides import Side, WorkerOptions

INTERVAL = 30_000


@item(66, "First check marks; the second, without a lock, requeues to the right of wait, stc 1, waiting then stalled.")
async def test_item_66_a_lost_job_is_requeued(side: Side) -> None:
    await side.add()
    await side.fetch()
    await side.add()
    assert await side.stalled_check() == []
    content = await side.content()
    assert content["stalled"]["value"] == ["1"]
    assert INTERVAL - 5_000 < content["stalled-check"]["pttl"] <= INTERVAL
    await side.advance(INTERVAL)  # the lock and the check's own key are gone
    assert await side.stalled_check() == ["1"]
    content = await side.content()
    assert content["wait"]["value"] == ["2", "1"]
    assert content["1"]["value"]["stc"] == "1"
    assert "active" not in content
    assert content["events"]["value"][-2:] == [
        [["event", "waiting"], ["jobId", "1"], ["prev", "active"]],
        [["event", "stalled"], ["jobId", "1"]],
    ]
    assert "stalled" not in content


@item(66, "A job that is finished after the check marked it is marked no longer, alone or with others.")
async def test_item_66_a_finished_job_is_no_longer_marked(side: Side) -> None:
    for _ in range(4):
        await side.add()
        await side.fetch()
    await side.stalled_check()
    await side.batch([{"job_id": "2"}, {"job_id": "3", "reason": "broken"}])
    assert (await side.content())["stalled"]["value"] == ["1", "4"]
    await side.complete("1")


@item(66, "A lost job of a maxed queue wakes nobody; a finished one is not requeued; priority is ignored.")
async def test_item_66_requeueing_keeps_to_the_queues_state(side: Side) -> None:
    await side.add(priority=4)
    await side.add()
    await side.add()
    for token in ("one", "two", "three"):
        await side.fetch(token)
    await side.stalled_check()
    await side.complete("2", token="one")
    await side.tamper("DEL", "marker")
    await side.tamper("HSET", "meta", "concurrency", 1)
    await side.tamper("PERSIST", "3:lock")
    await side.advance(INTERVAL)
    await side.stalled_check()
    content = await side.content()
    assert content["wait"]["value"] == ["1"]
    assert "marker" not in content


@item(67, "stc > maxStalledCount: defa; the next fetch leads to failed with that reason, handler not run.")
async def test_item_67_a_job_lost_too_often_fails(side: Side) -> None:
    await side.add(attempts=5)
    for _ in range(2):
        await side.fetch()
        await side.stalled_check()
        await side.advance(INTERVAL)
        assert await side.stalled_check() == ["1"]
        await side.advance(INTERVAL)
    reason = "job stalled more than allowable limit"
    assert (await side.content())["1"]["value"]["defa"] == reason
    assert await side.process({"value": "done"}) == {"started": False}
    job = (await side.content())["1"]["value"]
    assert "defa" not in job
    assert job["failedReason"] == reason
    assert await side.state("1") == "failed"


@item(67, "maxStalledCount 0 defers a failure at the first loss.")
async def test_item_67_a_worker_may_allow_no_loss(side: Side) -> None:
    strict = WorkerOptions(max_stalled=0, stalled_interval=5_000, lock_duration=5_000)
    await side.add()
    await side.fetch(worker=strict)
    await side.stalled_check(strict)
    await side.advance(5_000)
    await side.stalled_check(strict)
    assert "defa" in (await side.content())["1"]["value"]
    assert await side.process({"value": "done"}) == {"started": False}


@item(68, "Renewal between checks removes the id from stalled and prevents the requeue.")
async def test_item_68_a_renewed_job_is_not_lost(side: Side) -> None:
    await side.add()
    await side.fetch()
    await side.stalled_check()
    await side.advance(20_000)
    assert await side.extend("1", 45_000) == 1
    content = await side.content()
    assert "stalled" not in content
    assert content["1:lock"]["pttl"] > 40_000
    await side.advance(10_000)
    assert await side.stalled_check() == []
    assert (await side.content())["active"]["value"] == ["1"]
    assert await side.extend("1", 45_000, token="another") == 0
    await side.advance(60_000)
    assert await side.extend("1", 45_000) == 0


@item(69, "Two workers: only one check per interval.")
async def test_item_69_one_check_an_interval(side: Side) -> None:
    await side.add()
    await side.fetch(worker=WorkerOptions(lock_duration=1_000))
    await side.stalled_check(WorkerOptions(name="one"))
    await side.advance(1_000)
    assert await side.stalled_check(WorkerOptions(name="two")) == []
    assert (await side.content())["active"]["value"] == ["1"]
    await side.advance(INTERVAL - 1_000)
    assert await side.stalled_check(WorkerOptions(name="two")) == ["1"]
