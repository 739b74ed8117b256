"""Checklist: pausing and limits (bullmq-protocol.md §1.6, §7.3, item 88)."""

from __future__ import annotations

from tests.conformance.arena import item
from tests.conformance.sides import Side, WorkerOptions
from tests.conformance.test_upkeep import events


@item(88, "Pause/resume round trip keeps order; marker absent while paused, present after if jobs exist.")
async def test_item_88_a_pause_keeps_the_order(side: Side) -> None:
    for _ in range(3):
        await side.add()
    await side.add(lifo=True)
    await side.add(priority=2)
    before = (await side.content())["wait"]["value"]
    await side.call("pause")
    content = await side.content()
    assert "marker" not in content
    assert events(content)[-1] == ["paused"]
    assert (await side.fetch())["job"] is None
    await side.call("resume")
    content = await side.content()
    assert content["wait"]["value"] == before == ["3", "2", "1", "4"]
    assert "paused" not in content
    assert content["marker"]["value"] == {"0": 0}
    assert events(content)[-1] == ["resumed"]
    assert [(await side.fetch())["job"]["id"] for _ in range(5)] == ["4", "1", "2", "3", "5"]


@item(88, "Jobs added, delayed or retried while paused are served after the resume.")
async def test_item_88_jobs_that_come_while_paused_are_served(side: Side) -> None:
    await side.add(attempts=2)
    await side.add()
    await side.fetch()
    await side.call("pause")
    await side.add(delay=1_000)
    await side.add()
    await side.fail("1")
    await side.advance(1_000)
    await side.fetch()
    await side.call("resume")
    assert [(await side.fetch())["job"]["id"] for _ in range(4)] == ["2", "4", "1", "3"]


@item(88, "An empty queue: no marker after a resume, with delayed jobs marker 1; twice is once.")
async def test_item_88_an_empty_queue_is_paused_and_resumed(side: Side) -> None:
    await side.call("pause")
    await side.call("pause")
    await side.call("resume")
    assert "marker" not in await side.content()
    await side.call("resume")
    await side.add(delay=5_000)
    await side.call("pause")
    assert "marker" not in await side.content()
    await side.call("resume")
    assert list((await side.content())["marker"]["value"]) == ["1"]
    await side.call("settings")


@item(88, "Only prioritized jobs: marker 0 after the resume.")
async def test_item_88_prioritized_jobs_are_announced_after_a_pause(side: Side) -> None:
    await side.add(priority=3)
    await side.add(delay=5_000)
    await side.call("pause")
    await side.call("resume")
    assert "0" in (await side.content())["marker"]["value"]


@item(88, "A queue at its global concurrency is resumed.")
async def test_item_88_a_full_queue_is_resumed(side: Side) -> None:
    await side.call("set_concurrency", concurrency=1)
    await side.add()
    await side.add()
    await side.fetch()
    await side.call("pause")
    await side.call("resume")
    await side.complete("1", fetch_next=True)


@item(89, "Limits: what is stored, what is asked, what remains of a window (§1.6, §7.5).")
async def test_item_89_limits_are_set_and_taken_away(side: Side) -> None:
    await side.call("set_concurrency", concurrency=4)
    await side.call("set_rate_limit", max=2, duration=60_000)
    await side.call("settings")
    await side.call("rate_limit_ttl", max=None)
    for _ in range(4):
        await side.add()
    await side.fetch()
    await side.call("rate_limit_ttl", max=None)
    await side.call("rate_limit_ttl", max=1)
    await side.call("rate_limit_ttl", max=3)
    await side.fetch()
    await side.call("rate_limit_ttl", max=None)
    await side.call("rate_limit_ttl", max=3)
    assert (await side.fetch())["limited"] > 0
    await side.call("remove_rate_limit")
    await side.call("remove_concurrency")
    await side.call("settings")
    await side.call("rate_limit_ttl", max=None)
    await side.call("remove_rate_limit_key")
    await side.call("rate_limit_ttl", max=None)
    await side.call("rate_limit", duration=5_000)
    await side.call("rate_limit_ttl", max=10)
    assert (await side.fetch(worker=WorkerOptions(limiter=(10, 1_000))))["limited"] > 0


@item(88, "A resume puts what is in paused before what a v6 client added to wait, as v6 does; v5 loses it.")
async def test_item_88_a_resume_keeps_both_lists(side: Side) -> None:
    for _ in range(4):
        await side.add()
    for job_id in ("1", "3"):
        await side.tamper("LREM", "wait", 1, job_id)
        await side.tamper("LPUSH", "paused", job_id)
    await side.tamper("HSET", "meta", "paused", 1)
    await side.call("resume")
    await side.call("resume")


@item(88, "A resume of many jobs on both sides, more than a v6 call moves at once.")
async def test_item_88_a_resume_keeps_many_jobs(side: Side) -> None:
    for name in ("wait", "paused"):
        for first in range(0, 8_000, 1_000):
            await side.tamper("LPUSH", name, *[f"{name}-{number}" for number in range(first, first + 1_000)])
    await side.tamper("HSET", "meta", "paused", 1)
    await side.call("resume")
