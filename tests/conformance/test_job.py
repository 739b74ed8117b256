"""Checklist: what a job says about itself and what is asked about it (§7.1, §7.5, items 91, 94)."""

from __future__ import annotations

from typing import Any

from tests.conformance.arena import item
from tests.conformance.sides import Side


@item(91, "Progress: number and object are JSON in hash and event.")
async def test_item_91_progress_is_json(side: Side) -> None:
    await side.add()
    await side.fetch()
    await side.progress("1", 42)
    assert (await side.content())["1"]["value"]["progress"] == "42"
    await side.progress("1", {"done": 3, "of": [4], "text": 'ü "é"'})
    content = await side.content()
    data = '{"done":3,"of":[4],"text":"ü \\"é\\""}'
    assert content["1"]["value"]["progress"] == data
    assert content["events"]["value"][-1] == [["event", "progress"], ["jobId", "1"], ["data", data]]
    value: Any
    for value in ("half", True, 0, [], {}):
        await side.progress("1", value)
    await side.complete("1")
    await side.progress("1", 100)
    await side.tamper("DEL", "1")
    assert await side.refused(side.progress("1", 50)) == -1


@item(91, "Log rows keep their order; keepLogs keeps the newest; the reply is the count (§7.1).")
async def test_item_91_logs_keep_their_order(side: Side) -> None:
    await side.add()
    assert [await side.log("1", row) for row in ("one", "two ü", "three")] == [1, 2, 3]
    assert await side.log("1", "four", keep=2) == 2
    assert (await side.content())["1:logs"]["value"] == ["three", "four"]
    assert (await side.call("logs", job_id="1"))["logs"] == ["three", "four"]


@item(91, "Data may be replaced at any time; a missing job is refused (§7.1).")
async def test_item_91_data_may_be_replaced(side: Side) -> None:
    await side.add("paint", {"colour": "red"})
    await side.update_data("1", {"colour": "ü", "deep": [None, {}]})
    await side.fetch()
    await side.update_data("1", [1, 2])
    await side.tamper("DEL", "1")
    assert await side.refused(side.update_data("1", {})) == -1


@item(94, "State and counts agree with Node's answers in every state.")
async def test_item_94_states_and_counts_agree(side: Side) -> None:
    await side.add()
    await side.add(priority=1)
    await side.add(delay=100)
    assert [await side.state(job_id) for job_id in ("1", "2", "3", "4")] == [
        "waiting",
        "prioritized",
        "delayed",
        "unknown",
    ]
    await side.fetch()
    assert await side.state("1") == "active"
    await side.counts()
    await side.complete("1")
    await side.fetch()
    await side.fail("2")
    await side.counts()
    assert [await side.state(job_id) for job_id in ("1", "2")] == ["completed", "failed"]
    await side.tamper("ZADD", "waiting-children", 1, "4")
    assert await side.state("4") == "waiting-children"
    await side.counts()
    for job_id in ("1", "2", "3", "9"):
        await side.job(job_id)


@item(94, "Counts of a paused queue.")
async def test_item_94_paused_jobs_are_counted(side: Side) -> None:
    await side.tamper("HSET", "meta", "paused", 1)
    await side.add()
    await side.add(priority=2)
    assert await side.state("1") == "waiting"
    await side.counts()
