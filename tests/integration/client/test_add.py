"""Placement of new jobs (protocol §2; numbers are those of the checklist in §13)."""

from __future__ import annotations

from bullpen.protocol import JobOptions
from bullpen.protocol.calls import add
from tests.integration.client.desk import NOW, Desk


async def test_the_first_job_of_a_queue(desk: Desk) -> None:  # 1
    assert await desk.add(data='{"a":"ü"}') == "1"
    assert desk.list("wait") == ["1"]
    assert desk.job("1") == {
        "name": "render",
        "data": '{"a":"ü"}',
        "opts": '{"attempts":0}',
        "timestamp": str(NOW),
        "delay": "0",
        "priority": "0",
    }
    assert desk.raw.get(desk.keys.base + "id") == "1"
    assert desk.scores("marker") == {"0": 0.0}
    assert desk.events() == ["added jobId=1 name=render", "waiting jobId=1"]
    assert desk.raw.hgetall(desk.keys.meta) == {"opts.maxLenEvents": "10000"}


async def test_newer_jobs_stand_left(desk: Desk) -> None:  # 3
    await desk.add()
    await desk.add()
    assert desk.list("wait") == ["2", "1"]


async def test_a_lifo_job_is_next(desk: Desk) -> None:  # 4
    await desk.add()
    await desk.add(lifo=True)
    assert desk.list("wait") == ["1", "2"]
    assert (await desk.claim_one()).job.id == "2"


async def test_priorities_are_ordered_by_value_then_arrival(desk: Desk) -> None:  # 5
    for priority in (3, 3, 1):
        await desk.add(priority=priority)
    assert desk.scores("prioritized") == {"1": 3 * 2**32 + 1, "2": 3 * 2**32 + 2, "3": 1 * 2**32 + 3}
    assert desk.raw.get(desk.keys.base + "pc") == "3"
    assert desk.list("wait") == []
    assert desk.scores("marker") == {"0": 0.0}


async def test_the_highest_priority_keeps_its_exact_score(desk: Desk) -> None:
    await desk.add(priority=2_097_151)
    assert desk.scores("prioritized") == {"1": 2_097_151 * 2**32 + 1}


async def test_a_delayed_job_has_its_due_time_in_score_event_and_marker(desk: Desk) -> None:  # 6
    await desk.add(delay=5000)
    assert desk.scores("delayed") == {"1": (NOW + 5000) * 4096}
    assert desk.events() == ["added jobId=1 name=render", f"delayed jobId=1 delay={NOW + 5000}"]
    assert desk.scores("marker") == {"1": NOW + 5000}
    assert desk.job("1")["delay"] == "5000"
    assert desk.list("wait") == []


async def test_jobs_due_in_one_ms_are_counted_up(desk: Desk) -> None:  # 7
    for _ in range(3):
        await desk.add(delay=5000)
    first = (NOW + 5000) * 4096
    assert desk.scores("delayed") == {"1": first, "2": first + 1, "3": first + 2}


async def test_the_count_within_a_ms_stops_at_its_end(desk: Desk) -> None:
    last = (NOW + 5000) * 4096 + 4095
    desk.raw.zadd(desk.keys.delayed, {"other": last})
    await desk.add(delay=5000)
    assert desk.scores("delayed") == {"other": last, "1": last}


async def test_a_delayed_job_keeps_its_priority_for_later(desk: Desk) -> None:  # 8
    await desk.add(delay=5000, priority=7)
    assert desk.job("1")["priority"] == "7"
    assert "1" in desk.scores("delayed")
    assert desk.scores("prioritized") == {}
    assert desk.raw.exists(desk.keys.base + "pc") == 0


async def test_an_earlier_due_time_lowers_the_marker(desk: Desk) -> None:  # 9
    await desk.add(delay=5000)
    await desk.add(delay=9000)
    assert desk.scores("marker") == {"1": NOW + 5000}
    await desk.add(delay=100)
    assert desk.scores("marker") == {"1": NOW + 100}


async def test_the_due_time_counts_from_the_jobs_own_timestamp(desk: Desk) -> None:
    await desk.add(delay=5000, timestamp=NOW - 1000)
    assert desk.scores("delayed") == {"1": (NOW + 4000) * 4096}


async def test_a_custom_id_still_counts(desk: Desk) -> None:  # 10
    assert await desk.add(job_id="mine") == "mine"
    assert desk.job("mine")["opts"] == '{"attempts":0,"jobId":"mine"}'
    assert await desk.add() == "2"


async def test_the_same_custom_id_again_changes_nothing_and_says_so(desk: Desk) -> None:  # 11
    await desk.add(job_id="mine", data="1")
    before = desk.job("mine")
    desk.events()
    call = add.add(desk.keys, name="other", data="2", now=NOW, options=JobOptions(job_id="mine"))
    added = await desk.link.run(call)
    assert (added.job_id, added.duplicated) == ("mine", True)
    assert desk.job("mine") == before
    assert desk.events() == ["duplicated jobId=mine"]
    assert desk.raw.get(desk.keys.base + "id") == "2"
    assert desk.list("wait") == ["mine"]


async def test_a_paused_queue_takes_jobs_without_waking_anybody(desk: Desk) -> None:  # 15
    desk.meta(paused=1)
    await desk.add()
    await desk.add(priority=1)
    await desk.add(delay=5000)
    assert (desk.list("paused"), desk.list("wait")) == (["1"], [])
    assert set(desk.scores("prioritized")) == {"2"}
    assert desk.scores("marker") == {"1": NOW + 5000}  # due times are told all the same


async def test_a_queue_at_its_concurrency_wakes_nobody(desk: Desk) -> None:  # 16
    await desk.add()
    await desk.claim()
    desk.raw.delete(desk.keys.marker)
    desk.meta(concurrency=1)
    await desk.add()
    assert desk.scores("marker") == {}
    desk.meta(concurrency=2)
    await desk.add()
    assert desk.scores("marker") == {"0": 0.0}


async def test_the_event_cap_of_the_queue_is_kept(desk: Desk) -> None:
    desk.meta(opts__maxLenEvents=10)
    for _ in range(300):
        await desk.add()
    assert desk.raw.xlen(desk.keys.events) < 300  # trimming is approximate: whole nodes of 100 entries
    assert desk.raw.hget(desk.keys.meta, "opts.maxLenEvents") == "10"
