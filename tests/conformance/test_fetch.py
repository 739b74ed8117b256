"""Checklist: fetching (bullmq-protocol.md §3, items 30-41)."""

from __future__ import annotations

from tests.conformance.arena import item
from tests.conformance.sides import START, Side, WorkerOptions

LIMITED = WorkerOptions(limiter=(1, 60_000))


@item(30, "Fetch: right of wait to left of active, lock, processedOn, ats, event active prev waiting, marker 0.")
async def test_item_30_fetch_moves_the_oldest_job_to_active(side: Side) -> None:
    for _ in range(3):
        await side.add()
    await side.advance(7)
    assert (await side.fetch("first"))["job"]["id"] == "1"
    assert (await side.fetch("second", WorkerOptions(lock_duration=90_000)))["job"]["id"] == "2"
    content = await side.content()
    assert content["wait"]["value"] == ["3"]
    assert content["active"]["value"] == ["2", "1"]
    assert content["1:lock"]["value"] == "first"
    assert 25_000 < content["1:lock"]["pttl"] <= 30_000
    assert 85_000 < content["2:lock"]["pttl"] <= 90_000
    assert content["1"]["value"]["processedOn"] == str(START + 7)
    assert content["1"]["value"]["ats"] == "1"
    assert content["events"]["value"][-1] == [["event", "active"], ["jobId", "2"], ["prev", "waiting"]]
    assert content["marker"]["value"] == {"0": 0}


@item(31, "Worker with a name: pb = name; without: no pb.")
async def test_item_31_a_named_worker_signs_the_job(side: Side) -> None:
    await side.add()
    await side.add()
    await side.fetch(worker=WorkerOptions(name="worker-a"))
    await side.fetch()
    content = await side.content()
    assert content["1"]["value"]["pb"] == "worker-a"
    assert "pb" not in content["2"]["value"]


@item(32, "wait is served before prioritized; priorities in ascending order.")
async def test_item_32_wait_comes_before_priorities(side: Side) -> None:
    for priority in (5, 2, 5, 1):
        await side.add(priority=priority)
    await side.add()
    assert [(await side.fetch())["job"]["id"] for _ in range(5)] == ["5", "4", "2", "1", "3"]


@item(33, "Due delayed jobs go in score order to the left of wait, delay 0; waiting prev delayed precedes active.")
async def test_item_33_due_jobs_are_promoted_before_the_fetch(side: Side) -> None:
    await side.add(delay=3000)
    await side.add(delay=1000)
    await side.add(delay=9000)
    await side.add()
    await side.advance(3000)
    assert (await side.fetch())["job"]["id"] == "4"
    content = await side.content()
    assert content["wait"]["value"] == ["1", "2"]
    assert content["1"]["value"]["delay"] == "0"
    assert [entry[:3] for entry in content["events"]["value"][-3:]] == [
        [["event", "waiting"], ["jobId", "2"], ["prev", "delayed"]],
        [["event", "waiting"], ["jobId", "1"], ["prev", "delayed"]],
        [["event", "active"], ["jobId", "4"], ["prev", "waiting"]],
    ]
    # §3.1 step 2: due up to and including the very ms, and not one before.
    await side.advance(5999)
    await side.fetch()
    assert "3" in (await side.content())["delayed"]["value"]
    await side.advance(1)
    await side.fetch()
    assert "delayed" not in await side.content()


@item(34, "1001 due jobs: one fetch promotes 1000.")
async def test_item_34_one_fetch_promotes_a_thousand(side: Side) -> None:
    await side.add_bulk([{"name": "paint", "opts": {"delay": 10 + n % 3}} for n in range(1001)])
    await side.advance(1000)
    await side.fetch()
    content = await side.content()
    assert len(content["delayed"]["value"]) == 1
    assert len(content["wait"]["value"]) == 999


@item(35, "A due delayed job with priority lands in prioritized with a fresh pc.")
async def test_item_35_a_due_job_keeps_its_priority(side: Side) -> None:
    await side.add(priority=2)
    await side.add(delay=100, priority=2)
    await side.add(delay=100)
    await side.advance(100)
    assert (await side.fetch())["job"]["id"] == "3"
    assert (await side.content())["prioritized"]["value"] == {"1": 2 * 2**32 + 1, "2": 2 * 2**32 + 2}


@item(36, "Paused: a fetch returns nothing, yet due jobs have moved to `paused`; no marker.")
async def test_item_36_a_paused_queue_hands_out_nothing(side: Side) -> None:
    await side.add(delay=100)
    await side.add(delay=200, priority=3)
    await side.tamper("HSET", "meta", "paused", 1)
    await side.tamper("DEL", "marker")
    await side.advance(200)
    assert (await side.fetch())["job"] is None
    content = await side.content()
    assert "delayed" not in content
    assert "marker" not in content


@item(37, "Maxed: a fetch returns nothing; after a finish with fetch-next the next job is returned.")
async def test_item_37_global_concurrency_holds_jobs_back(side: Side) -> None:
    await side.tamper("HSET", "meta", "concurrency", 1)
    await side.add()
    await side.add()
    await side.fetch()
    assert (await side.fetch("second"))["job"] is None
    assert (await side.complete("1", fetch_next=True))["job"]["id"] == "2"


@item(38, "Worker limiter {1, 60000}: the first fetch starts the window, the second replies its rest.")
async def test_item_38_a_limiter_counts_starts(side: Side) -> None:
    await side.add()
    await side.add()
    assert (await side.fetch(worker=LIMITED))["job"]["id"] == "1"
    content = await side.content()
    assert content["limiter"]["value"] == "1"
    assert 55_000 < content["limiter"]["pttl"] <= 60_000
    second = await side.fetch("second", LIMITED)
    assert second["job"] is None
    assert second["limited"] > 0
    await side.advance(60_000)
    assert (await side.fetch("second", LIMITED))["job"]["id"] == "2"


@item(39, "meta.max overrides limiter.max; limiter.duration overrides meta.duration.")
async def test_item_39_global_and_worker_limits_mix(side: Side) -> None:
    await side.tamper("HSET", "meta", "max", 2, "duration", 5_000)
    for _ in range(4):
        await side.add()
    await side.fetch(worker=LIMITED)
    assert (await side.content())["limiter"]["pttl"] > 50_000
    await side.fetch(worker=LIMITED)
    assert (await side.fetch(worker=LIMITED))["job"] is None
    await side.tamper("DEL", "limiter")
    await side.fetch()
    assert (await side.content())["limiter"]["pttl"] <= 5_000


@item(40, "Manual limit key 2^53-1 blocks all fetches that have a max, and promotion goes on.")
async def test_item_40_a_manual_limit_blocks_limited_workers(side: Side) -> None:
    await side.add()
    await side.add(delay=100)
    await side.tamper("SET", "limiter", 9007199254740991, "PX", 10_000)
    await side.advance(100)
    assert (await side.fetch(worker=LIMITED))["limited"] > 0
    assert (await side.content())["wait"]["value"] == ["2", "1"]
    assert (await side.fetch())["job"]["id"] == "1"


@item(41, "Empty queue with a delayed job: reply due ms; without: 0; pc deleted.")
async def test_item_41_an_empty_queue_tells_when_to_come_back(side: Side) -> None:
    assert await side.fetch() == {"job": None, "due": 0, "limited": 0}
    await side.add(priority=1)
    await side.add(delay=5000)
    await side.add(delay=2000)
    await side.fetch()
    assert (await side.content())["pc"]["value"] == "1"
    assert await side.fetch("second") == {"job": None, "due": START + 2000, "limited": 0}
    assert "pc" not in await side.content()


@item(41, "Legacy in-list markers are dropped by a fetch (§1.1).")
async def test_item_41_old_markers_are_dropped(side: Side) -> None:
    await side.add()
    await side.tamper("RPUSH", "wait", "0:123")
    await side.fetch()
    await side.fetch("second")
