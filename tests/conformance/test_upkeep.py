"""Checklist: operations on jobs from outside (bullmq-protocol.md §7, items 89-90)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.conformance.arena import item
from tests.conformance.sides import Side

if TYPE_CHECKING:
    from collections.abc import Mapping


def events(content: Mapping[str, Any]) -> list[list[str]]:
    """Events as the values of their fields, the kind first."""
    return [[value for _, value in entry] for entry in content["events"]["value"]]


@item(89, "Promote: delayed job to the back of wait, delay 0, waiting prev delayed, marker; -3 when not delayed.")
async def test_item_89_a_delayed_job_is_promoted(side: Side) -> None:
    await side.add(delay=60_000)
    await side.add(delay=30_000)
    await side.add()
    await side.call("promote", job_id="1")
    content = await side.content()
    assert content["wait"]["value"] == ["1", "3"]
    assert content["1"]["value"]["delay"] == "0"
    assert events(content)[-1] == ["waiting", "1", "delayed"]
    assert await side.refused(side.call("promote", job_id="1")) == -3
    await side.call("promote", job_id="2")
    await side.add(delay=60_000)
    await side.add(delay=60_000, priority=4)
    await side.add(delay=60_000, lifo=True)
    await side.call("pause")
    for job_id in ("4", "5", "6"):
        await side.call("promote", job_id=job_id)


@item(89, "Promote with a full queue wakes nobody; with a priority it goes by it.")
async def test_item_89_promotion_keeps_to_the_queues_limits(side: Side) -> None:
    await side.call("set_concurrency", concurrency=1)
    await side.add()
    await side.fetch()
    await side.add(delay=60_000, priority=7)
    await side.tamper("DEL", "marker")
    await side.call("promote", job_id="2")
    content = await side.content()
    assert "2" in content["prioritized"]["value"]
    assert "marker" not in content


@item(89, "Change delay: score, field, event and marker follow; -3 when not delayed, -1 when missing.")
async def test_item_89_a_delay_is_changed(side: Side) -> None:
    await side.add(delay=60_000)
    await side.add(delay=30_000)
    await side.advance(1_000)
    await side.call("change_delay", job_id="1", delay=5_000)
    content = await side.content()
    assert content["delayed"]["value"]["1"] == (side.now or 0) * 4096 + 5_000 * 4096
    assert content["1"]["value"]["delay"] == "5000"
    assert events(content)[-1][:2] == ["delayed", "1"]
    await side.call("change_delay", job_id="1", delay=5_000)
    await side.call("change_delay", job_id="2", delay=5_000)
    await side.call("change_delay", job_id="1", delay=90_000)
    await side.call("change_delay", job_id="2", delay=0)
    await side.add()
    await side.add()
    await side.job("3")
    await side.fetch()
    for job_id in ("3", "4"):
        assert await side.refused(side.call("change_delay", job_id=job_id, delay=5_000)) == -3
    await side.call("pause")
    await side.call("change_delay", job_id="1", delay=7_000)


@item(89, "Change priority: a ready job moves, opts stay; lifo goes before its equals; -1 when missing.")
async def test_item_89_a_priority_is_changed(side: Side) -> None:
    for _ in range(3):
        await side.add()
    await side.add(priority=5)
    await side.call("change_priority", job_id="2", priority=5)
    await side.call("change_priority", job_id="1", priority=5, lifo=True)
    content = await side.content()
    assert sorted(content["prioritized"]["value"], key=content["prioritized"]["value"].get) == ["1", "4", "2"]
    assert content["1"]["value"]["priority"] == "5"
    assert "priority" not in content["1"]["value"]["opts"]
    assert content["wait"]["value"] == ["3"]
    await side.call("change_priority", job_id="4", priority=0)
    await side.call("change_priority", job_id="2", priority=0, lifo=True)
    await side.call("change_priority", job_id="3", priority=0)
    await side.call("change_priority", job_id="1", priority=9)
    assert (await side.content())["wait"]["value"] == ["3", "4", "2"]


@item(89, "Change priority in the other states edits the field alone.")
async def test_item_89_a_priority_is_changed_in_any_state(side: Side) -> None:
    await side.add()
    await side.add()
    await side.add(delay=5_000)
    await side.fetch()
    await side.fetch()
    await side.complete("1")
    for job_id in ("1", "2", "3"):
        await side.call("change_priority", job_id=job_id, priority=3)
    content = await side.content()
    assert "prioritized" not in content
    assert {content[job_id]["value"]["priority"] for job_id in ("1", "2", "3")} == {"3"}
    await side.advance(5_000)
    await side.fetch()


@item(89, "Change priority in a paused and in a full queue.")
async def test_item_89_a_priority_is_changed_where_nothing_starts(side: Side) -> None:
    await side.add()
    await side.add()
    await side.add()
    await side.call("pause")
    await side.call("change_priority", job_id="1", priority=3)
    await side.call("change_priority", job_id="2", priority=0)
    await side.call("resume")
    await side.call("set_concurrency", concurrency=1)
    await side.fetch()
    await side.tamper("DEL", "marker")
    await side.call("change_priority", job_id="2", priority=2)
    await side.call("change_priority", job_id="1", priority=2)


@item(89, "Logs are cleared, or the newest kept (§7.1).")
async def test_item_89_logs_are_cleared(side: Side) -> None:
    await side.add()
    for row in ("one", "two", "three", "four"):
        await side.log("1", row)
    await side.call("clear_logs", job_id="1", keep=2)
    assert (await side.content())["1:logs"]["value"] == ["three", "four"]
    await side.call("clear_logs", job_id="1", keep=9)
    await side.call("clear_logs", job_id="1")
    assert "1:logs" not in await side.content()


@item(90, "Retry of a failed job: not in failed, finish fields gone, stacktrace kept, waiting prev failed.")
async def test_item_90_a_failed_job_is_retried(side: Side) -> None:
    await side.add(attempts=1)
    await side.add()
    await side.fetch()
    await side.fail("1", "broken")
    await side.call("retry", job_id="1", state="failed")
    content = await side.content()
    assert "failed" not in content
    assert content["wait"]["value"] == ["1", "2"]
    job = content["1"]["value"]
    assert not {"finishedOn", "processedOn", "failedReason"} & job.keys()
    assert job["stacktrace"] == {"entries": 1}
    assert events(content)[-1] == ["waiting", "1", "failed"]
    assert await side.refused(side.call("retry", job_id="1", state="failed")) == -3


@item(90, "Retry of a completed job; attempts are reset when asked; lifo goes to the front.")
async def test_item_90_a_completed_job_is_retried(side: Side) -> None:
    await side.add(lifo=True)
    await side.fetch()
    await side.complete("1", {"done": True})
    await side.add()
    assert await side.refused(side.call("retry", job_id="1", state="failed")) == -3
    await side.call("retry", job_id="1", state="completed")
    content = await side.content()
    assert content["wait"]["value"] == ["2", "1"]
    assert "returnvalue" not in content["1"]["value"]
    await side.fetch()
    await side.fail("1")
    options = {"resetAttemptsMade": True, "resetAttemptsStarted": True}
    await side.call("retry", job_id="1", state="failed", options=options)


@item(90, "A prioritized job is retried by its priority, as v6 does.")
async def test_item_90_a_prioritized_job_is_retried(side: Side) -> None:
    await side.add(priority=3)
    await side.add(priority=3, lifo=True)
    for job_id in ("1", "2"):
        await side.fetch()
        await side.fail(job_id)
    await side.call("retry", job_id="1", state="failed")
    await side.call("retry", job_id="2", state="failed")


@item(90, "Retry in a paused and in a full queue.")
async def test_item_90_a_job_is_retried_where_nothing_starts(side: Side) -> None:
    for _ in range(3):
        await side.add()
    for job_id in ("1", "2"):
        await side.fetch()
        await side.fail(job_id)
    await side.call("set_concurrency", concurrency=1)
    await side.fetch()
    await side.tamper("DEL", "marker")
    await side.call("retry", job_id="1", state="failed")
    assert "marker" not in await side.content()
    await side.call("pause")
    await side.call("retry", job_id="2", state="failed")


@item(90, "Bulk retry in chunks: all of one state, one waiting each, the rest untouched (§7.2).")
async def test_item_90_many_jobs_are_retried(side: Side) -> None:
    for _ in range(5):
        await side.add()
    for job_id in ("1", "2", "3", "4"):
        await side.fetch()
        await (side.complete(job_id) if job_id == "2" else side.fail(job_id))
        await side.advance(10)
    await side.call("retry_jobs", state="failed", count=2)
    content = await side.content()
    assert "failed" not in content
    assert content["wait"]["value"] == ["4", "3", "1", "5"]
    await side.call("retry_jobs", state="completed", count=2)
    await side.call("retry_jobs", state="completed", count=2)


@item(90, "Bulk retry forgets priorities, and goes into a paused queue.")
async def test_item_90_many_prioritized_jobs_are_retried(side: Side) -> None:
    for priority in (3, 0, 1, 3):
        await side.add(priority=priority)
    for job_id in ("2", "3", "1", "4"):
        await side.fetch()
        await side.fail(job_id)
    await side.tamper("DEL", "marker")
    await side.call("pause")
    await side.call("retry_jobs", state="failed", count=100)


@item(90, "All delayed jobs are promoted; their delay field stays (§7.2).")
async def test_item_90_all_delayed_jobs_are_promoted(side: Side) -> None:
    await side.add(delay=60_000)
    await side.add(delay=30_000)
    await side.add(delay=90_000, priority=2)
    await side.add()
    await side.call("promote_jobs", count=2)
    await side.add(delay=10)
    await side.call("pause")
    await side.call("promote_jobs", count=2)
    content = await side.content()
    assert "delayed" not in content
    assert content["1"]["value"]["delay"] == "60000"
