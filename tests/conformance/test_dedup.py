"""Checklist: deduplication (bullmq-protocol.md §2.5, §4.6, items 20-29)."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.conformance.arena import Arena, ItemTest, Scenario, differ, item
from tests.conformance.sides import START, Side, WorkerOptions

TTL = 60_000
KEEP: Final[dict[str, Any]] = {"keepLastIfActive": True}


async def added(
    side: Side, dedup_id: str = "d", *, n: int = 0, opts: dict[str, Any] | None = None, **dedup: Any
) -> str:
    """Add a job whose data tells it apart; `opts` are its other options."""
    return await side.add("paint", {"n": n}, deduplication={"id": dedup_id, **dedup}, **(opts or {}))


async def kinds(side: Side) -> list[str]:
    """The kinds of all events so far, without those for v5 alone."""
    events = (await side.content())["events"]["value"]
    return [event[0][1] for event in events if event[0][1] != "debounced"]


@item(20, "simple: a second add returns the first id; D has no TTL; counter 2; deduplicated with deduplicatedJobId 2.")
async def test_item_20_a_second_add_is_discarded_while_the_first_lives(side: Side) -> None:
    assert await added(side) == "1"
    assert await added(side, n=1) == "1"
    content = await side.content()
    assert content["de:d"]["value"] == "1"
    assert content["id"]["value"] == "2"
    assert content["1"]["value"]["deid"] == "d"
    assert content["events"]["value"][-1] == [
        ["event", "deduplicated"],
        ["jobId", "1"],
        ["deduplicationId", "d"],
        ["deduplicatedJobId", "2"],
    ]
    assert await side.call("dedup_owner", dedup_id="d") == "1"
    assert await added(side, "other") == "3"
    assert await added(side, opts={"jobId": "own"}) == "1"
    await side.fetch()
    assert await added(side) == "1"


@item(21, "ttl: D expires after ttl, and a second add does not refresh it.")
async def test_item_21_a_ttl_is_a_throttle(side: Side) -> None:
    assert await added(side, ttl=TTL) == "1"
    await side.advance(20_000)
    assert await added(side, ttl=TTL) == "1"
    await side.advance(20_000)
    assert await added(side) == "1"
    await side.advance(20_000)
    assert await added(side, ttl=TTL) == "4"


@item(22, "ttl with extend: a second add refreshes the expiry to its own ttl.")
async def test_item_22_extend_begins_the_ttl_anew(side: Side) -> None:
    assert await added(side, ttl=TTL, extend=True) == "1"
    await side.advance(20_000)
    assert await added(side, ttl=2 * TTL, extend=True) == "1"
    await side.advance(TTL)
    assert await added(side, ttl=1000, extend=True) == "1"
    await side.advance(1000)
    assert await added(side, ttl=1000, extend=True) == "4"


@item(22, "extend without an owner is a plain ttl; on an owner without a ttl it gives one.")
async def test_item_22_extend_gives_an_owner_without_ttl_one(side: Side) -> None:
    assert await added(side) == "1"
    assert await added(side, ttl=TTL, extend=True) == "1"
    assert await added(side, "free", extend=True) == "3"
    assert await added(side, "free", extend=True) == "3"


@item(23, "replace on a delayed owner: it is gone; removed, deduplicated, added, delayed; the rest of the ttl is kept.")
async def test_item_23_a_delayed_owner_is_replaced(side: Side) -> None:
    delayed = {"delay": 5000}
    assert await added(side, ttl=TTL, replace=True, opts=delayed) == "1"
    await side.advance(20_000)
    assert await added(side, ttl=TTL, replace=True, n=1, opts={"delay": 7000}) == "2"
    content = await side.content()
    assert "1" not in content
    assert list(content["delayed"]["value"]) == ["2"]
    assert (await kinds(side))[2:] == ["removed", "deduplicated", "added", "delayed"]


@item(23, "replace without a ttl, by a job that is not delayed itself, and by one of a custom id.")
async def test_item_23_a_delayed_owner_is_replaced_by_jobs_of_any_kind(side: Side) -> None:
    assert await added(side, replace=True, opts={"delay": 5000, "jobId": "first"}) == "first"
    await side.call("dedup_owner", dedup_id="d")
    assert await added(side, replace=True, opts={"delay": 100, "jobId": "second", "priority": 2}) == "second"
    assert await added(side, ttl=TTL, replace=True) == "3"
    assert await added(side, "e", ttl=TTL, opts={"delay": 5000}) == "4"
    assert await added(side, "e", replace=True, opts={"priority": 1}) == "5"


@item(24, "replace with extend on a delayed owner: the expiry is the new ttl.")
async def test_item_24_replace_and_extend_begin_the_ttl_anew(side: Side) -> None:
    assert await added(side, ttl=TTL, replace=True, extend=True, opts={"delay": 5000}) == "1"
    await side.advance(20_000)
    assert await added(side, ttl=TTL, replace=True, extend=True, opts={"delay": 5000}) == "2"
    assert await added(side, ttl=2 * TTL, replace=True, extend=True, opts={"delay": 5000}) == "3"


@item(25, "replace on a waiting or active owner: no new job, no event, the owner's id.")
async def test_item_25_an_owner_that_is_not_delayed_is_not_replaced(side: Side) -> None:
    assert await added(side, replace=True) == "1"
    assert await added(side, replace=True) == "1"
    assert await added(side, ttl=TTL, extend=True, replace=True) == "1"
    await side.fetch()
    assert await added(side, replace=True) == "1"
    assert await added(side, "p", replace=True, opts={"priority": 1}) == "5"
    assert await added(side, "p", replace=True, opts={"priority": 1}) == "5"
    assert await kinds(side) == ["added", "waiting", "active", "added", "waiting"]


@item(26, "keepLastIfActive with an active owner: dn holds the latest payload; D without ttl; one entry only.")
async def test_item_26_the_last_one_added_is_kept_for_later(side: Side) -> None:
    assert await added(side, **KEEP) == "1"
    assert await added(side, **KEEP, n=1) == "1"  # not active yet: as without it
    assert "dn:d" not in await side.content()
    await side.fetch()
    assert await added(side, **KEEP, n=2, opts={"delay": 100, "jobId": "own"}) == "1"
    assert await added(side, **KEEP, ttl=TTL, n=3, opts={"priority": 3}) == "1"
    assert await added(side, n=4) == "1"  # a plain one is discarded
    content = await side.content()
    assert content["dn:d"]["value"]["data"] == '{"n":3}'
    assert content["dn:d"]["value"]["jid"] == "4"
    assert (content["de:d"]["value"], "dn:d" in content) == ("1", True)


@item(26, "keepLastIfActive: an owner's ttl ends with the first one kept, or with one that would extend it.")
async def test_item_26_a_kept_job_holds_the_id_for_good(side: Side) -> None:
    assert await added(side, ttl=TTL) == "1"
    assert await added(side, keepLastIfActive=True, ttl=TTL) == "1"
    assert await added(side, keepLastIfActive=True, extend=True) == "1"
    assert await added(side, keepLastIfActive=True, ttl=TTL, extend=True) == "1"
    await side.fetch()
    assert await added(side, "e", ttl=TTL) == "5"
    await side.fetch()
    assert await added(side, "e", keepLastIfActive=True, ttl=TTL) == "5"
    assert await added(side, "f", keepLastIfActive=True, ttl=TTL) == "7"
    assert await added(side, "f", keepLastIfActive=True, ttl=TTL, extend=True) == "7"


@item(26, "keepLastIfActive with replace: a delayed owner is replaced, an active one keeps the last.")
async def test_item_26_replace_and_keep_last_go_together(side: Side) -> None:
    assert await added(side, replace=True, **KEEP, opts={"delay": 1000}) == "1"
    assert await added(side, replace=True, **KEEP, ttl=TTL, n=1) == "2"
    assert await added(side, replace=True, **KEEP, n=2) == "2"
    await side.fetch()
    assert await added(side, replace=True, **KEEP, n=3) == "2"


@item(27, "Finish of that owner: jid is in wait, D = jid, dn gone, added and waiting precede completed; counter + 1.")
async def test_item_27_the_last_one_runs_when_the_owner_is_done(side: Side) -> None:
    await added(side, **KEEP)
    await side.fetch()
    await added(side, **KEEP, n=1)
    await side.advance(10)
    await side.complete("1")
    content = await side.content()
    assert content["wait"]["value"] == ["2"]
    assert content["de:d"]["value"] == "2"
    assert content["id"]["value"] == "3"
    assert "dn:d" not in content
    assert (await kinds(side))[-3:] == ["added", "waiting", "completed"]
    await side.fetch()
    await added(side, **KEEP, n=2, opts={"jobId": "own"})
    await side.complete("2", fetch_next=True)
    assert (await side.content())["active"]["value"] == ["own"]
    await side.complete("own")
    assert "de:d" not in await side.content()


@item(27, "The next job is placed by its own options: delayed, prioritized, lifo, with its timestamp set anew.")
async def test_item_27_the_next_job_goes_where_its_options_say(side: Side) -> None:
    placements: list[dict[str, Any]] = [
        {"delay": 5000},
        {"priority": 4},
        {"lifo": True},
        {"delay": 100, "priority": 2},
        {"timestamp": START - 5000},
    ]
    for n, opts in enumerate(placements):
        dedup_id = f"d{n}"
        await added(side, dedup_id, **KEEP)
        job = (await side.fetch())["job"]
        await added(side, dedup_id, **KEEP, n=n, opts={**opts, "attempts": 2, "removeOnComplete": True})
        await side.add()
        await side.advance(10)
        await side.complete(job["id"])
        await side.tamper("DEL", "wait")


@item(27, "A failure of the owner lets the next one in as well; a retry does not.")
async def test_item_27_the_last_one_runs_after_a_failure(side: Side) -> None:
    await added(side, **KEEP, opts={"attempts": 2})
    await side.fetch()
    await added(side, **KEEP, n=1)
    await side.fail("1")
    assert "dn:d" in await side.content()
    await side.fetch()
    await side.fail("1")
    assert "dn:d" not in await side.content()


@item(27, "An owner that is given up after stalling lets the next one in.")
async def test_item_27_the_last_one_runs_after_a_lost_owner(side: Side) -> None:
    worker = WorkerOptions(lock_duration=1000, max_stalled=0, stalled_interval=1000)
    await added(side, keepLastIfActive=True)
    await side.fetch(worker=worker)
    # Delayed: BullMQ 5 looks for another job at once when it has failed one unrun.
    await added(side, keepLastIfActive=True, n=1, opts={"delay": TTL})
    await side.stalled_check(worker)
    await side.advance(1000)
    await side.stalled_check(worker)
    assert not (await side.process({"value": 1}))["started"]
    assert list((await side.content())["delayed"]["value"]) == ["2"]


@item(27, "The next one is added though the owner is removed on completion, or its id was freed or taken meanwhile.")
async def test_item_27_the_last_one_runs_whatever_became_of_the_id(side: Side) -> None:
    await added(side, **KEEP, opts={"removeOnComplete": True})
    await side.fetch()
    await added(side, **KEEP, n=1)
    await side.complete("1")
    await side.fetch()
    await added(side, **KEEP, n=2)
    await side.call("remove_dedup_key", dedup_id="d")
    assert await added(side, n=3) == "5"
    await side.complete("2")


@item(27, "Several owners finished at once: each next job is there before its owner's end is told.")
async def test_item_27_many_owners_finish_in_one_call(side: Side) -> None:
    for n in range(3):
        await added(side, f"d{n}", keepLastIfActive=True)
        await side.fetch()
        await added(side, f"d{n}", keepLastIfActive=True, n=n)
    await side.batch([{"job_id": "1", "value": 1}, {"job_id": "3", "reason": "broken"}, {"job_id": "5"}])


@item(27, "The next one's parent and scheduler go with it.")
async def test_item_27_the_next_job_belongs_where_it_was_meant_to(side: Side) -> None:
    await added(side, keepLastIfActive=True)
    await side.fetch()
    await added(side, keepLastIfActive=True, n=1)
    parent = ["pk", "bull:others:7", "pd", '{"id":"7","queueKey":"bull:others"}', "pdk", f"{side.prefix}7:dependencies"]
    await side.tamper("HSET", "dn:d", *parent, "rjk", "nightly")
    await side.complete("1")


@item(27, "At the global concurrency, the finish itself makes room for the next one: marker 0.")
async def test_item_27_the_next_job_wakes_a_worker_of_a_full_queue(side: Side) -> None:
    await side.tamper("HSET", "meta", "concurrency", 1)
    await added(side, **KEEP)
    await side.fetch()
    await added(side, **KEEP, n=1, opts={"priority": 2})
    await side.tamper("DEL", "marker")
    await side.complete("1")
    assert (await side.content())["marker"]["value"] == {"0": 0}


@item(27, "A custom id that was taken meanwhile.")
async def test_item_27_the_next_jobs_id_was_taken_meanwhile(side: Side) -> None:
    await added(side, keepLastIfActive=True)
    await side.fetch()
    await added(side, keepLastIfActive=True, n=1, opts={"jobId": "own"})
    await side.add("mend", {"n": 2}, jobId="own")
    await side.complete("1")


@item(28, "Finish of a simple owner deletes D; finish of a ttl owner keeps D.")
async def test_item_28_a_finish_frees_an_id_without_ttl(side: Side) -> None:
    await added(side)
    await added(side, "t", ttl=TTL)
    await added(side, "f")
    for _ in range(3):
        await side.fetch()
    await side.complete("1")
    await side.complete("2")
    await side.fail("3")
    content = await side.content()
    assert "de:d" not in content
    assert "de:f" not in content
    assert content["de:t"]["value"] == "2"
    assert await added(side) == "4"
    assert await added(side, "t") == "2"


@item(28, "A finish leaves an id alone that belongs to another job by now.")
async def test_item_28_a_finish_frees_no_other_jobs_id(side: Side) -> None:
    await added(side)
    await side.fetch()
    assert await side.call("remove_own_dedup_key", job_id="1") is True
    assert await added(side) == "2"
    assert await side.call("remove_own_dedup_key", job_id="1") is False
    await side.complete("1")
    assert (await side.content())["de:d"]["value"] == "2"
    assert await side.call("remove_dedup_key", dedup_id="d") is True
    assert await side.call("remove_dedup_key", dedup_id="d") is False
    assert await side.call("dedup_owner", dedup_id="d") is None


@item(28, "A retried job owns its id until it is finished.")
async def test_item_28_a_retry_keeps_the_id(side: Side) -> None:
    await added(side, opts={"attempts": 2, "backoff": 1000})
    await side.fetch()
    await side.fail("1")
    assert await added(side) == "1"
    await side.advance(1000)
    await side.fetch()
    await side.fail("1")
    assert await added(side) == "3"


# Where the two generations differ, we do as 6 does (§12): there is nothing to compare with 5 but that it differs.


async def stale_owner(side: Side) -> None:
    """An owner without ttl is gone by means that know nothing of deduplication; one with a ttl blocks on."""
    again: dict[str, dict[str, Any]] = {
        "simple": {},
        "ttl": {"ttl": TTL, "extend": True},
        "replace": {"replace": True},
        "keep": KEEP,
    }
    for dedup_id, modes in again.items():
        first = await added(side, dedup_id)
        await side.tamper("DEL", first)
        await side.tamper("LREM", "wait", 0, first)
        await side.tamper("HSET", f"dn:{dedup_id}", "name", "paint", "data", "{}", "opts", "{}", "jid", "9")
        assert await added(side, dedup_id, **modes) != first
    await side.tamper("DEL", "wait", f"{side.prefix}marker")
    first = await added(side, "window", ttl=TTL)
    await side.tamper("DEL", first)
    assert await added(side, "window", ttl=TTL) == first
    assert await added(side, "window", ttl=TTL, replace=True) == first


async def rescheduled_owner(side: Side) -> None:
    """A delayed owner gets the due time of the job that is discarded; any other owner stays where it is."""
    first = await added(side, reschedule=True, opts={"delay": 5000})
    assert await added(side, reschedule=True, opts={"delay": 9000}) == first
    assert (await side.content())["delayed"]["value"] == {first: (START + 9000) * 4096}
    assert await added(side, reschedule=True, opts={"delay": 9000}) == first
    assert await added(side, reschedule=True, ttl=TTL, extend=True, opts={"delay": 1000}) == first
    await side.advance(500)
    assert await added(side, reschedule=True, opts={"delay": 700, "timestamp": START}) == first
    assert await added(side, reschedule=True) == first
    await side.advance(5000)
    await side.fetch()
    assert await added(side, reschedule=True, opts={"delay": 1000}) == first
    assert await added(side, "waits", reschedule=True) != first
    await added(side, "waits", reschedule=True, opts={"delay": 1000})


async def replaced_owner_with_a_next_job(side: Side) -> None:
    """An owner that is to be retried later is replaced; what was kept for after it is superseded as well."""
    await added(side, keepLastIfActive=True, opts={"attempts": 2, "backoff": 1000})
    await side.fetch()
    await added(side, keepLastIfActive=True, n=1)
    await side.fail("1")
    assert await added(side, replace=True, n=2) == "3"
    assert "dn:d" not in await side.content()


@pytest.mark.parametrize("scenario", [stale_owner, rescheduled_owner, replaced_owner_with_a_next_job])
async def test_what_bullmq_6_does_and_5_does_not(scenario: Scenario, arena: Arena) -> None:
    named = ItemTest(20, scenario.__doc__ or "", scenario)
    if arena.generation == 5:
        assert await differ(scenario, arena)
    else:
        assert (await arena.compare(named)).unexpected == ()
