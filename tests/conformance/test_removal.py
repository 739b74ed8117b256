"""Checklist: taking jobs away (bullmq-protocol.md §7.4, items 92-93)."""

from __future__ import annotations

from typing import Any

from tests.conformance.arena import item
from tests.conformance.sides import Side
from tests.conformance.test_upkeep import events


@item(92, "Remove: prev names the state, whichever it is; the whole job is gone.")
async def test_item_92_a_job_is_removed_from_each_state(side: Side) -> None:
    kinds: tuple[dict[str, Any], ...] = ({}, {}, {}, {"priority": 2}, {"delay": 5_000}, {})
    for options in kinds:
        await side.add(**options)
    await side.tamper("ZADD", "waiting-children", 1, "6")
    await side.tamper("LREM", "wait", 1, "6")
    for token in ("one", "two"):
        await side.fetch(token)
    await side.complete("1", token="one")
    await side.fail("2", token="two")
    await side.log("1", "row")
    for job_id in ("1", "2", "3", "4", "5", "6"):
        assert await side.call("remove", job_id=job_id) == 1
    content = await side.content()
    assert [event[2] for event in events(content)[-6:]] == [
        "completed",
        "failed",
        "wait",
        "prioritized",
        "delayed",
        "waiting-children",
    ]
    assert not {"1", "1:logs", "2", "3", "4", "5", "6"} & content.keys()


@item(92, "Remove from a paused queue; without a state prev is unknown; a missing id is done without an event.")
async def test_item_92_odd_jobs_are_removed(side: Side) -> None:
    await side.add()
    await side.add()
    await side.call("pause")
    await side.call("remove", job_id="1")
    await side.call("resume")
    await side.tamper("DEL", "wait")
    assert await side.call("remove", job_id="2") == 1
    assert events(await side.content())[-1][2] == "unknown"
    assert await side.call("remove", job_id="9") == 1


@item(92, "A locked job stays; one that lost its lock is removed from active.")
async def test_item_92_a_job_with_a_worker_stays(side: Side) -> None:
    await side.add()
    await side.fetch()
    assert await side.call("remove", job_id="1") == 0
    assert await side.call("remove", job_id="1", children=False) == 0
    await side.stalled_check()
    await side.tamper("DEL", "1:lock")
    assert await side.call("remove", job_id="1") == 1
    content = await side.content()
    assert "active" not in content
    assert events(content)[-1] == ["removed", "1", "active"]


@item(92, "The next run of a scheduler is not removed directly: -8; an earlier one is.")
async def test_item_92_the_next_run_of_a_scheduler_stays(side: Side) -> None:
    await scheduled(side)
    assert await side.refused(side.call("remove", job_id="repeat:tick:1800000060000")) == -8
    assert await side.call("remove", job_id="repeat:tick:1799999940000") == 1


async def scheduled(side: Side) -> None:
    """A scheduler with its next run in delayed and an earlier one in wait, as a client left them."""
    await side.tamper("ZADD", "repeat", 1_800_000_060_000, "tick")
    await side.tamper("HSET", "repeat:tick", "name", "tick", "every", 60_000, "ic", 2)
    for run, place in ((1_799_999_940_000, "wait"), (1_800_000_060_000, "delayed")):
        job = f"repeat:tick:{run}"
        times: list[str | int] = ["timestamp", 1_799_999_940_000, "delay", 0, "priority", 0]
        await side.tamper("HSET", job, "name", "tick", "data", "{}", "opts", "{}", "rjk", "tick", *times)
        await (
            side.tamper("LPUSH", "wait", job) if place == "wait" else side.tamper("ZADD", "delayed", run * 4096, job)
        )


@item(92, "Clean(0, wait): jobs gone, one cleaned event with the count.")
async def test_item_92_waiting_jobs_are_cleaned(side: Side) -> None:
    for _ in range(3):
        await side.add()
    await side.log("1", "row")
    await side.add(priority=1)
    assert await side.call("clean", grace=0, limit=0, state="wait") == ["1", "2", "3"]
    content = await side.content()
    assert "wait" not in content
    assert "1:logs" not in content
    assert events(content)[-1] == ["cleaned", "3"]
    await side.call("clean", grace=0, limit=0, state="wait")


@item(92, "Clean of every type keeps what is younger than the grace period, and no more than the limit go.")
async def test_item_92_young_jobs_are_not_cleaned(side: Side) -> None:
    kinds: tuple[dict[str, Any], ...] = ({}, {"priority": 1}, {"delay": 50_000})
    for options in kinds:
        for _ in range(4):
            await side.add(**options)
            await side.advance(1_000)
    await side.add(timestamp=1_799_999_000_000)
    for state in ("wait", "prioritized", "delayed"):
        await side.call("clean", grace=1_000_000, limit=0, state=state)
        await side.call("clean", grace=10_000, limit=1, state=state)
        await side.call("clean", grace=10_000, limit=0, state=state)
        await side.call("clean", grace=0, limit=2, state=state)
        await side.call("clean", grace=0, limit=0, state=state)


@item(92, "Clean of finished jobs goes by their end.")
async def test_item_92_finished_jobs_are_cleaned(side: Side) -> None:
    for _ in range(8):
        await side.add()
    for number in range(1, 9):
        await side.fetch()
        await (side.complete(str(number)) if number % 2 else side.fail(str(number)))
        await side.advance(1_000)
    for state in ("completed", "failed"):
        assert len(await side.call("clean", grace=5_000, limit=0, state=state)) in (1, 2)
        await side.call("clean", grace=0, limit=1, state=state)
        await side.call("clean", grace=0, limit=0, state=state)
        assert state not in await side.content()


@item(92, "Clean of active takes only those without a lock.")
async def test_item_92_active_jobs_without_a_worker_are_cleaned(side: Side) -> None:
    for _ in range(3):
        await side.add()
    for token in ("one", "two", "three"):
        await side.fetch(token)
        await side.advance(1_000)
    await side.tamper("DEL", "1:lock")
    await side.tamper("DEL", "3:lock")
    assert await side.call("clean", grace=1_500, limit=0, state="active") == ["1"]
    assert await side.call("clean", grace=0, limit=0, state="active") == ["3"]
    assert (await side.content())["active"]["value"] == ["2"]


@item(92, "Clean of a paused queue, and of ids whose job is gone.")
async def test_item_92_a_paused_queue_is_cleaned(side: Side) -> None:
    for _ in range(3):
        await side.add()
    await side.tamper("DEL", "2")
    await side.tamper("HSET", "meta", "paused", 1)
    await side.tamper("RENAME", "wait", f"{side.prefix}paused")
    assert await side.call("clean", grace=0, limit=0, state="paused") == ["1", "2", "3"]


@item(92, "Clean keeps the next run of a scheduler, and takes earlier ones.")
async def test_item_92_next_runs_are_not_cleaned(side: Side) -> None:
    await scheduled(side)
    await side.add(delay=10)
    await side.advance(200_000)
    assert await side.call("clean", grace=0, limit=0, state="delayed") == ["1"]
    assert await side.call("clean", grace=0, limit=0, state="wait") == ["repeat:tick:1799999940000"]


@item(92, "Drain: no events, active and finished jobs stay, delayed ones too unless asked.")
async def test_item_92_a_queue_is_drained(side: Side) -> None:
    await side.add()
    await side.add()
    for token in ("one", "two"):
        await side.fetch(token)
    await side.complete("1", token="one")
    kinds: tuple[dict[str, Any], ...] = ({}, {}, {"priority": 1}, {"delay": 5_000})
    for options in kinds:
        await side.add(**options)
    await side.log("3", "row")
    told = events(await side.content())
    await side.call("drain", delayed=False)
    content = await side.content()
    assert events(content) == told
    assert not {"wait", "prioritized", "3", "3:logs", "4", "5"} & content.keys()
    assert content["active"]["value"] == ["2"]
    assert list(content["delayed"]["value"]) == ["6"]
    await side.call("drain", delayed=True)
    assert "delayed" not in await side.content()


@item(92, "Drain of a paused queue; next runs of schedulers in delayed are kept.")
async def test_item_92_a_paused_queue_is_drained(side: Side) -> None:
    await scheduled(side)
    await side.add()
    await side.call("pause")
    await side.add()
    await side.add(delay=500)
    await side.call("drain", delayed=True)
    content = await side.content()
    assert "paused" not in content
    assert list(content["delayed"]["value"]) == ["repeat:tick:1800000060000"]


@item(93, "Obliterate: no key of the queue left; the queue is paused first.")
async def test_item_93_a_queue_is_obliterated(side: Side) -> None:
    kinds: tuple[dict[str, Any], ...] = ({}, {}, {}, {"priority": 1}, {"delay": 5_000})
    for options in kinds:
        await side.add(**options)
    for job_id in ("1", "2"):
        await side.fetch()
        await (side.complete(job_id) if job_id == "1" else side.fail(job_id))
    await side.log("3", "row")
    await scheduled(side)
    await side.call("set_concurrency", concurrency=3)
    await side.call("obliterate", force=False)
    assert await side.content() == {}


@item(93, "Obliterate refuses active jobs unless forced; their locks go with them.")
async def test_item_93_active_jobs_are_obliterated_by_force_only(side: Side) -> None:
    await side.add()
    await side.add()
    await side.fetch()
    await side.refused(side.call("obliterate", force=False))
    assert "1" in await side.content()
    await side.call("obliterate", force=True)
    assert await side.content() == {}
    await side.add()
    assert (await side.fetch())["job"]["id"] == "1"


@item(93, "What a v6 client left in wait of a paused queue is obliterated too.")
async def test_item_93_wait_of_a_paused_queue_is_obliterated(side: Side) -> None:
    await side.call("pause")
    await side.add()
    await side.add()
    await side.tamper("HSET", "3", "name", "paint", "data", "{}", "opts", "{}")
    await side.tamper("LPUSH", "wait", "3")
    await side.call("obliterate", force=False)


@item(93, "More jobs than one call takes are obliterated.")
async def test_item_93_many_jobs_are_obliterated(side: Side) -> None:
    await side.add_bulk([{"name": "paint", "data": number} for number in range(250)])
    await side.call("obliterate", force=False)
    assert await side.content() == {}


@item(29, "Removing the owner deletes D even with TTL; so do clean and drain.")
async def test_item_29_deduplication_ids_go_with_their_jobs(side: Side) -> None:
    for name in ("simple", "throttle", "cleaned", "drained"):
        await side.add(deduplication={"id": name} | ({} if name == "simple" else {"ttl": 60_000}))
    await side.call("remove", job_id="1")
    await side.call("remove", job_id="2")
    assert not {"de:simple", "de:throttle"} & (await side.content()).keys()
    await side.call("clean", grace=0, limit=1, state="wait")
    await side.call("drain", delayed=False)
    assert not {"de:cleaned", "de:drained"} & (await side.content()).keys()


@item(92, "A deduplication id that another job holds stays.")
async def test_item_92_a_foreign_deduplication_id_stays(side: Side) -> None:
    await side.add(deduplication={"id": "one"})
    await side.tamper("SET", "de:one", "7")
    await side.call("remove", job_id="1")
    assert (await side.content())["de:one"]["value"] == "7"


@item(93, "Obliterate and the deduplication ids of the jobs it deletes.")
async def test_item_93_deduplication_ids_are_obliterated(side: Side) -> None:
    await side.add(deduplication={"id": "simple"})
    await side.add(deduplication={"id": "throttle", "ttl": 60_000}, delay=5_000)
    await side.add(deduplication={"id": "ended", "ttl": 60_000})
    await side.fetch()
    await side.complete("1")
    await side.fetch()
    await side.fail("3")
    await side.call("obliterate", force=False)
    await side.content()


@item(92, "Drain keeps the next run of a scheduler that is ready; BullMQ may drop it and keep a deleted id (§7.4).")
async def test_item_92_a_ready_next_run_is_not_drained(side: Side) -> None:
    await side.add()
    await scheduled(side)
    await side.tamper("ZREM", "delayed", "repeat:tick:1800000060000")
    await side.tamper("LPUSH", "wait", "repeat:tick:1800000060000")
    await side.add()
    await side.add()
    await side.call("drain", delayed=False)
