"""Checklist: finishing (bullmq-protocol.md §4, items 44-56)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.conformance.arena import item
from tests.conformance.compare import differences
from tests.conformance.sides import START, Side, WorkerOptions


@item(44, "Complete: lock and active gone, score = finishedOn, returnvalue JSON, atm 1, event with prev active.")
async def test_item_44_a_completed_job_keeps_its_value(side: Side) -> None:
    await side.add()
    await side.fetch()
    await side.advance(250)
    await side.complete("1", {"painted": ["door", "wall"], "ü": None})
    content = await side.content()
    assert "1:lock" not in content
    assert "active" not in content
    assert content["completed"]["value"] == {"1": START + 250}
    assert content["1"]["value"]["finishedOn"] == str(START + 250)
    assert content["1"]["value"]["returnvalue"] == '{"painted":["door","wall"],"ü":null}'
    assert content["1"]["value"]["atm"] == "1"
    value = '{"painted":["door","wall"],"ü":null}'
    assert content["events"]["value"][-2:] == [
        [["event", "completed"], ["jobId", "1"], ["returnvalue", value], ["prev", "active"]],
        [["event", "drained"]],
    ]
    assert await side.state("1") == "completed"


@item(45, "Complete with undefined: returnvalue `null`.")
async def test_item_45_undefined_becomes_null(side: Side) -> None:
    await side.add()
    await side.fetch()
    await side.complete("1")
    assert (await side.content())["1"]["value"]["returnvalue"] == "null"
    value: Any
    for value in (None, "text", 0, False, [], {}):
        added = await side.add()
        await side.fetch()
        await side.complete(added, value)


@item(46, "Wrong token -6, missing lock -2, unknown id -1, not in active -3; the first three write nothing.")
async def test_item_46_only_the_owner_finishes_a_job(side: Side) -> None:
    for _ in range(4):
        await side.add()
        await side.fetch()
    before = await side.content()
    assert await side.refused(side.complete("1", token="another")) == -6
    assert not list(differences(before, await side.content()))
    await side.tamper("DEL", "1:lock")
    assert await side.refused(side.complete("1")) == -2
    assert "completed" not in await side.content()
    await side.tamper("DEL", "2")
    assert await side.refused(side.complete("2")) == -1
    assert "completed" not in await side.content()
    await side.tamper("LREM", "active", 0, "3")
    assert await side.refused(side.complete("3")) == -3
    assert "3:lock" not in await side.content()
    await side.tamper("LREM", "active", 0, "4")
    assert await side.refused(side.fail("4", "broken")) == -3
    assert (await side.content())["4"]["value"]["failedReason"] == "broken"


@item(46, "A failure, a retry and a delayed retry check the owner in the same way.")
async def test_item_46_only_the_owner_fails_a_job(side: Side) -> None:
    damages: dict[int, Callable[[str], tuple[str | int, ...]]] = {
        -6: lambda job_id: ("SET", f"{job_id}:lock", "another"),
        -2: lambda job_id: ("DEL", f"{job_id}:lock"),
        -3: lambda job_id: ("LREM", "active", 0, job_id),
        -1: lambda job_id: ("DEL", job_id),
    }
    for options in ({}, {"attempts": 2}, {"attempts": 2, "backoff": {"type": "fixed", "delay": 100}}):
        for code, damage in damages.items():
            added = await side.add(**options)
            await side.fetch()
            await side.tamper(*damage(added))
            assert await side.refused(side.fail(added)) == code


@item(47, "removeOnComplete true: hash and logs gone, not in completed, event still emitted.")
async def test_item_47_a_job_removed_on_complete_leaves_its_event(side: Side) -> None:
    await side.add(removeOnComplete=True)
    await side.fetch()
    await side.log("1", "a row")
    await side.complete("1", "done")
    content = await side.content()
    assert not {"1", "1:logs", "completed", "1:lock"} & content.keys()
    assert [entry[0][1] for entry in content["events"]["value"]][-2:] == ["completed", "drained"]
    await side.add(removeOnFail=True)
    await side.fetch()
    await side.fail("2")
    assert await side.state("2") == "unknown"


@item(48, "Count 2 after four jobs: the two newest remain, older hashes are deleted, no removed events.")
async def test_item_48_keep_jobs_by_count(side: Side) -> None:
    for _ in range(4):
        added = await side.add(removeOnComplete=2)
        await side.fetch()
        await side.log(added, "a row")
        await side.advance(10)
        await side.complete(added)
    content = await side.content()
    assert list(content["completed"]["value"]) == ["3", "4"]
    assert not {"1", "2", "1:logs"} & content.keys()


@item(49, "age 0: completed is empty after the finish; age 60 with limit prunes the old.")
async def test_item_49_keep_jobs_by_age(side: Side) -> None:
    await side.add(removeOnComplete={"age": 0})
    await side.fetch()
    await side.complete("1")
    assert "completed" not in await side.content()
    for _ in range(5):
        added = await side.add()
        await side.fetch()
        await side.complete(added)
        await side.advance(30_000)
    await side.add(removeOnComplete={"age": 60, "limit": 2})
    await side.fetch()
    await side.complete("7")
    await side.add(removeOnFail={"age": 60, "count": 1})
    await side.fetch()
    await side.fail("8")


@item(50, "Job option beats worker option; false keeps everything.")
async def test_item_50_the_jobs_own_keep_rule_wins(side: Side) -> None:
    tidy = WorkerOptions(remove_on_complete={"count": 0}, remove_on_fail={"count": 1})
    await side.add(removeOnComplete=False)
    await side.add()
    for job_id in ("1", "2"):
        await side.fetch(worker=tidy)
        await side.complete(job_id)
    assert list((await side.content())["completed"]["value"]) == ["1"]
    for _ in range(2):
        added = await side.add()
        await side.fetch(worker=tidy)
        await side.fail(added)
    assert list((await side.content())["failed"]["value"]) == ["4"]


@item(51, "Final failure: failed, failedReason text, stacktrace +1, events failed then retries-exhausted.")
async def test_item_51_a_final_failure_says_why(side: Side) -> None:
    await side.add()
    await side.fetch()
    await side.advance(40)
    await side.fail("1", 'no "paint"\nleft: ü')
    content = await side.content()
    assert content["failed"]["value"] == {"1": START + 40}
    assert content["1"]["value"]["failedReason"] == 'no "paint"\nleft: ü'
    assert content["1"]["value"]["stacktrace"] == {"entries": 1}
    assert content["events"]["value"][-3:] == [
        [["event", "failed"], ["jobId", "1"], ["failedReason", 'no "paint"\nleft: ü'], ["prev", "active"]],
        [["event", "retries-exhausted"], ["jobId", "1"], ["attemptsMade", "1"]],
        [["event", "drained"]],
    ]
    assert await side.state("1") == "failed"


@item(52, "Unrecoverable on attempt 1 of 3: failed, atm 1, no retries-exhausted.")
async def test_item_52_an_unrecoverable_failure_is_final(side: Side) -> None:
    await side.add(attempts=3)
    await side.fetch()
    await side.fail("1", unrecoverable=True)
    content = await side.content()
    assert content["1"]["value"]["atm"] == "1"
    assert "retries-exhausted" not in [entry[0][1] for entry in content["events"]["value"]]


@item(53, "Last job, no fetch-next: drained is the last event, even with delayed jobs present.")
async def test_item_53_drained_without_fetch_next_ignores_delayed_jobs(side: Side) -> None:
    await side.add(delay=60_000)
    await side.add()
    await side.fetch()
    await side.complete("2")
    assert (await side.content())["events"]["value"][-1] == [["event", "drained"]]


@item(53, "A queue with a waiting, prioritized or active job is not drained.")
async def test_item_53_drained_means_nothing_is_ready_or_running(side: Side) -> None:
    await side.add()
    await side.add()
    await side.fetch()
    await side.complete("1")
    await side.fetch()
    await side.add(priority=1)
    await side.complete("2")
    await side.fetch()
    await side.add()
    await side.fetch()
    await side.complete("3")
    assert "drained" not in [entry[0][1] for entry in (await side.content())["events"]["value"]]
    await side.complete("4")
    assert (await side.content())["events"]["value"][-1] == [["event", "drained"]]


@item(54, "Last job, fetch-next, delayed jobs present: no drained; the reply carries the due ms.")
async def test_item_54_fetch_next_tells_the_due_time_instead(side: Side) -> None:
    await side.add(delay=60_000)
    await side.add()
    await side.fetch()
    assert await side.complete("2", fetch_next=True) == {"job": None, "due": START + 60_000, "limited": 0}
    assert "drained" not in [entry[0][1] for entry in (await side.content())["events"]["value"]]


@item(54, "Last job, fetch-next, nothing delayed: drained.")
async def test_item_54_fetch_next_of_nothing_drains(side: Side) -> None:
    await side.add()
    await side.fetch()
    await side.complete("1", fetch_next=True)
    assert (await side.content())["events"]["value"][-1] == [["event", "drained"]]


@item(55, "Metrics off: no metrics keys; on: count, prevTS, prevCount and list as in §4.5.")
async def test_item_55_metrics_count_by_the_minute(side: Side) -> None:
    await side.add()
    await side.fetch()
    await side.complete("1")
    assert not [name for name in await side.content() if name.startswith("metrics")]
    measured = WorkerOptions(metrics=4)
    for seconds in (0, 0.5, 30, 60, 61, 240, 245, 300):
        side.now = START + int(seconds * 1000)
        added = await side.add()
        await side.fetch(worker=measured)
        await side.complete(added)
    content = await side.content()
    assert content["metrics:completed:data"]["value"] == ["2", "0", "0", "2"]
    assert content["metrics:completed"]["value"]["count"] == "8"
    await side.add()
    await side.fetch(worker=measured)
    await side.fail("10")
    assert (await side.content())["metrics:failed"]["value"]["count"] == "1"


@item(56, "Finish with fetch-next equals finish followed by fetch with the same clock and token.")
async def test_item_56_fetch_next_is_a_fetch(side: Side) -> None:
    limited = WorkerOptions(name="worker-a", limiter=(2, 60_000), lock_duration=45_000)
    await side.add()
    await side.add(delay=100)
    await side.add(priority=1)
    await side.add()
    await side.fetch(worker=limited)
    await side.advance(100)
    assert (await side.complete("1", "done", fetch_next=True))["job"]["id"] == "4"
    assert (await side.complete("4", "done", fetch_next=True))["limited"] > 0
    await side.advance(60_000)
    await side.fetch(worker=limited)
    assert (await side.complete("2", fetch_next=True))["job"]["id"] == "3"
    await side.complete("3", fetch_next=True)


@item(56, "Several finishes and claims in one call equal single ones with the last fetching next.")
async def test_item_56_a_batch_is_its_single_calls(side: Side) -> None:
    for _ in range(4):
        await side.add()
    await side.add(priority=1, removeOnComplete=True)
    await side.add(delay=100)
    for _ in range(3):
        await side.fetch()
    await side.advance(100)
    mixed: list[dict[str, Any]] = [
        {"job_id": "1", "value": {"ü": 1}},
        {"job_id": "2", "reason": "broken"},
        {"job_id": "3"},
    ]
    assert await side.batch(mixed, claims=3) == ["4", "6", "5"]
    assert await side.batch([{"job_id": "4"}, {"job_id": "5"}]) == []
    assert (await side.content())["events"]["value"][-1] != [["event", "drained"]]
    assert await side.batch([{"job_id": "6"}], claims=2) == []
    assert (await side.content())["events"]["value"][-1] == [["event", "drained"]]


@item(56, "A batch keeps to limits and to global concurrency.")
async def test_item_56_a_batch_claims_no_more_than_it_may(side: Side) -> None:
    await side.tamper("HSET", "meta", "concurrency", 3, "max", 5, "duration", 60_000)
    for _ in range(8):
        await side.add()
    await side.fetch()
    assert await side.batch([{"job_id": "1"}], claims=9) == ["2", "3", "4"]
    assert await side.batch([{"job_id": "2"}, {"job_id": "4"}], claims=9) == ["5"]
    assert await side.batch([{"job_id": "3"}, {"job_id": "5"}], claims=9) == []
